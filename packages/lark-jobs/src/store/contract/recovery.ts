/** The options and the answer of a recovery, which takes jobs back from dead workers. */
import type { Effect } from '../../model/effect.ts'
import type { EffectsWanted } from './effects.ts'

/**
 * Says which jobs `recover` takes back, and how. Without options, `recover` takes back the jobs whose leases
 * have ended.
 */
export interface RecoverOptions {
  /**
   * If true, the jobs count no crash. For use after an outage of the store, because the workers did not die.
   */
  forgiving?: boolean
  /**
   * The lease length of all workers, in milliseconds. If given, a silence of the store prolongs leases
   * (`silence.ts`).
   */
  leaseMs?: number
  /**
   * A caller whose process is certainly dead. All jobs that it holds are taken back, even if their leases
   * have not ended.
   */
  holder?: string
  /**
   * A time by the store's clock (`now()`) after which the recovery takes nothing back. The limit protects
   * live workers: if the store was frozen before it ran this call, leases may have ended before the workers
   * could renew them.
   */
  until?: number
  /**
   * The token of a claim whose caller has not read the answer. Only this claim is taken back. No job of this
   * claim has started, so the jobs count no run and no crash. Until the next call of this caller, the store
   * hands it no more jobs with a ring.
   */
  unread?: string
  /**
   * How the process of the holder ended, if this is known: words that follow "its process" in the error of
   * each counted crash.
   */
  cause?: string
  /**
   * Whether the process ended from within: its own code exited or crashed. If the end may have come from
   * outside, for example by a kill, a job fails only at `MAX_CRASHES_UNSURE`.
   */
  fromWithin?: boolean
  /**
   * The caller that takes the jobs back. The store notes this in the record of the dead worker
   * (`lost-workers.ts`).
   */
  by?: string
  /** Asks for effects and acknowledges effects (`effects.ts`), even after `until`. */
  effects?: EffectsWanted | undefined
}

export interface Recovery {
  /** Ids of the jobs that went back to the head of their lines. */
  recovered: string[]
  /** Ids of the jobs that failed because they have crashed too often. */
  failed: string[]
  /** Ids of the recovered or failed jobs that counted a crash; undefined if there are none. */
  crashed?: string[]
  /**
   * Ids of the jobs that were taken back after a silence and may have finished (`silence.ts`); undefined if
   * there are none.
   */
  doubted?: string[]
  /** Milliseconds until the next lease ends; undefined if no job is claimed, or after `until`. */
  nextLeaseEnd?: number
  /** Effects that the caller should deliver now. */
  effects?: Effect[]
  /** Milliseconds until there is an effect to hand out; undefined if there is none. */
  nextEffect?: number
}
