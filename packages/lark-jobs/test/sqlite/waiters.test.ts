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

test('who asked last is rung first: the dead sink below the living', async () => {
  let now = 1
  await using store = new SqliteStore(':memory:', { ...options, clock: () => now })
  const [dead, living, web] = await callers(store, 'dead', 'living', 'web')
  await dead!.claim()
  now += 1
  await living!.claim()
  await web!.enqueue(job())
  expect(await store.wait('living', PATIENCE)).toEqual(['emails'])
})

test('a ring that was not heard when its caller retired goes to another', async () => {
  await using store = new SqliteStore(':memory:', options)
  const [ada, bob, web] = await callers(store, 'ada', 'bob', 'web')
  await ada!.claim()
  await web!.enqueue(job())
  expect(await bob!.claim(2)).toHaveLength(1)
  await store.retire('ada')
  expect(await store.wait('bob', PATIENCE)).toEqual(['emails'])
})

test('rows of the dead are forgotten with prune, those of the living are not', async () => {
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
