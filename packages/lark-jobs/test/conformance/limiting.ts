/**
 * Limits of a partition: how many of its jobs may be active at the same time, and how many may begin per
 * period, whichever workers claim the jobs.
 */
import { expect, test } from 'vitest'
import type { Limits } from '../../src/model/limits.ts'
import type { Rate } from '../../src/model/rate.ts'
import { type Caller, LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, jobs, retried, settlement } from './jobs.ts'

const rate = (fields: Partial<Rate> = {}): Limits => ({
  rate: { limit: 2, per: 1_000, kind: 'sliding', burst: 2, ...fields },
})

/** Claims jobs within limits. */
function claim(caller: Caller, limit: number, limits: Limits) {
  return caller.exchange([], { limit, prefetch: 5, leaseMs: LEASE, limits })
}

/**
 * Returns how many jobs begin at each step, if a worker always asks for five jobs. @param step milliseconds
 */
async function begun(harness: Harness, limits: Limits, step: number, steps: number): Promise<number[]> {
  const caller = harness.caller()
  await harness.caller('web').enqueue(...jobs(200))
  const counts: number[] = []
  for (let i = 0; i < steps; i++) {
    counts.push((await claim(caller, 5, limits)).jobs.length)
    harness.clock.now += step
  }
  return counts
}

