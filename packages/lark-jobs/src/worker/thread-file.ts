/**
 * Finds the files that threads and isolated processes of this process run. They are beside this file in
 * `dist/`, even when this file runs from the sources, as in the tests.
 *
 * In a bundle, this file is a part of the bundle. The files of the threads may be beside the bundle, under
 * their names with any extension of JavaScript. Or the package is installed where the program runs. The
 * application builds one more file, `isolated-jobs`, which exports its isolated classes.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

type ThreadFile = 'lease-watch' | 'supervised-guard' | 'health-thread' | 'isolated' | 'isolated-jobs'

/**
 * The URL of this file. The code does not say `new URL(name, import.meta.url)`, because webpack would look
 * for that file while it builds. In a bundle of webpack, `import.meta.url` names a file of the machine that
 * built the bundle, and in a bundle of CommonJS it is undefined. So the search also begins at the started
 * script.
 */
const here: string | undefined = import.meta.url

/** The path of the file that runs a thread with this name; undefined if there is none. */
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
 * Resolved by Node when the program runs. `createRequire` is not imported, because webpack would follow it
 * while it builds. If the file has another version than the worker, the thread says so and does nothing
 * (`lease-watch.ts`).
 */
function installed(file: string, name: ThreadFile): string | undefined {
  try {
    return process.getBuiltinModule('node:module').createRequire(file).resolve(`@s18i/lark-jobs/${name}`)
  } catch {
    return undefined
  }
}

/**
 * The URL may come from the machine that built a bundle. Then it may have no path here: `file:///home/…` on
 * Windows.
 */
function pathOf(url: string | undefined): string | undefined {
  try {
    return url && fileURLToPath(url)
  } catch {
    return undefined
  }
}

const isKnown = (path: string | undefined) => path !== undefined
