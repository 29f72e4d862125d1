/**
 * The journal of a run: one line of JSON for each event, from all processes in one file. The kernel has a
 * line when `write` returns, so the line survives a `kill -9`.
 */
import { openSync, writeSync } from 'node:fs'

const file = openSync(process.env.TRANSACTIONS_JOURNAL, 'a')
/** The role and the life of this process. */
const by = process.env.TRANSACTIONS_LIFE

/**
 * @param {string} what
 * @param {object} [more]
 */
export function write(what, more) {
  writeSync(file, `${JSON.stringify({ at: Date.now(), by, what, ...more })}\n`)
}
