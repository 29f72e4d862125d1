/**
 * How many ended jobs are kept, and how long.
 */
import { expect, test } from 'vitest'
import { keptBy } from '../../src/store/contract/rules/retention.ts'
import { MAX_ITEMS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobError, jobs, line, retried, settlement } from './jobs.ts'
import { TTL, worker } from './workers.ts'

const plenty = { count: 1_000_000, age: 1_000_000_000 }

export function retention(make: Make): void {
  test('the newest jobs of a state are kept, and the call that exceeds the count removes the oldest ones', async () => {
    await using harness = await make({
      retention: { completed: { count: 3, age: 10_000 }, failed: plenty, cancelled: plenty },
    })
    const caller = harness.caller()
    const list = jobs(5)
    for (const given of list) {
      await caller.run(given, completed)
      harness.clock.advance(1)
    }
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 3 })
    const { jobs: kept } = await harness.store.list('emails', { state: 'completed' })
    expect(ids(kept)).toEqual(ids(list.slice(2).reverse()))
    expect(await harness.store.get('emails', list[0]!.id)).toBeUndefined()
  })

  test('the jobs of each state are counted separately', async () => {
    const few = { count: 2, age: 10_000 }
    await using harness = await make({ retention: { completed: few, failed: few, cancelled: few } })
    const caller = harness.caller()
    for (let round = 0; round < 4; round += 1) {
      await caller.run(job(), completed)
      await caller.run(job(), failed)
      await caller.run(job(), { kind: 'cancelled', reason: 'user' })
    }
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 2, failed: 2, cancelled: 2 })
  })

  test('the retention of a queue counts in all its partitions', async () => {
    const some = { count: 3, age: 10_000 }
    const own = { completed: { count: 1, age: 99_000 }, failed: { count: 9, age: 500 }, cancelled: some }
    await using harness = await make({
      retention: { completed: some, failed: some, cancelled: some },
      retentions: { emails: own },
    })
    const { store, clock } = harness
    const partitions = ['emails', 'emails/1', 'other']
    for (const partition of partitions) {
      const caller = harness.caller('ada', partition)
      for (let round = 0; round < 4; round += 1) {
        await caller.run(job(), completed)
        await caller.run(job(), failed)
      }
    }
    const counts = async () => {
      const all = await Promise.all(partitions.map((partition) => store.counts(partition)))
      return all.map(({ completed, failed }) => [completed, failed])
    }
    expect(await counts()).toEqual([
      [1, 4],
      [1, 4],
      [3, 3],
    ])
    clock.advance(500)
    const surveyed = partitions.map((partition) => ({ partition, prunes: true }))
    const old = async () => {
      const { findings } = await store.survey('ada', surveyed)
      return findings.flatMap(({ partition, isOld }) => (isOld ? [partition] : [])).sort()
    }
    expect(await old()).toEqual(['emails', 'emails/1'])
    for (const partition of partitions) await store.prune(partition)
    expect(await old()).toEqual([])
    clock.advance(9_500)
    expect(await old()).toEqual(['other'])
    for (const partition of partitions) await store.prune(partition)
    expect(await counts()).toEqual([
      [1, 0],
      [1, 0],
      [0, 0],
    ])
  })

  test('if living workers have different retentions, the largest retention counts for all workers', async () => {
    const few = { count: 2, age: 10_000 }
    const many = { count: 5, age: 50_000 }
    const mine = { completed: few, failed: few, cancelled: few }
    await using harness = await make({ retention: mine, retentions: { other: mine } })
    const { store, clock } = harness
    const newer = await harness.another({
      retention: {
        completed: many,
        failed: { ...many, count: 3, bytes: 1_000_000, whole: 100, ofKind: 1 },
        cancelled: few,
      },
      retentions: {},
    })
    const announced = (id: string) => ({ worker: worker({ id }), ttl: TTL })
    const hear = () => store.survey('ada', [], announced('ada'))
    const runAll = async (partition: string) => {
      const caller = harness.caller('ada', partition)
      for (let round = 0; round < 6; round += 1) {
        await caller.run(job(), completed)
        await caller.run(job(), failed)
        await caller.run(job(), { kind: 'cancelled', reason: 'user' })
      }
      const { completed: done, failed: broken, cancelled } = await store.counts(partition)
      return [done, broken, cancelled]
    }
    await hear()
    expect(await runAll('emails')).toEqual([2, 2, 2])
    await newer.announce(worker({ id: 'bob' }), TTL)
    await hear()
    expect(await runAll('emails')).toEqual([5, 3, 2])
    expect(await runAll('other')).toEqual([5, 3, 2])
    // The age that the newer worker configures counts, too.
    clock.advance(TTL - 1)
    await newer.announce(worker({ id: 'bob' }), TTL)
    await store.announce(worker(), TTL)
    const old = async () => (await store.survey('ada', [{ partition: 'emails', prunes: true }])).findings
    const kept = async () => Object.values(await store.counts('emails')).slice(-3)
    await store.prune('emails')
    expect(await old()).toEqual([])
    expect(await kept()).toEqual([5, 3, 0])
    // The newer worker is dead.
    clock.advance(TTL + 1)
    await hear()
    expect(await old()).toMatchObject([{ isOld: true }])
    await store.prune('emails')
    expect(await kept()).toEqual([0, 0, 0])
    expect(await runAll('emails')).toEqual([2, 2, 2])
  })

  test('only the workers that serve a queue decide its retention, so applications do not affect each other', async () => {
    const few = { count: 2, age: 60_000 }
    const long = { count: 1, age: 90_000 }
    const shop = { completed: few, failed: few, cancelled: long }
    const bounds = { bytes: 1_000_000, whole: 1_000, ofKind: 1 }
    const mail = { completed: long, failed: { count: 3, age: 50_000, ...bounds }, cancelled: few }
    await using harness = await make({ retention: shop })
    const { store } = harness
    const other = await harness.another({ retention: mail })
    const kept = async (by: typeof store, partition: string) => {
      const caller = harness.caller(by === store ? 'ada' : 'bob', partition, by)
      for (let round = 0; round < 5; round += 1) {
        await caller.run(job(), completed)
        await caller.run(job(), failed)
        await caller.run(job(), { kind: 'cancelled', reason: 'user' })
      }
      return Object.values(await by.counts(partition)).slice(-3)
    }
    const announce = async (queues: [shop: string[], mail: string[]]) => {
      await store.announce(worker({ id: 'ada', queues: queues[0] }), TTL)
      await other.announce(worker({ id: 'bob', queues: queues[1] }), TTL)
      await store.announce(worker({ id: 'ada', queues: queues[0] }), TTL)
    }
    await announce([['orders'], ['emails']])
    for (const by of [store, other]) {
      expect(await kept(by, 'orders')).toEqual([2, 2, 1])
      expect(await kept(by, 'emails')).toEqual([1, 3, 2])
      // No worker serves this queue.
      expect(await kept(by, 'lost')).toEqual([2, 3, 2])
    }
    // Both workers serve this queue. For each state, the worker that keeps more jobs decides.
    await announce([['orders', 'both'], ['both']])
    for (const by of [store, other]) expect(await kept(by, 'both')).toEqual([2, 3, 2])
  })

  test('if the configuration sets no number of failed jobs, the newest jobs of each kind of failure are removed last, and early removals are counted', async () => {
    const policy = { count: 12, age: 10_000, bytes: 1_000_000, whole: 1_000, ofKind: 3 }
    await using harness = await make({ retention: { completed: plenty, failed: policy, cancelled: plenty } })
    const { store, clock } = harness
    const caller = harness.caller()
    const fail = async (alike: string, count: number) => {
      const list = jobs(count)
      for (const one of list) {
        clock.advance(1)
        await caller.run(one, { kind: 'failed', error: jobError(), alike })
      }
      return ids(list)
    }
    const kept = async () => ids((await store.list('emails', { state: 'failed', limit: 100 })).jobs).sort()
    const dropped = async () => (await store.standings(['emails']))[0]!.dropped
    const rare = await fail('aaaa', 2)
    const [first, ...rest] = await fail('bbbb', 10)
    expect(await dropped()).toBeUndefined()
    expect(await store.counts('emails')).toMatchObject({ failed: 12 })
    const more = await fail('bbbb', 1)
    expect(await kept()).toEqual([...rare, ...rest, ...more].sort())
    expect(await dropped()).toEqual({ count: 1, at: clock.now })
    // If many jobs of one kind fail, the older jobs of the other kinds are removed first, but not the newest
    // jobs of each kind.
    const flood = await fail('cccc', 20)
    expect(await kept()).toEqual([...rare, ...rest.slice(-2), ...more, ...flood.slice(-7)].sort())
    expect(await dropped()).toEqual({ count: 21, at: clock.now })
    expect(await store.get('emails', first!)).toBeUndefined()
    // If no older jobs are left, the oldest jobs of the large kind are removed.
    await store.alter('emails', flood.slice(-7, -3), { kind: 'remove' })
    const others = []
    for (const alike of ['1111', '2222', '3333', '4444', '5555']) others.push(...(await fail(alike, 1)))
    expect(await kept()).toEqual([rare[1]!, ...rest.slice(-2), ...more, ...flood.slice(-3), ...others].sort())
    // Jobs that are retried, removed or too old do not count as removed early.
    await store.alter('emails', [others[0]!], { kind: 'retry' })
    clock.advance(10_001)
    await store.prune('emails')
    expect(await kept()).toEqual([])
    expect((await dropped())!.count).toBe(22)
    await fail('aaaa', 1)
    expect((await dropped())!.count).toBe(22)
  })

  test('if the configuration sets no number of failed jobs, jobs that fail when a supervisor takes them back count like other failed jobs', async () => {
    const policy = { count: 1_000, age: 10_000, bytes: 5_000, whole: 1_000, ofKind: 1 }
    const retention = { completed: plenty, failed: policy, cancelled: plenty }
    await using harness = await make({ retention })
    const supervisor = await harness.another(keptBy(true, { retention }))
    const caller = harness.caller()
    const payload = JSON.stringify('x'.repeat(1_400))
    await caller.enqueue(...jobs(6, { payload, options: { maxCrashes: 1 } }))
    await caller.claim(6)
    await supervisor.recover('emails', { holder: 'ada' })
    // The call `recover` itself removes no jobs.
    expect(await harness.store.counts('emails')).toMatchObject({ failed: 6 })
    await caller.run(job({ payload }), failed)
    expect(await harness.store.counts('emails')).toMatchObject({ failed: 3 })
    expect((await harness.store.standings(['emails']))[0]!.dropped).toMatchObject({ count: 4 })
  })

  test('if the configuration sets no number of failed jobs, the bytes of their payloads and errors are limited', async () => {
    const policy = { count: 1_000, age: 10_000, bytes: 5_000, whole: 1_000, ofKind: 1 }
    await using harness = await make({ retention: { completed: plenty, failed: policy, cancelled: plenty } })
    const { store } = harness
    const caller = harness.caller()
    const payload = JSON.stringify('x'.repeat(900))
    const list = jobs(4, { payload })
    for (const one of list) await caller.run(one, failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 4 })
    // Retried and purged jobs no longer count towards the limit.
    await store.alter('emails', [list[0]!.id], { kind: 'purge' })
    await store.alter('emails', [list[1]!.id], { kind: 'retry' })
    await caller.settle(await caller.claimOne(), completed)
    for (const one of jobs(2, { payload })) await caller.run(one, failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 4 })
    await caller.run(job({ payload: JSON.stringify('x'.repeat(3_500)) }), failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 2 })
    expect((await store.standings(['emails']))[0]!.dropped).toMatchObject({ count: 3 })
    // A job that is larger than the whole bound.
    await caller.run(job({ payload: JSON.stringify('x'.repeat(6_000)) }), failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 0 })
    await store.clear('emails', 'failed')
    for (const one of jobs(4, { payload })) await caller.run(one, failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 4 })
    // A restored job counts, too. There is room for five jobs.
    const [{ id } = { id: '' }] = (await store.list('emails', { state: 'failed' })).jobs
    const gone = (await store.get('emails', id))!
    await store.alter('emails', [id], { kind: 'remove' })
    await store.restore('emails', [gone])
    for (const one of jobs(2, { payload })) await caller.run(one, failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 5 })
  })

  test('if the configuration no longer sets a number of failed jobs, jobs that failed before count like other failed jobs', async () => {
    const policy = { count: 1_000, age: 60_000, bytes: 5_000, whole: 1_000, ofKind: 1 }
    await using harness = await make({ retention: { completed: plenty, failed: policy, cancelled: plenty } })
    const { store, clock } = harness
    const retention = { completed: plenty, failed: { count: 5_000, age: 60_000 }, cancelled: plenty }
    const other = await harness.another({ retention })
    const hear = () => store.survey('ada', [], { worker: worker({ id: 'ada' }), ttl: TTL })
    await other.announce(worker({ id: 'bob' }), TTL)
    await hear()
    const payload = JSON.stringify('x'.repeat(900))
    for (const one of jobs(8, { payload })) await harness.caller().run(one, failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 8 })
    clock.advance(TTL + 1)
    await hear()
    await harness.caller().run(job({ payload }), failed)
    expect(await store.counts('emails')).toMatchObject({ failed: 5 })
  })

  test('if the configuration sets no number of failed jobs, only the newest of many failed jobs keep all their errors', async () => {
    const policy = { count: 1_000, age: 10_000, bytes: 1_000_000, whole: 2, ofKind: 1 }
    await using harness = await make({ retention: { completed: plenty, failed: policy, cancelled: plenty } })
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(4)
    for (const one of list) {
      await caller.run(one, retried(0))
      clock.advance(1)
      await caller.settle(await caller.claimOne(), {
        kind: 'failed',
        error: jobError({ run: 2, message: 'last' }),
      })
    }
    const errors = await Promise.all(list.map(async ({ id }) => (await store.get('emails', id))!.errors))
    expect(errors.map((each) => each.length)).toEqual([1, 1, 2, 2])
    expect(errors.map((each) => each.at(-1)!.message)).toEqual(['last', 'last', 'last', 'last'])
  })

  test('if the configuration sets a number of failed jobs, this number is kept, whatever their kinds and sizes are', async () => {
    const policy = { count: 3, age: 10_000 }
    await using harness = await make({ retention: { completed: plenty, failed: policy, cancelled: plenty } })
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(6)
    for (const [i, one] of list.entries()) {
      clock.advance(1)
      await caller.run(one, { kind: 'failed', error: jobError(), alike: i < 2 ? 'aaaa' : 'bbbb' })
    }
    expect(ids((await store.list('emails', { state: 'failed' })).jobs)).toEqual(ids(list.slice(-3).reverse()))
    expect((await store.standings(['emails']))[0]!.dropped).toBeUndefined()
  })

  test('a call that ends many jobs removes all jobs that are too many', async () => {
    const none = { count: 0, age: 10_000 }
    await using harness = await make({ retention: { completed: none, failed: none, cancelled: none } })
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    const held = await caller.claim(MAX_ITEMS)
    await caller.exchange(
      held.map((claimed) => settlement(claimed, completed)),
      { limit: 0, leaseMs: LEASE },
    )
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 0, active: 0 })
    expect(await harness.store.get('emails', held[0]!.id)).toBeUndefined()
  })

  test('the count also limits jobs that a person cancelled, and jobs whose worker died', async () => {
    const one = { count: 1, age: 10_000 }
    await using harness = await make({ retention: { completed: one, failed: one, cancelled: one } })
    const caller = harness.caller()
    const list = jobs(3)
    await caller.enqueue(...list)
    await harness.store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
    expect(await harness.store.counts('emails')).toMatchObject({ cancelled: 1 })
    await caller.enqueue(...jobs(3))
    for (let crash = 0; crash < 3; crash += 1) {
      await caller.claimAlone(3)
      harness.clock.advance(LEASE)
      await harness.store.recover('emails', { fromWithin: true })
    }
    expect(await harness.store.counts('emails')).toMatchObject({ failed: 1, active: 0, waiting: 0 })
  })

  test('prune removes jobs that have reached the maximum age, with their logs, and returns their number', async () => {
    await using harness = await make({
      retention: { completed: { count: 100, age: 10_000 }, failed: plenty, cancelled: plenty },
    })
    const { store, clock } = harness
    const caller = harness.caller()
    const old = job()
    await caller.run(old, { kind: 'completed', log: [line('gone')] })
    await caller.run(job(), failed)
    clock.advance(6_000)
    const young = job()
    await caller.run(young, completed)
    expect(await store.prune('emails')).toBe(0)
    clock.advance(4_001)
    expect(await store.prune('emails')).toBe(1)
    expect(await store.prune('emails')).toBe(0)
    expect(await store.get('emails', old.id)).toBeUndefined()
    expect(await store.log('emails', old.id)).toEqual([])
    expect(await store.get('emails', young.id)).toBeDefined()
    expect(await store.counts('emails')).toMatchObject({ completed: 1, failed: 1 })
  })

  test('prune uses the time at which a job ended, and not the time at which it was queued', async () => {
    const short = { count: 100, age: 1_000 }
    await using harness = await make({ retention: { completed: short, failed: short, cancelled: short } })
    const caller = harness.caller()
    await caller.enqueue(job())
    harness.clock.advance(5_000)
    await caller.settle(await caller.claimOne(), completed)
    harness.clock.advance(999)
    expect(await harness.store.prune('emails')).toBe(0)
    harness.clock.advance(2)
    expect(await harness.store.prune('emails')).toBe(1)
  })

  test(`prune takes at most ${MAX_ITEMS} a call`, async () => {
    const short = { count: 10_000, age: 1_000 }
    await using harness = await make({ retention: { completed: short, failed: short, cancelled: short } })
    const caller = harness.caller()
    for (const count of [MAX_ITEMS, 10]) {
      await caller.enqueue(...jobs(count))
      const held = await caller.claim(count)
      await caller.exchange(
        held.map((claimed) => settlement(claimed, completed)),
        { limit: 0, leaseMs: LEASE },
      )
    }
    harness.clock.advance(1_001)
    expect(await harness.store.prune('emails')).toBe(MAX_ITEMS)
    expect(await harness.store.prune('emails')).toBe(10)
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 0 })
  })

  test('the log of a job is removed with the job when the count is exceeded', async () => {
    const one = { count: 1, age: 10_000 }
    await using harness = await make({ retention: { completed: one, failed: one, cancelled: one } })
    const caller = harness.caller()
    const first = job()
    await caller.run(first, { kind: 'completed', log: [line('gone')] })
    harness.clock.advance(1)
    const second = job()
    await caller.run(second, { kind: 'completed', log: [line('kept')] })
    expect(await harness.store.log('emails', first.id)).toEqual([])
    expect(await harness.store.log('emails', second.id)).toEqual([line('kept')])
  })
}
