/**
 * The journal of a run: one line of JSON for each event, from all processes in one file. The kernel has a
 * line when `write` returns, so the line survives a `kill -9`. All processes run on one machine with one
 * clock.
 */
import { openSync, writeSync } from 'node:fs'

const file = process.env.VILLAINS_JOURNAL && openSync(process.env.VILLAINS_JOURNAL, 'a')
/** The number of the worker process. Its isolated processes have the same number. */
const life = Number(process.env.VILLAINS_LIFE)

/**
 * @param {string} what
 * @param {object} [more]
 */
export function write(what, more) {
  writeSync(file, `${JSON.stringify({ at: Date.now(), life, pid: process.pid, what, ...more })}\n`)
}
