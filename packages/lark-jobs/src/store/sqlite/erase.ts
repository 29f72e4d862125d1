/**
 * Removes a temporary database, with the files beside it.
 */
import { rm } from 'node:fs/promises'

/** Before the call, every process must have closed the database. Missing files are ignored. */
export async function erase(file: string): Promise<void> {
  // The write-ahead log is removed before the database: if this loop stopped in between, a log without its
  // database would prevent the next `open` (`presence.ts`).
  for (const suffix of ['-wal', '-shm', '-journal', '-bell', ''])
    await rm(`${file}${suffix}`, { force: true })
}
