/**
 * The outbox: a table in the database of the application. `dispatch(payload, { tx })` writes a row in the
 * transaction of the application, and the relay of a worker puts the jobs of committed rows into the store.
 * This file has all the SQL, for each dialect.
 *
 * When the job of a row is in the store, the row is removed by its place. The relay does not note the last
 * place that it has read, because it would skip rows. A place is assigned when a row is written, so a
 * transaction that commits late makes smaller places visible after larger places. While the relay calls the
 * store, it holds no lock and no open transaction. Only one relay works at a time. If two relays work at the
 * same time for a moment, both queue jobs with the same ids, which does no harm.
 *
 * A change of this layout may only add columns with a default, so that earlier versions of Lark can still
 * read and write the table.
 */
import type { StepRow } from '../step/in-database.ts'
import { fieldOf, textOf } from '../words/thrown.ts'
import { type Dialect, dialectWords } from './dialect.ts'
import type { NewRow } from './row.ts'

export const OUTBOX = 'lark_outbox'
/** The table with the records of `this.stepIn()` (`step-in.ts`). */
export const OUTBOX_STEPS = 'lark_steps'

/** The version of the tables. Tables of this version have at least the columns that `check` reads. */
export const OUTBOX_VERSION = 1

/** The maximum number of rows in one INSERT, and in one lot of the relay. */
export const LOT = 1_000
/** A lot takes no more rows once its bodies together have this size, in bytes. */
export const LOT_BYTES = 4_194_304

/** A statement for the database. Its parameters are texts and numbers, which every driver accepts. */
export interface OutboxStatement {
  sql: string
  parameters: readonly (string | number | null)[]
}

export class OutboxTable {
  readonly dialect: Dialect
  readonly #words: (typeof dialectWords)[Dialect]

  constructor(dialect: Dialect) {
    this.dialect = dialect
    this.#words = dialectWords[dialect]
  }

  /**
   * The statements that create the tables, for the migrations of the application. The statements have no
   * effect if the tables exist.
   */
  create(): string[] {
    const { place, id, name, job, step, text, integer, long, table } = this.#words
    const isMysql = this.dialect === 'mysql'
    return [
      `CREATE TABLE IF NOT EXISTS ${OUTBOX} (
  place ${place},
  id ${id} NOT NULL,
  queue ${name} NOT NULL,
  form ${integer} NOT NULL,
  kind ${name} NOT NULL,
  body ${text} NOT NULL,
  written ${long} NOT NULL,
  tries ${integer} NOT NULL DEFAULT 0,
  error ${text}${isMysql ? `,\n  KEY ${OUTBOX}_id (id)` : ''}
)${table}`,
      ...(isMysql ? [] : [`CREATE INDEX IF NOT EXISTS ${OUTBOX}_id ON ${OUTBOX} (id)`]),
      `CREATE TABLE IF NOT EXISTS ${OUTBOX_STEPS} (
  job ${job} NOT NULL,
  step ${step} NOT NULL,
  form ${integer} NOT NULL,
  result ${text} NOT NULL,
  written ${long} NOT NULL,
  PRIMARY KEY (job, step)${isMysql ? `,\n  KEY ${OUTBOX_STEPS}_written (written)` : ''}
)${table}`,
      ...(isMysql ? [] : [`CREATE INDEX IF NOT EXISTS ${OUTBOX_STEPS}_written ON ${OUTBOX_STEPS} (written)`]),
    ]
  }

  /**
   * Statements that fail if the tables are missing or have an earlier version. The statements read no rows.
   */
  check(): OutboxStatement[] {
    return [
      `SELECT place, id, queue, form, kind, body, written, tries, error FROM ${OUTBOX} WHERE 1 = 0`,
      `SELECT job, step, form, result, written FROM ${OUTBOX_STEPS} WHERE 1 = 0`,
    ].map(plain)
  }

  /** Inserts rows. @param rows at most `LOT` rows */
  insert(rows: readonly NewRow[]): OutboxStatement {
    const { now, parameter } = this.#words
    const parameters: (string | number)[] = []
    const next = (value: string) => parameter(parameters.push(value))
    const values = rows.map(
      ({ id, queue, form, kind, body }) =>
        `(${next(id)}, ${next(queue)}, ${form}, '${kind}', ${next(body)}, ${now})`,
    )
    const sql = `INSERT INTO ${OUTBOX} (id, queue, form, kind, body, written) VALUES ${values.join(', ')}`
    return { sql, parameters }
  }

