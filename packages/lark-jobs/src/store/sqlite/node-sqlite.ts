/**
 * The driver for SQLite from Node itself: the module `node:sqlite`, which Node 22.13 and later, Bun and Deno
 * have.
 *
 * The module throws when it reads an integer of more than 53 bits, where `libsql` rounds the integer. Only a
 * damaged row contains such an integer. When Node 22, or Node 24 before 24.16, reads a text with a NUL
 * character, the text is cut there. So no stored text may contain a NUL character (`stored-name.ts`).
 */

import type { Value } from '../sql/database.ts'
import type { Driver, Library, Row, Statement } from './driver.ts'

/** The part of the module that this file uses. `@types/node` of Node 20 does not declare it. */
interface NodeSqlite {
  DatabaseSync: new (path: string) => NodeConnection
}

interface NodeConnection {
  /** Node has this property since 22.16 and 24. */
  readonly isTransaction?: boolean
  exec(sql: string): void
  prepare(sql: string): RawStatement
  close(): void
}

type BoundValues = readonly Value[] | [Record<string, Value>]

interface RawStatement {
  run(...bound: BoundValues): { changes: number | bigint }
  get(...bound: BoundValues): Row | undefined
  all(...bound: BoundValues): Row[]
  setReadBigInts(reads: boolean): void
}

/** @throws an error if Node has no usable `node:sqlite` */
export function loadNodeSqlite(): Library {
  const module = loadQuietly()
  if (module === undefined) throw new Error("This Node has no 'node:sqlite': it comes with 22.13")
  const { DatabaseSync } = module
  const takesNumbers = probe(DatabaseSync)
  return { name: 'node:sqlite', open: (path) => driverOf(new DatabaseSync(path), takesNumbers) }
}

/**
 * Loads the module without a warning. Node 22 and early releases of Node 24 warn during the first load that
 * SQLite is experimental, but Lark has chosen the module, and not the user. Bundlers do not change the name
 * of a module in `getBuiltinModule`.
 */
function loadQuietly(): NodeSqlite | undefined {
  const { emitWarning } = process
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    if (rest[0] === 'ExperimentalWarning' && /^SQLite /.test(String(warning))) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  try {
    return process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined
  } finally {
    process.emitWarning = emitWarning
  }
}

/**
 * Tries whether values can be bound to `?1` by position. Node supports this since 22.20 and 24.8. With an
 * older Node, values are bound by name.
 *
 * @throws an error on Node 22.5, where `get` returns a row although the query has none
 */
function probe(DatabaseSync: NodeSqlite['DatabaseSync']): boolean {
  const connection = new DatabaseSync(':memory:')
  try {
    if (connection.prepare('SELECT 1 WHERE 0').get() !== undefined)
      throw new Error("The 'node:sqlite' of this Node is too old: 22.13 is needed")
    return isPossible(() => connection.prepare('SELECT ?1').get(1))
  } finally {
    connection.close()
  }
}

function isPossible(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}

function driverOf(connection: NodeConnection, takesNumbers: boolean): Driver {
  return {
    exec: (sql) => connection.exec(sql),
    prepare(sql) {
      const isNamed = !takesNumbers && sql.includes('?1')
      return statementOf(connection.prepare(sql), isNamed, !/RETURNING/i.test(sql))
    },
    rollback() {
      const { isTransaction } = connection
      if (isTransaction === false) return
      try {
        connection.exec('ROLLBACK')
      } catch (error) {
        // Older versions of Node do not report whether a transaction is open. Then the error of ROLLBACK
        // shows that none is open.
        if (isTransaction || !/no transaction/.test((error as Error).message)) throw error
      }
    },
    close: () => connection.close(),
  }
}

/**
 * @param isNamed whether the values are bound by name
 * @param isRepeatable whether reading changes nothing, so that it may be repeated
 */
function statementOf(native: RawStatement, isNamed: boolean, isRepeatable: boolean): Statement {
  const bind = (values: readonly Value[]): BoundValues =>
    isNamed ? [Object.fromEntries(values.map((value, index) => [`?${index + 1}`, value]))] : values
  /**
   * Reads rows. If a number is too large for the module, the rows are read again and the number is rounded.
   */
  function read<Rows>(
    bound: BoundValues,
    rowsOf: (bound: BoundValues) => Rows,
    round: (rows: Rows) => Rows,
  ): Rows {
    try {
      return rowsOf(bound)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE' || !isRepeatable) throw error
      native.setReadBigInts(true)
      try {
        return round(rowsOf(bound))
      } finally {
        native.setReadBigInts(false)
      }
    }
  }
  const one = (bound: BoundValues) => native.get(...bound)
  const all = (bound: BoundValues) => native.all(...bound)
  return {
    run: (values) => Number(native.run(...bind(values)).changes),
    get: (values) => read(bind(values), one, (row) => row && rounded(row)),
    all: (values) => read(bind(values), all, (rows) => rows.map(rounded)),
  }
}

function rounded(row: Record<string, Value | bigint>): Row {
  const values = Object.entries(row).map(([name, value]) => [
    name,
    typeof value === 'bigint' ? Number(value) : value,
  ])
  return Object.fromEntries(values)
}
