/**
 * The data that an ending process leaves to its lease thread and to its supervisor. `worker.ts` describes how
 * a worker stops, and for how long its jobs may go on.
 */
import type { Settlement } from '../store/contract/store.ts'

/** The outcomes that the store has not acknowledged, by partition. */
export type Unstored = (readonly [partition: string, settlements: readonly Settlement[]])[]

/** How a process ends, and what its worker leaves to the lease thread. */
export interface ProcessEnd {
  /**
   * Why the process ends, as the rest of a sentence that begins with "its process". Absent if a supervisor
   * hands back the jobs of the worker.
   */
  cause?: string
  /** Whether code in the process ended it, without an order or signal to stop. */
  fromWithin?: boolean
  outcomes: Unstored
}

export type Ending = (cause: string, ranJobs: boolean, outcomes: Unstored) => void
