/** The writes that a power cut may lose, according to SQLite's own settings. */
import { afterEach, expect, test, vi } from 'vitest'
import { connect } from '../../src/store/connect.ts'
import type { StoreOptions } from '../../src/store/contract/store.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { connections, Folder, options } from './folder.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const NORMAL = 1
const FULL = 2

for (const [durability, expected] of [
  [undefined, NORMAL],
  ['normal', NORMAL],
  ['strict', FULL],
] as const) {
  test(`durability ${durability ?? 'unset'}`, async () => {
    await using folder = await Folder.make()
    const opened = connections()
    const chosen: StoreOptions = { ...options, ...(durability && { durability }) }
    await using store = new SqliteStore(folder.file, chosen)
    await store.open()
    const [database] = await Promise.all(opened)
    expect(database!.get('PRAGMA synchronous')).toEqual({ synchronous: expected })
    await new Caller(store, 'web', 'emails').enqueue(job())
    expect(database!.get('PRAGMA synchronous')).toEqual({ synchronous: expected })
    expect(database!.get('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' })
  })
}

test('replicated durability is refused for a file', async () => {
  await using folder = await Folder.make()
  const replicated: StoreOptions = { ...options, durability: 'replicated' }
  const refusal = {
    code: 'STORE_INVALID',
    message: `sqlite:${folder.file} is one file: it cannot keep durability 'replicated'`,
    hint: expect.stringContaining("'strict'"),
  }
  expect(() => new SqliteStore(folder.file, replicated)).toThrow(expect.objectContaining(refusal))
  await expect(connect(`sqlite:${folder.file}`, 'lark', replicated)).rejects.toMatchObject(refusal)
})