export function limiting(make: Make): void {
  test('concurrency: no more jobs than the limit are active for all callers together, and nothing is prefetched', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    await ada.enqueue(...jobs(10))
    expect((await claim(ada, 2, { concurrency: 3 })).jobs).toHaveLength(2)
    const { jobs: last, nextDue } = await claim(bob, 2, { concurrency: 3 })
    expect(last).toHaveLength(1)
    expect(nextDue).toBeUndefined()
    expect((await claim(ada, 2, { concurrency: 3 })).jobs).toEqual([])
    expect(await harness.store.counts('emails')).toMatchObject({ active: 3, waiting: 7 })
  })

  test('concurrency: a call that settles a job can claim the next job of the line', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = jobs(5)
    await caller.enqueue(...given)
    const limits = { concurrency: 2 }
    const first = await claim(caller, 5, limits)
    expect(ids(first.jobs)).toEqual(ids(given.slice(0, 2)))
    const { jobs: next } = await caller.exchange([settlement(first.jobs[0]!, completed)], {
      limit: 5,
      leaseMs: LEASE,
      limits,
    })
    expect(ids(next)).toEqual([given[2]!.id])
  })

  test.each([completed, failed, retried(60_000)])(
    'a waiting caller is notified when the limit allows the next job: %j',
    async (outcome) => {
      await using harness = await make()
      const { store } = harness
      const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
      await ada.enqueue(...jobs(3))
      const limits = { concurrency: 1 }
      const { jobs: held } = await claim(ada, 1, limits)
      expect((await claim(bob, 1, limits)).jobs).toEqual([])
      const waiting = store.wait('bob', 5_000)
      await ada.exchange([settlement(held[0]!, outcome)], { limit: 0, leaseMs: LEASE, limits })
      expect(await waiting).toEqual(['emails'])
      expect((await claim(bob, 1, limits)).jobs).toHaveLength(1)
    },
  )

  test('concurrency: when the jobs of dead workers are taken back, other jobs may begin', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    await ada.enqueue(...jobs(9))
    const limits = { concurrency: 4 }
    expect((await claim(ada, 9, limits)).jobs).toHaveLength(4)
    harness.clock.now += LEASE + 1
    expect((await claim(bob, 9, limits)).jobs).toEqual([])
    await harness.store.recover('emails')
    expect((await claim(bob, 9, limits)).jobs).toHaveLength(4)
  })

  test('a claim that is sent again gets the same jobs, and counts no further start', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(5))
    const limits = { concurrency: 5, ...rate({ limit: 3 }) }
    const { jobs: held } = await claim(caller, 2, limits)
    const again = await harness.store.exchange('emails', caller.last(), [], {
      limit: 2,
      leaseMs: LEASE,
      limits,
    })
    expect(ids(again.jobs)).toEqual(ids(held))
    expect((await claim(caller, 5, limits)).jobs).toHaveLength(1)
  })

  test('sliding: no more jobs than the limit begin within any second; nextDue says when the next job may begin', async () => {
    await using harness = await make()
    expect(await begun(harness, rate({ limit: 3 }), 250, 10)).toEqual([3, 0, 0, 0, 3, 0, 0, 0, 3, 0])
    const caller = harness.caller('other')
    expect((await claim(caller, 1, rate({ limit: 3 }))).nextDue).toBe(500)
  })

  test('sliding: starts that were counted one after the other expire one after the other', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(9))
    const limits = rate({ limit: 2 })
    expect((await claim(caller, 1, limits)).jobs).toHaveLength(1)
    harness.clock.now += 600
    expect((await claim(caller, 5, limits)).jobs).toHaveLength(1)
    expect((await claim(caller, 5, limits)).nextDue).toBe(400)
    harness.clock.now += 400
    expect((await claim(caller, 5, limits)).jobs).toHaveLength(1)
    expect((await claim(caller, 5, limits)).nextDue).toBe(600)
  })

  // New kind of rate: add a test with numbers that were counted by hand.
  test('window: the count of starts begins at 0 with each second of the clock', async () => {
    await using harness = await make()
    harness.clock.now = Math.ceil(harness.clock.now / 1_000) * 1_000 + 500
    expect(await begun(harness, rate({ kind: 'window', limit: 3 }), 250, 8)).toEqual([3, 0, 3, 0, 0, 0, 3, 0])
    expect((await claim(harness.caller('other'), 1, rate({ kind: 'window', limit: 3 }))).nextDue).toBe(500)
  })

  test('bucket: one job may begin per interval, and the saved-up number of jobs at once', async () => {
    await using harness = await make()
    const limits = rate({ kind: 'bucket', limit: 4, burst: 3 })
    expect(await begun(harness, limits, 125, 8)).toEqual([3, 0, 1, 0, 1, 0, 1, 0])
    harness.clock.now += 10_000
    const caller = harness.caller('other')
    expect((await claim(caller, 5, limits)).jobs).toHaveLength(3)
    expect((await claim(caller, 5, limits)).nextDue).toBe(250)
  })

  test('if a rate is used up and no job waits, nextDue is the due time of the next delayed job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2), ...jobs(1, { delay: 5_000 }))
    const limits = rate({ limit: 2 })
    expect((await claim(caller, 2, limits)).jobs).toHaveLength(2)
    expect((await claim(caller, 2, limits)).nextDue).toBe(5_000)
  })

  test('in a paused queue with a rate, running jobs go on, and no job begins when the rate would allow it', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(4))
    const limits = rate({ limit: 1 })
    const { jobs: held } = await claim(caller, 4, limits)
    expect(held).toHaveLength(1)
    await store.configure('emails', { paused: true })
    clock.advance(1_000)
    expect(await caller.settle(held[0]!, completed)).toBe('settled')
    expect(await claim(caller, 4, limits)).toMatchObject({ jobs: [] })
    expect(await store.counts('emails')).toMatchObject({ completed: 1, waiting: 3, delayed: 0, active: 0 })
    await store.configure('emails', { paused: false })
    expect((await claim(caller, 4, limits)).jobs).toHaveLength(1)
  })

  test('a job that becomes due while the limit is reached keeps its place, and begins as soon as it may', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const [first, later] = jobs(2)
    const [due] = jobs(1, { delay: 100 })
    await caller.enqueue(first!, due!)
    const limits = rate({ limit: 1, per: 60_000 })
    expect(ids((await claim(caller, 5, limits)).jobs)).toEqual([first!.id])
    clock.advance(200)
    await caller.enqueue(later!)
    expect(await claim(caller, 5, limits)).toMatchObject({ jobs: [], nextDue: 59_800 })
    expect(await store.counts('emails')).toMatchObject({ waiting: 2, delayed: 0 })
    // The claim of this worker has no limit any more.
    expect(ids(await caller.claim(5))).toEqual([due!.id, later!.id])
  })

  test('if a partition has a concurrency and a rate, the tighter limit counts', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(9))
    const limits = { concurrency: 2, ...rate({ limit: 3 }) }
    const { jobs: held, nextDue } = await claim(caller, 9, limits)
    expect(held).toHaveLength(2)
    expect(nextDue).toBeUndefined()
    const next = await caller.exchange(
      held.map((each) => settlement(each, completed)),
      { limit: 9, leaseMs: LEASE, limits },
    )
    expect(next.jobs).toHaveLength(1)
    expect(next.nextDue).toBe(1_000)
  })

  test('a claim without limits is not limited, because each claim states the limits', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(5))
    await claim(caller, 1, { concurrency: 1 })
    expect(await caller.claim(9)).toHaveLength(4)
  })
}
