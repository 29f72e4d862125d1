/**
 * Ended jobs that were removed, and are put back from their records; and a removal that leaves a job which has changed.
 */
import { expect, test } from 'vitest'
import type { JobRecord, Outcome } from '../../src/model/record.ts'
import { type Change, MAX_SMALL, versionOf } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'
import { failed, ids, job, jobError, line, retried } from './jobs.ts'

export function restoring(make: Make): void {
  test('jobs are as they were, also after a second call, and can be retried', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const endings: Outcome[] = [
      { kind: 'completed', result: '{"n":1}' },
      { kind: 'failed', error: jobError({ code: 'EPIPE', stack: 'Error\n    at x' }), log: [line('x')] },
      { kind: 'cancelled', reason: 'user', error: jobError() },
    ]
    const list = [
      job({ payload: '1 ', priority: 3, options: { tags: ['a|b'], tries: 2 } }),
      job({ payload: `"${'x'.repeat(MAX_SMALL * 10)}"` }),
      job({ group: { name: 'acme é' }, key: 'a|b' }),
    ]
    await caller.enqueue(...list)
    const held = await caller.claim(3)
    for (const [i, { id }] of list.entries()) {
      clock.advance(10)
      const claimed = held.find((each) => each.id === id) ?? (await caller.claimOne())
      if (i === 1) {
        await caller.settle(claimed, retried(0))
        await caller.settle(await caller.claimOne(), endings[i]!)
      } else await caller.settle(claimed, endings[i]!)
    }
    const get = (id: string) => store.get('emails', id)
    const records = (await Promise.all(ids(list).map(get))) as JobRecord[]
    const counts = await store.counts('emails')
    await store.alter('emails', ids(list), { kind: 'remove' })
    expect(await store.restore('emails', records)).toEqual(['restored', 'restored', 'restored'])
    expect(await store.restore('emails', records)).toEqual(['exists', 'exists', 'exists'])
    expect(await Promise.all(ids(list).map(get))).toEqual(records)
    expect(await store.counts('emails')).toEqual(counts)
    expect(await store.log('emails', list[1]!.id)).toEqual([])
    expect(await store.alter('emails', ids(list), { kind: 'retry' })).toEqual(['done', 'done', 'done'])
    const again = [...(await caller.claim(2)), ...(await caller.claim(2))]
    expect(new Set(ids(again))).toEqual(new Set(ids(list)))
    expect(again.find(({ id }) => id === list[1]!.id)!.payload).toBe(list[1]!.payload)
  })

  test('into a store that has never had the partition', async () => {
    await using harness = await make()
    const counters = { runs: 1, failures: 1, crashes: 0, releases: 0 }
    const { id, key, payload } = job()
    const record = { id, key, payload, priority: 0, queuedAt: 5, ...counters, finishedAt: harness.clock.now }
    const { store } = harness
    const whole: JobRecord = { ...record, partition: 'low', state: 'failed', errors: [jobError()] }
    expect(await store.restore('low', [whole])).toEqual(['restored'])
    expect(await store.partitions()).toEqual(['low'])
    expect(await store.get('low', id)).toEqual(whole)
    expect(await store.restore('low', [])).toEqual([])
  })

  test.each<[string, Change | undefined]>([
    ['nothing', undefined],
    ['an edit', { kind: 'edit', payload: '2' }],
    ['a retry', { kind: 'retry' }],
  ])('after %s, a removal that names versions leaves the job that has changed', async (_, change) => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [one, other] = [job({ options: { context: { editedAt: 5 } } }), job()]
    await caller.enqueue(one, other)
    await caller.settle(await caller.claimOne(), { kind: 'completed' })
    await caller.settle(await caller.claimOne(), failed)
    // Edited before: the version says when.
    await store.alter('emails', [one.id, other.id], { kind: 'edit', payload: '1' })
    clock.advance(5)
    const records = [await store.get('emails', one.id), await store.get('emails', other.id)] as JobRecord[]
    if (change !== undefined) await store.alter('emails', [one.id], change)
    const as = records.map(versionOf)
    const verdicts = await store.alter('emails', [one.id, other.id], { kind: 'remove', as })
    expect(verdicts).toEqual([change === undefined ? 'done' : 'refused', 'done'])
    expect((await store.get('emails', one.id)) === undefined).toBe(change === undefined)
  })
}
