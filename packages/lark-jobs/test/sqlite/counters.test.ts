import { afterEach, expect, test, vi } from 'vitest'
import { MINUTES } from '../../src/store/contract/store.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, job, jobs } from '../conformance/jobs.ts'
import { connections, Folder, options } from './folder.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('if the clock is set back, no job becomes delayed again, and counts stay correct', async () => {
  const clock = { now: 10_000 }
  await using store = new SqliteStore(':memory:', { ...options, clock: () => clock.now })
  await store.open()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(...jobs(3, { delay: 100 }), job({ delay: 100, priority: 9 }))
  clock.now += 150
  await web.enqueue(...jobs(2))
  expect(await store.counts('emails')).toMatchObject({ waiting: 6, delayed: 0 })
  clock.now -= 100
  expect(await store.counts('emails')).toMatchObject({ waiting: 6, delayed: 0 })
  expect(await web.claim(4)).toHaveLength(4)
  clock.now += 50
  await web.enqueue(job({ delay: 10 }))
  expect(await store.counts('emails')).toMatchObject({ waiting: 2, delayed: 1, active: 4 })
  clock.now += 11
  expect(await store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0, active: 4 })
})

test('thousands of jobs that become due while no call is made are counted only once', async () => {
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

test('the counts of minutes stay when the process ends, and old minutes are removed', async () => {
  await using folder = await Folder.make()
  const clock = { now: 60_000_000 }
  const start = clock.now
  const opened = connections()
  for (let day = 0; day < 2; day += 1) {
    await using store = new SqliteStore(folder.file, { ...options, clock: () => clock.now })
    await store.open()
    const ada = new Caller(store, `ada-${day}`, 'emails')
    for (let minute = 0; minute < MINUTES; minute += 1) {
      await ada.run(job(), completed)
      clock.now += 60_000
    }
    const [database] = await Promise.all(opened.slice(-1))
    // The present minute is kept in another table.
    expect(database!.all('SELECT at FROM minutes')).toHaveLength(MINUTES - 1)
  }
  clock.now -= 60_000
  await using store = new SqliteStore(folder.file, { ...options, clock: () => clock.now })
  await store.open()
  const minutes = await store.minutes('emails')
  expect(minutes.map(({ completed }) => completed)).toEqual(new Array(MINUTES).fill(1))
  expect(minutes[0]!.at).toBe(start + MINUTES * 60_000)
})
