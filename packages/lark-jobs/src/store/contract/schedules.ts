/**
 * The contract between the job queue and a store of schedules: an interface of its own, beside the job verbs
 * (`store.ts`). `test/conformance/schedules.ts` tests what this comment says.
 *
 * **Schedule.** A schedule is kept in the partition of its jobs. A store reads neither its definition nor its
 * state: it keeps both texts, a number that rises with each write, when the schedule is due next, and its
 * last runs. Whoever writes says which number it has read. So of several workers that handle one tick, one
 * writes, and the others learn that the schedule has changed.
 *
 * **Tick.** A write may queue jobs in the same atomic step: the state says that the schedule has ticked if
 * and only if the job is there. A job whose id is there already counts as queued. A write that is sent again
 * finds another number, and changes nothing. The writer may handle a tick before its instant: then it delays
 * the job, from the time at which it has read the schedule.
 *
 * **Due.** `due` hands out the schedules that are due under a short lease: until then no other call is handed
 * them, and then they are due again, unless they were written meanwhile. The lease only saves work; the
 * number decides. `exchange` and `survey` say when the next schedule of a partition is due. A write after
 * which a schedule is due sooner than any other rings a waiting worker, so that the worker learns it.
 *
 * **Runs.** When the job of a tick (`model/tick.ts`) ends, in whatever way, the same atomic step notes it at
 * the schedule, if this is there. So the history does not depend on how long jobs are kept. A job that is
 * queued again and ends again is noted again.
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
 * The most schedules that one `due` hands out. On Redis, a call that reads or writes so many holds up others
 * for 0.5 to 1.5 ms: `due` and `write` take some 20 µs of the server for each tick (2 cores, busy,
 * 2026-11-26).
 */
export const MAX_DUE = 100

export interface StoredSchedule {
  id: string
  /**
   * Rises with each write, and is at least the time of it. So it is another one also for a schedule that was
   * removed and made again, and after a server has lost its last changes.
   */
  rev: number
  /** Text of the writer. */
  definition: string
  /** Text of the writer. */
  state: string
  /** At most `MAX_RUNS`, the last to end last. */
  runs: ScheduleRun[]
}

/** A change of a schedule. */
export type ScheduleWrite = {
  id: string
  /**
   * The number of the schedule that the writer has read; 0 if there was none. If it is another by now,
   * nothing changes.
   */
  rev: number
  /** Jobs to queue with the change, at most `MAX_ITEMS`. */
  jobs?: readonly NewJob[]
  /**
   * Of jobs with a delay: from when it counts (milliseconds since 1970; default: the write), and whether the
   * writer claims the jobs when they are due, so that nobody is rung for them.
   */
  delays?: { from: number; isExpected?: boolean }
} & (
  | {
      /** Default: as it is. */
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
  /** The number that the schedule has since; 0 if nothing was written, or if it was removed. */
  rev: number
  /** What became of each job, in their order. A job with the id of another counts as queued. */
  jobs: Enqueued[]
}

/** Whether a job was queued, or was there already, whoever chose its id. */
export function countsAsQueued(answer: Enqueued): boolean {
  return typeof answer === 'string' || (answer.kind === 'rejected' && answer.reason === 'exists')
}

/**
 * Milliseconds until a schedule or a flow of the partition is due, those handed out included; undefined if
 * none will be.
 */
interface NextTick {
  nextTick?: number
}

export interface DueSchedules extends NextTick {
  /** Milliseconds since 1970, by the store's clock. */
  at: number
  /** The due schedules, the earliest first. */
  due: StoredSchedule[]
  /** The flows that are due, those that are due for longest first (`flows.ts`). */
  flows: StoredFlow[]
}

/** Where a schedule is kept. */
export interface ScheduleHome {
  id: string
  /** Text of the writer, which names the partition. */
  home: string
  /** A job class declares it. */
  ofClass: boolean
}

export interface Schedules {
  /**
   * Hands out flows that are due, at most `MAX_DUE`, and schedules that are due, at most `limit` (up to
   * `MAX_DUE`): together about `MAX_BYTES`, or one that is larger. With the limit 0, `nextTick` says when the
   * next flow is due.
   *
   * @param leaseMs milliseconds
   */
  due(partition: string, limit: number, leaseMs: number): Promise<DueSchedules>

  /**
   * Writes schedules, each by itself: all of its changes or none. All in one call, at most `MAX_ITEMS` with
   * their jobs.
   *
   * @param bound of the queue, for the jobs
   * @param isRelied somebody relies on what was written: the answer waits for what a dispatch waits for
   *   (`StoreOptions.durability`). A tick need not wait: a server that loses it hands out its schedule again
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
   * @param from its home so far, undefined if it had none. If that is not so, nothing changes
   * @param to undefined: it has none any more
   * @returns its home now
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
