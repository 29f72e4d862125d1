/**
 * A step whose effect and record are one transaction in a database of the application (`this.stepIn`). The
 * record is a row with a unique key. If two runs do the same step, the second commit is refused, and the
 * second run gets the result of the first. Two runs may do the same step in two cases: a run has lost its
 * lease without knowing it, or the worker of an earlier run died before the store had the result of the step.
 * `outbox/step-in.ts` has the code for each kind of database.
 */
import type { StepContext, StepOptions } from './step-options.ts'

/** The key of a step in its table. No other step of any job has the same two values. */
export interface StepRow {
  /**
   * The name of the job in the table: its queue, its id and the time of its dispatch,
   * `orders/order-7@1764633600000`. The first step of the job that writes to a database records this name in
   * the journal, because the job may be moved or retried later. A later job with the same id has another
   * time, and so has a job that was started again from the beginning.
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
   * Whether a value is not a result of the step, but the answer of the database client to a statement, such
   * as the number of written rows.
   */
  isAnswer(value: unknown): boolean

  /**
   * Calls a function in a transaction, and records its result in the same transaction. If a result is already
   * recorded, the function is not called. If another run records a result meanwhile, this transaction is
   * rolled back.
   *
   * @param row the row to write, or undefined if nothing must be recorded
   * @param isNew whether no earlier run can have recorded a result. A concurrent run may still record a
   *   result
   * @param work returns a text, or a promise of a text. A promise is not allowed if the database runs
   *   statements synchronously
   * @returns the text that is recorded
   * @throws the error of the function; STEP_INVALID, OUTBOX_NO_TABLE; LEASE_LOST if the step was undone
   */
  run(row: StepRow | undefined, isNew: boolean, work: (tx: Tx) => string | Promise<string>): Promise<string>

  /**
   * Undoes a step in a transaction, unless the step was undone before. After that, a run that does not know
   * of the undo cannot commit the step.
   *
   * @param result the result of the step, if the job has it
   * @param work undoes the step. The function is not called if the step never committed
   */
  undo(
    row: StepRow | undefined,
    result: string | undefined,
    work: (tx: Tx, result: string) => unknown,
  ): Promise<void>
}

export interface StepInOptions<T = unknown, Tx = unknown> extends Omit<StepOptions<T>, 'undo'> {
  /**
   * Undoes the step before the job ends as failed or cancelled, in a transaction of the same database. The
   * undo commits once, and only if the step was committed. The undo has as many tries as the step, and at
   * least five.
   */
  undo?: (tx: Tx, result: NoInfer<T>, context: StepContext) => unknown
}
