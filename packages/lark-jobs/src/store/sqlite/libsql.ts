/**
 * SQLite by the package `libsql`: an optional dependency, with a binary for each of the usual platforms.
 */
import type Libsql from 'libsql'
import type { Driver, Library, Row, Statement, Value } from './driver.ts'

/** @throws what Node throws when the package, or its binary for this platform, is not there */
export function loadLibsql(): Library {
  const Connection = requireLibsql() as typeof Libsql
  return { name: 'libsql', open: (path) => new LibsqlDriver(new Connection(path)) }
}

/**
 * No bundler could take in the binary, and none follows this `require`: webpack does follow an imported `createRequire`.
 * So the package is looked for from this file, and where a bundle has taken this file in, also from the program and from
 * the working directory.
 */
function requireLibsql(): unknown {
  const { createRequire } = process.getBuiltinModule('node:module')
  let missing: unknown
  for (const from of [import.meta.url, process.argv[1], `${process.cwd()}/`]) {
    if (!from) continue
    try {
      return createRequire(from)('libsql')
    } catch (error) {
      // The package is there, and cannot be loaded.
      if (!/'libsql'/.test((error as Error).message)) throw error
      missing ??= error
    }
  }
  throw missing
}

class LibsqlDriver implements Driver {
  readonly #connection: Libsql.Database

  constructor(connection: Libsql.Database) {
    this.#connection = connection
  }

  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  prepare(sql: string): Statement {
    return new LibsqlStatement(this.#connection.prepare(sql))
  }

  rollback(): void {
    if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK')
  }

  /** The file goes back to the system when the statements are collected, not before. */
  close(): void {
    this.#connection.close()
  }
}

type Native = ReturnType<Libsql.Database['prepare']>

class LibsqlStatement implements Statement {
  readonly #native: Native
  #names: string[] | undefined

  constructor(native: Native) {
    this.#native = native
  }

  run(values: readonly Value[]): number {
    return this.#native.run(values).changes
  }

  get(values: readonly Value[]): Row | undefined {
    const names = this.#columns()
    const found = this.#native.get(values) as Value[] | undefined
    return found && toRow(names, found)
  }

  all(values: readonly Value[]): Row[] {
    const names = this.#columns()
    return (this.#native.all(values) as Value[][]).map((found) => toRow(names, found))
  }

  /** Asked for before the first row, so that rows come as lists. */
  #columns(): string[] {
    this.#names ??= this.#native
      .raw()
      .columns()
      .map((column) => column.name)
    return this.#names
  }
}

/** The library makes objects at twice the price (measured: a row of 16 columns, 3.4 µs as a list, 6.8 as an object). */
function toRow(names: readonly string[], values: readonly Value[]): Row {
  const row: Row = {}
  for (let column = 0; column < names.length; column += 1) row[names[column]!] = values[column]!
  return row
}
