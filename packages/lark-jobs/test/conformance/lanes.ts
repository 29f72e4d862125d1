/**
 * The groups of a partition, by page: the state of each group, how many of its jobs wait and run, and why
 * they wait.
 */
import { expect, test } from 'vitest'
import type { LaneFilter, LaneRecord, Store } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import { limited, of } from './grouped.ts'
import type { Harness, Make } from './harness.ts'
import { completed, job, jobs } from './jobs.ts'

const states = ['paused', 'turn', 'asleep', 'busy'] as const
const rated = (name: string) =>
  of(name, { limits: { rate: { limit: 1, per: 1_000, kind: 'window', burst: 1 } } })

/** Returns all groups in a state, from pages of this size. */
async function all(store: Store, state: LaneFilter['state'], limit = 1_000): Promise<LaneRecord[]> {
  const found: LaneRecord[] = []
  let cursor: string | undefined
  do {
    const page = await store.lanes('emails', { state, limit, ...(cursor !== undefined && { cursor }) })
    found.push(...page.lanes)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

/** Makes groups in every state. */
async function fill(harness: Harness): Promise<void> {
  const caller = harness.caller()
  await caller.enqueue(...jobs(3, limited('full', 2)), ...jobs(2, limited('running', 2)))
  await caller.claim(9)
  await caller.enqueue(...jobs(2, rated('rated')))
  await caller.claim(9)
  await caller.enqueue(
    ...jobs(2, of('next')),
    job({ ...of('later'), delay: 5_000 }),
    ...jobs(2, { limiter: 'stripe*2' }),
    job({ ...of('next'), limiter: 'stripe*1' }),
    ...jobs(2, of('held')),
    job({ ...of('held'), limiter: 'stripe*2' }),
  )
  await harness.store.pause('emails', 'held')
  await harness.store.pause('emails', 'empty', 60_000)
}

export function lanes(make: Make): void {
  test('each group is listed in one state with its jobs, separately for each limiter', async () => {
    await using harness = await make()
    await fill(harness)
    const { store, clock } = harness
    expect(await all(store, 'paused')).toEqual([
      { group: 'empty', state: 'paused', until: clock.now + 60_000, pending: 0, active: 0 },
      { group: 'held', state: 'paused', pending: 2, active: 0 },
      { group: 'held', limiter: 'stripe*2', state: 'paused', pending: 1, active: 0 },
    ])
    expect(await all(store, 'turn')).toEqual([
      { group: 'next', state: 'turn', pending: 2, active: 0 },
      { group: 'next', limiter: 'stripe*1', state: 'turn', pending: 1, active: 0 },
      { limiter: 'stripe*2', state: 'turn', pending: 2, active: 0 },
    ])
    expect(await all(store, 'asleep')).toEqual([
      { group: 'rated', state: 'asleep', until: expect.any(Number), pending: 1, active: 1 },
      { group: 'later', state: 'asleep', until: clock.now + 5_000, pending: 1, active: 0 },
    ])
    expect(await all(store, 'busy')).toEqual([
      { group: 'full', state: 'full', pending: 1, active: 2 },
      { group: 'running', state: 'running', pending: 0, active: 2 },
    ])
  })

  test('a group is no longer listed when its pause is over, or when it has no jobs', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(job(of('a')))
    await store.pause('emails', 'a', 1_000)
    clock.advance(1_000)
    expect(await all(store, 'paused')).toEqual([])
    expect(await all(store, 'asleep')).toEqual([
      { group: 'a', state: 'asleep', until: clock.now, pending: 1, active: 0 },
    ])
    await caller.settle(await caller.claimOne(), completed)
    for (const state of states) expect(await all(store, state)).toEqual([])
  })

  test('each group is listed once, whatever the size of a page is', async () => {
    await using harness = await make()
    await fill(harness)
    const caller = harness.caller()
    // All of these groups wait until the same time.
    await caller.enqueue(...Array.from({ length: 7 }, (_, n) => job({ ...of(`nap ${n}`), delay: 9_000 })))
    for (const state of states) {
      const whole = await all(harness.store, state)
      for (const limit of [1, 2, 3]) expect(await all(harness.store, state, limit)).toEqual(whole)
    }
  })

  test('the next page continues at the right place although groups were added or removed meanwhile', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...['a', 'b', 'c'].map((name) => job(of(name))))
    const first = await store.lanes('emails', { state: 'turn', limit: 2 })
    expect(first.lanes.map(({ group }) => group)).toEqual(['a', 'b'])
    await caller.settle(await caller.claimOne(), completed)
    await caller.enqueue(job(of('d')))
    const rest = await store.lanes('emails', { state: 'turn', cursor: first.cursor! })
    expect(rest.lanes.map(({ group }) => group)).toEqual(['c', 'd'])
  })

  test('the list of groups is empty for a partition without groups, and for a partition that does not exist', async () => {
    await using harness = await make()
    await harness.caller().enqueue(...jobs(3))
    await harness.caller().claim(1)
    for (const state of states) {
      expect(await harness.store.lanes('emails', { state })).toEqual({ lanes: [] })
      expect(await harness.store.lanes('nowhere', { state })).toEqual({ lanes: [] })
    }
  })

  test('`heads` of active jobs has the worker and the claim time of each job', async () => {
    await using harness = await make()
    const { store, clock } = harness
    await harness.caller().enqueue(...jobs(3))
    const [first] = await harness.caller('ada').claim(1)
    const since = clock.now
    clock.advance(5)
    const rest = await harness.caller('bob').claim(2)
    const { jobs: heads } = await store.heads('emails', { state: 'active' })
    const head = (id: string, holder: string, claimedAt: number) => ({
      id,
      key: 'send-email',
      holder,
      claimedAt,
    })
    expect(heads).toEqual([
      head(first!.id, 'ada', since),
      ...rest.map(({ id }) => head(id, 'bob', since + 5)),
    ])
    await harness.caller('ada').extend([first!], 2 * LEASE)
    expect((await store.heads('emails', { state: 'active' })).jobs.at(-1)).toEqual(
      head(first!.id, 'ada', since),
    )
  })
}
