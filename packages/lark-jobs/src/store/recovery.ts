/**
 * Taking back what a worker held that has died, or has not read it: what is asked of a store, and what came of it.
 *
 * When a process dies, the store cannot know which of the jobs in it was the cause. So a crash is counted for each that
 * had started, and a job that is one crash before the limit is a suspect: its worker runs it alone and records that, so the
 * next crash was certainly caused by it.
 */
import type { Counters } from '../record.ts'
import { MAX_CRASHES, MAX_CRASHES_BESIDE } from './limits.ts'

/** The number of crashes from which on a job is a suspect. */
export const SUSPECT = MAX_CRASHES - 1

/** Whether a job is to run alone in its process. */
export function isSuspect({ crashes }: Pick<Counters, 'crashes'>): boolean {
  return crashes >= SUSPECT
}

/** Whether a job has failed with this crash. @param isBeside it was a suspect, and others ran in its process */
export function isCrashLimit(crashes: number, isBeside: boolean): boolean {
  return crashes >= (isBeside ? MAX_CRASHES_BESIDE : MAX_CRASHES)
}

export interface RecoverOptions {
  /** No crash is counted: after an outage, when it was the store that died and not the workers. */
  forgiving?: boolean
  /** Takes back all that this caller holds, ended or not: its process is known to be dead. */
  holder?: string
  /**
   * Does nothing when the store's clock (`now()`) has passed this: a recovery that was asked of a store which then
   * stood still must not be carried out before the living have renewed.
   */
  until?: number
  /**
   * Takes back the claim of this token alone, which its caller has not read: none of its jobs has started, so they go
   * back as `returned` ones do, and count as before. And the caller is offered nothing more with a ring until it asks.
   */
  unread?: string
  /** How the holder ended, if that is known: kept with each crash that is counted. Continues "its process". */
  cause?: string
}

export interface Recovery {
  /** Put back at the head of their lines, a crash counted if they had started. */
  recovered: string[]
  /** The jobs that failed because they had crashed too often. */
  failed: string[]
  /** Milliseconds until the next lease ends; undefined when nothing is leased, or `until` had passed. */
  nextLeaseEnd?: number
  /** Milliseconds until there is something for `endings`; undefined when nothing is known, or `until` had passed. */
  nextEnding?: number
}
