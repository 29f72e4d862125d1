/**
 * The database of the application. The configuration gives access to it by a function that runs one
 * statement.
 */
import { JobsError } from '../model/errors.ts'
import { inTime } from '../waiting/bounded-wait.ts'
import { textOf } from '../words/thrown.ts'
import type { Dialect } from './dialect.ts'
import { type Columns, rowsOf } from './rows.ts'
import { isTableMissing, OUTBOX, OUTBOX_VERSION, type OutboxStatement, OutboxTable } from './table.ts'

/**
 * How long a statement may take, in milliseconds. There is a limit because a dead connection may never report
 * an error.
 */
const PATIENCE = 30_000

/** Runs a statement with its parameters, outside of any transaction. */
export type OutboxExecute = (sql: string, parameters: readonly (string | number | null)[]) => unknown

/**
 * Calls `wake` whenever the table may have new rows.
 *
 * @returns a function that stops these calls, or nothing
 */
export type OutboxListen = (wake: () => void) => unknown

/** The outbox in the configuration. */
export interface ConfiguredOutbox {
  for: Dialect
  execute: OutboxExecute
  listen: OutboxListen | undefined
  /**
   * The name of the outbox, which distinguishes the outboxes of several databases whose jobs go to one store.
   */
  name: string
}

export class OutboxDatabase {
  readonly table: OutboxTable
  readonly name: string
  readonly listen: OutboxListen | undefined
  readonly #execute: OutboxExecute
  readonly #patience: number

  /** @param patience how long a statement may take, in milliseconds */
  constructor({ for: dialect, execute, listen, name }: ConfiguredOutbox, patience = PATIENCE) {
    this.#patience = patience
    this.table = new OutboxTable(dialect)
    this.name = name
    this.listen = listen
    this.#execute = execute
  }

  /**
   * Runs a statement.
   *
   * @returns its rows; an empty list for a statement that returns no rows
   * @throws OUTBOX_AWAY, OUTBOX_NO_TABLE
   */
  async run({ sql, parameters }: OutboxStatement): Promise<readonly Columns[]> {
    try {
      const answer = Promise.resolve(this.#execute(sql, parameters))
      return rowsOf(await inTime(this.#patience, answer, () => late(this.#patience)))
    } catch (cause) {
      throw isTableMissing(cause) ? noTable(this.table.dialect, cause) : away(cause)
    }
  }

  /**
   * Returns `backlog`, after checking that the tables have all columns.
   *
   * @throws OUTBOX_AWAY, OUTBOX_NO_TABLE
   */
  async checked(): Promise<OutboxBacklog> {
    for (const statement of this.table.check()) await this.run(statement)
    return this.backlog()
  }

  /** Reads how many rows wait, how many cannot become jobs, and the age of the oldest waiting row. */
  async backlog(): Promise<OutboxBacklog> {
    const [row = {}] = await this.run(this.table.backlog())
    const { waiting, marked, age } = row
    return { waiting: Number(waiting), bad: Number(marked), age: Math.max(0, Number(age ?? 0)) }
  }
}

/**
 * The numbers of rows in an outbox. `age`: the age of the oldest waiting row in milliseconds, or 0 if no row
 * waits.
 */
export interface OutboxBacklog {
  waiting: number
  /** How many rows cannot become jobs. */
  bad: number
  age: number
}

function late(ms: number): never {
  throw new Error(`it has not answered for ${ms / 1000} seconds`)
}

function noTable(dialect: Dialect, cause: unknown): JobsError {
  const message = `The database has no table ${OUTBOX} of version ${OUTBOX_VERSION}, or not all of its columns: ${textOf(cause)}`
  return new JobsError('OUTBOX_NO_TABLE', message, {
    cause,
    hint: `Put what lark outbox:sql --for=${dialect} prints into the migrations of the application, or call lark outbox:install.`,
  })
}

function away(cause: unknown): JobsError {
  return new JobsError('OUTBOX_AWAY', `The database of the outbox does not answer: ${textOf(cause)}`, {
    cause,
  })
}
