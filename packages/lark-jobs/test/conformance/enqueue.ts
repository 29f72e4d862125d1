/**
 * Jobs coming in: what is kept of them, what the claimer gets, and that an id is queued once.
 */
import { expect, test } from 'vitest'
import type { Make } from './harness.ts'
import { ids, job, jobs } from './jobs.ts'

export function enqueue(make: Make): void {
  test('queues jobs and says so, one word a job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    expect(await caller.enqueue(...jobs(3))).toEqual(['queued', 'queued', 'queued'])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0 })
  })

  test('keeps what was given and when it came', async () => {
    await using harness = await make()
    const options = { tries: 5, backoff: [1_000, 2_000], timeout: 30_000 }
    const given = job({ key: 'send-email', payload: '{"to":"ada"}', priority: -7, options })
    await harness.caller().enqueue(given)
    expect(await harness.store.get('emails', given.id)).toEqual({
      id: given.id,
      partition: 'emails',
      state: 'waiting',
      key: 'send-email',
      payload: '{"to":"ada"}',
      priority: -7,
      options,
      queuedAt: harness.clock.now,
      dueAt: harness.clock.now,
      runs: 0,
      failures: 0,
      crashes: 0,
      releases: 0,
      errors: [],
    })
  })

  test('hands the claimer the same, with the proof of its lease', async () => {
    await using harness = await make()
    const given = job({ priority: 3, options: { tries: 1 } })
    await harness.caller('web').enqueue(given)
    const worker = harness.caller('worker')
    expect(await worker.claim()).toEqual([
      {
        id: given.id,
        key: given.key,
        payload: given.payload,
        priority: 3,
        options: { tries: 1 },
        queuedAt: harness.clock.now,
        token: 'worker.1',
        runs: 1,
        failures: 0,
        crashes: 0,
        releases: 0,
      },
    ])
  })

  test('has no options where none were given', async () => {
    await using harness = await make()
    const given = job()
    const caller = harness.caller()
    await caller.enqueue(given)
    expect(await harness.store.get('emails', given.id)).not.toHaveProperty('options')
    const claimed = await caller.claimOne()
    expect(claimed).not.toHaveProperty('options')
    expect(claimed.priority).toBe(0)
  })

  test('does not queue an id twice, whatever became of the first', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    expect(await caller.enqueue(given, given)).toEqual(['queued', 'exists'])
    expect(await caller.enqueue({ ...given, payload: '"other"' }, job())).toEqual(['exists', 'queued'])
    expect(ids(await caller.claim(5))).toHaveLength(2)
    expect(await caller.enqueue(given)).toEqual(['exists'])
    expect(await harness.store.get('emails', given.id)).toMatchObject({ payload: given.payload })
  })

  test('takes an empty batch', async () => {
    await using harness = await make()
    expect(await harness.caller().enqueue()).toEqual([])
  })
}
