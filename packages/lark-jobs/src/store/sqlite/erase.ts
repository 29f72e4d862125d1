/**
 * Removes a database that was made for a while, with the files that lie beside it.
 */
import { rm } from 'node:fs/promises'

/** Nobody may have it open. A file that is not there is fine. */
export async function erase(file: string): Promise<void> {
  // The log goes before the file: one that is found without its file counts as left behind (see `presence.ts`).
  for (const suffix of ['-wal', '-shm', '-journal', '-bell', ''])
    await rm(`${file}${suffix}`, { force: true })
}
