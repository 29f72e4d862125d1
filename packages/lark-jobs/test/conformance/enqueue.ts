/** Queuing jobs: the stored record, the record that the claimer gets, and that an id is queued only once. */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import type { Make } from './harness.ts'
import { failed, ids, job, jobs } from './jobs.ts'

export function enqueue(make: Make): void {
  test('queues jobs and returns one answer for each', async () => {
    await using harness = await make()
    const caller = harness.caller()
    expect(await caller.enqueue(...jobs(3))).toEqual(['queued', 'queued', 'queued'])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0 })
  })

  test('keeps the record as given, and when it was queued', async () => {
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

  test('hands the claimer the same record, with a token', async () => {
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

  test('a job without options has none in its record', async () => {
    await using harness = await make()
    const given = job()
    const caller = harness.caller()
    await caller.enqueue(given)
    expect(await harness.store.get('emails', given.id)).not.toHaveProperty('options')
    const claimed = await caller.claimOne()
    expect(claimed).not.toHaveProperty('options')
    expect(claimed.priority).toBe(0)
  })

  test.each<Partial<NewJob>>([
    { key: 'a,b|c%7C' },
    { key: 'a,b|c%7C', priority: -100 },
    { options: { backoff: { from: 1_000, to: 2_000, jitter: 0.5 } } },
    { key: '!', priority: 100, options: { tries: 2 }, payload: '[",|"]' },
    { payload: '","' },
    // Ids that were made earlier, or by a clock that is far ahead of the store's.
    { id: 'Vbsk2bY5yxXPK', priority: 1 },
    { id: 'zzzzzzz000000' },
  ])('a record with any characters is the same after a retry by hand: %j', async (fields) => {
    await using harness = await make()
    const caller = harness.caller()
    const { store, clock } = harness
    const { delay: _, ...kept } = job(fields)
    await caller.enqueue(kept)
    expect(await store.get('emails', kept.id)).toMatchObject({ ...kept, queuedAt: clock.now })
    const first = await caller.claimOne()
    expect(first).toMatchObject({ ...kept, queuedAt: clock.now })
    await caller.settle(first, failed)
    clock.now += 1_234
    await store.alter('emails', [kept.id], { kind: 'retry' })
    await store.alter('emails', [kept.id], { kind: 'edit', payload: '{",|":1}' })
    expect(await store.get('emails', kept.id)).toMatchObject({
      ...kept,
      payload: '{",|":1}',
      queuedAt: clock.now,
    })
    expect(await caller.claimOne()).toMatchObject({ ...kept, payload: '{",|":1}', queuedAt: clock.now })
  })

  test('does not queue an id twice, whatever the state of the first job', async () => {
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
