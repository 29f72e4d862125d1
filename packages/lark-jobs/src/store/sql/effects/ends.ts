/**
 * The ends of nodes, and of the first members that did not complete. Each end is a row of the table `ends`.
 * `isNews` is 1 until a writer has read the end. `seq` is the place of the end in the order of arrival. A
 * node that first failed or was cancelled, and completed later, has two rows, and the later row counts. (The
 * first row stays: a writer may have read it, and says with its next write how many rows it has read.) A
 * member that was started again has a row with the state `again`, in which `at` is the `queuedAt` of its job.
 */
import { defined } from '@s18i/lark/internal'
import { type KeptEnd, MAX_ERROR, MAX_NEWS, type MemberEnd, RESULT_PURGED } from '../../contract/store.ts'
import type { Database } from '../database.ts'
import { Room } from '../room.ts'
import { list } from '../row.ts'

interface EndRow {
  place: number
  state: KeptEnd['state'] | 'again'
  reason: string | null
  error: string | null
  result: string | null
  at: number
}

interface EndHead {
  seq: number
  place: number
  bytes: number
}

/** An estimate of the bytes that an end has in addition to its texts. */
const BASE = 64

const insert = `
  INSERT INTO ends (flow, place, state, reason, error, result, at, isNews) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
const find = 'SELECT state, at FROM ends WHERE flow = ? AND place = ? ORDER BY seq DESC LIMIT 1'
const forget = 'DELETE FROM ends WHERE flow = ? AND place = ?'
const remove = 'DELETE FROM ends WHERE flow = ?'
const these = 'flow = ? AND place IN (SELECT value FROM json_each(?))'
const resultBytes = `SELECT total(octet_length(result)) AS bytes FROM ends WHERE ${these}`
const purge = `
  UPDATE ends SET error = NULL, result = iif(result IS NULL, NULL, '${RESULT_PURGED}') WHERE ${these}`
const findNews = `
  SELECT place, state, reason, error, NULL AS result, at FROM ends
  WHERE flow = ? AND isNews = 1 ORDER BY seq LIMIT ${MAX_NEWS}`
const hear = `
  UPDATE ends SET isNews = NULL
  WHERE seq IN (SELECT seq FROM ends WHERE flow = ? AND isNews = 1 ORDER BY seq LIMIT ?)`
const anyNews = 'SELECT 1 FROM ends WHERE flow = ? AND isNews = 1 LIMIT 1'
const bytes = `${BASE} + ifnull(octet_length(reason), 0) + ifnull(octet_length(error), 0)`
/** SQL for the size of the news, in bytes, that are handed out with a row of `flows`. */
export const newsBytes = `
  (
    SELECT total(${bytes}) FROM (
      SELECT reason, error FROM ends WHERE flow = flows.number AND isNews = 1 ORDER BY seq LIMIT ${MAX_NEWS}
    )
  )`
const measure = `
  SELECT seq, place, ${bytes} + ifnull(octet_length(result), 0) AS bytes FROM ends
  WHERE flow = ? AND place IN (SELECT value FROM json_each(?)) AND state <> 'again'`
const show = `
  SELECT place, state, reason, error, result, at FROM ends WHERE seq IN (SELECT value FROM json_each(?))`

/**
 * Keeps the end of a node as news.
 *
 * @param keptOf returns the text that is kept: the result, or a note if the result does not fit
 * @returns false if an earlier end of this node counts
 */
export function keepNews(
  database: Database,
  flow: number,
  end: MemberEnd,
  keptOf: (result: string) => string,
): boolean {
  const before = database.get<Pick<EndRow, 'state'>>(find, flow, end.index)?.state
  if (before !== undefined && (before === 'completed' || end.state !== 'completed')) return false
  keep(database, flow, end, end.result === undefined ? null : keptOf(end.result), 1)
  return true
}

/** Keeps the end of a member that did not complete. */
export function keepFailure(database: Database, flow: number, end: MemberEnd): void {
  keep(database, flow, end, null, null)
}

function keep(
  database: Database,
  flow: number,
  { index, state, reason, error, at }: MemberEnd,
  result: string | null,
  isNews: 1 | null,
): void {
  const message = error?.slice(0, MAX_ERROR) ?? null
  database.run(insert, flow, index, state, reason ?? null, message, result, at, isNews)
}

/** Keeps the `queuedAt` of a member that was started again. */
export function keepStart(database: Database, flow: number, index: number, start: number): void {
  database.run(insert, flow, index, 'again', null, null, null, start, null)
}

/** Whether a member was started again after the start that began at `start`. */
export function isStartedSince(database: Database, flow: number, index: number, start: number): boolean {
  const row = database.get<Pick<EndRow, 'state' | 'at'>>(find, flow, index)
  return row?.state === 'again' && start < row.at
}

export function forgetEnd(database: Database, flow: number, index: number): void {
  database.run(forget, flow, index)
}

export function forgetEnds(database: Database, flow: number): void {
  database.run(remove, flow)
}

/**
 * Removes the errors and results in the ends of nodes and members. @returns how many bytes of results are
 * freed
 */
export function purgeEnds(database: Database, flow: number, indices: readonly number[]): number {
  const places = list(indices)
  const bytes = () => database.get<{ bytes: number }>(resultBytes, flow, places)!.bytes
  const before = bytes()
  database.run(purge, flow, places)
  return before - bytes()
}

export function newsOf(database: Database, flow: number): KeptEnd[] {
  return database.all<EndRow>(findNews, flow).map(toEnd)
}

/**
 * Notes that a writer has read the oldest `count` items of news. @returns whether the flow has further news
 */
export function hearNews(database: Database, flow: number, count: number): boolean {
  if (count > 0) database.run(hear, flow, count)
  return database.get(anyNews, flow) !== undefined
}

/** The ends of nodes and members, in the order of `indices`, as many as fit into an answer. */
export function endsOf(database: Database, flow: number, indices: readonly number[]): KeptEnd[] {
  const latest = new Map<number, EndHead>()
  for (const head of database.all<EndHead>(measure, flow, list(indices)))
    if (head.seq > (latest.get(head.place)?.seq ?? 0)) latest.set(head.place, head)
  const heads = new Room().take(indices.flatMap((index) => latest.get(index) ?? []))
  const rows = database.all<EndRow>(show, list(heads.map(({ seq }) => seq)))
  const found = new Map(rows.map((row) => [row.place, row]))
  return heads.map(({ place }) => toEnd(found.get(place)!))
}

function toEnd({ place, state, reason, error, result, at }: EndRow): KeptEnd {
  const texts = { reason: reason ?? undefined, error: error ?? undefined, result: result ?? undefined }
  return { index: place, state: state as KeptEnd['state'], ...defined(texts), at }
}
