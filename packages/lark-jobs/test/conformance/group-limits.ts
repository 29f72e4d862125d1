/** Which jobs of a group may begin: the limits of the group, and strict order. */
import { expect, test } from 'vitest'
import type { RateKind } from '../../src/model/rate.ts'
import { UNKNOWN_RATE_AGAIN } from '../../src/store/contract/rules/rate.ts'
import { LEASE } from './caller.ts'
import { limited, of, swap } from './grouped.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

const strict = (name: string) => of(name, { strict: true, limits: { concurrency: 1 } })

export function groupLimits(make: Make): void {
  test('no job of a group at its limit begins until one of its jobs ends, and other groups are not blocked', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    const [first, other] = [jobs(5, limited('a', 2)), jobs(3, of('b'))]
    await ada.enqueue(...first, ...other)
    const held = await ada.claim(5)
    expect(ids(held)).toEqual(ids([first[0]!, other[0]!, first[1]!, other[1]!, other[2]!]))
    const empty = await bob.exchange([], { limit: 5, leaseMs: LEASE })
    expect(empty).toEqual({ verdicts: [], jobs: [] })
    const waiting = harness.store.wait('bob', 5_000)
    await ada.exchange([settlement(held[0]!, completed)], { limit: 0, leaseMs: LEASE })
    expect(await waiting).toEqual(['emails'])
    expect(ids(await bob.claim(5))).toEqual([first[2]!.id])
  })

  test.each([completed, failed, retried(60_000), unstarted, { kind: 'released', in: 60_000 }] as const)(
    'the next job of a full group may begin after %j',
    async (outcome) => {
      await using harness = await make()
      const caller = harness.caller()
      await caller.enqueue(...jobs(4, limited('a', 1)))
      const [held] = await caller.claim(4)
      expect((await swap(caller, held!, outcome)).jobs).toHaveLength(1)
    },
  )

  test('when the jobs of dead workers are taken back, the next jobs of their groups may begin', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    await ada.enqueue(...jobs(6, limited('a', 3)))
    expect(await ada.claim(9)).toHaveLength(3)
    harness.clock.advance(LEASE + 1)
    expect(await bob.claim(9)).toEqual([])
    await harness.store.recover('emails')
    expect(await bob.claim(9)).toHaveLength(3)
  })

  test('nextDue says when the rate of a group allows the next job, and the rate still counts after all jobs of the group have ended', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const rated = of('a', { limits: { rate: { limit: 2, per: 1_000, kind: 'sliding', burst: 2 } } })
    await caller.enqueue(...jobs(2, rated))
    for (const held of await caller.claim(9)) await caller.settle(held, completed)
    harness.clock.advance(400)
    await caller.enqueue(...jobs(3, rated))
    const { jobs: none, nextDue } = await caller.exchange([], { limit: 9, leaseMs: LEASE })
    expect(none).toEqual([])
    expect(nextDue).toBe(600)
    harness.clock.advance(600)
    expect(await caller.claim(9)).toHaveLength(2)
  })

  test('a call with a rate of an unknown kind is refused with the name of the kind, and changes nothing', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const kind = 'leaky' as RateKind
    const limits = { rate: { limit: 1, per: 1_000, kind, burst: 1 } }
    const names = /rate of the kind 'leaky'/
    await caller.enqueue(job())
    await expect(caller.enqueue(job(of('a', { limits })))).rejects.toThrow(names)
    await expect(caller.exchange([], { limit: 9, leaseMs: LEASE, limits })).rejects.toThrow(names)
    const [held] = await caller.claim(9)
    await expect(store.stand('emails', held!.id, { limits })).rejects.toThrow(names)
    const call = { holder: 'ada', number: 1, limits, held: 0, wanted: 1, leaseMs: LEASE }
    await expect(store.limiters.permit('stripe', call)).rejects.toThrow(names)
    await expect(store.limiters.look('stripe', { limits, each: 1 })).rejects.toThrow(names)
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 1 })
  })

  test('if the rate of a group has a kind that only a later version knows, no job of the group begins, and jobs of other groups do', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const rated = of('a', { limits: { rate: { limit: 1, per: 1_000, kind: 'window', burst: 1 } } })
    const [first, second] = jobs(2, rated)
    const other = job(of('b'))
    await caller.enqueue(first!, second!, other)
    await harness.rewordLimits('window', 'leaky_2')
    expect(ids(await caller.claim(9))).toEqual([other.id])
    harness.clock.advance(60_000)
    expect(await caller.claim(9)).toEqual([])
    const { nextDue } = await caller.exchange([], { limit: 9, leaseMs: LEASE })
    expect(nextDue).toBe(UNKNOWN_RATE_AGAIN)
    const { lane } = (await harness.store.stand('emails', first!.id))!
    expect(lane).toMatchObject({ waitsFor: 'rate', unknownRate: 'leaky_2' })
    expect(lane!.limits).toBeUndefined()
    // A worker of the later version writes the limits in a form that this version knows again.
    await harness.rewordLimits('leaky_2', 'window')
    harness.clock.advance(UNKNOWN_RATE_AGAIN)
    expect(ids(await caller.claim(9))).toEqual([first!.id])
    harness.clock.advance(1_000)
    expect(ids(await caller.claim(9))).toEqual([second!.id])
  })

  test('a group has the limits of the job that was dispatched last', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(4, limited('a', 1)))
    expect(await caller.claim(9)).toHaveLength(1)
    await caller.enqueue(job(limited('a', 3)))
    expect(await caller.claim(9)).toHaveLength(2)
  })

  test.each([completed, failed])(
    'in a strict group, the next job begins when the previous job has ended: %j',
    async (outcome) => {
      await using harness = await make()
      const caller = harness.caller()
      const list = jobs(3, strict('a'))
      await caller.enqueue(...list)
      const begun: string[] = []
      let [held] = await caller.claim(9)
      while (held) {
        begun.push(held.id)
        ;[held] = (await swap(caller, held, outcome)).jobs
      }
      expect(begun).toEqual(ids(list))
    },
  )

  test('in a strict group, the other jobs wait for the retry of the first job, also after a release or a dead worker', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [first, second] = jobs(2, strict('a'))
    await caller.enqueue(first!, second!)
    const [held] = await caller.claim(9)
    const answer = await swap(caller, held!, retried(5_000))
    expect(answer).toMatchObject({ jobs: [], nextDue: 5_000 })
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, delayed: 1 })
    // This job has a higher priority, but runs after the job that has begun.
    const urgent = job({ ...strict('a'), priority: 100 })
    await caller.enqueue(urgent)
    harness.clock.advance(5_000)
    const [again] = await caller.claim(9)
    expect(again!.id).toBe(first!.id)
    expect((await swap(caller, again!, { kind: 'released', in: 100 })).jobs).toEqual([])
    harness.clock.advance(100)
    expect(ids(await caller.claim(9))).toEqual([first!.id])
    await harness.takeBack()
    const [recovered] = await caller.claim(9)
    expect(recovered!.id).toBe(first!.id)
    expect(ids((await swap(caller, recovered!)).jobs)).toEqual([urgent.id])
  })

  test.each(['cancel', 'remove'] as const)(
    'in a strict group, after a %s of the first job the next job may begin, and a waiting worker is notified',
    async (kind) => {
      await using harness = await make()
      const caller = harness.caller()
      const [first, second] = jobs(2, strict('a'))
      await caller.enqueue(first!, second!)
      const [held] = await caller.claim(9)
      await swap(caller, held!, retried(5_000))
      const waiting = harness.store.wait('ada', 5_000)
      const change = kind === 'cancel' ? ({ kind, reason: 'user' } as const) : { kind }
      expect(await harness.store.alter('emails', [first!.id], change)).toEqual(['done'])
      expect(await waiting).toEqual(['emails'])
      expect(ids(await caller.claim(9))).toEqual([second!.id])
    },
  )
}
