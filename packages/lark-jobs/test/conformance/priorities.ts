/** Priorities from -1,000 to 1,000. A limited number of different priorities may be in use in a partition. */
import { expect, test } from 'vitest'
import { MAX_LINES, MAX_PRIORITY } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { cancel } from './effects.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, settlement, unstarted } from './jobs.ts'

const refused = { kind: 'refused', reason: 'priorities' }

export function priorities(make: Make): void {
  test('the waiting jobs with a priority below 0 are counted', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    expect(await store.lowered('emails')).toBe(0)
    const low = [job({ priority: -1 }), job({ priority: -255 }), job({ priority: -255 })]
    await caller.enqueue(...low, job(), job({ priority: 3 }), job({ priority: -2, delay: 1_000 }))
    expect(await store.lowered('emails')).toBe(3)
    await store.alter('emails', [low[0]!.id], { kind: 'remove' })
    await store.alter('emails', [low[1]!.id], { kind: 'prioritize', priority: 0 })
    expect(await store.lowered('emails')).toBe(1)
    clock.advance(1_000)
    expect(await store.lowered('emails')).toBe(2)
    await caller.claim(10)
    expect(await store.lowered('emails')).toBe(0)
  })

  /**
   * Makes a partition in which the maximum number of priorities is in use: one job of each, including
   * priority 0.
   */
  async function crowded() {
    const harness = await make()
    const caller = harness.caller()
    const list = Array.from({ length: MAX_LINES }, (_, n) => job({ priority: 4 * (n - 100), delay: n % 2 }))
    expect(await caller.enqueue(...list)).toEqual(list.map(() => 'queued'))
    harness.clock.advance(1)
    return { harness, caller, list, [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() }
  }

  test.each([
    ['without a group', {}],
    ['of a group', { group: { name: 'acme' } }],
    ['of a limiter', { limiter: 'stripe*1' }],
  ])('jobs of all priorities are claimed in their order, for jobs %s', async (_, fields) => {
    await using harness = await make()
    const caller = harness.caller()
    const list = [-1_000, 1_000, -999, 0, 999, 101, -101].map((priority) => job({ priority, ...fields }))
    await caller.enqueue(...list)
    const want = { limit: 9, leaseMs: LEASE, permits: { 'stripe*1': 9 } }
    const { jobs: claimed } = await caller.exchange([], want)
    expect(claimed.map(({ priority }) => priority)).toEqual([1_000, 999, 101, 0, -101, -999, -1_000])
    await caller.exchange(
      claimed.map((held) => settlement(held, unstarted)),
      { limit: 0, leaseMs: LEASE },
    )
    // Each step of priority counts as a millisecond. Of two jobs with the same place, the higher priority
    // goes first.
    harness.clock.advance(2_000)
    const late = job({ priority: MAX_PRIORITY, ...fields })
    await caller.enqueue(late)
    const aged = await caller.exchange([], { ...want, aging: 1 })
    expect(aged.jobs.map(({ priority }) => priority)).toEqual([1_000, 999, 101, 0, -101, -999, 1_000, -1_000])
    expect(aged.jobs[6]!.id).toBe(late.id)
  })

  test('a job with one priority too many is refused, and the other jobs of the call are queued', async () => {
    await using app = await crowded()
    const { harness, caller } = app
    const { store } = harness
    const [one, other] = [job({ priority: 1 }), job({ priority: 1 })]
    const [plain, known] = [job(), job({ priority: 4 })]
    const answers = [refused, 'queued', 'queued', refused]
    expect(await caller.enqueue(one, plain, known, other)).toEqual(answers)
    expect(await store.enqueue('emails', caller.last(), [one, plain, known, other])).toEqual(answers)
    for (const { id } of [one, other]) expect(await store.get('emails', id)).toBeUndefined()
    expect(await store.counts('emails')).toMatchObject({ waiting: MAX_LINES + 2, delayed: 0 })
    // The priority of a job with a group does not count, because the job waits in its group.
    expect(await caller.enqueue(job({ priority: 1, group: { name: 'a' } }))).toEqual(['queued'])
  })

  test('a priority is no longer in use when all its waiting jobs were claimed, cancelled or removed', async () => {
    for (const way of ['claim', 'cancel', 'remove'] as const) {
      await using app = await crowded()
      const { harness, caller, list } = app
      const gone = list.at(-1)!
      if (way === 'claim') expect(ids(await caller.claim())).toEqual([gone.id])
      else
        await harness.store.alter(
          'emails',
          [gone.id],
          way === 'cancel' ? { kind: way, reason: 'user' } : { kind: way },
        )
      expect(await caller.enqueue(job({ priority: 1 }))).toEqual(['queued'])
      expect(await caller.enqueue(job({ priority: 2 }))).toEqual([refused])
      expect(await caller.enqueue(job({ priority: 1 }))).toEqual(['queued'])
      expect(await harness.store.counts('emails')).toMatchObject({ waiting: MAX_LINES + 1 })
    }
  })

  test('a claim of one job skips cancelled jobs of many priorities', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const gone = Array.from({ length: 20 * 15 }, (_, n) => job({ priority: 1 + (n % 20) }))
    const [first, last] = [job({ priority: 3 }), job({ priority: -1 })]
    await caller.enqueue(...gone, last, first)
    await store.alter('emails', ids(gone), cancel)
    expect(ids(await caller.claim(1))).toEqual([first.id])
    expect(ids(await caller.claim(1))).toEqual([last.id])
  })

  test('if all priorities are in use, a job without a group can change only to one of these priorities', async () => {
    await using app = await crowded()
    const { harness, caller, list } = app
    const { store } = harness
    const [plain, laned] = [job(), job({ group: { name: 'a' } })]
    await caller.enqueue(plain, laned)
    const change = (priority: number, ...jobs: { id: string }[]) =>
      store.alter('emails', ids(jobs), { kind: 'prioritize', priority })
    expect(await change(1, plain, list[0]!, laned)).toEqual(['refused', 'refused', 'done'])
    expect(await change(4, plain, list[0]!, laned)).toEqual(['done', 'done', 'done'])
    expect(await change(0, plain, laned)).toEqual(['done', 'done'])
    expect(await store.get('emails', list[0]!.id)).toMatchObject({ priority: 4 })
    // The lowest priority is no longer in use.
    expect(await change(1, plain)).toEqual(['done'])
    expect(await store.counts('emails')).toMatchObject({ waiting: MAX_LINES + 2, delayed: 0 })
  })

  test('a job that has begun can always be given back, also to a priority that is no longer in use', async () => {
    await using app = await crowded()
    const { harness, caller, list } = app
    const [held] = await caller.claim()
    await caller.enqueue(job({ priority: 1 }))
    await caller.settle(held!, unstarted)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: MAX_LINES + 1 })
    expect(await caller.enqueue(job({ priority: held!.priority }))).toEqual(['queued'])
    expect(ids(await caller.claim(2))).toContain(list.at(-1)!.id)
  })

  test('the priority of a job whose payload replaces that of another job does not count', async () => {
    await using app = await crowded()
    const { harness, caller } = app
    const lock = { name: 'ada', until: 'done', replace: true } as const
    const first = job({ lock })
    expect(await caller.enqueue(first)).toEqual(['queued'])
    expect(await caller.enqueue(job({ lock, priority: 1, payload: '2' }))).toEqual([
      { kind: 'replaced', by: first.id },
    ])
    expect(await harness.store.get('emails', first.id)).toMatchObject({ payload: '2', priority: 0 })
    expect(await caller.enqueue(job({ lock: { ...lock, name: 'bob' }, priority: 1 }))).toEqual([refused])
    // The refused job does not hold its lock.
    expect(await caller.enqueue(job({ lock: { ...lock, name: 'bob' } }))).toEqual(['queued'])
  })

  test('list and clear distinguish jobs of the lowest priority from jobs of groups', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const low = [job({ priority: -MAX_PRIORITY }), job({ priority: -MAX_PRIORITY })]
    const grouped = [job({ group: { name: 'a' } }), job({ group: { name: 'a' } })]
    await caller.enqueue(...grouped, ...low)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list('emails', {
        state: 'waiting',
        limit: 1,
        ...(cursor !== undefined && { cursor }),
      })
      seen.push(...ids(page.jobs))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(seen).toEqual(ids([...low, ...grouped]))
    const all = await caller.claim(4)
    await caller.exchange(
      all.map((held) => settlement(held, completed)),
      { limit: 0, leaseMs: LEASE },
    )
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, active: 0 })
  })
}
