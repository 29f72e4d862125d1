/**
 * Stores and reads the payloads of jobs. A small payload is in the row of its job. A large payload has a row
 * in the table `payloads`: the column `apart` of the job has the id of this row, and the column `payload` is
 * empty.
 *
 * Every change of a job's state writes the whole row again. So a payload in the row is written three times:
 * by the dispatch, by the claim, and at the end of the run.
 */
import { type JobOptionChanges, withOptions } from '../contract/rules/options.ts'
import { MAX_SMALL } from '../contract/store.ts'
import type { Database } from './database.ts'
import { type JobRow, list } from './row.ts'
import { PENDING } from './states.ts'

/**
 * The largest payload that is stored in the row of its job, in bytes. A row with a payload of this size still
 * fits into one page of the file. (Measured on 2026-11-25, 2 cores, shared, with the payload in the row of
 * the job, and in a row of `payloads`. To claim and complete a job took 30 and 30 µs with 4 kB, 98 and 46 µs
 * with 16 kB, 300 and 71 µs with 64 kB, 2,700 and 880 µs with 500 kB. To queue a job took 14 and 27 µs with 4
 * kB, 38 and 48 µs with 16 kB, and the same time in both places with larger payloads.)
 */
const MAX_INLINE = 4_000

/** SQL for the text of the payload of a row of `jobs`, from the row itself or from `payloads`. */
export const payloadText =
  'CASE WHEN apart IS NULL THEN payload ELSE (SELECT payload FROM payloads WHERE payloads.id = apart) END'
/** SQL for a column `payload` with this text. */
export const payload = `
  ${payloadText} AS payload`
/**
 * SQL for the payload if it is small, and NULL if it is large. SQLite does not read a large payload to
 * evaluate this expression.
 */
export const smallPayload = `
  CASE WHEN apart IS NULL AND octet_length(payload) <= ${MAX_SMALL} THEN payload END AS payload`
/** SQL for the size of the payload in bytes. SQLite does not read the payload to evaluate this expression. */
export const payloadBytes = `
  CASE WHEN apart IS NULL THEN octet_length(payload)
    ELSE (SELECT octet_length(payload) FROM payloads WHERE payloads.id = apart) END AS bytes`

/** SQL for the size of the columns that a record of a job shows, in bytes, without the payload. */
export const keptBytes =
  'ifnull(octet_length(options), 0) + ifnull(octet_length(errors), 0) + ifnull(octet_length(result), 0)'
/** SQL for the size of the columns that a record of a job shows, in bytes, with the payload. */
export const shownBytes = `${keptBytes} + ${payloadBytes}`

const keep = 'INSERT INTO payloads (payload) VALUES (?) RETURNING id'
const forget = 'DELETE FROM payloads WHERE id = ?'
/**
 * This statement also removes the token of a pending job, so that a late outcome of a run with the earlier
 * payload does not count.
 */
const change = `
  UPDATE jobs SET payload = ?, apart = ?, token = iif(state = ${PENDING}, NULL, token) WHERE seq = ?`
const setOptions = 'UPDATE jobs SET options = ? WHERE seq = ?'
const findAll = `SELECT seq, ${payload} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`

/** Stores a large payload in the table `payloads`. @returns the columns for the row of the job */
export function keepPayload(database: Database, payload: string): { payload: string; apart: number | null } {
  if (Buffer.byteLength(payload) <= MAX_INLINE) return { payload, apart: null }
  return { payload: '', apart: database.get<{ id: number }>(keep, payload)!.id }
}

/**
 * Removes a payload from the table `payloads` when its job gets another payload. (The trigger `jobGone`
 * removes the payload of a removed job.)
 */
export function forgetPayload(database: Database, apart: number | null): void {
  if (apart !== null) database.run(forget, apart)
}

/** Replaces the payload of a job. */
export function changePayload(database: Database, row: Pick<JobRow, 'seq' | 'apart'>, text: string): void {
  forgetPayload(database, row.apart)
  const { payload, apart } = keepPayload(database, text)
  database.run(change, payload, apart, row.seq)
}

/** Changes the options of a job in the row of the job. */
export function changeOptions(
  database: Database,
  row: Pick<JobRow, 'seq' | 'options'>,
  changes: JobOptionChanges,
): void {
  const options = withOptions(row.options, changes)
  if (options !== row.options) database.run(setOptions, options, row.seq)
}

/** Reads the payloads that a query with `smallPayload` has left out. */
export function readPayloads<T extends { seq: number; payload: string | null }>(
  database: Database,
  rows: readonly T[],
): (T & { payload: string })[] {
  const absent = rows.filter((row) => row.payload === null)
  if (absent.length > 0) {
    const found = database.all<{ seq: number; payload: string }>(findAll, list(absent.map(({ seq }) => seq)))
    const texts = new Map(found.map((each) => [each.seq, each.payload]))
    for (const row of absent) row.payload = texts.get(row.seq)!
  }
  return rows as (T & { payload: string })[]
}
