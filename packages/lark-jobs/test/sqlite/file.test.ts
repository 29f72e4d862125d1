import { existsSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { prepare } from '../../src/store/sqlite/layout.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

test('open() makes the folder, and the name of the store has its absolute path', async () => {
  await using folder = await Folder.make()
  const file = join(folder.path, 'deep', 'er', 'jobs.db')
  await using store = new SqliteStore(relative(process.cwd(), file), options)
  expect(store.name).toBe(`sqlite:${file}`)
  await store.open()
  await new Caller(store, 'web', 'emails').enqueue(job())
  expect(new SqliteStore(':memory:', options).name).toBe('sqlite::memory:')
})

test('when the last process has closed the store, the file contains all data', async () => {
  await using folder = await Folder.make()
  const store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(...jobs(100))
  expect((await stat(`${folder.file}-wal`)).size).toBeGreaterThan(0)
  await store.close()
  // `libsql` leaves an empty log, and `node:sqlite` removes it.
  expect(existsSync(`${folder.file}-wal`) ? (await stat(`${folder.file}-wal`)).size : 0).toBe(0)
})

test('a file that is not a database is refused', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, 'Dear diary, '.repeat(1_000))
  await expect(folder.store()).rejects.toMatchObject({
    code: 'STORE_INVALID',
    message: `sqlite:${folder.file} is a file, but not an SQLite database`,
  })
  expect(await readFile(folder.file, 'utf8')).toMatch(/^Dear diary/)
})

test('a folder instead of the file is refused', async () => {
  await using folder = await Folder.make()
  await using store = new SqliteStore(folder.path, options)
  await expect(store.open()).rejects.toMatchObject({ code: 'STORE_INVALID' })
})

test("another program's database stays unchanged", async () => {
  await using folder = await Folder.make()
  const other = openRaw(folder.file)
  other.exec('CREATE TABLE notes (text)')
  other.close()
  await expect(folder.store()).rejects.toMatchObject({
    code: 'LAYOUT_UNKNOWN',
    message: expect.stringContaining('the tables of another program'),
  })
  expect((await readdir(folder.path)).sort()).toEqual(['jobs.db'])
  const again = openRaw(folder.file)
  expect(again.prepare('PRAGMA journal_mode').get([])).toMatchObject({ journal_mode: 'delete' })
  again.close()
})

test('open() can be called again after it has failed', async () => {
  await using folder = await Folder.make()
  await writeFile(folder.file, 'Dear diary, '.repeat(1_000))
  await using store = new SqliteStore(folder.file, options)
  await expect(store.open()).rejects.toMatchObject({ code: 'STORE_INVALID' })
  await writeFile(folder.file, '')
  expect(await store.open()).toEqual([])
})

test('a transaction that throws half-way leaves no changes, and the next transaction works', async () => {
  await using folder = await Folder.make()
  const database = await SqliteDatabase.connect(`sqlite:${folder.file}`, folder.file)
  await prepare(database)
  const add = () => database.run("INSERT INTO keys (key) VALUES ('send-email')")
  const half = () => {
    add()
    throw new TypeError('half-way')
  }
  await expect(database.write(half)).rejects.toThrow('half-way')
  expect(await database.read(() => database.all('SELECT key FROM keys'))).toEqual([])
  expect(await database.write(add)).toBe(1)
  database.close()
})

test('a call waits for a lock that another program holds', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const other = openRaw(folder.file)
  other.exec('BEGIN IMMEDIATE')
  const queued = new Caller(store, 'web', 'emails').enqueue(job())
  // The first try has failed by now. The wait does not block the event loop, because otherwise this line
  // would not run.
  await new Promise((resolve) => setImmediate(resolve))
  other.exec('COMMIT')
  other.close()
  expect(await queued).toEqual(['queued'])
})

test('if another program holds a lock for too long, the error says that certainly no job was queued', async () => {
  await using folder = await Folder.make()
  const database = await SqliteDatabase.connect(`sqlite:${folder.file}`, folder.file, 80)
  await prepare(database)
  const other = openRaw(folder.file)
  other.exec('BEGIN IMMEDIATE')
  const add = () => database.run("INSERT INTO keys (key) VALUES ('send-email')")
  await expect(database.write(add)).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
    message: `sqlite:${folder.file} was locked by other processes for 80 ms`,
  })
  other.exec('COMMIT')
  other.close()
  expect(await database.read(() => database.all('SELECT key FROM keys'))).toEqual([])
  expect(await database.write(add)).toBe(1)
  database.close()
})
