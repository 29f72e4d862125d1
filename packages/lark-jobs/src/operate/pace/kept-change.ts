/**
 * A change at a pace: a change by filter that goes on by itself, a lot of jobs at a time. All changes of a
 * store are kept in one document beside the schedules (`CHANGES` of `store/contract/schedules.ts`), which any
 * worker continues when it is due. A lot is written down before it is changed. So if the process dies
 * meanwhile, another worker finishes the same lot, and the pace is kept.
 *
 * Every time is in milliseconds since 1970 by the store's clock.
 */
import type { ActorOrigin } from '../audit/actor.ts'

/** The changes that can be made at a pace. */
export const pacedKinds = ['retry', 'run-now', 'reschedule', 'move'] as const
export type PacedKind = (typeof pacedKinds)[number]

/** Where a job is. */
export type JobAt = readonly [partition: string, id: string]

/** Jobs that were chosen together, and are being changed. */
export interface JobLot {
  jobs: JobAt[]
  /** When they were chosen. */
  at: number
  /** Where the next lot begins. Absent: there are no more jobs. */
  cursor?: string
}

/** A job that was changed, and the time from which an end of the job counts. */
export type WatchedJob = readonly [partition: string, id: string, since: number]

/** Why a change has ended. `failing`: too many of its jobs failed again. `error`: it could not go on. */
export type EndedBecause = 'done' | 'stopped' | 'failing' | 'error'

export interface KeptChange {
  id: string
  kind: PacedKind
  /**
   * The filter as JSON, with instants for `since` and `until`. Absent after the end, because it may contain
   * values of payloads.
   */
  filter?: Readonly<Record<string, unknown>>
  /** The jobs in words, without values of payloads. */
  of: string
  /** The delay in milliseconds, or the queue to which the jobs are moved. */
  value?: number | string
  fromStart?: true
  /** At most `limit` jobs in `per` milliseconds. */
  limit: number
  per: number
  /** The share of the last `JUDGED` jobs that may fail again. */
  maxFailed: number
  who: string
  host: string
  from: ActorOrigin
  begunAt: number
  /** How many jobs there were when it began. */
  total: number
  done: number
  /** How many jobs the store refused to change, because they have changed meanwhile. */
  refused: number
  cursor?: string
  /**
   * The lot that is being changed. A change that a person stops keeps it until the lot has been counted in
   * `done`.
   */
  lot?: JobLot
  /** Whether all jobs have been changed. The change then only watches how its jobs end. */
  isThrough?: true
  /** When the change goes on. */
  dueAt: number
  /** Jobs whose end is not known yet: at most `WATCHED`. */
  watched: WatchedJob[]
  /** How the last jobs ended, the latest last: at most `JUDGED` characters, `f` for failed again. */
  results: string
  /** How many of the changed jobs have ended or failed since, as far as they were watched. */
  ended: number
  failed: number
  paused?: { at: number; by?: string; because?: string }
  /** Why the change waits, although it is not paused. */
  waits?: string
  end?: { at: number; why: EndedBecause; by?: string; because?: string }
}

/** How many ended jobs decide whether too many fail again. */
export const JUDGED = 100
/** The most jobs that are watched at a time: each costs a read with each lot. */
export const WATCHED = 200
/** The most jobs of a lot. */
export const LARGEST_LOT = 500
/** The shortest time from one lot to the next, in milliseconds, if the lots are not too large then. */
const BETWEEN = 5_000
/** The most jobs in a second. */
export const MOST_IN_SECOND = 500
/** The most changes that may be running or paused at a time, and how many ended ones are kept. */
export const MOST_CHANGES = 20
const MOST_ENDED = 20
/** For how many milliseconds an ended change is kept. */
const KEPT = 7 * 86_400_000

/** How many jobs a lot has. A pace of 500 a minute is kept with some 42 jobs every five seconds. */
export function lotSize({ limit, per }: Pick<KeptChange, 'limit' | 'per'>): number {
  const most = Math.max(Math.floor(per / BETWEEN), Math.ceil(limit / LARGEST_LOT), 1)
  return Math.ceil(limit / Math.min(limit, most))
}

/** Milliseconds after a lot of `count` jobs before the next one. */
export function restAfter(count: number, { limit, per }: Pick<KeptChange, 'limit' | 'per'>): number {
  return Math.ceil((per * count) / limit)
}

/** Whether so many of the last jobs have failed again that the change must stop. */
export function isFailing({ results, maxFailed }: Pick<KeptChange, 'results' | 'maxFailed'>): boolean {
  return failedIn(results) >= Math.max(1, Math.ceil(maxFailed * JUDGED))
}

/** Whether a change watches how its jobs end, because the jobs may fail again. */
export function isWatching(kind: PacedKind): boolean {
  return kind === 'retry' || kind === 'run-now'
}

export function failedIn(results: string): number {
  return results.split('f').length - 1
}

/** When the next change goes on. Undefined if no change goes on. */
export function nextOf(changes: readonly KeptChange[]): number | undefined {
  const dues = changes.filter((each) => isGoing(each) || isUncounted(each)).map(({ dueAt }) => dueAt)
  return dues.length === 0 ? undefined : Math.min(...dues)
}

export function isGoing({ paused, end }: KeptChange): boolean {
  return paused === undefined && end === undefined
}

/** Whether a change was stopped while a worker was changing a lot, which has not been counted yet. */
export function isUncounted({ end, lot }: KeptChange): boolean {
  return end !== undefined && lot !== undefined
}

/** Ends a change. The fields that only a change which goes on needs are removed. */
export function ended(change: KeptChange, end: NonNullable<KeptChange['end']>): KeptChange {
  const { filter: _, cursor: __, lot, waits: ___, ...kept } = change
  const left = lot && { lot: { jobs: lot.jobs, at: lot.at } }
  return { ...kept, ...left, watched: [], end }
}

/** The changes without those that ended too long ago. The order is that of their beginning. */
export function withoutOld(changes: readonly KeptChange[], now: number): KeptChange[] {
  const over = changes.filter(({ end }) => end !== undefined)
  const latest = over.sort((one, other) => other.end!.at - one.end!.at).slice(0, MOST_ENDED)
  const kept = new Set(latest.filter(({ end }) => end!.at > now - KEPT))
  return changes.filter((each) => each.end === undefined || kept.has(each))
}
