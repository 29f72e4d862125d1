/**
 * A step whose effect and record are one transaction in a database of the application (`this.stepIn`). The
 * record is a row with a unique key. If two runs do the same step, the second commit is refused, and that run
 * gets the result of the first. This happens when a run has lost its lease without knowing it, or when a run
 * repeats a step because its worker died before the store had the result. `outbox/step-in.ts` knows the
 * databases.
 */
import type { StepContext, StepOptions } from './step-options.ts'

/** The key of a step in its table. No other step of any job has the same two values. */
export interface StepRow {
  /**
   * Queue, id and time of the dispatch, as they were at the first such step of the job:
   * `orders/order-7@1764633600000`. They are recorded, because a job can be moved and retried. A later job
   * with the same id has another time, and so does a job that was started again from the beginning.
   */
  job: string
  /**
   * The name of the step, and how often it had been undone or forgotten before: `book#0`. The number is last
   * because MySQL ignores spaces at the end of a text.
   */
  step: string
}

export interface StepDatabase<Tx> {
  /**
   * Whether a value is not a result, but the client's report of a statement: how many rows it has written.
   */
  isAnswer(value: unknown): boolean

  /**
   * Calls a function in a transaction, and records its result in the same transaction. If a result is already
   * recorded, the function is not called; if another run records one meanwhile, this transaction is rolled
   * back.
   *
   * @param row the row to write; undefined if nothing is to be recorded
   * @param isNew whether no earlier run can have recorded a result. Another run at the same time still can
   * @param work returns a text, or a promise of one. It must not be a promise if the database runs statements
   *   synchronously
   * @returns the text that is recorded
   * @throws what the function throws; STEP_INVALID, OUTBOX_NO_TABLE; LEASE_LOST if the step was undone
   */
  run(row: StepRow | undefined, isNew: boolean, work: (tx: Tx) => string | Promise<string>): Promise<string>

  /**
   * Undoes a step in a transaction, unless that was done before. Afterwards, a run that does not know of the
   * undo cannot commit the step.
   *
   * @param result the result of the step, if the job has it
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
   * Undoes the step before the job ends as failed or cancelled, in a transaction of the same database. It
   * commits once, and only if the step was committed. It has as many tries as the step, and at least five.
   */
  undo?: (tx: Tx, result: NoInfer<T>, context: StepContext) => unknown
}
