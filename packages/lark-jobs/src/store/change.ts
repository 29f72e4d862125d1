/**
 * What people may do by hand to jobs in a store, what came of it, and what may be set for a partition.
 */
import type { CancelReason } from '../record.ts'

export type Change =
  /** completed, failed, cancelled → waiting, queued now, at the end of its line; failures and crashes are forgotten.
   *  It takes its lock again; while another has that, it is refused. */
  | { kind: 'retry' }
  /** waiting, delayed → cancelled. active → its holder gets a notice with its next `extend`: verdict `asked`. */
  | { kind: 'cancel'; reason: CancelReason }
  /** Any state but active → gone, with its log. */
  | { kind: 'remove' }
  /** delayed → waiting. */
  | { kind: 'run-now' }
  /** waiting, delayed → delayed by so many milliseconds from now. */
  | { kind: 'reschedule'; in: number }
  /** Any state but active: the payload (JSON text) is replaced. */
  | { kind: 'edit'; payload: string }

/** `refused`: the job's state does not allow it. */
export type AlterVerdict = 'done' | 'asked' | 'missing' | 'refused'

/** What is set for a partition by hand, and kept there. */
export interface Settings {
  paused: boolean
}

/** What is set, and the paused groups: at most `MAX_PAUSED`, in the order in which their pauses end. */
export interface Setting extends Settings {
  groups: PausedGroup[]
}

export const MAX_PAUSED = 100

export interface PausedGroup {
  group: string
  /** Milliseconds since 1970; absent: until somebody resumes it. */
  until?: number
}

/** What a call that pauses or resumes found. */
export interface MetGroup {
  wasPaused: boolean
  /** The group has jobs that wait, are delayed, or run. */
  hasJobs: boolean
}
