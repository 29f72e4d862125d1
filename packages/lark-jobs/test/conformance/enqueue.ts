/** Queuing jobs: the stored record, the record that the claimer gets, and that an id is queued only once. */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import type { Make } from './harness.ts'
import { failed, ids, job, jobs } from './jobs.ts'

export function enqueue(make: Make): void {
  test('enqueue queues jobs and returns one answer for each job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    expect(await caller.enqueue(...jobs(3))).toEqual(['queued', 'queued', 'queued'])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0 })
  })

  test('the store keeps the record of a job as given, and the time at which the job was queued', async () => {
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

  test('the claimer gets the same record, with a token', async () => {
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

  test('the record of a job without options has no options', async () => {
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

  test('enqueue does not queue an id twice, whatever the state of the first job is', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    expect(await caller.enqueue(given, given)).toEqual(['queued', 'exists'])
    expect(await caller.enqueue({ ...given, payload: '"other"' }, job())).toEqual(['exists', 'queued'])
    expect(ids(await caller.claim(5))).toHaveLength(2)
    expect(await caller.enqueue(given)).toEqual(['exists'])
    expect(await harness.store.get('emails', given.id)).toMatchObject({ payload: given.payload })
  })

  test('enqueue accepts an empty list of jobs', async () => {
    await using harness = await make()
    expect(await harness.caller().enqueue()).toEqual([])
  })
}
