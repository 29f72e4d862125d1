/** The behaviour of an SQLite library that the store needs. `npm test` runs this file with both libraries. */
import { expect, test } from 'vitest'
import { Folder } from './folder.ts'
import { open } from './raw.ts'

function codeOf(act: () => unknown): number | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    const { rawCode, errcode } = error as { rawCode?: number; errcode?: number }
    return rawCode ?? errcode
  }
}

test('stored values are read unchanged', () => {
  const driver = open(':memory:')
  driver.exec('CREATE TABLE kept (whole INTEGER, real REAL, text TEXT)')
  const add = driver.prepare('INSERT INTO kept VALUES (?, ?, ?)')
  const values = [
    [1, 1.5, 'é😀'],
    [Number.MAX_SAFE_INTEGER, -0.1, ''],
    [Number.MIN_SAFE_INTEGER, 1e300, "'"],
    [null, null, null],
  ]
  for (const each of values) expect(add.run(each)).toBe(1)
  const rows = driver.prepare('SELECT * FROM kept').all([])
  expect(rows.map((row) => Object.values(row))).toEqual(values)
  expect(driver.prepare('SELECT whole FROM kept WHERE whole > ?1 AND real < ?2').all([0, 1])).toMatchObject([
    { whole: Number.MAX_SAFE_INTEGER },
  ])
  expect(driver.prepare('SELECT * FROM kept WHERE text = ?').get(['no'])).toBeUndefined()
  driver.close()
})

test('an integer that is too large is rounded, by get and by all', () => {
  const driver = open(':memory:')
  const sql = "SELECT 9223372036854775807 AS large, 5 AS small, 'x' AS text"
  const row = { large: 2 ** 63, small: 5, text: 'x' }
  for (let n = 0; n < 2; n++) {
    expect({ ...driver.prepare(sql).get([]) }).toEqual(row)
    expect(
      driver
        .prepare(sql)
        .all([])
        .map((each) => ({ ...each })),
    ).toEqual([row])
  }
  driver.close()
})

test('a statement uses the values of its latest call, whether get() or all() was called before', () => {
  const driver = open(':memory:')
  driver.exec('CREATE TABLE kept (id INTEGER, n INTEGER); INSERT INTO kept VALUES (1, 1), (1, 2)')
  const find = driver.prepare('SELECT n FROM kept WHERE id = ? ORDER BY n')
  expect(find.all([1])).toHaveLength(2)
  expect(find.get([2])).toBeUndefined()
  expect(find.get([1])).toMatchObject({ n: 1 })
  expect(find.all([2])).toEqual([])
  expect(find.get([2])).toBeUndefined()
  driver.close()
})

test('the error of a failure has the extended result code of SQLite', async () => {
  await using folder = await Folder.make()
  const driver = open(folder.file)
  driver.exec(
    "PRAGMA journal_mode = WAL; CREATE TABLE kept (id TEXT PRIMARY KEY); INSERT INTO kept VALUES ('a')",
  )
  // SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_ERROR, SQLITE_BUSY, SQLITE_CANTOPEN
  expect(codeOf(() => driver.prepare('INSERT INTO kept VALUES (?)').run(['a']))).toBe(1555)
  expect(codeOf(() => driver.exec('nonsense'))).toBe(1)
  const other = open(folder.file)
  other.exec('BEGIN IMMEDIATE')
  expect(codeOf(() => driver.exec('BEGIN IMMEDIATE'))).toBe(5)
  other.rollback()
  other.close()
  driver.close()
})

test('rollback undoes the open transaction, and does nothing without one', () => {
  const driver = open(':memory:')
  driver.exec('CREATE TABLE kept (id INTEGER)')
  driver.rollback()
  driver.exec('BEGIN; INSERT INTO kept VALUES (1)')
  driver.rollback()
  driver.exec('BEGIN; ROLLBACK')
  driver.rollback()
  expect(driver.prepare('SELECT count(*) AS count FROM kept').get([])).toMatchObject({ count: 0 })
  driver.close()
})

test('a statement that failed on a lock can be used again', async () => {
  await using folder = await Folder.make()
  const driver = open(folder.file)
  driver.exec('PRAGMA journal_mode = WAL; CREATE TABLE kept (id INTEGER)')
  const other = open(folder.file)
  other.exec('BEGIN IMMEDIATE; INSERT INTO kept VALUES (1)')
  const count = driver.prepare('SELECT count(*) AS count FROM kept')
  expect(count.get([])).toMatchObject({ count: 0 })
  expect(codeOf(() => driver.exec('BEGIN IMMEDIATE'))).toBe(5)
  other.exec('COMMIT')
  driver.exec('BEGIN IMMEDIATE')
  expect(count.get([])).toMatchObject({ count: 1 })
  driver.exec('COMMIT')
  other.close()
  driver.close()
})
