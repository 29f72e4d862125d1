/**
 * What a role saw, one line of JSON each. A line is with the kernel when `write` returns, so it outlives a `kill -9`
 * of the role. All roles run on one machine and by one clock.
 */
import { openSync, writeSync } from 'node:fs'

/** Which life of which role this is: `w0.3`. */
export const name = process.env.CHAOS_NAME
const file = openSync(process.env.CHAOS_JOURNAL, 'a')

/**
 * @param {string} what
 * @param {object} [more]
 */
export function write(what, more) {
  writeSync(file, `${JSON.stringify({ at: Date.now(), by: name, what, ...more })}\n`)
}
