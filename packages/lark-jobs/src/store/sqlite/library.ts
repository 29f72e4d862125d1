/**
 * Chooses the SQLite library: `libsql` or `node:sqlite`. A process never uses both.
 *
 * A POSIX lock on a file belongs to the process, and ends when the process closes any descriptor of this
 * file. A library keeps its own descriptors open while it holds locks on the file, but it does not know the
 * descriptors of another library. With two libraries in one process, one library would end the locks of the
 * other, and two processes would write at the same time. So every copy of Lark in a process, and every thread
 * that the process starts, uses the library that was chosen first.
 */
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import { JobsError } from '../../model/errors.ts'
import type { Library } from './driver.ts'
import { loadLibsql } from './libsql.ts'
import { loadNodeSqlite } from './node-sqlite.ts'

type LibraryName = Library['name']

/**
 * The key under which the choice is kept in the environment data of the process, which its threads inherit.
 */
const CHOICE = '@s18i/lark-jobs: SQLite library'

/**
 * The first version of SQLite without a known fault in the write-ahead log. Earlier versions can lose commits
 * in rare cases: if one process restarts the log while another process makes a checkpoint. `libsql` 0.5.29
 * contains SQLite 3.45.1, and no release of `libsql` has the correction.
 */
const SOUND = [3, 51, 3]

const loaders: Readonly<Record<LibraryName, () => Library>> = {
  libsql: loadLibsql,
  'node:sqlite': loadNodeSqlite,
}

let loaded: Library | undefined

/**
 * Returns the library of this process. The first call loads the library. (Measured on 2026-11-26 on Node
 * 24.21: `node:sqlite` takes 5 MB less memory than `libsql`, and a quarter less CPU for dispatches of the
 * same tick. See bench/README.md.)
 *
 * @param name the name of the store for the error message
 * @throws SQLITE_MISSING
 */
export function library(name: string): Library {
  loaded ??= load(name)
  return loaded
}

function load(name: string): Library {
  const chosen = getEnvironmentData(CHOICE) as LibraryName | undefined
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

/** The first line of an error message of Node. The message also lists modules, which are left out. */
function firstLine(error: unknown): string {
  return String((error as Error).message).split('\n')[0]!
}

/**
 * The order in which `library` tries the libraries. @param version the version of Node's own SQLite;
 * undefined if Node has no SQLite
 */
export function preferred(version: string | undefined): LibraryName[] {
  return isSound(version ?? '0') ? ['node:sqlite', 'libsql'] : ['libsql', 'node:sqlite']
}

/** Whether this version of SQLite is free of the fault that loses commits (`SOUND`). */
export function isSound(version: string): boolean {
  const parts = version.split('.').map(Number)
  const differs = SOUND.findIndex((part, index) => part !== (parts[index] ?? 0))
  return differs === -1 || (parts[differs] ?? 0) > SOUND[differs]!
}
