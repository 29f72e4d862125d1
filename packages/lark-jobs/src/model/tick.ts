/**
 * The job of a tick. A schedule ticks at an instant, and each tick becomes one job, whose id names both:
 * `nightly@2026-11-26T03:00:00Z`. So no job carries a field for its schedule, and no store keeps a table of
 * ticks. Ids that applications choose have no colon, so they cannot name a tick.
 */
import type { State } from './record.ts'

/** The tick of a schedule that a job was made for. */
export interface Tick {
  schedule: string
  /** The instant that the schedule names, without the jitter: milliseconds since 1970. */
  at: number
}

const form = /^(.+)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z)$/

/**
 * The most characters of the id of a schedule: the id of a tick is 25 longer, and ids have at most `MAX_ID`.
 */
export const MAX_SCHEDULE_ID = 75

/** The id of the job of a tick. */
export function tickId({ schedule, at }: Tick): string {
  return `${schedule}@${new Date(at).toISOString().replace('.000Z', 'Z')}`
}

/** The tick that an id names; undefined for the id of any other job. */
export function tickOf(id: string): Tick | undefined {
  // Most ids have no colon, and are not compared with the form.
  const parts = id.includes(':') ? form.exec(id) : null
  const at = parts === null ? Number.NaN : Date.parse(parts[2]!)
  return Number.isNaN(at) ? undefined : { schedule: parts![1]!, at }
}

/**
 * From when `expiresIn` and `retryUntil` of a job count: when it was queued; or the instant of its tick,
 * because workers queue it a little ahead.
 */
export function limitsFrom({ id, queuedAt }: { id: string; queuedAt: number }): number {
  return Math.max(queuedAt, tickOf(id)?.at ?? 0)
}

/** The tick of a job, as hooks and events tell it. */
export interface ScheduleTick {
  /** The id of the schedule. */
  id: string
  /** The instant that the schedule names: milliseconds since 1970. */
  at: number
}

/** The tick that the id of a job names, for people; undefined for any other job. */
export function scheduleTick(id: string): ScheduleTick | undefined {
  const tick = tickOf(id)
  return tick && { id: tick.schedule, at: tick.at }
}

/** The last runs of a schedule that are kept. */
export const MAX_RUNS = 20

/** How the job of a tick ended. */
export interface ScheduleRun {
  /** The instant of its tick: milliseconds since 1970. */
  tick: number
  /**
   * `rejected`: the job was not queued, because of its lock, or because its queue was full. `moved`: it went
   * to another queue, and its schedule does not hear how it ends there.
   */
  state: Extract<State, 'completed' | 'failed' | 'cancelled'> | 'rejected' | 'moved'
  /** When it ended, or was moved: milliseconds since 1970. */
  at: number
  /** Milliseconds that the run took, of a job that completed. */
  took?: number
}

/**
 * Milliseconds by which a tick may be late. A worker that lives and knows the class fires it within a few
 * seconds.
 */
const LATE = 10_000

/**
 * For how many milliseconds the next tick of a schedule has been due, if that is too long; otherwise
 * undefined.
 */
export function lateBy(
  { next, jitter = 0 }: { next?: number; jitter?: number },
  now: number,
): number | undefined {
  const late = next === undefined ? 0 : now - next - jitter
  return late > LATE ? late : undefined
}
