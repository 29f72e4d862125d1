/** `stand`: the position of a job, and everything that would keep a claim from handing it out now. */
import { describe, expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { MAX_AHEAD, MAX_RUNNING, type StandOptions } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { limited, of } from './grouped.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried } from './jobs.ts'
import { Random } from './random.ts'

const windowed = { rate: { limit: 1, per: 1_000, kind: 'window', burst: 1 } } as const
const sliding = { rate: { limit: 1, per: 1_000, kind: 'sliding', burst: 1 } } as const

async function stand({ store }: Harness, { id }: { id: string }, options?: StandOptions) {
  const found = await store.stand('emails', id, options)
  if (found === undefined) throw new Error(`expected a job ${id}`)
  return found
}

/**
 * Makes jobs of many priorities. Some of them were delayed, some were given back, and some were cancelled.
 */
async function fill(harness: Harness, seed: number, fields: Partial<NewJob>): Promise<NewJob[]> {
  const random = new Random(seed)
  const caller = harness.caller()
  const all: NewJob[] = []
  for (let i = 0; i < 40; i++) {
    const delay = random.chance(3) ? random.below(40) : undefined
    const priority = random.below(3) - 1
    all.push(job({ ...fields, priority, ...(delay !== undefined && { delay }) }))
    await caller.enqueue(all.at(-1)!)
    if (random.chance(2)) harness.clock.advance(3)
  }
  for (const held of await caller.claim(8)) await caller.settle(held, retried(random.below(20)))
  const some = all.filter(() => random.chance(5))
  await harness.store.alter('emails', ids(some), { kind: 'cancel', reason: 'user' })
  harness.clock.advance(50)
  return all
}

export function stands(make: Make): void {
  describe.each([
    ['without a lane', {}, undefined],
    ['without a lane, if priorities age', {}, 5],
    ['in a lane', of('acme'), undefined],
    ['in a lane, if priorities age', of('acme'), 5],
  ])('the counted jobs before a job %s', (_, fields, aging) => {
    test('are the jobs that a claim hands out before this job', async () => {
      await using harness = await make()
      const all = await fill(harness, 7, fields)
      const stands = new Map<string, number>()
      for (const { id } of all) {
        const { line } = await stand(harness, { id }, { aging })
        if (line !== undefined) stands.set(id, line.ahead)
      }
      const want = { limit: 100, leaseMs: LEASE, ...(aging !== undefined && { aging }) }
      const { jobs: taken } = await harness.caller().exchange([], want)
      expect(taken.length).toBeGreaterThan(25)
      expect(taken.map(({ id }) => stands.get(id))).toEqual(taken.map((_, i) => i))
      expect(stands.size).toBe(taken.length)
    })
  })

  test('for a waiting job, `stand` returns how many jobs run before it, and how many of them because of their priority', async () => {
    await using harness = await make()
    const [first, second, low] = [job(), job(), job({ priority: -1 })] as const
    await harness.caller().enqueue(first, second, low, job({ priority: 5 }))
    const { at, line, job: record, ...rest } = await stand(harness, second)
    expect(line).toEqual({ ahead: 2, higher: 1 })
    expect(at).toBe(harness.clock.now)
    expect(record).toEqual({ ...(await harness.store.get('emails', second.id)), payload: '' })
    expect(rest).toEqual({ holders: {} })
    expect((await stand(harness, low)).line).toEqual({ ahead: 3, higher: 3 })
  })

  test('`stand` counts the jobs before a job only up to a bound', async () => {
    await using harness = await make()
    const last = job()
    for (let i = 0; i < 11; i++) await harness.caller().enqueue(...jobs(1_000))
    await harness.caller().enqueue(last)
    expect((await stand(harness, last)).line).toEqual({ ahead: MAX_AHEAD, higher: 0 })
  })

  test('`stand` of a delayed job has no position in the line', async () => {
    await using harness = await make()
    const later = job({ delay: 5_000 })
    await harness.caller().enqueue(...jobs(2), later)
    const { job: record, ...rest } = await stand(harness, later)
    expect(record).toMatchObject({ state: 'delayed', dueAt: harness.clock.now + 5_000 })
    expect(rest).toEqual({ at: harness.clock.now })
    harness.clock.advance(5_000)
    expect((await stand(harness, later)).line).toEqual({ ahead: 2, higher: 0 })
  })

  test('`stand` returns the pause of the partition and its reason', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const waiting = job()
    await harness.caller().enqueue(waiting)
    await store.configure('emails', { paused: true })
    expect((await stand(harness, waiting)).pause).toEqual({})
    await store.configure('emails', { paused: true, for: 5_000, because: 'a deploy' })
    expect((await stand(harness, waiting)).pause).toEqual({ until: clock.now + 5_000, because: 'a deploy' })
    clock.advance(5_000)
    expect((await stand(harness, waiting)).pause).toBeUndefined()
  })

  test('`stand` returns the pause of the group of the job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const [one, later] = [job(of('acme')), job({ ...of('acme'), delay: 9_000 })] as const
    await harness.caller().enqueue(one, later)
    await store.pause('emails', 'acme')
    const lane = { active: 0, running: [] }
    expect((await stand(harness, one)).lane).toEqual({ ...lane, pause: {}, waitsFor: 'pause' })
    await store.pause('emails', 'acme', 5_000)
    const until = clock.now + 5_000
    const paused = { ...lane, pause: { until }, waitsFor: 'pause', until }
    expect((await stand(harness, one)).lane).toEqual(paused)
    expect((await stand(harness, later)).lane).toEqual(paused)
    clock.advance(5_000)
    expect((await stand(harness, one)).lane).toEqual(lane)
  })

  test('`stand` returns how many groups have their turn before the group of the job', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const all = ['a', 'b', 'c'].map((name) => job(of(name)))
    const [own, needy] = [job(), job({ limiter: 'stripe*2' })]
    await caller.enqueue(...all, own!, needy!)
    const turnOf = async (each: NewJob) => (await stand(harness, each)).line?.turns
    expect(await Promise.all(all.map(turnOf))).toEqual([0, 1, 2])
    expect(await turnOf(own!)).toBe(0)
    expect(await turnOf(needy!)).toBe(0)
    expect(await stand(harness, needy!)).toMatchObject({
      job: { limiter: 'stripe*2' },
      lane: { active: 0, running: [] },
    })
    expect(ids(await caller.claim(1))).toEqual([own!.id])
    const other = job()
    await caller.enqueue(other)
    // The jobs without a group have just had their turn.
    expect(await turnOf(other)).toBe(3)
  })

  test('if the group of the job is full, `stand` returns the running jobs of the group', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, limited('acme', 2)), ...jobs(2, of('other')))
    const held = (await caller.claim(9)).filter(({ group }) => group === 'acme')
    const [waiting] = (await harness.store.heads('emails', { state: 'waiting' })).jobs
    expect(await stand(harness, waiting!)).toMatchObject({ line: { ahead: 0, higher: 0 } })
    expect((await stand(harness, waiting!)).lane).toEqual({
      waitsFor: 'end',
      limits: { concurrency: 2 },
      active: 2,
      running: ids(held),
    })
  })

  test('`stand` names no more running jobs than requested', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(20, limited('acme', 15)))
    await caller.claim(20)
    const [waiting] = (await harness.store.heads('emails', { state: 'waiting' })).jobs
    const { lane } = await stand(harness, waiting!)
    expect(lane?.active).toBe(15)
    expect(lane?.running).toHaveLength(MAX_RUNNING)
  })

  test.each([
    ['window', windowed],
    ['sliding', sliding],
  ])(
    '`stand` returns when the rate of the group (%s) allows the next job, and changes nothing',
    async (_, limits) => {
      await using harness = await make()
      const { clock } = harness
      const caller = harness.caller()
      await caller.enqueue(...jobs(2, of('acme', { limits })))
      await caller.settle(await caller.claimOne(), completed)
      const [waiting] = (await harness.store.heads('emails', { state: 'waiting' })).jobs
      const lane = { limits, active: 0, running: [] }
      for (let times = 0; times < 2; times++)
        expect((await stand(harness, waiting!)).lane).toEqual({
          ...lane,
          waitsFor: 'rate',
          until: clock.now + 1_000,
        })
      clock.advance(1_000)
      expect((await stand(harness, waiting!)).lane).toEqual(lane)
      expect(ids(await caller.claim(9))).toEqual([waiting!.id])
    },
  )

  test('in a strict group, `stand` returns the job that must end first, while that job runs and while it waits for its retry', async () => {
    await using harness = await make()
    const { clock } = harness
    const caller = harness.caller()
    const strict = of('acme', { limits: { concurrency: 1 }, strict: true })
    const [first, second] = [job(strict), job(strict)] as const
    await caller.enqueue(first, second)
    const held = await caller.claimOne()
    const lane = { limits: { concurrency: 1 }, strict: true, active: 1, running: [first.id] }
    expect((await stand(harness, second)).lane).toEqual({ ...lane, waitsFor: 'end' })
    await caller.settle(held, retried(7_000))
    const dueAt = clock.now + 7_000
    const behind = { ...lane, active: 0, running: [], first: { id: first.id, dueAt } }
    expect((await stand(harness, second)).lane).toEqual({ ...behind, waitsFor: 'retry', until: dueAt })
    clock.advance(7_000)
    expect((await stand(harness, second)).lane).toEqual(behind)
    expect((await stand(harness, first)).line).toEqual({ ahead: 0, higher: 0, turns: 0 })
    await harness.store.alter('emails', [first.id], { kind: 'cancel', reason: 'user' })
    const { first: _, ...alone } = behind
    expect((await stand(harness, second)).lane).toEqual(alone)
  })

  test('`stand` returns how many jobs of the partition are active, and when its rate allows the next job', async () => {
    await using harness = await make()
    const { clock } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const limits = { concurrency: 2, ...windowed }
    const [held] = (await caller.exchange([], { limit: 9, leaseMs: LEASE, limits })).jobs
    const [waiting] = (await harness.store.heads('emails', { state: 'waiting' })).jobs
    const nextAt = clock.now + 1_000
    expect((await stand(harness, waiting!, { limits })).limits).toEqual({ active: 1, free: 0, nextAt })
    expect((await stand(harness, waiting!)).limits).toBeUndefined()
    clock.advance(1_000)
    expect((await stand(harness, waiting!, { limits })).limits).toEqual({ active: 1, free: 1 })
    expect((await stand(harness, waiting!, { limits: { concurrency: 1 } })).limits).toEqual({
      active: 1,
      free: 0,
    })
    await caller.settle(held!, completed)
    expect((await stand(harness, waiting!, { limits: { concurrency: 1 } })).limits).toMatchObject({ free: 1 })
  })

  test('for an active job, `stand` returns the worker, the end of the lease, and whether the job has begun', async () => {
    await using harness = await make()
    const { clock } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(2))
    const [begun, next] = await caller.claimAhead(1, 1)
    const until = clock.now + LEASE
    const { job: record, at, ...rest } = await stand(harness, begun!)
    expect(record).toMatchObject({ state: 'active', holder: 'ada', claimedAt: at, payload: '' })
    expect(rest).toEqual({ lease: { until, isBegun: true } })
    expect((await stand(harness, next!)).lease).toEqual({ until, isBegun: false })
    clock.advance(5_000)
    await caller.extend([next!])
    expect((await stand(harness, next!)).lease).toEqual({ until: clock.now + LEASE, isBegun: true })
  })

  test('for an active job with a cancel request, `stand` returns the time and the reason of the request', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2))
    const [first, second] = await caller.claim(2)
    await harness.store.alter('emails', [first!.id], { kind: 'cancel', reason: 'user', because: 'a|b' })
    const asked = { reason: 'user', because: 'a|b', at: harness.clock.now }
    expect((await stand(harness, first!)).asked).toEqual(asked)
    // A second request does not change the time of the first request.
    harness.clock.advance(5_000)
    await harness.store.alter('emails', [first!.id], { kind: 'cancel', reason: 'user', because: '@9|c' })
    expect((await stand(harness, first!)).asked).toEqual({ ...asked, because: '@9|c' })
    const { notices } = await caller.extend([first!, second!])
    expect(notices).toEqual([{ kind: 'cancel', id: first!.id, reason: 'user', because: '@9|c' }])
    await caller.settle(first!, retried(1))
    const ended = { state: 'cancelled', reason: 'user', because: '@9|c' }
    expect(await harness.store.get('emails', first!.id)).toMatchObject(ended)
    await harness.store.alter('emails', [second!.id], { kind: 'cancel', reason: 'user' })
    expect((await stand(harness, second!)).asked).toEqual({ reason: 'user', at: harness.clock.now })
    await caller.settle(second!, { kind: 'cancelled', reason: 'user' })
    expect((await harness.store.get('emails', second!.id))!.reason).toBe('user')
  })

  test('`stand` returns how many jobs each worker holds', async () => {
    await using harness = await make()
    await harness.caller().enqueue(...jobs(5))
    const [first] = await harness.caller('ada').claim(2)
    await harness.caller('ada').claim(1)
    await harness.caller('bob').claim(1)
    const [waiting] = (await harness.store.heads('emails', { state: 'waiting' })).jobs
    expect((await stand(harness, waiting!)).holders).toEqual({ ada: 3, bob: 1 })
    await harness.caller('ada').settle(first!, completed)
    expect((await stand(harness, waiting!)).holders).toEqual({ ada: 2, bob: 1 })
  })

  test('for an ended job, `stand` returns the job that has its lock now', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const lock = { name: 'once', until: 'done' } as const
    const [first, second] = [job({ lock }), job({ lock })] as const
    await caller.run(first, failed)
    const { job: record, at, ...rest } = await stand(harness, first)
    expect(record).toEqual({ ...(await harness.store.get('emails', first.id)), payload: '' })
    expect(record).toMatchObject({ state: 'failed', finishedAt: at })
    expect(rest).toEqual({})
    await caller.enqueue(second)
    expect(await harness.store.alter('emails', [first.id], { kind: 'retry' })).toEqual(['refused'])
    expect((await stand(harness, first)).lockedBy).toBe(second.id)
    await caller.settle(await caller.claimOne(), completed)
    expect((await stand(harness, first)).lockedBy).toBeUndefined()
  })

  test('`stand` returns nothing for an unknown job or partition', async () => {
    await using harness = await make()
    await harness.caller().enqueue(...jobs(1))
    expect(await harness.store.stand('emails', 'nobody')).toBeUndefined()
    expect(await harness.store.stand('nowhere', 'nobody')).toBeUndefined()
  })
}
