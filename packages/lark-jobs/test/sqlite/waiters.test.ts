import { expect, test } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { options } from './folder.ts'

const PATIENCE = 10_000

async function callers(store: SqliteStore, ...names: string[]): Promise<Caller[]> {
  await store.open()
  return names.map((name) => new Caller(store, name, 'emails'))
}

test('the caller that asked last is notified first, so living callers come before dead ones', async () => {
  let now = 1
  await using store = new SqliteStore(':memory:', { ...options, clock: () => now })
  const [dead, living, web] = await callers(store, 'dead', 'living', 'web')
  await dead!.claim()
  now += 1
  await living!.claim()
  await web!.enqueue(job())
  expect(await store.wait('living', PATIENCE)).toEqual(['emails'])
})

test('a notification that a caller has not read before it retires goes to another caller', async () => {
  await using store = new SqliteStore(':memory:', options)
  const [ada, bob, web] = await callers(store, 'ada', 'bob', 'web')
  await ada!.claim()
  await web!.enqueue(job())
  expect(await bob!.claim(2)).toHaveLength(1)
  await store.retire('ada')
  expect(await store.wait('bob', PATIENCE)).toEqual(['emails'])
})

test('prune removes the rows of dead callers, and keeps the rows of living callers', async () => {
  let now = 1
  await using store = new SqliteStore(':memory:', { ...options, clock: () => now })
  const [dead, living, web] = await callers(store, 'dead', 'living', 'web')
  await dead!.claim()
  now += 59_000
  await living!.claim()
  now += 2_000
  await store.prune('emails')
  await web!.enqueue(job(), job())
  expect(await store.wait('living', PATIENCE)).toEqual(['emails'])
  expect(await store.wait('dead', 0)).toEqual([])
})
