/**
 * What a process at its end leaves to its lease thread and to its supervisor. How a worker stops, and how
 * long its jobs may take then, is in `worker.ts`.
 */
import type { Settlement } from '../store/contract/store.ts'

/** By partition: how jobs ended, where the store has not acknowledged it. */
export type Unstored = (readonly [partition: string, settlements: readonly Settlement[]])[]

/** How a process ends, and what its worker leaves to the lease thread. */
export interface ProcessEnd {
  /** Continues the words "its process". Absent if a supervisor hands back the jobs of the worker. */
  cause?: string
  /** The process was ended by code that ran in it; nobody had told it to stop. */
  fromWithin?: boolean
  outcomes: Unstored
}

export type Ending = (cause: string, ranJobs: boolean, outcomes: Unstored) => void
