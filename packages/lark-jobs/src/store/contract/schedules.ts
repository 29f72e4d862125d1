/**
 * The contract between the job queue and a store of schedules: an interface of its own, beside the job verbs
 * (`store.ts`). `test/conformance/schedules.ts` tests what this comment says.
 *
 * **Schedule.** A schedule is kept in the partition of its jobs. A store reads neither its definition nor its
 * state: it keeps both texts, a number that rises with each write, when the schedule is due next, and its
 * last runs. A write names the number that its writer has read. So if several workers handle one tick, one of
 * them writes, and the others learn that the schedule has changed.
 *
 * **Tick.** A write may queue jobs in the same atomic step: the state says that the schedule has ticked if
 * and only if the job is there. A job whose id exists already counts as queued. A write that is sent again
 * finds another number, and changes nothing. The writer may handle a tick before its instant: then it delays
 * the job, counted from the time at which it read the schedule.
 *
 * **Due.** `due` hands out the schedules that are due, under a short lease. No other call gets them until the
 * lease ends; after that they are due again, unless they were written meanwhile. The lease only saves work:
 * the number decides. `exchange` and `survey` say when the next schedule of a partition is due. A write after
 * which a schedule is due sooner than any other rings a waiting worker, so that the worker learns it.
 *
 * **Runs.** When the job of a tick (`model/tick.ts`) ends, in whatever way, the same atomic step notes that
 * at the schedule, if the schedule exists. So the history does not depend on how long jobs are kept. A job
 * that is queued again and ends again is noted again.
 *
 * **Home.** One table of the whole store has the home of each schedule: a text of the writer, which says
 * which partition has the schedule. So its id is unique in the store.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { NewJob } from '../../model/record.ts'
import type { ScheduleRun } from '../../model/tick.ts'
import type { Bound, Enqueued } from './enqueued.ts'
import type { StoredFlow } from './flows.ts'

export { MAX_RUNS } from '../../model/tick.ts'
/**
 * The most schedules that one `due` hands out. On Redis, a call that reads or writes that many delays other
 * calls by 0.5 to 1.5 ms: `due` and `write` take some 20 µs of the server for each tick (2 cores, busy,
 * 2026-11-26).
 */
export const MAX_DUE = 100

export interface StoredSchedule {
  id: string
  /**
   * Rises with each write, and is at least the time of the write. So it never repeats, even for a schedule
   * that was removed and made again, or after a server has lost its last changes.
   */
  rev: number
  /** A text that only the writers of flows and schedules understand. */
  definition: string
  /** A text that only the writers of flows and schedules understand. */
  state: string
  /** At most `MAX_RUNS`. The run that ended last is last. */
  runs: ScheduleRun[]
}

/** A change of a schedule. */
export type ScheduleWrite = {
  id: string
  /**
   * The number of the schedule that the writer has read; 0 if there was none. If the number has changed
   * since, nothing is written.
   */
  rev: number
  /** Jobs to queue with the change, at most `MAX_ITEMS`. */
  jobs?: readonly NewJob[]
  /**
   * For jobs with a delay: the instant from which the delay counts (milliseconds since 1970; default: the
   * write), and whether the writer claims the jobs itself when they are due, so that no other worker is rung.
   */
  delays?: { from: number; isExpected?: boolean }
} & (
  | {
      /** Default: unchanged. */
      definition?: string
      state: string
      /** When the schedule is due: milliseconds since 1970. Absent: not at all. */
      next?: number | undefined
    }
  /** Removes the schedule, with its runs. */
  | { remove: true }
)

export interface ScheduleWritten {
  /** False: the schedule has changed since it was read, and nothing was written. */
  isWritten: boolean
  /** The new number of the schedule; 0 if nothing was written, or if the schedule was removed. */
  rev: number
  /** The answer for each job, in their order. A job whose id is taken counts as queued. */
  jobs: Enqueued[]
}

/** Whether a job was queued now or existed already, whoever chose its id. */
export function countsAsQueued(answer: Enqueued): boolean {
  return typeof answer === 'string' || (answer.kind === 'rejected' && answer.reason === 'exists')
}

/**
 * Milliseconds until a schedule or a flow of the partition is due, including those that were handed out;
 * undefined if none will be.
 */
interface NextTick {
  nextTick?: number
}

export interface DueSchedules extends NextTick {
  /** Milliseconds since 1970, by the store's clock. */
  at: number
  /** The due schedules, the earliest first. */
  due: StoredSchedule[]
  /** The flows that are due, the one that has been due for longest first (`flows.ts`). */
  flows: StoredFlow[]
}

/** Where a schedule is kept. */
export interface ScheduleHome {
  id: string
  /** The text of the writer, which names the partition. */
  home: string
  /** Whether a job class declares the schedule. */
  ofClass: boolean
}

export interface Schedules {
  /**
   * Hands out flows that are due, at most `MAX_DUE`, and schedules that are due, at most `limit` (up to
   * `MAX_DUE`): together about `MAX_BYTES`, or a single larger one. With the limit 0, `nextTick` says when
   * the next flow is due.
   *
   * @param leaseMs milliseconds
   */
  due(partition: string, limit: number, leaseMs: number): Promise<DueSchedules>

  /**
   * Writes schedules, each by itself: all of its changes or none. At most `MAX_ITEMS` in one call, with their
   * jobs.
   *
   * @param bound of the queue, for the jobs
   * @param isRelied whether somebody relies on the write: then the answer waits as for a dispatch
   *   (`StoreOptions.durability`). A tick need not wait, because a server that loses it hands out its
   *   schedule again
   * @returns one answer for each, in their order
   */
  write(
    partition: string,
    writes: readonly ScheduleWrite[],
    bound?: Bound,
    isRelied?: boolean,
  ): Promise<{ written: ScheduleWritten[] } & NextTick>

  /**
   * Reads schedules, at most `MAX_ITEMS`, with the time by the store's clock. One for each id, in their
   * order.
   */
  get(
    partition: string,
    ids: readonly string[],
  ): Promise<{ at: number; found: (StoredSchedule | undefined)[] }>

  /** The home of a schedule; undefined if it has none. */
  home(id: string): Promise<string | undefined>

  /**
   * Changes the home of a schedule.
   *
   * @param from the home so far; undefined if the schedule had none. If its home is a different one now,
   *   nothing changes
   * @param to the new home; undefined for none
   * @returns the home after the call
   */
  move(
    id: string,
    from: string | undefined,
    to: string | undefined,
    ofClass?: boolean,
  ): Promise<string | undefined>

  /** All homes, in the order of their ids. @param ofClass only those of schedules that job classes declare */
  homes(ofClass?: boolean): Promise<ScheduleHome[]>
}
