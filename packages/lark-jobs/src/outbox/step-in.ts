/**
 * The records of `this.stepIn()`: rows of `lark_steps`, each written in the transaction of its step
 * (`step/in-database.ts`).
 *
 *   form    1: the step has committed, and `result` is its result, in the form of a journal
 *           2: the step was undone, or an undo came before the step had committed
 *
 * The first run of a job does not read the table: it only adds one INSERT to the application's own
 * transaction. A row is needed until the store has the result. It is also needed while a frozen run that has
 * lost its lease may continue and repeat the step. Rows are removed only because of their age. The processes
 * that write rows remove them: with its first row and with every 500th row after that, a process removes up
 * to 1,000 old rows. So the table holds the rows of about 30 days. Failed jobs are kept for 30 days by
 * default, too, and may be retried in that time.
 */
import { JobsError } from '../model/errors.ts'
import type { StepDatabase, StepRow } from '../step/in-database.ts'
import { isPromise, next } from '../waiting/next.ts'
import { noOpener, openerOf } from './database-clients.ts'
import { type Columns, isAnswer } from './rows.ts'
import { isTableMissing, OUTBOX_STEPS, OutboxTable } from './table.ts'
import type { Opener } from './transaction.ts'

const COMMITTED = 1
const UNDONE = 2

/** How long rows are kept, in milliseconds. */
const KEPT = 30 * 86_400_000
/** How many rows a process writes between two removals of old rows. A removal removes at most `MOST` rows. */
const ROUND = 500
const MOST = 1_000

/** For each database, how many rows this process has written. */
const written = new WeakMap<object, number>()

/**
 * @param mayBeStub whether a value that cannot open a transaction is accepted as the stub of a test, and
 *   passed to the functions unchanged
 * @throws STEP_INVALID
 */
export function stepDatabase<Tx>(db: unknown, mayBeStub: boolean): StepDatabase<Tx> {
  const opener = openerOf(db)
  if (opener !== undefined) return new InDatabase(db as object, opener)
  if (!mayBeStub) throw noOpener(db)
  return {
    isAnswer,
    run: async (_, __, work) => work(db as Tx),
    undo: async (_, result, work) => void (result !== undefined && (await work(db as Tx, result))),
  }
}

class InDatabase<Tx> implements StepDatabase<Tx> {
  readonly isAnswer = isAnswer
  readonly #db: object
  readonly #opener: Opener

  constructor(db: object, opener: Opener) {
    this.#db = db
    this.#opener = opener
  }

  async run(
    row: StepRow | undefined,
    isNew: boolean,
    work: (tx: Tx) => string | Promise<string>,
  ): Promise<string> {
    const text = await this.#committed(row, isNew, work)
    if (row !== undefined) await this.#removeOld()
    return text
  }

  async #committed(
    row: StepRow | undefined,
    isNew: boolean,
    work: (tx: Tx) => string | Promise<string>,
  ): Promise<string> {
    try {
      return await this.#opener.open((tx, handle) => {
        const begin = () => checked(this.#opener, work(tx as Tx))
        if (row === undefined) return begin()
        const table = new OutboxTable(handle.dialect)
        const commit = () =>
          next(begin(), (result) =>
            next(handle.execute(table.insertStep(row, COMMITTED, result)), () => result),
          )
        return isNew
          ? commit()
          : next(handle.select(table.findStep(row)), ([found]) => (found ? recorded(row, found) : commit()))
      })
    } catch (error) {
      // An error may mean that another run has committed the step meanwhile, or that this run has committed
      // the step and the answer was lost.
      const kept = row && (await this.#find(row))
      if (kept === undefined) throw failure(error)
      return recorded(row!, kept)
    }
  }

  async undo(
    row: StepRow | undefined,
    result: string | undefined,
    work: (tx: Tx, result: string) => unknown,
  ): Promise<void> {
    try {
      await this.#opener.open((tx, handle) => {
        const undone = (kept: string | undefined) =>
          kept === undefined ? undefined : checked(this.#opener, work(tx as Tx, kept))
        if (row === undefined) return undone(result)
        const table = new OutboxTable(handle.dialect)
        return next(handle.select(table.findStep(row, true)), ([found]) => {
          if (Number(found?.form) === UNDONE) return undefined
          const note = found ? table.changeStep(row, UNDONE) : table.insertStep(row, UNDONE, '')
          const kept = found ? String(found.result) : result
          return next(undone(kept), () => next(handle.execute(note), () => undefined))
        })
      })
    } catch (error) {
      throw failure(error)
    }
  }

  async #find(row: StepRow): Promise<Columns | undefined> {
    try {
      const rows = await this.#opener.open((_, handle) =>
        handle.select(new OutboxTable(handle.dialect).findStep(row)),
      )
      return rows[0]
    } catch {
      return undefined
    }
  }

  /** Removes old rows. If the removal fails, a later removal includes these rows. */
  async #removeOld(): Promise<void> {
    const count = written.get(this.#db) ?? 0
    written.set(this.#db, count + 1)
    if (count % ROUND !== 0) return
    try {
      await this.#opener.open((_, handle) =>
        handle.execute(new OutboxTable(handle.dialect).removeOldSteps(KEPT, MOST)),
      )
    } catch {}
  }
}

/** @throws LEASE_LOST */
function recorded({ step }: StepRow, { form, result }: Columns): string {
  if (Number(form) === COMMITTED) return String(result)
  throw new JobsError('LEASE_LOST', `The step ${step} has been undone by another run of the job`)
}

/**
 * Checks the result of a function in a transaction.
 *
 * @throws STEP_INVALID if the result is a promise and the database runs statements synchronously
 */
function checked<T>({ isSync }: Opener, given: T): T {
  if (!isSync || !isPromise(given)) return given
  if (given instanceof Promise) given.catch(() => {})
  throw new JobsError('STEP_INVALID', 'The function that stepIn() was given returns a promise', {
    hint: 'This SQLite client runs each statement synchronously, and all transactions share its connection: the function must not be async.',
  })
}

function failure(cause: unknown): unknown {
  if (!isTableMissing(cause, OUTBOX_STEPS)) return cause
  return new JobsError(
    'OUTBOX_NO_TABLE',
    `The database has no table ${OUTBOX_STEPS}, or not all of its columns`,
    {
      cause,
      hint: 'The step was rolled back. Put what lark outbox:sql prints into the migrations of the application.',
    },
  )
}
