/**
 * How many jobs ended in each of the last minutes.
 */
import { expect, test } from 'vitest'
import type { ClaimedJob, Outcome } from '../../src/model/record.ts'
import type { Minute } from '../../src/store/contract/store.ts'
import { MAX_CRASHES, MAX_STANDINGS, MINUTES } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

const MINUTE = 60_000

function minute(at: number, counts: Partial<Minute>): Minute {
  return { at, completed: 0, failed: 0, retried: 0, ...counts }
}

export function minutes(make: Make): void {
  test('standings returns the counts and the minutes of many partitions, and whether they are paused', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const names = Array.from({ length: MAX_STANDINGS }, (_, i) => `q${i}`)
    const nothing = {
      counts: await store.counts('q0'),
      retrying: 0,
      suspended: 0,
      isPaused: false,
      arrived: 0,
      minutes: [],
      keys: [],
    }
    expect(await store.standings(names, 0)).toEqual(names.map(() => nothing))
    expect(await store.standings([])).toEqual([])
    const caller = harness.caller('ada', 'q7')
    await caller.run(job(), completed)
    clock.advance(3 * MINUTE)
    await caller.run(job(), failed)
    await caller.enqueue(...jobs(3), job({ delay: 500, priority: 2 }))
    await caller.claim(1)
    await store.configure('q8', { paused: true })
    await store.pause('q9', 'acme', 700)
    const standings = await store.standings(names, 0)
    expect(standings[7]).toEqual({
      counts: await store.counts('q7'),
      retrying: 0,
      suspended: 0,
      isPaused: false,
      oldest: clock.now,
      arrived: 2,
      minutes: await store.minutes('q7'),
      keys: [],
    })
    expect(standings[7]).toMatchObject({
      counts: { waiting: 2, delayed: 1, active: 1, completed: 1, failed: 1 },
    })
    expect(standings[7]!.minutes).toHaveLength(2)
    // `standings` returns the minutes only on request.
    expect((await store.standings(['q7']))[0]).toEqual({
      ...standings[7],
      oldest: undefined,
      arrived: 0,
      minutes: [],
    })
    expect(standings.map(({ isPaused }, i) => (isPaused ? i : -1)).filter((i) => i >= 0)).toEqual([8, 9])
    clock.advance(700)
    expect((await store.standings(['q9', 'q8'])).map(({ isPaused }) => isPaused)).toEqual([false, true])
  })

  test('standings returns how many jobs have failed and wait for their next try', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const settle = (held: readonly ClaimedJob[], outcome: Outcome) =>
      caller.exchange(
        held.map((one) => settlement(one, outcome)),
        { limit: 0, leaseMs: LEASE },
      )
    const retrying = async () => {
      const [found, other] = await store.standings(['emails', 'other'])
      expect(other!.retrying).toBe(0)
      return found!.retrying
    }
    const fail = async (count: number) => {
      await caller.enqueue(...jobs(count), ...jobs(count, { group: { name: 'acme' } }))
      const held = await caller.claim(2 * count)
      await settle(held, retried(500))
      return ids(held)
    }
    const all = [...(await fail(2)), ...(await fail(2))]
    await caller.enqueue(...jobs(3), job({ delay: 900 }))
    expect(await retrying()).toBe(8)
    // The jobs are due now, and wait to begin.
    clock.advance(500)
    expect(await retrying()).toBe(8)
    const held = await caller.claim(100)
    expect(await retrying()).toBe(0)
    await settle(held, unstarted)
    expect(await retrying()).toBe(8)
    await store.alter('emails', [all[0]!], { kind: 'cancel', reason: 'user' })
    await store.alter('emails', [all[1]!], { kind: 'remove' })
    await store.alter('emails', [all[2]!], { kind: 'purge' })
    await store.alter('emails', [all[3]!], { kind: 'reschedule', in: 900 })
    await store.alter('emails', [all[4]!], { kind: 'prioritize', priority: 7 })
    expect(await retrying()).toBe(5)
    // The worker that holds the jobs dies, and then one of the jobs fails for good.
    const again = await caller.claim(100)
    expect(await retrying()).toBe(1)
    clock.advance(LEASE + 1)
    await store.recover('emails')
    expect(await retrying()).toBe(5)
    const last = (await caller.claim(100)).filter(({ id }) => ids(again).includes(id))
    await settle(last, failed)
    expect(await retrying()).toBe(0)
    await store.alter('emails', [all[7]!], { kind: 'retry' })
    expect(await retrying()).toBe(0)
    await fail(1)
    expect(await retrying()).toBe(2)
    await store.clear('emails', 'delayed')
    expect(await retrying()).toBe(0)
  })

  test('standings returns the jobs that no worker could read, and since when they wait, until a worker can read them', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const settle = (held: readonly ClaimedJob[], outcome: Outcome) =>
      caller.exchange(
        held.map((one) => settlement(one, outcome)),
        { limit: 0, leaseMs: LEASE },
      )
    const because = 'the worker has no class with this key'
    const stranded: Outcome = { kind: 'released', in: 500, because, isStranded: true }
    const look = async () => {
      const [found, other] = await store.standings(['emails', 'other'], 0)
      expect(other!.stranded).toBeUndefined()
      const { stranded, oldest } = found!
      return stranded && { ...stranded, oldest }
    }
    const start = await store.now()
    await caller.enqueue(job(), job({ group: { name: 'acme' } }), job({ delay: 100 }))
    expect(await look()).toBeUndefined()
    clock.advance(200)
    const held = await caller.claim(10)
    const all = [held[2]!, held[0]!, held[1]!].sort((one, other) => (one.dueAt ?? 0) - (other.dueAt ?? 0))
    await settle(all, stranded)
    const first = await look()
    expect(first).toMatchObject({ count: 3, delayed: 3, since: start, oldest: start })
    expect(ids(all)).toContain(first!.id)
    expect(await store.get('emails', all[2]!.id)).toMatchObject({ state: 'delayed', because, releases: 1 })
    // A released job, and a job that waits for its next try, do not count as unread.
    await caller.run(job(), { kind: 'released', in: 900, because: 'later' })
    await caller.run(job(), retried(900))
    expect(await look()).toMatchObject({ count: 3, delayed: 3 })
    // The jobs count as waiting when they are due again. While a worker holds the jobs, they do not count as
    // waiting, but the store keeps the time since which they wait.
    clock.advance(500)
    expect(await look()).toMatchObject({ count: 3, delayed: 0, since: start })
    const again = await caller.claim(10)
    expect(ids(again).toSorted()).toEqual(ids(all).toSorted())
    expect(await look()).toBeUndefined()
    await settle(again, unstarted)
    expect(await look()).toMatchObject({ count: 3, delayed: 0, since: start })
    await settle(await caller.claim(10), stranded)
    expect(await look()).toMatchObject({ count: 3, delayed: 3, since: start, oldest: start })
    await store.alter('emails', ids(all), { kind: 'run-now' })
    expect(await look()).toMatchObject({ count: 3, delayed: 0, since: start })
    await store.alter('emails', ids(all), { kind: 'reschedule', in: 50 })
    expect(await look()).toMatchObject({ count: 3, delayed: 3, since: start })
    clock.advance(50)
    const [read, failing, ...rest] = await caller.claim(10)
    await settle(rest, stranded)
    expect(await look()).toMatchObject({ count: 1, delayed: 1 })
    // A worker can read the other jobs.
    await settle([read!], completed)
    await settle([failing!], retried(900))
    expect(await look()).toMatchObject({ count: 1, delayed: 1 })
    for (const kind of ['cancel', 'remove', 'purge', 'clear'] as const) {
      await store.clear('emails', 'delayed')
      expect(await look()).toBeUndefined()
      await caller.enqueue(job())
      const [one] = await caller.claim(1)
      await settle([one!], stranded)
      expect(await look()).toMatchObject({ count: 1, delayed: 1, since: await store.now(), id: one!.id })
      if (kind === 'clear') continue
      await store.alter('emails', [one!.id], kind === 'cancel' ? { kind, reason: 'user' } : { kind })
      expect(await look()).toBeUndefined()
    }
    await store.clear('emails', 'delayed')
    // Somebody asks to cancel a job while a worker has it.
    await caller.enqueue(job())
    const [asked] = await caller.claim(1)
    await store.alter('emails', [asked!.id], { kind: 'cancel', reason: 'user' })
    await settle([asked!], stranded)
    expect(await look()).toBeUndefined()
  })

  test('standings returns the distinct keys of the jobs that come next', async () => {
    await using harness = await make()
    const { store } = harness
    const web = harness.caller('web', 'a')
    const keyed = (key: string, fields = {}) => job({ key, ...fields })
    await web.enqueue(keyed('x'), keyed('y'), keyed('x'), keyed('top', { priority: 5 }))
    await web.enqueue(
      keyed('x', { delay: 500 }),
      keyed('late', { delay: 600 }),
      keyed('latest', { delay: 700 }),
    )
    await harness.caller('web', 'b').enqueue(keyed('z', { group: { name: 'acme' } }))
    const keys = async (next?: number) => {
      const standings = await store.standings(['a', 'b', 'none'], next)
      return standings.map((each) => each.keys.toSorted())
    }
    expect(await keys()).toEqual([[], [], []])
    expect(await keys(1)).toEqual([['top', 'x'], ['z'], []])
    expect(await keys(2)).toEqual([['late', 'top', 'x'], ['z'], []])
    expect(await keys(100)).toEqual([['late', 'latest', 'top', 'x', 'y'], ['z'], []])
  })

  test('no minute is returned while no job has ended', async () => {
    await using harness = await make()
    const { store } = harness
    expect(await store.minutes('emails')).toEqual([])
    const caller = harness.caller()
    await caller.enqueue(...jobs(2), job({ delay: 1_000 }))
    await caller.claim(1)
    expect(await store.minutes('emails')).toEqual([])
  })

  test('minutes count completed jobs, failed jobs, and failed attempts that are retried', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const at = clock.now
    await caller.run(job(), completed)
    await caller.run(job(), { kind: 'completed', result: '1' })
    await caller.run(job(), failed)
    clock.advance(MINUTE - 1)
    await caller.run(job(), retried(0))
    await caller.settle(await caller.claimOne(), completed)
    expect(await store.minutes('emails')).toEqual([minute(at, { completed: 3, failed: 1, retried: 1 })])
  })

  test('minutes count all jobs of one call', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(30))
    const held = await caller.claim(30)
    const outcomes = [completed, completed, failed, retried(500)]
    const settlements = held.map((claimed, n) => settlement(claimed, outcomes[n % 4]!))
    await caller.exchange(settlements, { limit: 0, leaseMs: LEASE })
    const expected = { completed: 16, failed: 7, retried: 7 }
    expect(await harness.store.minutes('emails')).toEqual([minute(harness.clock.now, expected)])
  })

  test('minutes do not count jobs that are given back, released or cancelled', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.run(job(), { kind: 'released', in: 60_000 })
    await caller.run(job(), { kind: 'cancelled', reason: 'user' })
    await caller.run(job(), unstarted)
    const [waiting] = (await harness.store.list('emails', { state: 'waiting' })).jobs
    await harness.store.alter('emails', ids([waiting!]), { kind: 'cancel', reason: 'user' })
    expect(await harness.store.minutes('emails')).toEqual([])
  })

  test('a refused settle counts nothing in the minutes, and a settle that is sent again counts once', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    expect(await caller.settle({ ...held, token: 'bob.1' }, completed)).toBe('lost')
    const want = { limit: 0, leaseMs: LEASE }
    await caller.exchange([settlement(held, completed)], want)
    await store.exchange('emails', caller.last(), [settlement(held, completed)], want)
    expect(await store.minutes('emails')).toEqual([minute(harness.clock.now, { completed: 1 })])
  })

  test('a job whose worker died too often counts as failed, and its earlier crashes do not count as retries', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(job())
    for (let crash = 0; crash < MAX_CRASHES; crash += 1) {
      expect(await store.minutes('emails')).toEqual([])
      await caller.claimAlone()
      clock.advance(1_000)
      await store.recover('emails', { holder: 'ada', fromWithin: true })
    }
    expect(await store.minutes('emails')).toMatchObject([{ completed: 0, failed: 1, retried: 0 }])
  })

  test('only minutes in which a job ended are returned, the oldest first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const start = clock.now
    await caller.run(job(), completed)
    clock.advance(MINUTE)
    await caller.run(job(), failed)
    clock.advance(3 * MINUTE)
    await caller.run(job(), completed)
    clock.advance(2 * MINUTE)
    expect(await store.minutes('emails')).toEqual([
      minute(start, { completed: 1 }),
      minute(start + MINUTE, { failed: 1 }),
      minute(start + 4 * MINUTE, { completed: 1 }),
    ])
  })

  test(`${MINUTES} minutes are kept, including the current minute`, async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const start = clock.now
    await caller.run(job(), completed)
    clock.advance((MINUTES - 1) * MINUTE)
    await caller.run(job(), failed)
    expect(await store.minutes('emails')).toEqual([
      minute(start, { completed: 1 }),
      minute(clock.now, { failed: 1 }),
    ])
    clock.advance(MINUTE)
    expect(await store.minutes('emails')).toEqual([minute(clock.now - MINUTE, { failed: 1 })])
    clock.advance(MINUTES * MINUTE)
    expect(await store.minutes('emails')).toEqual([])
    await caller.run(job(), completed)
    expect(await store.minutes('emails')).toEqual([minute(clock.now, { completed: 1 })])
  })

  test('each partition has its own minutes', async () => {
    await using harness = await make()
    await harness.caller('ada', 'emails').run(job(), completed)
    await harness.caller('ada', 'reports').run(job(), failed)
    expect(await harness.store.minutes('emails')).toMatchObject([{ completed: 1, failed: 0 }])
    expect(await harness.store.minutes('reports')).toMatchObject([{ completed: 0, failed: 1 }])
  })

  test('jobs that were pruned, removed or not kept still count in the minutes', async () => {
    const none = { count: 0, age: 0 }
    await using harness = await make({ retention: { completed: none, failed: none, cancelled: none } })
    const caller = harness.caller()
    await caller.run(job(), completed)
    await caller.run(job(), failed)
    expect(await harness.store.minutes('emails')).toMatchObject([{ completed: 1, failed: 1 }])
  })
}
