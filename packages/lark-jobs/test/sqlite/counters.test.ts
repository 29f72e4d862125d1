import { expect, test } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { options } from './folder.ts'

test('a clock that is set back makes due jobs delayed again, and counts stay true', async () => {
  const clock = { now: 10_000 }
  await using store = new SqliteStore(':memory:', { ...options, clock: () => clock.now })
  await store.open()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(...jobs(3, { delay: 100 }), job({ delay: 100, priority: 9 }))
  clock.now += 150
  await web.enqueue(...jobs(2))
  expect(await store.counts('emails')).toMatchObject({ waiting: 6, delayed: 0 })
  clock.now -= 100
  expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 6 })
  const { jobs: claimed, nextDue } = await web.exchange([], { limit: 9, lease: 1_000 })
  expect([claimed, nextDue]).toEqual([[], 50])
  clock.now += 50
  expect(await web.claim(9)).toHaveLength(4)
  clock.now += 50
  expect(await store.counts('emails')).toMatchObject({ waiting: 2, delayed: 0, active: 4 })
})

test('thousands that fall due unseen are counted once, then known', async () => {
  const clock = { now: 10_000 }
  await using store = new SqliteStore(':memory:', { ...options, clock: () => clock.now })
  await store.open()
  const web = new Caller(store, 'web', 'emails')
  for (let batch = 0; batch < 3; batch += 1) await web.enqueue(...jobs(1_000, { delay: 100 + batch }))
  clock.now += 101
  for (let look = 0; look < 2; look += 1) {
    expect(await store.counts('emails')).toMatchObject({ waiting: 2_000, delayed: 1_000 })
  }
  clock.now += 1
  expect(await store.counts('emails')).toMatchObject({ waiting: 3_000, delayed: 0 })
})
