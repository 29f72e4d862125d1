/**
 * Faults of an embedded store: another process locks the file, and then dies in the middle of its
 * transaction.
 */
import { isBusy } from '../../../src/store/sqlite/failure.ts'
import { library } from '../../../src/store/sqlite/library.ts'
import type { Role } from '../crew.ts'
import type { FaultKind } from '../fault.ts'

export function sqliteFaults(url: string): FaultKind[] {
  const locker: Role = { name: 'lock', what: 'lock', queues: ['none'], url }
  const locked = (name: string, lasts: FaultKind['lasts']): FaultKind => ({
    name,
    group: 'server',
    lasts,
    async begin({ crew, hit }) {
      const end = hit('outage')
      await crew.start(locker)
      return async () => {
        await crew.kill(locker)
        end()
      }
    },
  })
  return [locked('file locked', [0.3, 0.6]), locked('file locked for long', [1.2, 1.6])]
}

/** A running process holds the lock for less than this many milliseconds. */
const WAIT = 300

/**
 * Whether the file is locked: tries to begin a transaction. The function uses the same SQLite library as the
 * store of the conductor, because a second library in the same process would release the locks of the store.
 */
export function isLocked(file: string): boolean {
  const driver = library(file).open(file)
  try {
    driver.exec(`PRAGMA busy_timeout = ${WAIT}`)
    driver.exec('BEGIN IMMEDIATE')
    driver.exec('ROLLBACK')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    driver.close()
  }
}