  /**
   * Selects the next lot of the relay, the oldest rows first. `decode` reads the rows that the statement
   * returns.
   *
   * @param after the place of the last row of the previous lot
   */
  take(most = LOT, bytes = LOT_BYTES, after = '0'): OutboxStatement {
    const own = this.#words.bytes
    return plain(`SELECT ${this.#row()} FROM (
SELECT lot.*, SUM(${own}) OVER (ORDER BY place) - ${own} AS before_it FROM (
SELECT * FROM ${OUTBOX} WHERE error IS NULL AND place > ${listOf([after])} ORDER BY place LIMIT ${most}
) AS lot) AS sized WHERE before_it < ${bytes} ORDER BY place`)
  }

  /** Removes rows whose jobs are in the store. */
  remove(places: readonly string[]): OutboxStatement {
    const from = this.dialect === 'mysql' ? `${OUTBOX} FROM` : 'FROM'
    return plain(`DELETE ${from} ${OUTBOX}${this.#words.byPlace} WHERE ${isOneOf(places)}`)
  }

  /**
   * Marks rows that cannot become jobs, so that they stay in the table and the relay no longer takes them.
   * @param error the reason, for people
   */
  mark(places: readonly string[], error: string): OutboxStatement {
    const set = `error = ${this.#words.parameter(1)}, tries = tries + 1`
    const sql = `UPDATE ${OUTBOX}${this.#words.byPlace} SET ${set} WHERE ${isOneOf(places)}`
    return { sql, parameters: [error] }
  }

  /**
   * Selects the places of marked rows, at most `LOT`. A second statement (`retry`) changes the rows: in
   * MariaDB, an UPDATE that searches for marked rows would wait for each transaction that has written a row.
   *
   * @param ids the ids of the jobs of the rows, or undefined for all marked rows
   * @param after the last place of the previous answer
   */
  marked(ids: readonly string[] | undefined, after = '0'): OutboxStatement {
    const sql = `SELECT place FROM ${OUTBOX} WHERE error IS NOT NULL AND place > ${listOf([after])}`
    const ofIds = ids === undefined ? '' : ` AND id IN (${this.#parameters(ids.length)})`
    return { sql: `${sql}${ofIds} ORDER BY place LIMIT ${LOT}`, parameters: ids ?? [] }
  }

  /** Lets the relay take marked rows again. */
  retry(places: readonly string[]): OutboxStatement {
    return plain(`UPDATE ${OUTBOX}${this.#words.byPlace} SET error = NULL WHERE ${isOneOf(places)}`)
  }

  /**
   * Selects one row: `waiting` and `marked` are counts, and `age` is the age of the oldest waiting row, in
   * milliseconds.
   */
  backlog(): OutboxStatement {
    return plain(
      `SELECT COUNT(*) - COUNT(error) AS waiting, COUNT(error) AS marked, ${this.#words.now} - MIN(CASE WHEN error IS NULL THEN written END) AS age FROM ${OUTBOX}`,
    )
  }

  /** Selects the rows of a job. There are several if the application chose its id and dispatched it twice. */
  find(id: string): OutboxStatement {
    const sql = `SELECT ${this.#row()} FROM ${OUTBOX} WHERE id = ${this.#words.parameter(1)} ORDER BY place`
    return { sql, parameters: [id] }
  }

  /** Selects a page of rows, for people. @param after the place of the last row of the previous page */
  list(most: number, { marked = false, after }: { marked?: boolean; after?: string } = {}): OutboxStatement {
    const where = [marked && 'error IS NOT NULL', after !== undefined && `place > ${listOf([after])}`]
    const all = where.filter((each) => each !== false).join(' AND ') || '1 = 1'
    return plain(`SELECT ${this.#row()} FROM ${OUTBOX} WHERE ${all} ORDER BY place LIMIT ${most}`)
  }

