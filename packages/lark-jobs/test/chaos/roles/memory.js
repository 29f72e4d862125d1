/**
 * Notes how much memory the role takes: the largest resident set, and that at the start.
 */
import { renameSync, writeFileSync } from 'node:fs'

/** Milliseconds between two looks. */
const LOOK = 250
const file = `${process.env.CHAOS_JOURNAL}.memory`

export function noteMemory() {
  const { rss: first } = process.memoryUsage()
  let most = 0
  const look = () => {
    const { rss } = process.memoryUsage()
    if (rss <= most) return
    most = rss
    // The role may be killed while it writes.
    writeFileSync(`${file}.new`, JSON.stringify({ first, most }))
    renameSync(`${file}.new`, file)
  }
  look()
  setInterval(look, LOOK).unref()
}
