/**
 * Handlers that block the event loop of a worker, so that nothing else in the worker's process makes
 * progress. The worker announces which classes have blocked the event loop (`worker/blocked-loops.ts`), and
 * the lease thread of the worker announces that a handler is blocking it now (`worker/lease/lease-watch.ts`).
 */
import { readable } from '../words/duration.ts'

/** A handler that is blocking the event loop now. */
export interface BlockingNow {
  /** The name of the handler's class, or the names of all candidates if the class is not certain. */
  by: string[]
  /**
   * The time at which the handler began to block the event loop: milliseconds since 1970, by the clock of the
   * worker.
   */
  since: number
}

/** The periods, now over, in which the handlers of a class blocked a worker's event loop. */
export interface BlockedLoop {
  /** The name of the handlers' class, or the names of all candidates if the class is not certain. */
  by: string[]
  /** The length of the longest period, in milliseconds. */
  took: number
  times: number
  /** The time at which the last period ended: milliseconds since 1970, by the clock of the worker. */
  at: number
}

/**
 * How long a worker announces that a handler has blocked the event loop, in milliseconds after the handler
 * stopped.
 */
export const BLOCKED_KEPT = 3_600_000

/** Advice about a handler that blocks the event loop. */
export const ISOLATE = 'isolate = isolated() in the class runs it in a process of its own'

/**
 * Says who blocks the event loop: `ReportJob has blocked its event loop for 12 s`.
 *
 * @param at the current time, approximately by the clock of the worker
 */
export function blockingWords({ by, since }: BlockingNow, at: number): string {
  return `${oneOf(by)} has blocked its event loop for ${readable(Math.max(0, at - since))}`
}

/**
 * Puts the blocked periods of a worker into words, such as `ReportJob blocked its event loop 3 times within
 * an hour, for up to 12 s`.
 */
export function blockedWords({ by, took, times }: BlockedLoop): string {
  const often =
    times === 1 ? `for ${readable(took)}` : `${times} times within an hour, for up to ${readable(took)}`
  return `${oneOf(by)} blocked its event loop ${often}`
}

/** The words for one or more classes, such as `ReportJob` or `one of ReportJob, MailJob`. */
export function oneOf(by: readonly string[]): string {
  return by.length === 1 ? by[0]! : `one of ${by.join(', ')}`
}
