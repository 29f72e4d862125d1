/**
 * The contract between the job queue and a store of schedules. Schedules have their own interface beside the
 * verbs for jobs (`store.ts`). `test/conformance/schedules.ts` tests what this comment says.
 *
 * **Schedule.** A schedule is kept in the partition of its jobs. The store keeps the definition and the state
 * of a schedule as texts that it does not read, and also a number that rises with each write, the time at
 * which the schedule is due next, and the last runs. A write names the number that its writer has read, and
 * fails if the number has changed. So if several workers handle one tick, only one of them writes, and the
 * others learn that the schedule has changed.
 *
 * **Tick.** A write may queue jobs in the same atomic step. So the state says that the schedule has ticked if
 * and only if the job of the tick exists. A job whose id exists already counts as queued. A write that is
 * sent again names an old number, and changes nothing. A writer may handle a tick before the instant of the
 * tick. Such a writer queues the job with a delay, which counts from the time at which the writer read the
 * schedule.
 *
 * **Due.** `due` hands out the schedules that are due, under a short lease. No other call gets these
 * schedules until the lease ends. When the lease has ended, the schedules are due again, unless somebody has
 * written them. The lease is not needed for correctness, but saves work: if two workers handle a schedule at
 * the same time, the number of the schedule decides which worker writes. `exchange` and `survey` say when the
 * next schedule of a partition is due. If a write makes a schedule due earlier than every other schedule, a
 * waiting worker is rung, so that it learns the new time.
 *
 * **Runs.** When the job of a tick (`model/tick.ts`) ends, the same atomic step adds a run to the schedule,
 * if the schedule exists. So the history of a schedule does not depend on how long jobs are kept. If the job
 * is queued again and ends again, another run is added.
 *
 * **Home.** One table of the store has the home of every schedule: a text that names the partition of the
 * schedule, in a form that only the writer knows. So the id of a schedule is unique in the store.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { NewJob } from '../../model/record.ts'
import type { ScheduleRun } from '../../model/tick.ts'
import type { Bound, Enqueued } from './enqueued.ts'
import type { StoredFlow } from './flows.ts'

export { MAX_RUNS } from '../../model/tick.ts'
/**
 * The most schedules that one `due` hands out. `due` and `write` take about 20 µs of a Redis server for each
 * tick, so a call with so many schedules delays other calls by 0.5 to 1.5 ms (measured on 2 busy cores,
 * 2026-11-26).
 */
export const MAX_DUE = 100
/**
 * The id under which the changes at a pace are kept beside the schedules (`operate/pace`). No schedule has
 * this id, because the ids of schedules have no colon.
 */
export const CHANGES = ':changes'

export interface StoredSchedule {
  id: string
  /**
   * A number that rises with each write, and is at least the time of the write. So no number comes twice,
   * even if a schedule is removed and created again, or a server loses its last changes.
   */
  rev: number
  /** A text that only the writers of flows and schedules understand. */
  definition: string
  /** A text that only the writers of flows and schedules understand. */
  state: string
  /** The last runs, at most `MAX_RUNS`, in the order in which they ended. */
  runs: ScheduleRun[]
}

/** A change of a schedule. */
export type ScheduleWrite = {
  id: string
  /**
   * The number that the writer has read with the schedule; 0 if there was no schedule. If the schedule has
   * another number now, nothing is written.
   */
  rev: number
  /** Jobs to queue with the change, at most `MAX_ITEMS`. */
  jobs?: readonly NewJob[]
  /**
   * For jobs with a delay. `from`: the instant from which the delay counts (milliseconds since 1970; default:
   * the time of the write). `isExpected`: the worker that writes the schedule will claim the jobs itself when
   * they are due, so the store wakes no other worker for them.
   */
  delays?: { from: number; isExpected?: boolean }
} & (
  | {
      /** The new definition; if absent, the definition stays as it is. */
      definition?: string
      state: string
      /** When the schedule is due next: milliseconds since 1970; if absent, the schedule has no next tick. */
      next?: number | undefined
    }
  /** Removes the schedule and its runs. */
  | { remove: true }
)

