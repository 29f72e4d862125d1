/**
 * `wait`, `wake`, and rings. A ring is a notification that a job may have come. The tests show which callers
 * get a ring, how often, and when a wait ends. Waits use the real clock, so waits that must end without a
 * ring are short.
 */
import { expect, test } from 'vitest'
import { type Caller, LEASE } from './caller.ts'
import type { Harness, Make } from './harness.ts'
import { completed, ids, job, jobs, retried, unstarted } from './jobs.ts'

/**
 * A ring arrives within fewer milliseconds of the real clock than this, so a wait that gets a ring is
 * shorter.
 */
const PATIENCE = 10_000
/** The test waits this many milliseconds of the real clock to show that no ring comes. */
const MOMENT = 60

/** Makes workers that have asked for a job and got no job. */
async function idle(harness: Harness, ...names: string[]): Promise<Caller[]> {
  const callers = names.map((name) => harness.caller(name))
  for (const caller of callers) expect(await caller.claim()).toEqual([])
  return callers
}

/** Returns the callers that have got a ring, in any order. */
async function rung(harness: Harness, callers: readonly Caller[]): Promise<string[]> {
  const waits = callers.map(async ({ id }) => ((await harness.store.wait(id, MOMENT)).length > 0 ? [id] : []))
  return (await Promise.all(waits)).flat()
}

