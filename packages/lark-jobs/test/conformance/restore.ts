/**
 * Restores: removed jobs are put back from their records, a retry or a cancel is undone, and a job that has
 * changed meanwhile is left alone.
 */
import { expect, test } from 'vitest'
import type { JobRecord, Outcome } from '../../src/model/record.ts'
import { type Change, MAX_SMALL, versionOf } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'
import { failed, ids, job, jobError, line, retried } from './jobs.ts'

export function restoring(make: Make): void {
  test('restored jobs are as they were before their removal, also after a second call, and can be retried', async () => {
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

  test('jobs can be restored into a store that has never had their partition', async () => {
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
    // The job was edited before its removal, so its version contains the time of the edit.
    await store.alter('emails', [one.id, other.id], { kind: 'edit', payload: '1' })
    clock.advance(5)
    const records = [await store.get('emails', one.id), await store.get('emails', other.id)] as JobRecord[]
    if (change !== undefined) await store.alter('emails', [one.id], change)
    const as = records.map(versionOf)
    const verdicts = await store.alter('emails', [one.id, other.id], { kind: 'remove', as })
    expect(verdicts).toEqual([change === undefined ? 'done' : 'refused', 'done'])
    expect((await store.get('emails', one.id)) === undefined).toBe(change === undefined)
  })

  test('after the undo of a retry, the jobs are as they were before, and can be retried again', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const endings: Outcome[] = [
      { kind: 'completed', result: '{"n":1}' },
      { kind: 'failed', error: jobError({ code: 'EPIPE' }), log: [line('x')] },
      { kind: 'cancelled', reason: 'user', error: jobError() },
    ]
    const list = [
      job({ payload: '1 ', priority: 3, options: { tags: ['a|b'], tries: 2 } }),
      job({ payload: `"${'x'.repeat(MAX_SMALL * 10)}"`, lock: { name: 'once', until: 'done' } }),
      job({ group: { name: 'acme é' } }),
    ]
    await caller.enqueue(...list)
    const held = await caller.claim(3)
    for (const [i, { id }] of list.entries()) {
      clock.advance(10)
      await caller.settle(held.find((each) => each.id === id) ?? (await caller.claimOne()), endings[i]!)
    }
    const get = (id: string) => store.get('emails', id)
    const records = (await Promise.all(ids(list).map(get))) as JobRecord[]
    const counts = await store.counts('emails')
    clock.advance(10)
    await store.alter('emails', ids(list), { kind: 'retry' })
    expect(await store.undo('emails', records)).toEqual(['done', 'done', 'done'])
    expect(await store.undo('emails', records)).toEqual(['refused', 'refused', 'refused'])
    expect(await Promise.all(ids(list).map(get))).toEqual(records)
    expect(await store.counts('emails')).toEqual(counts)
    expect(await caller.claim(3)).toEqual([])
    // No job has the lock.
    expect(await caller.enqueue(job({ lock: { name: 'once', until: 'done' } }))).toEqual(['queued'])
    await caller.claimOne()
    expect(await store.alter('emails', [list[0]!.id, list[2]!.id], { kind: 'retry' })).toEqual([
      'done',
      'done',
    ])
    expect(new Set(ids([...(await caller.claim(2)), ...(await caller.claim(2))]))).toEqual(
      new Set([list[0]!.id, list[2]!.id]),
    )
  })

  test('an undo leaves out jobs that have begun, were edited or were removed, and delays a job again that was made due', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [begun, edited, gone, later] = [job(), job(), job(), job({ delay: 5_000 })]
    await caller.enqueue(begun, edited, gone, later)
    for (const _ of [1, 2, 3]) await caller.settle(await caller.claimOne(), failed)
    const all = ids([begun, edited, gone, later])
    const records = (await Promise.all(all.map((id) => store.get('emails', id)))) as JobRecord[]
    clock.advance(10)
    await store.alter('emails', all.slice(0, 3), { kind: 'retry' })
    await store.alter('emails', [later.id], { kind: 'run-now' })
    await store.alter('emails', [edited.id], { kind: 'edit', payload: '2' })
    await store.alter('emails', [gone.id], { kind: 'purge' })
    const claimed = await caller.claimOne()
    expect(claimed.id).toBe(begun.id)
    expect(await store.undo('emails', records)).toEqual(['refused', 'refused', 'missing', 'done'])
    expect((await store.get('emails', later.id))?.dueAt).toBe(records[3]!.dueAt)
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, delayed: 1, active: 1, failed: 0 })
    // The job has run since the change that is undone.
    await caller.settle(claimed, retried(0))
    expect(await store.undo('emails', [records[0]!])).toEqual(['refused'])
    const waiting = job()
    await caller.enqueue(waiting)
    const record = (await store.get('emails', waiting.id))!
    await store.alter('emails', [waiting.id], { kind: 'reschedule', in: 5_000 })
    expect(await store.undo('emails', [record])).toEqual(['done'])
    expect(await store.get('emails', waiting.id)).toMatchObject({ state: 'waiting', dueAt: record.dueAt })
  })

  test('after the undo of a cancel, the jobs are as they were before, and begin in their order', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [failing, first, urgent] = [job({ options: { tries: 3 } }), job(), job({ priority: 2 })]
    const [later, laned] = [job({ delay: 5_000 }), job({ group: { name: 'acme é' } })]
    const unique = job({ lock: { name: 'once', until: 'start' } })
    await caller.enqueue(failing)
    await caller.settle(await caller.claimOne(), retried(9_000))
    clock.advance(10)
    await caller.enqueue(first, urgent, later, laned, unique)
    const all = ids([failing, first, urgent, later, laned, unique])
    const get = (id: string) => store.get('emails', id)
    const records = (await Promise.all(all.map(get))) as JobRecord[]
    const counts = await store.counts('emails')
    clock.advance(10)
    expect(
      new Set(await store.alter('emails', all, { kind: 'cancel', reason: 'user', because: 'no' })),
    ).toEqual(new Set(['done']))
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 0, cancelled: 6 })
    expect(await store.undo('emails', records)).toEqual(all.map(() => 'done'))
    expect(await store.counts('emails')).toEqual(counts)
    const now = (await Promise.all(all.map(get))) as JobRecord[]
    // The later time distinguishes the two starts of a member of a flow.
    const timed = records.map((record, i) => ({ ...record, queuedAt: now[i]!.queuedAt }))
    expect(now).toEqual(timed)
    // The lock is held again, until the job is started.
    expect(await caller.enqueue(job({ lock: { name: 'once', until: 'start' } }))).toMatchObject([
      { reason: 'unique', by: unique.id },
    ])
    const newest = job()
    await caller.enqueue(newest)
    const order = [urgent.id, first.id, newest.id]
    const begun = [...ids(await caller.claim(3)), ...ids(await caller.claim(3))]
    expect(begun.filter((id) => order.includes(id))).toEqual(order)
    expect(begun).toEqual(expect.arrayContaining([laned.id, unique.id]))
  })

  test('an undo of a cancel leaves out a job that has ended in another way, was edited, or has lost its lock', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [edited, locked, again, gone, done] = [
      job(),
      job({ lock: { name: 'once', until: 'done' } }),
      job(),
      job(),
      job(),
    ]
    await caller.enqueue(edited, locked, again, gone, done)
    const all = ids([edited, locked, again, gone, done])
    const records = (await Promise.all(all.map((id) => store.get('emails', id)))) as JobRecord[]
    await store.alter('emails', all, { kind: 'cancel', reason: 'user' })
    clock.advance(10)
    await store.alter('emails', [edited.id], { kind: 'edit', payload: '2' })
    await caller.enqueue(job({ lock: { name: 'once', until: 'done' } }))
    await store.alter('emails', [again.id, done.id], { kind: 'retry' })
    await store.alter('emails', [gone.id], { kind: 'purge' })
    for (const claimed of await caller.claim(3))
      if (claimed.id === done.id) await caller.settle(claimed, { kind: 'completed' })
    expect(await store.undo('emails', records)).toEqual([
      'refused',
      'refused',
      'refused',
      'missing',
      'refused',
    ])
  })
}
