/** Jobs whose class sets their retention (`model/record.ts#Keep`). */
import { expect, test } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import type { Keep, NewJob, Outcome } from '../../src/model/record.ts'
import {
  MAX_CRASHES,
  MAX_ITEMS,
  MAX_PINNED,
  NODES,
  PINNED,
  RESEND_MEMORY,
  UNKEPT_MEMORY,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { take } from './effects.ts'
import type { Harness, Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line, settlement } from './jobs.ts'

const two = { count: 2, age: 10_000 }
const few = { retention: { completed: two, failed: two, cancelled: two } }
const DAY = 86_400_000
const result: Outcome = { kind: 'completed', result: '1' }
const cancelled: Outcome = { kind: 'cancelled', reason: 'user' }

async function shown({ store }: Harness, state: 'completed' | 'failed' | 'cancelled'): Promise<string[]> {
  const found: string[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await store.list('emails', { state, limit: 2, ...(cursor && { cursor }) })
    found.push(...ids(page.jobs))
    cursor = page.cursor
    if (cursor === undefined) return found
  }
}

/** The ways in which a job ends, each with the resulting state. */
const ways: [
  how: string,
  state: 'completed' | 'failed' | 'cancelled',
  end: (h: Harness, job: NewJob) => Promise<void>,
][] = [
  ['completes', 'completed', (harness, given) => harness.caller().run(given, completed)],
  ['completes with a result', 'completed', (harness, given) => harness.caller().run(given, result)],
  ['fails', 'failed', (harness, given) => harness.caller().run(given, failed)],
  [
    'fails untold',
    'failed',
    (harness, given) => harness.caller().run(given, { ...failed, untold: true } as Outcome),
  ],
  [
    'expires',
    'cancelled',
    (harness, given) => harness.caller().run(given, { kind: 'cancelled', reason: 'expired' }),
  ],
  [
    'crashes too often',
    'failed',
    async (harness, given) => {
      await harness.caller().enqueue(given)
      for (let crash = 0; crash < MAX_CRASHES; crash++) {
        await harness.caller().claimAlone()
        await harness.takeBack({ fromWithin: true })
      }
    },
  ],
  [
    'is cancelled by hand',
    'cancelled',
    async ({ store, caller }, given) => {
      await caller().enqueue(given)
      await store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
    },
  ],
  [
    'is cancelled while it runs, and its worker dies',
    'cancelled',
    async (harness, given) => {
      await harness.caller().enqueue(given)
      await harness.caller().claimOne()
      await harness.store.alter('emails', [given.id], { kind: 'cancel', reason: 'user' })
      await harness.takeBack()
    },
  ],
  [
    'is dropped',
    'cancelled',
    async ({ store, caller }, given) => {
      const bound = { max: 1, full: 'drop-oldest' } as const
      await caller().enqueue(given)
      const next = job()
      await store.enqueue('emails', { ...caller().next(), bound }, [next])
      await store.alter('emails', [next.id], { kind: 'remove' })
    },
  ],
]

export function keeping(make: Make): void {
  test.each(ways)(
    'a job that %s is kept for the age that its class sets, no matter how many other jobs end',
    async (_, state, end) => {
      await using harness = await make(few)
      const { store, clock } = harness
      Object.assign(harness, { caller: harness.caller.bind(harness) })
      const given = job({ keep: { [state]: DAY } })
      await end(harness, given)
      expect(await store.get('emails', given.id)).toMatchObject({ id: given.id, state })
      clock.advance(1)
      for (let n = 0; n < 5; n++) {
        await harness.caller().run(job(), completed)
        await harness.caller().run(job(), failed)
        await harness.caller().run(job(), cancelled)
      }
      expect((await shown(harness, state)).at(-1)).toBe(given.id)
      expect(await store.counts('emails')).toMatchObject({
        completed: 2,
        failed: 2,
        cancelled: 2,
        [state]: 3,
      })
      clock.advance(DAY - 100_000)
      await store.prune('emails')
      expect(await shown(harness, state)).toEqual([given.id])
      clock.advance(100_000)
      expect((await store.survey('ada', [{ partition: 'emails', prunes: true }])).findings).toMatchObject([
        { isOld: true },
      ])
      expect(await store.prune('emails')).toBe(1)
      expect(await store.get('emails', given.id)).toBeUndefined()
      expect(await store.counts('emails')).toMatchObject({ completed: 0, failed: 0, cancelled: 0 })
      const { findings } = await store.survey('ada', [{ partition: 'emails', prunes: true }])
      expect(findings.filter(({ isOld }) => isOld)).toEqual([])
    },
  )

  test.each(ways)('a job that %s is not kept if its class says so', async (_, state, end) => {
    await using harness = await make(few)
    const { store } = harness
    Object.assign(harness, { caller: harness.caller.bind(harness) })
    const given = job({ keep: { [state]: 0, log: 9_000 }, payload: JSON.stringify('x'.repeat(5_000)) })
    await end(harness, given)
    expect(await store.get('emails', given.id)).toBeUndefined()
    expect(await shown(harness, state)).toEqual([])
    expect(await store.counts('emails')).toMatchObject({ completed: 0, failed: 0, cancelled: 0 })
    // A caller that waits for the result can still read the end of the job for a moment.
    harness.clock.now += UNKEPT_MEMORY
    await store.prune('emails')
    expect(await harness.caller().enqueue(job({ id: given.id }))).toEqual(['queued'])
    expect((await store.get('emails', given.id))?.state).toBe('waiting')
  })

  test('in a state for which the class sets no retention, the retention of the queue counts', async () => {
    await using harness = await make(few)
    const list = jobs(4, { keep: { failed: DAY } })
    for (const given of list) {
      await harness.caller().run(given, completed)
      harness.clock.advance(1)
    }
    expect(await shown(harness, 'completed')).toEqual(ids(list.slice(2).reverse()))
    harness.clock.advance(10_000)
    expect(await harness.store.prune('emails')).toBe(2)
  })

  test('a job of a class with a minimum age is kept for this age in each state, and after that the retention of the queue counts', async () => {
    await using harness = await make(few)
    const { store, clock } = harness
    const list = jobs(4, { keep: { least: 3_000 } })
    for (const given of list) {
      await harness.caller().run(given, result)
      await harness.caller().run(job({ id: `${given.id}f`, keep: { least: 3_000 } }), failed)
      clock.advance(1)
    }
    expect(await store.counts('emails')).toMatchObject({ completed: 4, failed: 4 })
    clock.advance(2_990)
    expect(await store.prune('emails')).toBe(0)
    expect(await store.counts('emails')).toMatchObject({ completed: 4, failed: 4 })
    clock.advance(10)
    await store.prune('emails')
    expect(await shown(harness, 'completed')).toEqual(ids(list.slice(2).reverse()))
    expect(await store.get('emails', list[3]!.id)).toMatchObject({
      result: '1',
      finishedAt: clock.now - 3_001,
    })
    expect(await store.counts('emails')).toMatchObject({ completed: 2, failed: 2 })
    clock.advance(7_000)
    await store.prune('emails')
    expect(await store.counts('emails')).toMatchObject({ completed: 0, failed: 0 })
  })

  test.each<[Keep, number]>([
    [{ completed: 1_000, least: 5_000 }, 5_000],
    [{ completed: 5_000, least: 1_000 }, 5_000],
    [{ completed: 0, least: 5_000 }, 5_000],
  ])('%j: the longer of the two counts', async (keep, ms) => {
    await using harness = await make(few)
    const { store, clock } = harness
    await harness.caller().run(job({ keep }), completed)
    clock.advance(ms - 1)
    expect(await store.prune('emails')).toBe(0)
    clock.advance(1)
    expect(await store.prune('emails')).toBe(1)
  })

  test('the log may be removed before the job', async () => {
    await using harness = await make(few)
    const { store, clock } = harness
    const list = [{ completed: DAY, log: 1_000 }, { log: 1_000 }, { completed: DAY }].map((keep) =>
      job({ keep }),
    )
    for (const given of list) await harness.caller().run(given, { kind: 'completed', log: [line('x')] })
    const logs = () => Promise.all(list.map(async ({ id }) => (await store.log('emails', id)).length))
    clock.advance(999)
    await store.prune('emails')
    expect(await logs()).toEqual([1, 1, 1])
    clock.advance(1)
    expect((await store.survey('ada', [{ partition: 'emails', prunes: true }])).findings).toMatchObject([
      { isOld: true },
    ])
    await store.prune('emails')
    expect(await logs()).toEqual([0, 0, 1])
    expect(await store.counts('emails')).toMatchObject({ completed: 3 })
  })

  test('lists have jobs with and without a retention of their class in the order of their ends, even within a millisecond', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = Array.from({ length: 40 }, (_, n) => job(n % 3 === 0 ? { keep: { completed: DAY } } : {}))
    for (let n = 0; n < list.length; n += 8) {
      await caller.enqueue(...list.slice(n, n + 8))
      const held = await caller.claim(8)
      await caller.exchange(
        held.map((one) => settlement(one, completed)),
        { limit: 0, leaseMs: LEASE },
      )
      if (n % 16 === 0) harness.clock.advance(1)
    }
    for (const limit of [1, 3, 7, 100]) {
      const ends: number[] = []
      const found: string[] = []
      let cursor: string | undefined
      do {
        const page = await harness.store.list('emails', {
          state: 'completed',
          limit,
          ...(cursor && { cursor }),
        })
        found.push(...ids(page.jobs))
        ends.push(...page.jobs.map(({ finishedAt }) => finishedAt!))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(ends).toEqual([...ends].sort((a, b) => b - a))
      expect([...found].sort()).toEqual(ids(list).sort())
    }
  })

  test('retry, remove, purge and clear affect jobs with a retention of their class, and a retried job keeps this retention', async () => {
    await using harness = await make(few)
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(5, { keep: { completed: DAY, log: 500 } })
    for (const given of list) await caller.run(given, { kind: 'completed', log: [line('x')] })
    const [one, two, three] = ids(list) as [string, string, string]
    expect(await store.alter('emails', [one], { kind: 'retry' })).toEqual(['done'])
    expect(await store.alter('emails', [two], { kind: 'remove' })).toEqual(['done'])
    expect(await store.alter('emails', [three], { kind: 'purge' })).toEqual(['done'])
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, completed: 2 })
    clock.advance(500)
    await store.prune('emails')
    // The store keeps the log of a retried job.
    expect(await store.log('emails', one)).toHaveLength(1)
    await caller.settle(await caller.claimOne(), completed)
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, completed: 3 })
    clock.advance(DAY - 500)
    expect(await store.prune('emails')).toBe(2)
    expect(await store.counts('emails')).toMatchObject({ completed: 1 })
    expect(await store.clear('emails', 'completed')).toBe(1)
    expect(await store.counts('emails')).toMatchObject({ completed: 0 })
    clock.advance(DAY)
    expect(await store.prune('emails')).toBe(0)
  })

  const member = (index: number) => memberId({ flow: 'flow', home: 'home', index })

  test.each<[Keep | undefined, left: boolean]>([
    [undefined, true],
    [{ failed: 0 }, false],
    [{ failed: 3_000 }, true],
    [{ least: 3_000 }, true],
    [{ completed: 0 }, true],
  ])(
    'a member of a flow that fails, of a class with %j, is kept until it is unpinned',
    async (keep, isLeft) => {
      await using harness = await make(few)
      const { store, clock } = harness
      const given = job({ id: member(7), ...(keep && { keep }) })
      await harness.caller().run(given, failed)
      clock.advance(1)
      for (let n = 0; n < 3; n++) await harness.caller().run(job(), failed)
      const others = (await shown(harness, 'failed')).filter((id) => id !== given.id)
      clock.advance(2_000)
      expect(await store.alter('emails', [given.id, others[0]!, 'nobody'], { kind: 'unpin' })).toEqual([
        'done',
        'done',
        'missing',
      ])
      await store.prune('emails')
      // Of the jobs with the retention of the queue, the two newest jobs are left.
      const isOwn = keep?.failed !== undefined || keep?.least !== undefined
      expect(await shown(harness, 'failed')).toEqual(isLeft && isOwn ? [...others, given.id] : others)

      const again = job({ id: member(8), ...(keep && { keep }) })
      await harness.caller().run(again, failed)
      clock.advance(40 * DAY)
      // The second call removes jobs whose minimum age is over.
      for (let n = 0; n < 2; n++) await store.prune('emails')
      expect(await shown(harness, 'failed')).toEqual([again.id])
      expect(await store.counts('emails')).toMatchObject({ failed: 1 })
      // The retention of the class counts for members with other ends, and for nodes.
      await harness.caller().run(job({ id: member(9), keep: { cancelled: 0 } }), cancelled)
      await harness.caller().run(job({ id: member(NODES), keep: { failed: 0 } }), failed)
      expect(await store.counts('emails')).toMatchObject({ failed: 1, cancelled: 0 })
      expect(await store.alter('emails', [again.id], { kind: 'retry' })).toEqual(['done'])
      expect(await store.alter('emails', [again.id], { kind: 'unpin' })).toEqual(['refused'])
      await harness.caller().settle(await harness.caller().claimOne(), completed)
      expect(await store.counts('emails')).toMatchObject({
        failed: 0,
        completed: keep?.completed === 0 ? 0 : 1,
      })
      clock.advance(PINNED)
      for (let n = 0; n < 2; n++) await store.prune('emails')
      expect(await store.counts('emails')).toMatchObject({ failed: 0, completed: 0 })
    },
  )

  test('failed members are kept for at most a year', async () => {
    await using harness = await make(few)
    await harness.caller().run(job({ id: member(7) }), failed)
    harness.clock.advance(PINNED - 1)
    expect(await harness.store.prune('emails')).toBe(0)
    harness.clock.advance(1)
    expect(await harness.store.prune('emails')).toBe(1)
  })

  test(`at most ${MAX_PINNED} failed members are kept for their flow, and for the next one the retention of its class counts`, async () => {
    await using harness = await make(few)
    const caller = harness.caller()
    const fail = async (list: readonly NewJob[]) => {
      await caller.enqueue(...list)
      const held = await caller.claim(MAX_ITEMS)
      await caller.exchange(
        held.map((one) => settlement(one, failed)),
        { limit: 0, leaseMs: LEASE },
      )
    }
    for (let n = 0; n < MAX_PINNED; n += MAX_ITEMS)
      await fail(jobs(MAX_ITEMS - (n === 0 ? 1 : 0), { keep: { failed: DAY } }))
    await fail([1, 2, 3, 4].map((index) => job({ id: member(index) })))
    expect(await harness.store.counts('emails')).toMatchObject({ failed: MAX_PINNED + 2 })
    expect(await harness.store.get('emails', member(1))).toBeDefined()
    expect(await harness.store.get('emails', member(2))).toBeUndefined()
  })

  test.each<[string, Keep]>([
    ['kept', { failed: 5_000, cancelled: 5_000 }],
    ['not kept', { failed: 0, cancelled: 0 }],
  ])('effects of jobs that are %s are handed out, and the flow hears of their ends', async (_, keep) => {
    await using harness = await make(few)
    const { store, clock } = harness
    const member = memberId({ flow: 'flow', home: 'home', index: 0 })
    const list = [job({ id: member, keep, hooked: true }), job({ keep, hooked: true })]
    await harness.caller().enqueue(...list)
    await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
    clock.advance(5_000)
    await store.prune('emails')
    expect(await shown(harness, 'cancelled')).toEqual([])
    expect(await store.flows.fates('emails', [member])).toMatchObject([
      { kind: 'ended', job: { state: 'cancelled', reason: 'user' } },
    ])
    const effects = await take(store)
    expect(effects.map(({ kind, job }) => [kind, job.id]).sort()).toEqual(
      [
        ['hook', member],
        ['hook', list[1]!.id],
        ['member', member],
      ].sort(),
    )
    expect(await take(store, effects)).toEqual([])
    clock.advance(RESEND_MEMORY)
    await store.prune('emails')
    expect(await store.flows.fates('emails', [member])).toEqual([{ kind: 'unknown' }])
  })

  test(`all jobs of a large call get their retention, and prune removes at most ${MAX_ITEMS} jobs a call`, async () => {
    await using harness = await make(few)
    const caller = harness.caller()
    for (const count of [MAX_ITEMS, 10]) {
      await caller.enqueue(...jobs(count, { keep: { completed: 500 } }))
      const held = await caller.claim(count)
      await caller.exchange(
        held.map((one) => settlement(one, completed)),
        { limit: 0, leaseMs: LEASE },
      )
    }
    expect(await harness.store.counts('emails')).toMatchObject({ completed: MAX_ITEMS + 10 })
    harness.clock.advance(500)
    expect(await harness.store.prune('emails')).toBe(MAX_ITEMS)
    expect(await harness.store.prune('emails')).toBe(10)
    expect(await harness.store.counts('emails')).toMatchObject({ completed: 0 })
  })

  test('unique jobs, jobs of groups, and delayed jobs keep their own retention, too', async () => {
    await using harness = await make(few)
    const { store, clock } = harness
    const keep = { completed: DAY }
    const list = [
      job({ keep, lock: { name: 'one', until: 'done' } }),
      job({ keep, lock: { name: 'two', until: 'start' }, delay: 10 }),
      job({ keep, delay: 10 }),
      job({ keep, priority: 5 }),
      job({ keep, group: { name: 'acme' } }),
    ]
    const caller = harness.caller()
    await caller.enqueue(...list)
    clock.advance(10)
    for (let held = await caller.claim(9); held.length > 0; held = await caller.claim(9))
      for (const one of held) await caller.settle(one, completed)
    expect(await store.counts('emails')).toMatchObject({ completed: list.length })
    clock.advance(10_000)
    expect(await store.prune('emails')).toBe(0)
    // The unique key of an ended job is free, even while the record of the job is kept.
    expect(await caller.enqueue(job({ lock: { name: 'one', until: 'done' } }))).toEqual(['queued'])
  })
}
