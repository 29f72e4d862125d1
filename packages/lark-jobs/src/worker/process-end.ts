/**
 * What a process that ends leaves to its lease thread, and to its supervisor. How a worker stops, and how
 * long its jobs may take then, is in `worker.ts`.
 */
import type { Settlement } from '../store/contract/store.ts'

/** How jobs ended, of which the store has not heard: by their partition. */
export type Unstored = (readonly [partition: string, settlements: readonly Settlement[]])[]

/** How a process ends, and what its worker leaves to the thread. */
export interface ProcessEnd {
  /** Continues "its process"; left out if a supervisor hands back what the worker holds. */
  cause?: string
  /** What the process ran has ended it: nobody has told it to stop. */
  fromWithin?: boolean
  outcomes: Unstored
}

export type Ending = (cause: string, ranJobs: boolean, outcomes: Unstored) => void
