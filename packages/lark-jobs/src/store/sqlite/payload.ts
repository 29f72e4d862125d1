/**
 * The payload of a job: in the job's row, or when it is large, in a row of `payloads` that the job's `apart` names. The
 * job's own `payload` is empty then.
 *
 * Every change of a job's state rewrites its row, so what lies in the row is written twice more after the dispatch: with
 * the claim and with the end of the run.
 */
import { MAX_SMALL } from '../store.ts'
import type { Database } from './database.ts'
import { list, type Row } from './row.ts'

/**
 * The most bytes of a payload in its row: so far, a row fits into its page. (Measured on 2026-11-25, 2 cores, shared: to
 * claim and complete a job takes, with its payload in the row and with it apart, 30 and 30 µs at 4 kB, 98 and 46 at 16 kB,
 * 300 and 71 at 64 kB, 2,700 and 880 at 500 kB. To queue it takes 14 and 27 µs at 4 kB, 38 and 48 at 16 kB, the same above.)
 */
const MAX_INLINE = 4_000

/** Of a row of `jobs`: the payload, wherever it is. */
export const payload = `
  CASE WHEN apart IS NULL THEN payload ELSE (SELECT payload FROM payloads WHERE payloads.id = apart) END AS payload`
/** The payload if it is small. Else NULL, and SQLite does not read it, though it may be in the row. */
export const smallPayload = `
  CASE WHEN apart IS NULL AND octet_length(payload) <= ${MAX_SMALL} THEN payload END AS payload`
/** Bytes of the payload, which is not read for that. */
export const payloadBytes = `
  CASE WHEN apart IS NULL THEN octet_length(payload)
    ELSE (SELECT octet_length(payload) FROM payloads WHERE payloads.id = apart) END AS bytes`

/** The same of all of a job that is shown. */
export const shownBytes = `
  ifnull(octet_length(options), 0) + ifnull(octet_length(errors), 0) + ifnull(octet_length(result), 0) + ${payloadBytes}`

const keep = 'INSERT INTO payloads (payload) VALUES (?) RETURNING id'
const forget = 'DELETE FROM payloads WHERE id = ?'
const change = 'UPDATE jobs SET payload = ?, apart = ? WHERE seq = ?'
const findAll = `SELECT seq, ${payload} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`

/** Keeps a payload apart if it is large. @returns what belongs into the row of its job */
export function keepPayload(database: Database, payload: string): { payload: string; apart: number | null } {
  if (Buffer.byteLength(payload) <= MAX_INLINE) return { payload, apart: null }
  return { payload: '', apart: database.get<{ id: number }>(keep, payload)!.id }
}

/** Forgets one that no job has. The payload of a job goes with it. */
export function forgetPayload(database: Database, apart: number | null): void {
  if (apart !== null) database.run(forget, apart)
}

/** Gives a job another payload. */
export function changePayload(database: Database, row: Pick<Row, 'seq' | 'apart'>, text: string): void {
  forgetPayload(database, row.apart)
  const { payload, apart } = keepPayload(database, text)
  database.run(change, payload, apart, row.seq)
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