export function waitingAndRings(make: Make): void {
  test('a wait ends when a job comes in', async () => {
    await using harness = await make()
    await idle(harness, 'ada')
    const wait = harness.store.wait('ada', PATIENCE)
    await harness.caller('web').enqueue(job())
    expect(await wait).toEqual(['emails'])
  })

  test('a ring that came before the wait is kept', async () => {
    await using harness = await make()
    await idle(harness, 'ada')
    await harness.caller('web').enqueue(job())
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a ring ends only one wait', async () => {
    await using harness = await make()
    await idle(harness, 'ada')
    await harness.caller('web').enqueue(job())
    await harness.store.wait('ada', PATIENCE)
    expect(await harness.store.wait('ada', MOMENT)).toEqual([])
  })

  test('a caller that never claimed, or got as many jobs as it wanted, gets no ring', async () => {
    await using harness = await make()
    const bob = harness.caller('bob')
    await bob.enqueue(job())
    await bob.claim(1)
    await harness.caller('cyd').claim(0)
    await harness.caller('web').enqueue(job())
    const callers = ['ada', 'bob', 'cyd'].map((id) => harness.caller(id))
    expect(await rung(harness, callers)).toEqual([])
  })

  test('a caller that got fewer jobs than it wanted gets a ring', async () => {
    await using harness = await make()
    await harness.caller('web').enqueue(job())
    const ada = harness.caller('ada')
    expect(await ada.claim(5)).toHaveLength(1)
    await harness.caller('other').enqueue(job())
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a worker that only settles jobs still counts as waiting', async () => {
    await using harness = await make()
    await harness.caller('web').enqueue(job())
    const ada = harness.caller('ada')
    const [held] = await ada.claim(2)
    await ada.settle(held!, completed)
    await harness.caller('other').enqueue(job())
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a dispatch sends a ring to as many callers as it queues jobs', async () => {
    await using harness = await make()
    const callers = await idle(harness, 'ada', 'bob', 'cyd', 'dan')
    await harness.caller('web').enqueue(...jobs(2))
    expect(await rung(harness, callers)).toHaveLength(2)
  })

  test('no caller gets a ring for a job that already exists', async () => {
    await using harness = await make()
    const web = harness.caller('web')
    const given = job()
    await web.enqueue(given)
    await web.claim()
    const callers = await idle(harness, 'ada')
    await web.enqueue(given)
    expect(await rung(harness, callers)).toEqual([])
  })

  test('the next dispatch sends its ring to the next caller', async () => {
    await using harness = await make()
    const callers = await idle(harness, 'ada', 'bob')
    const web = harness.caller('web')
    await web.enqueue(job())
    await web.enqueue(job())
    expect((await rung(harness, callers)).sort()).toEqual(['ada', 'bob'])
  })

  test('one caller waits for several partitions', async () => {
    await using harness = await make()
    await harness.caller('ada', 'emails').claim()
    await harness.caller('ada', 'reports').claim()
    await harness.caller('ada', 'images').claim()
    await harness.caller('web', 'reports').enqueue(job())
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['reports'])
    await harness.caller('web', 'emails').enqueue(job())
    await harness.caller('web', 'images').enqueue(job())
    const heard = await harness.store.wait('ada', PATIENCE)
    const rest = heard.length < 2 ? await harness.store.wait('ada', PATIENCE) : []
    expect([...heard, ...rest].sort()).toEqual(['emails', 'images'])
  })

  test('for a delayed job that is due before all other jobs, a caller gets a ring and the due time', async () => {
    await using harness = await make()
    const [ada] = await idle(harness, 'ada')
    await harness.caller('web').enqueue(job({ delay: 700 }))
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
    expect((await ada!.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBe(700)
  })

  test('for a job that is given back or retried, another caller gets a ring', async () => {
    for (const outcome of [unstarted, retried(0), retried(500)]) {
      await using harness = await make()
      const bob = harness.caller('bob')
      await bob.enqueue(job())
      const held = await bob.claimOne()
      await idle(harness, 'ada')
      await bob.settle(held, outcome)
      expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
    }
  })

  test('for a job that is taken back from a dead worker, a caller gets a ring', async () => {
    await using harness = await make()
    const bob = harness.caller('bob')
    await bob.enqueue(job())
    await bob.claim()
    await idle(harness, 'ada')
    harness.clock.advance(LEASE)
    await harness.store.recover('emails')
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('for a job that a person retries, runs or reschedules, a caller gets a ring', async () => {
    await using harness = await make()
    const bob = harness.caller('bob')
    const ended = job()
    await bob.run(ended, { kind: 'cancelled', reason: 'user' })
    await idle(harness, 'ada')
    await harness.store.alter('emails', [ended.id], { kind: 'retry' })
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
    await bob.claim()

    const later = job({ delay: 5_000 })
    await bob.enqueue(later)
    await idle(harness, 'ada')
    await harness.store.alter('emails', [later.id], { kind: 'reschedule', in: 3_000 })
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
    await idle(harness, 'ada')
    await harness.store.alter('emails', [later.id], { kind: 'run-now' })
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('all waiting callers get a ring when a partition is resumed', async () => {
    await using harness = await make()
    await harness.store.configure('emails', { paused: true })
    await harness.caller('web').enqueue(job())
    const callers = await idle(harness, 'ada', 'bob')
    await harness.store.configure('emails', { paused: false })
    expect(await rung(harness, callers)).toEqual(['ada', 'bob'])
  })

  test('wake passes a ring on to one other caller', async () => {
    await using harness = await make()
    const callers = await idle(harness, 'ada', 'bob', 'cyd')
    await harness.store.wake('emails', 'ada')
    const heard = await rung(harness, callers)
    expect(heard).toHaveLength(1)
    expect(heard).not.toContain('ada')
  })

  test('wake without another waiting caller does nothing', async () => {
    await using harness = await make()
    const callers = await idle(harness, 'ada')
    await harness.store.wake('emails', 'ada')
    expect(await rung(harness, callers)).toEqual([])
  })

  test('a retired caller gets no ring, and another caller gets it', async () => {
    await using harness = await make()
    const [ada, bob] = await idle(harness, 'ada', 'bob')
    await harness.store.retire('ada')
    await harness.caller('web').enqueue(...jobs(2))
    expect(await rung(harness, [ada!, bob!])).toEqual(['bob'])
  })

  test('the holder of a job gets a notice, and its wait goes on', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2))
    const held = await ada.claim(2)
    const end = new AbortController()
    const others: string[] = []
    await idle(harness, 'bob')
    const bob = store.wait('bob', PATIENCE, end.signal, (partition) => others.push(partition))
    let wait: Promise<string[]> | undefined
    const noticed = new Promise<string>((resolve) => {
      wait = store.wait('ada', PATIENCE, end.signal, resolve)
    })
    await store.alter('emails', ids(held), { kind: 'cancel', reason: 'user' })
    expect(await noticed).toBe('emails')
    expect((await store.extend('emails', 'ada', held, LEASE)).notices).toHaveLength(2)
    end.abort()
    expect([await wait, await bob, others]).toEqual([[], [], []])
  })

  test('a notice that came before the wait is kept, and reported once', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(3))
    const held = await ada.claim(3)
    await store.alter('emails', ids(held), { kind: 'cancel', reason: 'user' })
    const told: string[] = []
    const end = new AbortController()
    await store.wait('ada', PATIENCE, end.signal, (partition) => {
      told.push(partition)
      end.abort()
    })
    await store.wait('ada', MOMENT, undefined, (partition) => told.push(partition))
    expect(told).toEqual(['emails'])
  })

  test('the cancel of a job without a holder sends no notice, and the cancel of an active job sends no ring to waiting callers', async () => {
    await using harness = await make()
    const { store } = harness
    const ada = harness.caller('ada')
    await ada.enqueue(...jobs(2))
    const held = await ada.claimOne()
    const [waiting] = (await store.list('emails', { state: 'waiting' })).jobs
    const told: string[] = []
    await store.alter('emails', [waiting!.id], { kind: 'cancel', reason: 'user' })
    expect(await store.wait('ada', MOMENT, undefined, (partition) => told.push(partition))).toEqual([])
    expect(told).toEqual([])
    const callers = await idle(harness, 'bob')
    await store.alter('emails', [held.id], { kind: 'cancel', reason: 'user' })
    expect(await rung(harness, callers)).toEqual([])
  })

  test('a wait ends with its timeout', async () => {
    await using harness = await make()
    await idle(harness, 'ada')
    expect(await harness.store.wait('ada', 1)).toEqual([])
    expect(await harness.store.wait('ada', 0)).toEqual([])
  })

  test('a wait ends when it is aborted, and a ring after that is kept', async () => {
    await using harness = await make()
    await idle(harness, 'ada')
    const abort = new AbortController()
    const wait = harness.store.wait('ada', PATIENCE, abort.signal)
    abort.abort()
    expect(await wait).toEqual([])
    expect(await harness.store.wait('ada', PATIENCE, abort.signal)).toEqual([])
    await harness.caller('web').enqueue(job())
    expect(await harness.store.wait('ada', PATIENCE)).toEqual(['emails'])
  })

  test('a ring reserves no job: the first caller to claim gets it', async () => {
    await using harness = await make()
    const [ada] = await idle(harness, 'ada')
    const given = job()
    await harness.caller('web').enqueue(given)
    expect(ids(await harness.caller('bob').claim())).toEqual([given.id])
    await harness.store.wait('ada', PATIENCE)
    expect(await ada!.claim()).toEqual([])
  })
}
