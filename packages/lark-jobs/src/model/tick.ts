/**
 * The job of a tick. A schedule ticks at certain instants, and each tick becomes one job. The id of the job
 * contains the schedule and the instant: `nightly@2026-11-26T03:00:00Z`. So jobs need no field for their
 * schedule, and stores need no table of ticks. Ids that applications choose have no colon, so they cannot
 * name a tick.
 */
import { isKnown } from './every-key.ts'
import type { State, WorkerRecord } from './record.ts'

/** The tick for which a job was queued. */
export interface Tick {
  schedule: string
  /** The instant that the schedule names, without the jitter: milliseconds since 1970. */
  at: number
}

const form = /^(.+)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z)$/

/**
 * The maximum length of a schedule's id, in characters: the id of a tick has 25 more characters, and ids have
 * at most `MAX_ID`.
 */
export const MAX_SCHEDULE_ID = 75

/** The id of the job of a tick. */
export function tickId({ schedule, at }: Tick): string {
  return `${schedule}@${new Date(at).toISOString().replace('.000Z', 'Z')}`
}

/** The tick that an id names. Undefined for the id of any other job. */
export function tickOf(id: string): Tick | undefined {
  // Most ids have no colon, so they need not be matched against the pattern.
  const parts = id.includes(':') ? form.exec(id) : null
  const at = parts === null ? Number.NaN : Date.parse(parts[2]!)
  return Number.isNaN(at) ? undefined : { schedule: parts![1]!, at }
}

/**
 * The instant from which `expiresIn` and `retryUntil` of a job are counted. For the job of a schedule, the
 * instant is that of the tick, because workers queue such a job a little before that instant. For any other
 * job, the instant is the time at which the job was queued.
 */
export function limitsFrom({ id, queuedAt }: { id: string; queuedAt: number }): number {
  return Math.max(queuedAt, tickOf(id)?.at ?? 0)
}

/** The tick of a job, in the form in which hooks and events have it. */
export interface ScheduleTick {
  /** The id of the schedule. */
  id: string
  /** The instant that the schedule names: milliseconds since 1970. */
  at: number
}

/** The tick that the id of a job names, for hooks and events. Undefined for any other job. */
export function scheduleTick(id: string): ScheduleTick | undefined {
  const tick = tickOf(id)
  return tick && { id: tick.schedule, at: tick.at }
}

/** How many runs of a schedule are kept. */
export const MAX_RUNS = 20

/** How the job of a tick ended. */
export interface ScheduleRun {
  /** The instant of its tick: milliseconds since 1970. */
  tick: number
  /**
   * `rejected`: the job was not queued, because of its unique lock or because its queue was full. `moved`:
   * the job was moved to another queue, and its schedule does not learn how it ends there.
   */
  state: Extract<State, 'completed' | 'failed' | 'cancelled'> | 'rejected' | 'moved'
  /** The time at which the job ended or was moved: milliseconds since 1970. */
  at: number
  /** How long the run took, in milliseconds, if the job completed. */
  took?: number
}

/**
 * Milliseconds after which a tick counts as late. A living worker that knows the class normally queues the
 * job within a few seconds.
 */
const LATE = 10_000

/**
 * How long the next tick of a schedule has been due, in milliseconds. Undefined if the schedule is not late.
 */
export function lateBy(
  { next, jitter = 0 }: { next?: number; jitter?: number },
  now: number,
): number | undefined {
  const late = next === undefined ? 0 : now - next - jitter
  return late > LATE ? late : undefined
}

/** Why the ticks of a schedule do not become jobs: no worker lives, or no living worker knows the class. */
export type Unserved = 'no-worker' | 'unknown-key'

/** Returns undefined if a living worker knows the class, or if the schedule is paused or has ended. */
export function unservedBecause(
  { state, key, queue }: { state: 'running' | 'paused' | 'ended'; key: string; queue: string },
  workers: readonly WorkerRecord[],
): Unserved | undefined {
  if (state !== 'running' || isKnown(workers, key, queue)) return undefined
  return workers.length === 0 ? 'no-worker' : 'unknown-key'
}
