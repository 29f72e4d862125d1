/**
 * What `node:sqlite` lacked in its first versions, played by a module in its place.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { loadNodeSqlite } from '../../src/store/sqlite/node-sqlite.ts'

/** Of Node 22.13: numbered values are bound by name only, and nobody says whether there is a transaction. */
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

test('numbered values are bound by their names, others by their order', () => {
  play(EarlyDatabase)
  const driver = loadNodeSqlite().open(':memory:')
  driver.prepare('SELECT ?2, ?1').get(['a', 2])
  driver.prepare('SELECT ?, ?').get(['a', 2])
  expect(EarlyDatabase.bound).toEqual([[{ '?1': 'a', '?2': 2 }], ['a', 2]])
})

test('a rollback where there is no transaction is none, and another failure of it is told', () => {
  play(EarlyDatabase)
  const driver = loadNodeSqlite().open(':memory:')
  EarlyDatabase.failure = new Error('cannot rollback - no transaction is active')
  driver.rollback()
  expect(EarlyDatabase.run).toEqual(['ROLLBACK'])
  EarlyDatabase.failure = new Error('disk I/O error')
  expect(() => driver.rollback()).toThrow('disk I/O error')
})

test('one that finds rows where there are none is refused', () => {
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

test('a Node without it is named', () => {
  vi.spyOn(process, 'getBuiltinModule').mockImplementation(() => undefined as never)
  expect(loadNodeSqlite).toThrow("no 'node:sqlite'")
})

test('the warning that SQLite is experimental is left out, and no other', () => {
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

test('it is as it was when the load fails', () => {
  const { emitWarning } = process
  play(EarlyDatabase, () => {
    throw new Error('no')
  })
  expect(loadNodeSqlite).toThrow('no')
  expect(process.emitWarning).toBe(emitWarning)
})
