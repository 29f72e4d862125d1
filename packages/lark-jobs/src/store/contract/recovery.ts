/**
 * Options and result of `Store.recover`, which takes back the jobs of a worker that has died, or that has not read
 * them.
 *
 * When a process dies, the store cannot know which of its jobs was the cause. So each job that had started counts a
 * crash. A job that is one crash before the limit is a suspect: its worker runs it alone and records this in the store,
 * so that the next crash was certainly caused by this job.
 */
import type { Effect } from '../../model/effect.ts'
import type { Counters } from '../../model/record.ts'
import type { EffectsWanted } from './effects.ts'
import { MAX_CRASHES, MAX_CRASHES_BESIDE } from './limits.ts'

/** The number of crashes from which on a job is a suspect. */
export const SUSPECT = MAX_CRASHES - 1

/** Whether a job must run alone in its process. */
export function isSuspect({ crashes }: Pick<Counters, 'crashes'>): boolean {
  return crashes >= SUSPECT
}

/** Whether this crash fails the job. @param isBeside the job was a suspect, and other jobs ran in its process */
export function isCrashLimit(crashes: number, isBeside: boolean): boolean {
  return crashes >= (isBeside ? MAX_CRASHES_BESIDE : MAX_CRASHES)
}

export interface RecoverOptions {
  /** Counts no crash. For use after an outage, when the store was away and the workers did not die. */
  forgiving?: boolean
  /**
   * Takes back all jobs that this caller holds, whether their leases have ended or not: its process is known to be
   * dead.
   */
  holder?: string
  /**
   * The recovery takes nothing back when the store's clock (`now()`) has passed this. Otherwise, if the store stood still
   * before it ran the call, the recovery could take jobs back before live workers have renewed their leases.
   */
  until?: number
  /**
   * Takes back only the claim with this token, because its caller has not read it. None of its jobs has started, so
   * they go back like `returned` jobs, with unchanged counters. The store hands the caller no more jobs with a ring
   * until its next call.
   */
  unread?: string
  /** How the process of the holder ended, if known. Kept with each counted crash. Continues the words "its process". */
  cause?: string
  /** Asks for effects, and acknowledges some: also when `until` has passed. */
  effects?: EffectsWanted | undefined
}

export interface Recovery {
  /** Jobs that went back to the head of their lines. Those that had started count a crash. */
  recovered: string[]
  /** Jobs that failed because they had crashed too often. */
  failed: string[]
  /** Milliseconds until the next lease ends; undefined if no job is leased, or if `until` had passed. */
  nextLeaseEnd?: number
  /** Milliseconds until there is something for `endings`; undefined if none is known, or if `until` had passed. */
  nextEnding?: number
  /** Effects that the caller should deliver now. */
  effects?: Effect[]
  /** Milliseconds until there is an effect to hand out; undefined if there is none. */
  nextEffect?: number
}
