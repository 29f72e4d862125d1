/** What a recovery takes back from dead workers, and its answer. */
import type { Effect } from '../../model/effect.ts'
import type { EffectsWanted } from './effects.ts'

/** What `recover` takes back. Without options: the jobs whose leases have ended. */
export interface RecoverOptions {
  /**
   * Whether no crash is counted: for use after an outage, when the store was away and the workers did not
   * die.
   */
  forgiving?: boolean
  /**
   * The lease length of all workers, in milliseconds. If given, silences of the store are taken into account
   * (`silence.ts`).
   */
  leaseMs?: number
  /**
   * Takes back all jobs that this caller holds, whether their leases have ended or not: its process is known
   * to be dead.
   */
  holder?: string
  /**
   * The recovery takes nothing back when the store's clock (`now()`) has passed this. Otherwise, if the store
   * stood still before it ran the call, the recovery could take jobs back before live workers have renewed
   * their leases.
   */
  until?: number
  /**
   * Takes back only the claim with this token, because its caller has not read it. None of its jobs has
   * started, so they go back like `returned` jobs, with unchanged counters. The store hands the caller no
   * more jobs with a ring until its next call.
   */
  unread?: string
  /**
   * How the process of the holder ended, if known. Kept with each counted crash. Continues the words "its
   * process".
   */
  cause?: string
  /**
   * The process was ended by what ran in it: it exited or broke down. Otherwise somebody outside may have
   * killed it, and a job fails only at `MAX_CRASHES_UNSURE`.
   */
  fromWithin?: boolean
  /** The caller that takes the jobs back. The store notes it for their worker (`lost-workers.ts`). */
  by?: string
  /** Asks for effects, and acknowledges some, even when `until` has passed. */
  effects?: EffectsWanted | undefined
}

export interface Recovery {
  /** Jobs that went back to the head of their lines. Those that had started count a crash. */
  recovered: string[]
  /** Jobs that failed because they had crashed too often. */
  failed: string[]
  /** Jobs that counted a crash, whatever became of them; undefined if none did. */
  crashed?: string[]
  /**
   * Jobs that were taken back after a silence and may have finished (`silence.ts`); undefined if there are
   * none.
   */
  doubted?: string[]
  /** Milliseconds until the next lease ends; undefined if no job is claimed, or if `until` had passed. */
  nextLeaseEnd?: number
  /** Effects that the caller should deliver now. */
  effects?: Effect[]
  /** Milliseconds until there is an effect to hand out; undefined if there is none. */
  nextEffect?: number
}