export interface ScheduleWritten {
  /** False: nothing was written, because the schedule has changed since the writer read it. */
  isWritten: boolean
  /** The new number of the schedule; 0 if nothing was written, or if the schedule was removed. */
  rev: number
  /** One answer for each job, in the order of the jobs. A job whose id exists already counts as queued. */
  jobs: Enqueued[]
}

/** Whether a job was queued now or existed already. The application or Lark may have chosen its id. */
export function countsAsQueued(answer: Enqueued): boolean {
  return typeof answer === 'string' || (answer.kind === 'rejected' && answer.reason === 'exists')
}

/**
 * Milliseconds until the next schedule or flow of the partition is due; undefined if none will be due. A
 * schedule or flow that is handed out is due again at the end of its lease.
 */
interface NextTick {
  nextTick?: number
}

export interface DueSchedules extends NextTick {
  /** The time of the answer: milliseconds since 1970, by the store's clock. */
  at: number
  /** The due schedules, the earliest first. */
  due: StoredSchedule[]
  /** The flows that are due (`flows.ts`). The flow that has been due for the longest time is first. */
  flows: StoredFlow[]
}

/** The flows that an `exchange` hands out. */
export type DueFlows = Pick<DueSchedules, 'at' | 'flows'>

/** Where a schedule is kept. */
export interface ScheduleHome {
  id: string
  /** A text that names the partition, in a form that only the writer knows. */
  home: string
  /** Whether a job class declares the schedule. */
  ofClass: boolean
}

export interface Schedules {
  /**
   * Hands out the flows that are due, at most `MAX_DUE`, and the schedules that are due, at most `limit`
   * (which is at most `MAX_DUE`). Together they have about `MAX_BYTES`; a larger schedule or flow is handed
   * out alone. With the limit 0, `nextTick` is about flows only.
   *
   * @param leaseMs milliseconds
   */
  due(partition: string, limit: number, leaseMs: number): Promise<DueSchedules>

  /**
   * Writes schedules. Of each schedule, either all changes are made or none. A call has at most `MAX_ITEMS`
   * schedules and jobs together.
   *
   * @param bound the limit on the number of jobs in the queue (`Bound`)
   * @param isRelied whether the answer must wait until the write is as safe as a dispatch
   *   (`StoreOptions.durability`). The write of a tick does not wait: if a server loses the write, it hands
   *   out the schedule again
   * @returns one answer for each schedule, in the order of `writes`
   */
  write(
    partition: string,
    writes: readonly ScheduleWrite[],
    bound?: Bound,
    isRelied?: boolean,
  ): Promise<{ written: ScheduleWritten[] } & NextTick>

  /**
   * Reads schedules, at most `MAX_ITEMS`, and the present time by the store's clock. The answer has one entry
   * for each id, in the order of `ids`.
   */
  get(
    partition: string,
    ids: readonly string[],
  ): Promise<{ at: number; found: (StoredSchedule | undefined)[] }>

  /** Reads the home of a schedule; undefined if the schedule has no home. */
  home(id: string): Promise<string | undefined>

  /**
   * Changes the home of a schedule.
   *
   * @param from the home that the caller has read; undefined if the schedule had none. If the schedule now
   *   has another home, nothing changes
   * @param to the new home. Undefined removes the home
   * @returns the home after the call
   */
  move(
    id: string,
    from: string | undefined,
    to: string | undefined,
    ofClass?: boolean,
  ): Promise<string | undefined>

  /**
   * Reads all homes, in the order of their ids. @param ofClass whether to read only the homes of schedules
   * that job classes declare
   */
  homes(ofClass?: boolean): Promise<ScheduleHome[]>
}
