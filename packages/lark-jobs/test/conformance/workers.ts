/**
 * The living workers, and the keys that any worker ever announced.
 */
import { expect, test } from 'vitest'
import type { WorkerRecord } from '../../src/model/record.ts'
import type { Make } from './harness.ts'
import { ids, jobs } from './jobs.ts'

export const TTL = 15_000

/** @example worker({ id: 'bob' }) */
export function worker(fields: Partial<WorkerRecord> = {}): WorkerRecord {
  return {
    id: 'ada',
    host: 'häl|9000',
    pid: 4711,
    queues: ['high-priority', 'emails'],
    strict: true,
    concurrency: 10,
    running: 3,
    keys: ['send-email'],
    startedAt: 1_767_225_600_000,
    state: 'running',
    ...fields,
  }
}

export function workers(make: Make): void {
  test('the store remembers a dead worker for an hour, with the jobs that were taken back from it, and does not remember a stopped worker', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(12)
    const caller = harness.caller('ada')
    await caller.enqueue(...given)
    await caller.claim(12)
    await store.announce(worker(), TTL)
    await store.announce(worker({ id: 'bob', state: 'stopping' }), TTL)
    await store.announce(worker({ id: 'cyd', state: 'quiet' }), TTL)
    expect(await store.lostWorkers()).toEqual([])
    await store.retire('bob')
    await store.retire('cyd')
    const cydEnded = clock.now
    expect(await store.lostWorkers()).toMatchObject([{ id: 'cyd', endedAt: cydEnded, taken: [] }])
    clock.advance(TTL + 1)
    expect(await store.workers()).toEqual([])
    await store.recover('emails', { holder: 'ada', by: 'dan' })
    const taken = [{ by: 'dan', at: clock.now, count: 12, jobs: ids(given).slice(0, 10) }]
    const ada = { ...worker(), endedAt: cydEnded + TTL, taken }
    expect(await store.lostWorkers()).toEqual([ada, expect.objectContaining({ id: 'cyd' })])
    // Other workers start and end meanwhile.
    await store.announce(worker({ id: 'eve' }), TTL)
    clock.advance(3_600_000 - TTL - 1)
    expect(await store.lostWorkers()).toMatchObject([{ id: 'eve' }, { id: 'ada' }])
    clock.advance(TTL)
    expect(await store.lostWorkers()).toMatchObject([{ id: 'eve' }])
    await store.announce(worker({ id: 'eve' }), TTL)
    expect(await store.lostWorkers()).toEqual([])
  })

  test('a note that a handler blocks a worker is kept until the worker announces itself or is removed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const blocks = { by: ['ReportJob', 'Gr"oßJob'], since: 1_767_225_601_000 }
    await store.noteBlocking('ada', blocks)
    expect(await store.workers()).toEqual([])
    await store.announce(worker(), TTL)
    await store.noteBlocking('ada', { by: ['ReportJob'], since: 7 })
    await store.noteBlocking('ada', blocks)
    expect(await store.workers()).toEqual([{ ...worker(), blocks }])
    clock.advance(TTL + 1)
    expect(await store.lostWorkers()).toMatchObject([{ id: 'ada', blocks }])
    await store.announce(worker(), TTL)
    expect(await store.workers()).toEqual([worker()])
  })

  test('a new store has no worker', async () => {
    await using harness = await make()
    expect(await harness.store.workers()).toEqual([])
    expect(await harness.store.keys()).toEqual([])
  })

  test('the store returns the announced workers, each with its last record', async () => {
    await using harness = await make()
    await harness.store.announce(worker(), TTL)
    await harness.store.announce(worker({ id: 'bob', queues: [], keys: [], version: '1.2.3' }), TTL)
    await harness.store.announce(worker({ running: 0, state: 'quiet' }), TTL)
    const list = await harness.store.workers()
    expect(list.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      worker({ running: 0, state: 'quiet' }),
      worker({ id: 'bob', queues: [], keys: [], version: '1.2.3' }),
    ])
  })

  test('the store removes a worker after its ttl, unless the worker announces itself again', async () => {
    await using harness = await make()
    await harness.store.announce(worker(), TTL)
    await harness.store.announce(worker({ id: 'bob' }), TTL)
    harness.clock.advance(TTL - 1)
    expect(await harness.store.workers()).toHaveLength(2)
    await harness.store.announce(worker({ id: 'bob' }), TTL)
    harness.clock.advance(1)
    expect((await harness.store.workers()).map(({ id }) => id)).toEqual(['bob'])
  })

  test('the store removes a worker that retires', async () => {
    await using harness = await make()
    await harness.store.announce(worker(), TTL)
    await harness.store.retire('ada')
    await harness.store.retire('ada')
    expect(await harness.store.workers()).toEqual([])
  })

  test('the store remembers every announced key for ever', async () => {
    await using harness = await make()
    await harness.store.announce(worker({ keys: ['a', 'b|\n'] }), TTL)
    await harness.store.announce(worker({ id: 'bob', keys: ['b|\n', 'ü'] }), TTL)
    await harness.store.announce(worker({ id: 'bob', keys: [] }), TTL)
    await harness.store.retire('ada')
    harness.clock.advance(10 * TTL)
    expect((await harness.store.keys()).sort()).toEqual(['a', 'b|\n', 'ü'])
  })
}
