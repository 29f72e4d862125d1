/**
 * Which SQLite library this process uses, `libsql` or `node:sqlite`: one for all of it.
 *
 * POSIX locks belong to the process, and end when it closes any descriptor of the file. Each library keeps its descriptors
 * open for as long as it holds locks on the file, but knows only its own: with two of them, one would end the locks of the
 * other, and two processes would write at once. So the first choice holds for every copy of Lark in the process, and for
 * the threads that it starts.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { JobsError } from '../../model/errors.ts'
import type { Library } from './driver.ts'
import { loadLibsql } from './libsql.ts'
import { loadNodeSqlite } from './node-sqlite.ts'

type Name = Library['name']

/** Under which the choice is kept. Threads inherit it. */
const CHOICE = '@s18i/lark-jobs: SQLite library'

/**
 * The SQLite that is sound. Those before lose commits, rarely, when one process begins the log anew while another moves it
 * into the file. `libsql` 0.5.29 is made of 3.45.1, and has no release with this fix.
 */
const SOUND = [3, 51, 3]

const loaders: Readonly<Record<Name, () => Library>> = { libsql: loadLibsql, 'node:sqlite': loadNodeSqlite }

let loaded: Library | undefined

/**
 * Loads it with the first call. (Measured on 2026-11-26 on Node 24.21: `node:sqlite` takes 5 MB less than `libsql`, and a
 * quarter less CPU for dispatches that travel together. See docs/performance.md.)
 *
 * @param name of the store
 * @throws SQLITE_MISSING
 */
export function library(name: string): Library {
  loaded ??= load(name)
  return loaded
}

function load(name: string): Library {
  const chosen = getEnvironmentData(CHOICE) as Name | undefined
  const failures: unknown[] = []
  for (const each of chosen === undefined ? preferred(process.versions.sqlite) : [chosen]) {
    try {
      const library = loaders[each]()
      setEnvironmentData(CHOICE, each)
      return library
    } catch (error) {
      failures.push(error)
    }
  }
  const [cause] = failures
  throw new JobsError(
    'SQLITE_MISSING',
    `${name} needs an SQLite library, and Node ${process.versions.node} on ${process.platform}-${process.arch} has none`,
    {
      hint: 'Use Node 22.13 or later, which has one; or install one for Linux, macOS or Windows: npm install libsql',
      cause: failures.length === 1 ? cause : new AggregateError(failures, failures.map(firstLine).join('; ')),
    },
  )
}

/** Without the list of modules that Node adds. */
function firstLine(error: unknown): string {
  return String((error as Error).message).split('\n')[0]!
}

/** In which order they are tried. @param version of the SQLite that Node has; undefined where it has none */
export function preferred(version: string | undefined): Name[] {
  return isSound(version ?? '0') ? ['node:sqlite', 'libsql'] : ['libsql', 'node:sqlite']
}

function isSound(version: string): boolean {
  const parts = version.split('.').map(Number)
  const differs = SOUND.findIndex((part, index) => part !== (parts[index] ?? 0))
  return differs === -1 || (parts[differs] ?? 0) > SOUND[differs]!
}
