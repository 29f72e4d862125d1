/**
 * A step whose effect and record are one transaction in a database of the application (`this.stepIn`). The
 * record is a row with a unique key, so whichever of two runs commits second is refused, and gets the result
 * of the first: one that has lost its lease and does not know it, or one that repeats a step whose worker
 * died before the store had the result. `outbox/step-in.ts` knows databases.
 */
import type { StepContext, StepOptions } from './step-options.ts'

/** How a step is found in its table. No other step has both, of this job or of any other. */
export interface StepRow {
  /**
   * Queue, id and time of the dispatch, as they were when the job came to its first such step, because the
   * job may be moved, and retried: `orders/order-7@1764633600000`. A later job with this id has another time,
   * and so has one that began anew.
   */
  job: string
  /**
   * The name, and how often the step had been undone or forgotten before: `book#0`. What is at its end is no
   * space, which MySQL does not see there.
   */
  step: string
}

export interface StepDatabase<Tx> {
  /** Whether a value is no result, but what the client says of a statement: how many rows it has written. */
  isAnswer(value: unknown): boolean

  /**
   * Calls a function in a transaction, and records its result in that. If a result is recorded, the function
   * is not called, or what it did is rolled back.
   *
   * @param row undefined: nothing is recorded
   * @param isNew nothing can be recorded, unless two runs do not know of each other
   * @param work its result is a text; not a promise of one, if the database runs statements at once
   * @returns the text that is recorded
   * @throws what the function throws; STEP_INVALID, OUTBOX_NO_TABLE; LEASE_LOST if the step was undone
   */
  run(row: StepRow | undefined, isNew: boolean, work: (tx: Tx) => string | Promise<string>): Promise<string>

  /**
   * Undoes a step in a transaction, unless it was undone. From then on, no run that does not know it can
   * commit the step.
   *
   * @param result what the step resulted in, if the job has that
   * @param work is not called if the step never committed
   */
  undo(
    row: StepRow | undefined,
    result: string | undefined,
    work: (tx: Tx, result: string) => unknown,
  ): Promise<void>
}

export interface StepInOptions<T = unknown, Tx = unknown> extends Omit<StepOptions<T>, 'undo'> {
  /**
   * Undoes the step, before the job ends as failed or cancelled: in a transaction of the same database, once,
   * and only if the step was committed. It is tried as often as the step, and at least five times.
   */
  undo?: (tx: Tx, result: NoInfer<T>, context: StepContext) => unknown
}
