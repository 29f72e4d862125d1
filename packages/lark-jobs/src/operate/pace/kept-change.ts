/**
 * A change at a pace: workers change all jobs that meet a filter, one lot of jobs after the other. All
 * changes of a store are in one document beside the schedules (`CHANGES` of `store/contract/schedules.ts`).
 * When a change is due, any worker continues it. The worker writes the jobs of a lot into the document before
 * it changes them. So if its process dies meanwhile, another worker finishes the same lot, and no jobs are
 * changed faster than the pace allows.
 *
 * All times are in milliseconds since 1970, by the store's clock.
 */
import type { ActorOrigin } from '../audit/actor.ts'

/** The changes that can be made at a pace. */
export const pacedKinds = ['retry', 'run-now', 'reschedule', 'move'] as const
export type PacedKind = (typeof pacedKinds)[number]

/** The place of a job. */
export type JobAt = readonly [partition: string, id: string]

/** The jobs that a worker has chosen together, and is changing now. */
export interface JobLot {
  jobs: JobAt[]
  /** When the jobs were chosen. */
  at: number
  /** Where the next lot begins. Absent if there are no more jobs. */
  cursor?: string
}

/** A job that was changed, and the time of its change. Only an end of the job after this time counts. */
export type WatchedJob = readonly [partition: string, id: string, since: number]

/**
 * Why a change has ended. `failing`: too many of its jobs failed again. `error`: an error that would come
 * again ended the change.
 */
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
  /** The pace: at most `limit` jobs are changed in `per` milliseconds. */
  limit: number
  per: number
  /** The share of the last `JUDGED` jobs that may fail again. */
  maxFailed: number
  who: string
  host: string
  from: ActorOrigin
  begunAt: number
  /** How many jobs met the filter when the change began. */
  total: number
  done: number
  /** How many jobs the store refused to change, because their state had changed meanwhile. */
  refused: number
  cursor?: string
  /**
   * The lot that is being changed. If a person stops the change, the lot is kept until it has been counted in
   * `done`.
   */
  lot?: JobLot
  /** Whether all jobs have been changed. In this case, workers only watch how the changed jobs end. */
  isThrough?: true
  /** When a worker continues the change. */
  dueAt: number
  /** The changed jobs whose end is not known yet, at most `WATCHED`. */
  watched: WatchedJob[]
  /**
   * How the last `JUDGED` watched jobs ended, one character for each job: `f` if the job failed again, `c` if
   * not. The latest end comes last.
   */
  results: string
  /** How many of the watched jobs have ended since they were changed, and how many of these failed. */
  ended: number
  failed: number
  paused?: { at: number; by?: string; because?: string }
  /** Why no jobs are changed now although the change is not paused. */
  waits?: string
  end?: { at: number; why: EndedBecause; by?: string; because?: string }
}

/** The number of ended jobs that decide whether too many jobs fail again. */
export const JUDGED = 100
/** The largest number of jobs that are watched at a time. Each watched job is read once with each lot. */
export const WATCHED = 200
/** The largest number of jobs in a lot. */
export const LARGEST_LOT = 500
/**
 * The shortest time between two lots, in milliseconds. The time is shorter only if lots would otherwise
 * exceed `LARGEST_LOT`.
 */
const BETWEEN = 5_000
/** The fastest pace, in jobs per second. */
export const MOST_IN_SECOND = 500
/** The largest number of changes that have not ended, and of ended changes that are kept. */
export const MOST_CHANGES = 20
const MOST_ENDED = 20
/** For how many milliseconds an ended change is kept. */
const KEPT = 7 * 86_400_000

/**
 * The number of jobs in a lot. For example, with a pace of 500 jobs a minute, a lot has 42 jobs, and a lot is
 * changed about every five seconds.
 */
export function lotSize({ limit, per }: Pick<KeptChange, 'limit' | 'per'>): number {
  const most = Math.max(Math.floor(per / BETWEEN), Math.ceil(limit / LARGEST_LOT), 1)
  return Math.ceil(limit / Math.min(limit, most))
}

/** The time between a lot of `count` jobs and the next lot, in milliseconds. */
export function restAfter(count: number, { limit, per }: Pick<KeptChange, 'limit' | 'per'>): number {
  return Math.ceil((per * count) / limit)
}

/** Whether the change must stop because too many of its last jobs have failed again. */
export function isFailing({ results, maxFailed }: Pick<KeptChange, 'results' | 'maxFailed'>): boolean {
  return failedIn(results) >= Math.max(1, Math.ceil(maxFailed * JUDGED))
}

/**
 * Whether the ends of the changed jobs are watched. Only jobs that run because of the change may fail again.
 */
export function isWatching(kind: PacedKind): boolean {
  return kind === 'retry' || kind === 'run-now'
}

export function failedIn(results: string): number {
  return results.split('f').length - 1
}

/** When the next change is due. Undefined if all changes are paused or have ended. */
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

/** Removes the changes that ended too long ago. The other changes stay in the order in which they began. */
export function withoutOld(changes: readonly KeptChange[], now: number): KeptChange[] {
  const over = changes.filter(({ end }) => end !== undefined)
  const latest = over.sort((one, other) => other.end!.at - one.end!.at).slice(0, MOST_ENDED)
  const kept = new Set(latest.filter(({ end }) => end!.at > now - KEPT))
  return changes.filter((each) => each.end === undefined || kept.has(each))
}
