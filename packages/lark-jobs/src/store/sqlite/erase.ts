/**
 * Removes a temporary database, with the files beside it.
 */
import { rm } from 'node:fs/promises'

/** No process may have the database open. Missing files are ignored. */
export async function erase(file: string): Promise<void> {
  // The log is removed before the file, because a log without its file is refused as left behind
  // (`presence.ts`).
  for (const suffix of ['-wal', '-shm', '-journal', '-bell', ''])
    await rm(`${file}${suffix}`, { force: true })
}
