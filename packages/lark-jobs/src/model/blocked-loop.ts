/**
 * Handlers that block the event loop of a worker: nothing else of its process goes on meanwhile. A worker
 * makes known which classes have done so (`worker/blocked-loops.ts`), and its lease thread that one does it
 * now (`worker/lease/lease-watch.ts`).
 */
import { readable } from '../words/duration.ts'

/** A handler blocks the event loop now. */
export interface BlockingNow {
  /** Names of classes: one, or those one of which it is. */
  by: string[]
  /** Milliseconds since 1970, by the clock of the worker. */
  since: number
}

/** Handlers have blocked the event loop of a worker. */
export interface BlockedLoop {
  /** Names of classes: one, or those one of which it was. */
  by: string[]
  /** The longest time, in milliseconds. */
  took: number
  times: number
  /** When it was over the last time: milliseconds since 1970, by the clock of the worker. */
  at: number
}

/** For how many milliseconds a worker makes it known. */
export const BLOCKED_KEPT = 3_600_000

/** What people do about it. */
export const ISOLATE = 'isolate = isolated() in the class runs it in a process of its own'

/** `ReportJob has blocked its event loop for 12 s`. @param at by the clock of the worker, about */
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
