/** The rows of the table `jobs`, and functions that convert a row to a record. */
import { defined } from '@s18i/lark/internal'
import type { EndedJob } from '../../model/effect.ts'
import type { ClaimedJob, Counters, JobError, JobOptions, JobRecord, State } from '../../model/record.ts'
import { isSuspect } from '../contract/rules/after-run.ts'
import { readReason } from '../contract/rules/reason.ts'
import { damaged, damagedErrors, readLaneName, readList, readOptions } from '../contract/rules/unreadable.ts'
import type { Value } from './database.ts'
import { ACTIVE, CANCELLED, COMPLETED, FAILED, HIDDEN, KEPT, PENDING } from './states.ts'

/**
 * The columns of a job without `payload`, `result` and `log`, which may be large and which no change of state
 * needs.
 */
export interface JobRow extends Counters {
  seq: number
  id: string
  state: number
  priority: number
  queuedAt: number
  dueAt: number
  direct: 0 | 1
  ahead: 0 | 1 | 2
  finishedAt: number | null
  token: string | null
  hooked: 1 | null
  effects: number | null
  /** The name of the job's lane; '' if the job has neither a group nor a limiter. */
  lane: string
  laneLimits: string | null
  lock: string | null
  untilStart: 0 | 1 | 2 | null
  holds: number | null
  /** The notice to cancel the job, if somebody has asked to cancel it (`reason.ts`). */
  asked: string | null
  /** Why the job is in its state (`reason.ts`). */
  reason: string | null
  key: string
  options: string | null
  errors: string | null
  /** How long the job is kept after its end, as JSON: see `keep.ts`. */
  keep: string | null
  /** The id of the row in `payloads` that has the payload; null if the payload is in this row. */
  apart: number | null
  /** The id of the job's row in `journals`; null if the job has no journal. */
  journal: number | null
}

/** A row with all columns that a record shows. */
export interface ShownRow extends JobRow {
  payload: string
  result: string | null
  progress: string | null
}

export const columns = `seq, id, state, priority, queuedAt, dueAt, runs, failures, crashes, releases, direct, ahead,
  finishedAt, token, hooked, effects, lane, laneLimits, lock, untilStart, holds, asked, reason, key, options, errors, apart, keep, journal`

// New state: add its name.
const names: Record<number, State> = {
  [ACTIVE]: 'active',
  [COMPLETED]: 'completed',
  [FAILED]: 'failed',
  [CANCELLED]: 'cancelled',
}

export const endedStates = { completed: COMPLETED, failed: FAILED, cancelled: CANCELLED } as const

export function stateOf(row: Pick<JobRow, 'state' | 'dueAt'>, now: number): State {
  if (row.state === PENDING) return row.dueAt <= now ? 'waiting' : 'delayed'
  return names[(row.state % HIDDEN) % KEPT]!
}

/** @param claimedAt when the job was claimed, for an active job */
export function toRecord(row: ShownRow, partition: string, now: number, claimedAt?: number): JobRecord {
  return {
    id: row.id,
    partition,
    state: stateOf(row, now),
    key: row.key,
    payload: row.payload,
    priority: row.priority,
    ...(row.options !== null && readOptions(row.options)),
    ...(row.lane !== '' && readLaneName(row.lane)),
    ...flawOf(row),
    queuedAt: row.queuedAt,
    ...(row.state === PENDING && { dueAt: row.dueAt }),
    ...defined({ claimedAt }),
    ...(row.finishedAt !== null && { finishedAt: row.finishedAt }),
    ...(row.token !== null && row.state === ACTIVE && { holder: holderOf(row.token) }),
    runs: row.runs,
    failures: row.failures,
    crashes: row.crashes,
    releases: row.releases,
    errors: errorsOf(row),
    ...(row.result !== null && { result: row.result }),
    ...(row.reason !== null && readReason(stateOf(row, now), row.reason, row.runs)),
    ...(row.progress != null && { progress: row.progress }),
  }
}

/** Makes the record of an ended job for its flow or its watchers. */
export function toEnded(row: ShownRow, partition: string, now: number): EndedJob {
  const { payload: _, ...ended } = toRecord(row, partition, now)
  return ended
}

/** The columns that a claim reads. */
export type ClaimedRow = Counters &
  Pick<ShownRow, 'id' | 'key' | 'payload' | 'priority' | 'queuedAt' | 'options' | 'lane'>

export function toClaimed(row: ClaimedRow, token: string): ClaimedJob {
  const { id, key, payload, priority, queuedAt, runs, failures, crashes, releases } = row
  const claimed: ClaimedJob = {
    id,
    key,
    payload,
    priority,
    queuedAt,
    token,
    runs,
    failures,
    crashes,
    releases,
  }
  if (row.lane !== '') Object.assign(claimed, readLaneName(row.lane))
  if (row.options !== null) Object.assign(claimed, readOptions(row.options))
  const flaw = flawOf(row)
  return flaw === undefined ? claimed : Object.assign(claimed, flaw)
}

/**
 * Describes the damage of a row; undefined if the row is sound. A column of SQLite can hold a value of any
 * type, so a damaged file may have values of wrong types.
 */
function flawOf(row: ClaimedRow): Pick<ClaimedJob, 'key' | 'payload' | 'unreadable'> | undefined {
  const { key, payload, priority, queuedAt, runs, failures, crashes, releases } = row
  const isText = typeof key === 'string' && typeof payload === 'string'
  const sum = priority + queuedAt + runs + failures + crashes + releases
  if (isText && typeof sum === 'number' && !Number.isNaN(sum)) return undefined
  const texts = { key, payload }
  const all = { ...texts, priority, queuedAt, runs, failures, crashes, releases }
  const isWrong = ([name, value]: [string, unknown]) => typeof value !== (name in texts ? 'string' : 'number')
  const [field, value] = Object.entries(all).find(isWrong)!
  return { key: String(key), payload: isText ? payload : '', unreadable: damaged(field, value) }
}

/** The caller whose claim has a token. */
export function holderOf(token: string): string {
  return token.slice(0, token.lastIndexOf('.'))
}

export function errorsOf(row: Pick<JobRow, 'errors'>): JobError[] {
  return row.errors === null ? [] : readList(row.errors, damagedErrors)
}

/** Whether a job is a suspect and must run alone. The options are parsed only if the job has crashed. */
export function isSuspectRow({ crashes, options }: Pick<JobRow, 'crashes' | 'options'>): boolean {
  return crashes > 0 && isSuspect({ crashes, options: optionsOf({ options }) })
}

/** The options of a job; undefined if the row has none, or if they cannot be read. */
export function optionsOf({ options }: Pick<JobRow, 'options'>): JobOptions | undefined {
  return options === null ? undefined : readOptions(options).options
}

/** Makes one value of a list, to bind it in `IN (SELECT value FROM json_each(?))`. */
export function list(values: readonly (string | number)[]): Value {
  return JSON.stringify(values)
}
