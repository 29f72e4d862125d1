/** Writes the memory of the role to a file: the resident set size at the start, and its maximum. */
import { renameSync, writeFileSync } from 'node:fs'

/** Milliseconds between two measurements. */
const LOOK = 250
const file = `${process.env.CHAOS_JOURNAL}.memory`

export function noteMemory() {
  const { rss: first } = process.memoryUsage()
  let most = 0
  const look = () => {
    const { rss } = process.memoryUsage()
    if (rss <= most) return
    most = rss
    // Write a new file and then rename it, because the role may be killed while it writes.
    writeFileSync(`${file}.new`, JSON.stringify({ first, most }))
    renameSync(`${file}.new`, file)
  }
  look()
  setInterval(look, LOOK).unref()
}
