/**
 * The journal of a role: one line of JSON for each event. When `write` returns, the kernel has the line, so
 * the line survives a `kill -9` of the role. All roles run on one machine with one clock.
 */
import { openSync, writeSync } from 'node:fs'

/** The name of the role and the number of its process: `w0.3`. */
export const name = process.env.CHAOS_NAME
const file = openSync(process.env.CHAOS_JOURNAL, 'a')

/**
 * @param {string} what
 * @param {object} [more]
 */
export function write(what, more) {
  writeSync(file, `${JSON.stringify({ at: Date.now(), by: name, what, ...more })}\n`)
}
