/** The limits of the first versions of `node:sqlite`. A fake module imitates these versions. */
import { afterEach, expect, test, vi } from 'vitest'
import { loadNodeSqlite } from '../../src/store/sqlite/node-sqlite.ts'

/**
 * The class of Node 22.13: it binds numbered values only by name, and does not say whether a transaction is
 * open.
 */
class EarlyDatabase {
  static readonly bound: unknown[] = []
  static readonly run: string[] = []
  static failure: Error | undefined

  prepare(sql: string) {
    return {
      get(...values: unknown[]) {
        if (sql === 'SELECT 1 WHERE 0') return undefined
        if (sql.includes('?1') && typeof values[0] !== 'object') throw new Error('column index out of range')
        EarlyDatabase.bound.push(values)
        return { found: 1 }
      },
    }
  }

  exec(sql: string) {
    EarlyDatabase.run.push(sql)
    if (EarlyDatabase.failure) throw EarlyDatabase.failure
  }

  close() {}
}

function play(DatabaseSync: object, load = () => {}): void {
  vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => {
    load()
    return { DatabaseSync }
  })
}

afterEach(() => {
  vi.restoreAllMocks()
  EarlyDatabase.bound.length = 0
  EarlyDatabase.run.length = 0
  EarlyDatabase.failure = undefined
})

test('numbered values are bound by name, and other values by position', () => {
  play(EarlyDatabase)
  const driver = loadNodeSqlite().open(':memory:')
  driver.prepare('SELECT ?2, ?1').get(['a', 2])
  driver.prepare('SELECT ?, ?').get(['a', 2])
  expect(EarlyDatabase.bound).toEqual([[{ '?1': 'a', '?2': 2 }], ['a', 2]])
})

test('a rollback without a transaction does nothing, and other failures of a rollback are thrown', () => {
  play(EarlyDatabase)
  const driver = loadNodeSqlite().open(':memory:')
  EarlyDatabase.failure = new Error('cannot rollback - no transaction is active')
  driver.rollback()
  expect(EarlyDatabase.run).toEqual(['ROLLBACK'])
  EarlyDatabase.failure = new Error('disk I/O error')
  expect(() => driver.rollback()).toThrow('disk I/O error')
})

test('a version of Node that returns a row for an empty result is refused', () => {
  play(
    class {
      prepare() {
        return { get: () => ({ 1: null }) }
      }
      close() {}
    },
  )
  expect(loadNodeSqlite).toThrow('too old')
})

test('the error for a Node without the module names the version', () => {
  vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => undefined as never)
  expect(loadNodeSqlite).toThrow("no 'node:sqlite'")
})

test('the warning that SQLite is experimental is suppressed, and no other warning', () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const { emitWarning } = process
  play(EarlyDatabase, () => {
    process.emitWarning(
      'SQLite is an experimental feature and might change at any time',
      'ExperimentalWarning',
    )
    process.emitWarning('Something else is experimental', 'ExperimentalWarning')
    process.emitWarning('SQLite is old', 'DeprecationWarning')
  })
  loadNodeSqlite()
  expect(warned.mock.calls).toEqual([
    ['Something else is experimental', 'ExperimentalWarning'],
    ['SQLite is old', 'DeprecationWarning'],
  ])
  expect(process.emitWarning).toBe(emitWarning)
})

test('process.emitWarning is restored if loading fails', () => {
  const { emitWarning } = process
  play(EarlyDatabase, () => {
    throw new Error('no')
  })
  expect(loadNodeSqlite).toThrow('no')
  expect(process.emitWarning).toBe(emitWarning)
})
