/**
 * A partition with a bound on the number of pending jobs. The dispatcher states the bound.
 */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import type { Bound, Enqueued } from '../../src/store/contract/store.ts'
import type { Caller } from './caller.ts'
import { takeHooks } from './effects.ts'
import type { Make } from './harness.ts'
import { ids, job, jobs } from './jobs.ts'

const full: Enqueued = { kind: 'rejected', reason: 'full' }

function enqueue(caller: Caller, bound: Bound, ...list: NewJob[]): Promise<Enqueued[]> {
  return caller.store.enqueue(caller.partition, { ...caller.next(), bound }, list)
}

export function bounded(make: Make): void {
  test('with `reject`, a job beyond the bound is not queued, and the answer says so', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 3, full: 'reject' }
    const given = jobs(5)
    expect(await enqueue(caller, bound, ...given)).toEqual(['queued', 'queued', 'queued', full, full])
    expect(await enqueue(caller, bound, given[0]!, job())).toEqual(['exists', full])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3 })
  })

  test('with `reject`, delayed jobs count towards the bound, and active and ended jobs do not', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 2, full: 'reject' }
    await enqueue(caller, bound, job({ delay: 1_000, priority: 5 }), job({ priority: -5 }))
    expect(await enqueue(caller, bound, job())).toEqual([full])
    await caller.claim(1)
    expect(await enqueue(caller, bound, job(), job())).toEqual(['queued', full])
    const removed = (await harness.store.list('emails', { state: 'waiting' })).jobs[0]!
    await harness.store.alter('emails', [removed.id], { kind: 'cancel', reason: 'user' })
    expect(await enqueue(caller, bound, job(), job())).toEqual(['queued', full])
  })

  test('with `drop-oldest`, the next job of the lowest priority is dropped, and the reason is kept', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const bound: Bound = { max: 3, full: 'drop-oldest' }
    const high = job({ priority: 9 })
    const [first, second, third] = jobs(3)
    expect(await enqueue(caller, bound, high, first!, second!)).toEqual(['queued', 'queued', 'queued'])
    expect(await enqueue(caller, bound, third!)).toEqual(['queued'])
    expect(await store.get('emails', first!.id)).toMatchObject({ state: 'cancelled', reason: 'dropped' })
    expect(await store.counts('emails')).toMatchObject({ waiting: 3, cancelled: 1 })
    expect(ids(await caller.claim(9))).toEqual([high.id, second!.id, third!.id])
  })

  test('with `drop-oldest`, a call with too many jobs keeps its last jobs, and delayed jobs stay longer the later they are due', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 3, full: 'drop-oldest' }
    const given = jobs(8)
    await enqueue(caller, bound, ...given)
    expect(ids(await caller.claim(9))).toEqual(ids(given.slice(5)))
    const delays = [3_000, 1_000, 2_000, 4_000].map((delay) => job({ delay }))
    await enqueue(caller, bound, ...delays)
    const { jobs: left } = await harness.store.list('emails', { state: 'delayed' })
    expect(ids(left)).toEqual([delays[2]!.id, delays[0]!.id, delays[3]!.id])
  })

  test('with `drop-oldest`, the hook of the class of a dropped job is called', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 1, full: 'drop-oldest' }
    const dropped = job({ hooked: true })
    await enqueue(caller, bound, dropped)
    await enqueue(caller, bound, job())
    expect(await takeHooks(harness.store)).toMatchObject([
      { id: dropped.id, state: 'cancelled', reason: 'dropped' },
    ])
  })

  test('an enqueue into a full partition that is sent again gets the same answers', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 1, full: 'reject' }
    const given = jobs(2)
    const answers = await enqueue(caller, bound, ...given)
    expect(await harness.store.enqueue('emails', { ...caller.last(), bound }, given)).toEqual(answers)
  })

  test('a unique job that is not queued because of another job needs no space in a full partition', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const bound: Bound = { max: 2, full: 'reject' }
    const lock = { name: 'ada', until: 'done', replace: true } as const
    const first = job({ lock })
    expect(await enqueue(caller, bound, first, job({ lock, payload: '2' }), job())).toEqual([
      'queued',
      { kind: 'replaced', by: first.id },
      'queued',
    ])
  })
}
