/**
 * Finds the files that the threads and isolated processes of this process run. These files are in `dist/`,
 * even if this file runs from the sources, as in the tests.
 *
 * In an application that is bundled, this file is a part of the bundle. The files of the threads may be
 * beside the bundle, with any extension of JavaScript. If they are not there, they are taken from the
 * installed package. An application with isolated classes builds one more file, `isolated-jobs`, which
 * exports these classes.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type ThreadFile = 'lease-watch' | 'supervised-guard' | 'health-thread' | 'isolated' | 'isolated-jobs'

/**
 * The URL of this file. `new URL(name, import.meta.url)` is not used, because webpack would search for that
 * file during the build. In a bundle of webpack, `import.meta.url` names a file of the machine that built the
 * bundle, and in a CommonJS bundle it is undefined. So the files are also searched beside the started script.
 */
const here: string | undefined = import.meta.url

/** The path of the file that runs a thread with this name. Undefined if there is no such file. */
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
 * The file in the installed package, which Node resolves when the program runs. `createRequire` is not
 * imported, because webpack would resolve its calls during the build. If the file is from another version of
 * Lark than the worker, the thread says so and does nothing (`lease-watch.ts`).
 */
function installed(file: string, name: ThreadFile): string | undefined {
  try {
    return process.getBuiltinModule('node:module').createRequire(file).resolve(`@s18i/lark-jobs/${name}`)
  } catch {
    return undefined
  }
}

/**
 * The path of a file URL. A URL from the machine that built a bundle may have no path on this machine, for
 * example `file:///home/…` on Windows.
 */
function pathOf(url: string | undefined): string | undefined {
  try {
    return url && fileURLToPath(url)
  } catch {
    return undefined
  }
}

const isKnown = (path: string | undefined) => path !== undefined
