/**
 * A connection of its own to the file of a store, by the SQLite library of this process: with a second one, the locks of
 * the store would be lost.
 */
import type { Driver } from '../../src/store/sqlite/driver.ts'
import { library } from '../../src/store/sqlite/library.ts'

export function open(file: string): Driver {
  return library(`sqlite:${file}`).open(file)
}