  /**
   * Selects the record of a step, if there is one.
   *
   * @param isToChange whether the transaction will change the record
   */
  findStep({ job, step }: StepRow, isToChange = false): OutboxStatement {
    const { locking, parameter } = this.#words
    const sql = `SELECT form, result FROM ${OUTBOX_STEPS} WHERE job = ${parameter(1)} AND step = ${parameter(2)}`
    return { sql: `${sql}${isToChange ? locking : ''}`, parameters: [job, step] }
  }

  /** Inserts the record of a step. The INSERT fails if the step already has a record. */
  insertStep({ job, step }: StepRow, form: number, result: string): OutboxStatement {
    const { now, parameter } = this.#words
    const values = `${parameter(1)}, ${parameter(2)}, ${form}, ${parameter(3)}, ${now}`
    const sql = `INSERT INTO ${OUTBOX_STEPS} (job, step, form, result, written) VALUES (${values})`
    return { sql, parameters: [job, step, result] }
  }

  changeStep({ job, step }: StepRow, form: number): OutboxStatement {
    const { now, parameter } = this.#words
    const sql = `UPDATE ${OUTBOX_STEPS} SET form = ${form}, written = ${now} WHERE job = ${parameter(1)} AND step = ${parameter(2)}`
    return { sql, parameters: [job, step] }
  }

  /** Removes records of steps. @param age the minimum age of the records, in milliseconds */
  removeOldSteps(age: number, most: number): OutboxStatement {
    // PostgreSQL uses no index for an expression that may change from row to row, such as its clock.
    const old = `written < (SELECT ${this.#words.now}) - ${age} ORDER BY written LIMIT ${most}`
    if (this.dialect === 'mysql') return plain(`DELETE FROM ${OUTBOX_STEPS} WHERE ${old}`)
    return plain(
      `DELETE FROM ${OUTBOX_STEPS} WHERE (job, step) IN (SELECT job, step FROM ${OUTBOX_STEPS} WHERE ${old})`,
    )
  }

  #row(): string {
    return `place, id, queue, form, kind, body, tries, error, ${this.#words.now} - written AS age`
  }

  #parameters(count: number): string {
    return Array.from({ length: count }, (_, i) => this.#words.parameter(i + 1)).join(', ')
  }
}

function plain(sql: string): OutboxStatement {
  return { sql, parameters: [] }
}

/** Whether a value can be the place of a row. */
export function isPlace(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,19}$/.test(value)
}

/**
 * The maximum number of places in one list. MariaDB turns a list of 1,000 values into a table of its own, and
 * then reads all rows of the outbox (`byPlace`).
 */
const LIST = 500

/** The condition that a row has one of these places. */
function isOneOf(places: readonly string[]): string {
  const lists: string[] = []
  for (let from = 0; from < places.length; from += LIST)
    lists.push(`place IN (${listOf(places.slice(from, from + LIST))})`)
  return lists.join(' OR ')
}

/**
 * Makes a list of places for a statement. The text of the statement contains the places, because drivers
 * differ in how they take a list of parameters.
 */
function listOf(places: readonly string[]): string {
  const wrong = places.find((place) => !isPlace(place))
  if (wrong !== undefined) throw new TypeError(`${wrong} is not the place of a row`)
  return places.join(', ')
}

/** Matches the errors of databases and clients that say that a table or a column is missing. */
const missing =
  /\b(42P01|42703|ER_NO_SUCH_TABLE|ER_BAD_FIELD_ERROR)\b|no such (table|column)|has no column|TableDoesNotExist|ColumnNotFound/
/**
 * Clients wrap the error of the database in other errors. At most this many nested causes are searched for
 * it.
 */
const DEPTH = 5

/**
 * Whether a statement failed because the table or one of its columns is missing.
 *
 * @param table the name of the table. The name is needed if the application's own tables may be missing, too
 */
export function isTableMissing(error: unknown, table = ''): boolean {
  const said = saidBy(error)
  return missing.test(said) && said.includes(table)
}

function saidBy(error: unknown, depth = 0): string {
  if (depth === DEPTH || Object(error) !== error) return ''
  const own = ['code', 'originalCode', 'kind'].map((field) => fieldOf(error, field))
  const within = ['cause', 'meta', 'driverAdapterError'].map((field) =>
    saidBy(fieldOf(error, field), depth + 1),
  )
  return [textOf(fieldOf(error, 'message')), ...own, ...within].join(' ')
}
