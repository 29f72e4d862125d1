/**
 * A separate connection to the file of a store. The connection uses the SQLite library of the store, because
 * a second library in the same process would release the locks of the store.
 */
import type { Driver } from '../../src/store/sqlite/driver.ts'
import { library } from '../../src/store/sqlite/library.ts'

/** Replaces a word in the limits of each group. */
export function rewordLanes(file: string, from: string, to: string): void {
  const database = open(file)
  database.prepare('UPDATE lanes SET limits = replace(limits, ?, ?)').run([from, to])
  database.close()
}

export function open(file: string): Driver {
  return library(`sqlite:${file}`).open(file)
}
