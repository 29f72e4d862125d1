/**
 * Where the files are that a thread of this process runs: beside this one in `dist/`, and there as well when this one is
 * run from its sources, as its own tests do it.
 *
 * A bundle has taken this file in. Whoever made it may have put the others beside it, under their names with any
 * extension of JavaScript; or the package is installed where the program runs.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type ThreadFile = 'lease-watch' | 'supervised-guard'

/**
 * Not written `new URL(name, import.meta.url)`: for webpack, that is an order to find the file while it builds. In a
 * bundle of webpack it names a file of the machine that built it, and in one of CommonJS it is undefined: so the started
 * script counts, too.
 */
const here: string | undefined = import.meta.url

/** The path of the file that runs a thread of this name; undefined when there is none. */
export function threadFile(name: ThreadFile): string | undefined {
  const starts = [pathOf(here), process.mainModule?.filename, process.argv[1]]
  const files = starts.filter((file) => file !== undefined)
  return (
    files.map((file) => beside(file, name)).find(isKnown) ??
    files.map((file) => installed(file, name)).find(isKnown)
  )
}

function beside(file: string, name: ThreadFile): string | undefined {
  const folder = join(dirname(file), file === pathOf(here) && file.endsWith('.ts') ? '../../dist' : '.')
  return ['js', 'mjs', 'cjs']
    .map((extension) => join(folder, `${name}.${extension}`))
    .find((path) => existsSync(path))
}

/**
 * As Node resolves it when the program runs; webpack would follow an imported `createRequire` while it builds. Of another
 * version than the worker's, the thread says so and does nothing (`lease-watch.ts`).
 */
function installed(file: string, name: ThreadFile): string | undefined {
  try {
    return process.getBuiltinModule('node:module').createRequire(file).resolve(`@s18i/lark-jobs/${name}`)
  } catch {
    return undefined
  }
}

/** A URL of the machine that built a bundle may be no path here: `file:///home/…` is none on Windows. */
function pathOf(url: string | undefined): string | undefined {
  try {
    return url && fileURLToPath(url)
  } catch {
    return undefined
  }
}

const isKnown = (path: string | undefined) => path !== undefined
