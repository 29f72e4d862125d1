/**
 * Handlers that block the event loop of a worker, so that nothing else in its process makes progress. The
 * worker announces which classes have blocked it (`worker/blocked-loops.ts`), and its lease thread announces
 * that a handler is blocking it now (`worker/lease/lease-watch.ts`).
 */
import { readable } from '../words/duration.ts'

/** A handler that is blocking the event loop now. */
export interface BlockingNow {
  /** The name of the class of the handler. If the class is not certain, the names of all candidates. */
  by: string[]
  /** Since when the handler has been blocking: milliseconds since 1970, by the clock of the worker. */
  since: number
}

/** Blocks of a worker's event loop that are over. */
export interface BlockedLoop {
  /** The name of the class of the handlers. If the class is not certain, the names of all candidates. */
  by: string[]
  /** The duration of the longest block, in milliseconds. */
  took: number
  times: number
  /** When the last block ended: milliseconds since 1970, by the clock of the worker. */
  at: number
}

/** How long a worker announces a block after its end, in milliseconds. */
export const BLOCKED_KEPT = 3_600_000

/** What people can do about a handler that blocks. */
export const ISOLATE = 'isolate = isolated() in the class runs it in a process of its own'

/**
 * `ReportJob has blocked its event loop for 12 s`. @param at the current time, approximately by the clock of
 * the worker
 */
export function blockingWords({ by, since }: BlockingNow, at: number): string {
  return `${oneOf(by)} has blocked its event loop for ${readable(Math.max(0, at - since))}`
}

/** `ReportJob blocked its event loop 3 times within an hour, for up to 12 s`. */
export function blockedWords({ by, took, times }: BlockedLoop): string {
  const often =
    times === 1 ? `for ${readable(took)}` : `${times} times within an hour, for up to ${readable(took)}`
  return `${oneOf(by)} blocked its event loop ${often}`
}

/** `ReportJob`, or `one of ReportJob, MailJob`. */
export function oneOf(by: readonly string[]): string {
  return by.length === 1 ? by[0]! : `one of ${by.join(', ')}`
}
