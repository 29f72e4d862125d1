/**
 * Jobs that ended while no handler ran: which of them are handed out for the hook of their class, and how often.
 */
import { expect, test } from 'vitest'
import type { Outcome } from '../../src/model/record.ts'
import { MAX_CRASHES, MAX_ENDINGS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobError, jobs, line, retried } from './jobs.ts'

const cancel = { kind: 'cancel', reason: 'user' } as const

/** A job that crashed too often. */
async function crashed(harness: Harness) {
  const { store, clock } = harness
  const caller = harness.caller()
  const given = job({ hooked: true })
  await caller.enqueue(given)
  for (let i = 0; i < MAX_CRASHES; i++) {
    await caller.claimAlone()
    clock.now += LEASE + 1
    await store.recover('emails')
  }
  return given
}

export function endings(make: Make): void {
  test('hands out a job that crashed too often, and one that was cancelled while it waited, with their records', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const dead = await crashed(harness)
    clock.now += 1
    const given = job({ hooked: true, delay: 1_000, payload: '7' })
    await harness.caller('web').enqueue(given)
    await store.alter('emails', [given.id], cancel)
    expect((await store.recover('emails')).nextEnding).toBe(0)
    const found = await store.endings('emails', [], LEASE)
    expect(found).toMatchObject([
      {
        id: dead.id,
        state: 'failed',
        crashes: MAX_CRASHES,
        errors: [{ run: 1 }, { run: 2 }, { run: 3, code: 'WORKER_DIED' }],
      },
      { id: given.id, state: 'cancelled', reason: 'user', payload: '7' },
    ])
    for (const { id } of found)
      expect(await store.get('emails', id)).toEqual(found.find((each) => each.id === id))
  })

  test('hands out a job that was cancelled while it ran and was then given back', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const given = job({ hooked: true })
    await caller.enqueue(given)
    const claimed = await caller.claimOne()
    await store.alter('emails', [given.id], cancel)
    expect(await store.endings('emails', [], LEASE)).toEqual([])
    await caller.settle(claimed, retried(0))
    expect(ids(await store.endings('emails', [], LEASE))).toEqual([given.id])
  })

  test('a job that failed before its class was told is a failed job, and is handed out', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [given, plain] = [job({ hooked: true }), job()]
    await caller.enqueue(given, plain)
    const error = jobError({ code: 'JOB_TIMED_OUT', message: '!|{}' })
    for (const held of await caller.claim(2))
      expect(await caller.settle(held, { kind: 'failed', error, untold: true, log: [line('x')] })).toBe(
        'settled',
      )
    expect(await store.get('emails', plain.id)).toMatchObject({
      state: 'failed',
      failures: 1,
      errors: [error],
    })
    const found = await store.endings('emails', [], LEASE)
    expect(found).toEqual([await store.get('emails', given.id)])
    expect(found).toMatchObject([{ state: 'failed', runs: 1, failures: 1, errors: [error] }])
    expect(await store.minutes('emails')).toMatchObject([{ failed: 2 }])
    expect(await store.endings('emails', [given.id], LEASE)).toEqual([])
  })

  test('a job that failed before its class was told is not handed out if no failed jobs are kept', async () => {
    const none = { count: 0, age: 0 }
    await using harness = await make({ retention: { completed: none, failed: none, cancelled: none } })
    const caller = harness.caller()
    await caller.enqueue(job({ hooked: true }))
    await caller.settle(await caller.claimOne(), { ...failed, untold: true } as Outcome)
    expect(await harness.store.endings('emails', [], LEASE)).toEqual([])
    expect(await harness.store.recover('emails')).not.toHaveProperty('nextEnding')
  })

  test('hands out no job whose handler ended, and no job without a hook', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, { hooked: true }))
    await caller.settle(await caller.claimOne(), completed)
    await caller.settle(await caller.claimOne(), failed)
    await caller.settle(await caller.claimOne(), { kind: 'cancelled', reason: 'user' })
    const plain = job()
    await caller.enqueue(plain)
    await store.alter('emails', [plain.id], cancel)
    expect(await store.endings('emails', [], LEASE)).toEqual([])
    expect(await store.recover('emails')).not.toHaveProperty('nextEnding')
  })

  test('a job is handed out again after each lease, until a call names it as done', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const { id } = await crashed(harness)
    expect(ids(await store.endings('emails', [], 1_000))).toEqual([id])
    expect(await store.endings('emails', [], 1_000)).toEqual([])
    clock.now += 999
    expect(await store.recover('emails')).toMatchObject({ nextEnding: 1 })
    expect(await store.endings('emails', [], 1_000)).toEqual([])
    clock.now += 1
    expect(ids(await store.endings('emails', [], 1_000))).toEqual([id])
    expect(await store.endings('emails', [id], 1_000)).toEqual([])
    clock.now += 1_000
    expect(await store.endings('emails', [], 1_000)).toEqual([])
    expect(await store.get('emails', id)).toMatchObject({ state: 'failed' })
  })

  test('a job that is retried or removed meanwhile is not handed out', async () => {
    await using harness = await make()
    const { store } = harness
    const [one, other] = [await crashed(harness), await crashed(harness)]
    await store.alter('emails', [one.id], { kind: 'retry' })
    await store.alter('emails', [other.id], { kind: 'remove' })
    expect(await store.endings('emails', [], LEASE)).toEqual([])
  })

  test('hands out a limited number of jobs at a time, those with the earliest end first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = jobs(MAX_ENDINGS + 5, { hooked: true })
    await harness.caller().enqueue(...given)
    await store.alter('emails', ids(given.slice(5)), cancel)
    clock.now += 1
    await store.alter('emails', ids(given.slice(0, 5)), cancel)
    const first = ids(await store.endings('emails', [], LEASE))
    expect(first.sort()).toEqual(ids(given.slice(5)).sort())
    expect(ids(await store.endings('emails', first, LEASE)).sort()).toEqual(ids(given.slice(0, 5)).sort())
  })
}
