/**
 * SQLite from the package `libsql`, an optional dependency that has a binary for each of the usual platforms.
 */
import type Libsql from 'libsql'
import type { Value } from '../sql/database.ts'
import type { Driver, Library, Row, Statement } from './driver.ts'

/** @throws the error of Node if the package, or its binary for this platform, is not installed */
export function loadLibsql(): Library {
  const Connection = requireLibsql() as typeof Libsql
  return { name: 'libsql', open: (path) => driverOf(new Connection(path)) }
}

/**
 * Bundlers cannot include the binary, so they must not follow this `require`. (Webpack follows a
 * `createRequire` that is imported.) The package is looked for from this file. If this file is part of a
 * bundle, the package may not be found from there, so it is also looked for from the program and from the
 * working directory.
 */
function requireLibsql(): unknown {
  const { createRequire } = process.getBuiltinModule('node:module')
  let missing: unknown
  for (const from of [import.meta.url, process.argv[1], `${process.cwd()}/`]) {
    if (!from) continue
    try {
      return createRequire(from)('libsql')
    } catch (error) {
      // The package is installed, but cannot be loaded.
      if (!/'libsql'/.test((error as Error).message)) throw error
      missing ??= error
    }
  }
  throw missing
}

function driverOf(connection: Libsql.Database): Driver {
  return {
    exec: (sql) => void connection.exec(sql),
    prepare: (sql) => statementOf(() => connection.prepare(sql)),
    rollback() {
      if (connection.inTransaction) connection.exec('ROLLBACK')
    },
    // The descriptors of the file stay open until the statements are garbage collected.
    close: () => void connection.close(),
  }
}

type Native = ReturnType<Libsql.Database['prepare']>

/**
 * `all` has a statement of its own: in libsql 0.5.29, a `get` after an `all` of the same statement returns a
 * row of that `all`, whatever the values.
 */
function statementOf(prepare: () => Native): Statement {
  let single: Native | undefined
  let several: Native | undefined
  let names: string[] | undefined
  /**
   * The names of the columns. The call of `raw()` also makes rows come as lists, so it must precede the first
   * row.
   */
  function columns(native: Native): string[] {
    names ??= native.columns().map((column) => column.name)
    return names
  }
  return {
    run(values) {
      single ??= prepare()
      return single.run(values).changes
    },
    get(values) {
      single ??= prepare().raw()
      const found = single.get(values) as Value[] | undefined
      return found && toRow(columns(single), found)
    },
    all(values) {
      several ??= prepare().raw()
      const names = columns(several)
      return (several.all(values) as Value[][]).map((found) => toRow(names, found))
    },
  }
}

/**
 * Makes an object of a row. The library's own objects cost twice as much (measured: a row of 16 columns takes
 * 3.4 µs as a list, 6.8 as an object).
 */
function toRow(names: readonly string[], values: readonly Value[]): Row {
  const row: Row = {}
  for (let column = 0; column < names.length; column += 1) row[names[column]!] = values[column]!
  return row
}
