/**
 * Notes how much memory the role takes: the largest resident set, and that at the start.
 */
import { writeFileSync } from 'node:fs'

/** Milliseconds between two looks. */
const LOOK = 250

export function noteMemory() {
  const { rss: first } = process.memoryUsage()
  let most = 0
  const look = () => {
    const { rss } = process.memoryUsage()
    if (rss <= most) return
    most = rss
    writeFileSync(`${process.env.CHAOS_JOURNAL}.memory`, JSON.stringify({ first, most }))
  }
  look()
  setInterval(look, LOOK).unref()
}
