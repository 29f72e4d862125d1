/**
 * The payload of a job: in the job's row, or if it is large, in a row of `payloads`. The job's `apart` is the
 * id of that row, and its own `payload` is empty.
 *
 * Every change of a job's state rewrites its row. So a payload in the row is written two more times after the
 * dispatch: with the claim and with the end of the run.
 */
import { type JobOptionChanges, withOptions } from '../contract/rules/options.ts'
import { MAX_SMALL } from '../contract/store.ts'
import type { Database } from './database.ts'
import { type JobRow, list } from './row.ts'
import { PENDING } from './states.ts'

/**
 * The most bytes of a payload in its row: up to this size, a row fits into its page. (Measured on 2026-11-25,
 * 2 cores, shared. Time for claiming and completing a job with its payload in the row, and in a row of its
 * own: 30 and 30 µs at 4 kB, 98 and 46 at 16 kB, 300 and 71 at 64 kB, 2,700 and 880 at 500 kB. Time for
 * queueing it: 14 and 27 µs at 4 kB, 38 and 48 at 16 kB, the same for larger ones.)
 */
const MAX_INLINE = 4_000

/** SQL, for a row of `jobs`: the payload, wherever it is. */
export const payload = `
  CASE WHEN apart IS NULL THEN payload ELSE (SELECT payload FROM payloads WHERE payloads.id = apart) END AS payload`
/**
 * SQL: the payload if it is small, otherwise NULL. SQLite then does not read it, even if it is in the row.
 */
export const smallPayload = `
  CASE WHEN apart IS NULL AND octet_length(payload) <= ${MAX_SMALL} THEN payload END AS payload`
/** SQL: the bytes of the payload. The payload itself is not read. */
export const payloadBytes = `
  CASE WHEN apart IS NULL THEN octet_length(payload)
    ELSE (SELECT octet_length(payload) FROM payloads WHERE payloads.id = apart) END AS bytes`

/** SQL: the bytes of everything that is shown of a job, except the payload. */
export const keptBytes =
  'ifnull(octet_length(options), 0) + ifnull(octet_length(errors), 0) + ifnull(octet_length(result), 0)'
/** SQL: the bytes of everything that is shown of a job. */
export const shownBytes = `${keptBytes} + ${payloadBytes}`

const keep = 'INSERT INTO payloads (payload) VALUES (?) RETURNING id'
const forget = 'DELETE FROM payloads WHERE id = ?'
/** After the payload has changed, a late outcome of the job's earlier run no longer counts. */
const change = `
  UPDATE jobs SET payload = ?, apart = ?, token = iif(state = ${PENDING}, NULL, token) WHERE seq = ?`
const setOptions = 'UPDATE jobs SET options = ? WHERE seq = ?'
const findAll = `SELECT seq, ${payload} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`

/** Stores a large payload in a row of its own. @returns the columns for the row of its job */
export function keepPayload(database: Database, payload: string): { payload: string; apart: number | null } {
  if (Buffer.byteLength(payload) <= MAX_INLINE) return { payload, apart: null }
  return { payload: '', apart: database.get<{ id: number }>(keep, payload)!.id }
}

/** Removes a payload that no job uses any more. (The payload of a removed job is removed with it.) */
export function forgetPayload(database: Database, apart: number | null): void {
  if (apart !== null) database.run(forget, apart)
}

/** Replaces the payload of a job. */
export function changePayload(database: Database, row: Pick<JobRow, 'seq' | 'apart'>, text: string): void {
  forgetPayload(database, row.apart)
  const { payload, apart } = keepPayload(database, text)
  database.run(change, payload, apart, row.seq)
}

/** Changes the options of a job, in its row. */
export function changeOptions(
  database: Database,
  row: Pick<JobRow, 'seq' | 'options'>,
  changes: JobOptionChanges,
): void {
  const options = withOptions(row.options, changes)
  if (options !== row.options) database.run(setOptions, options, row.seq)
}

/** Reads the payloads that were not read with their rows. */
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
