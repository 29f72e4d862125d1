/** Groups: the jobs of several tenants run in fair turns, each group within its limits and in its order. */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { LEASE } from './caller.ts'
import { limited, of, swap } from './grouped.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs } from './jobs.ts'

export function groups(make: Make): void {
  test('in fair turns, many jobs of one group delay the first job of another group by one job for each slot', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(500, of('big')))
    const [running] = await caller.claim(1)
    const first = job(of('small'))
    await caller.enqueue(first)
    const { jobs: next } = await swap(caller, running!, completed, 2)
    expect(next[1]!.id).toBe(first.id)
    expect(next[0]!.group).toBe('big')
  })

  test('a claim takes one job of each group in turn, and treats the jobs without a group as one more group', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [a, b, none] = [jobs(9, of('a')), jobs(9, of('b')), jobs(9)]
    await caller.enqueue(...a, ...b, ...none)
    const claimed = ids(await caller.claim(6))
    const expected = [none, a, b].map((list) => ids(list.slice(0, 2)))
    expect(claimed).toEqual([0, 1].flatMap((i) => expected.map((list) => list[i])))
  })

  test('a group that has had its turn comes last in the next claims', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, of('a')), ...jobs(3, of('b')), ...jobs(3, of('c')))
    const turns: (string | undefined)[] = []
    for (let i = 0; i < 9; i++) turns.push((await caller.claimOne()).group)
    expect(turns.join('')).toBe('abcabcabc')
  })

  test('groups without jobs have no turn', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(20, of('a')), ...jobs(2, of('b')))
    const claimed = await caller.claim(12)
    expect(claimed.filter(({ group }) => group === 'b')).toHaveLength(2)
    expect(claimed).toHaveLength(12)
  })

  test('within a group, jobs of a higher priority run first, and then the place in line counts', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [late, low, high] = [
      job({ ...of('a'), delay: 500 }),
      job({ ...of('a'), priority: -100 }),
      job({ ...of('a'), priority: 100 }),
    ]
    const plain = jobs(2, of('a'))
    await caller.enqueue(late, low, ...plain, high)
    expect(ids(await caller.claim(2))).toEqual([high.id, plain[0]!.id])
    harness.clock.advance(600)
    const after = job(of('a'))
    await caller.enqueue(after)
    expect(ids(await caller.claim(9))).toEqual(ids([plain[1]!, late, after, low]))
  })

  test('no job of a paused group begins until the pause is over, and running jobs and other groups go on', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, of('a')))
    const [held] = await caller.claim(1)
    await harness.store.pause('emails', 'a', 1_000)
    const other = job(of('b'))
    await caller.enqueue(other)
    const { jobs: next, nextDue } = await swap(caller, held!)
    expect(ids(next)).toEqual([other.id])
    expect(nextDue).toBe(1_000)
    harness.clock.advance(1_000)
    expect(await caller.claim(9)).toHaveLength(2)
  })

  test('a group that is paused without a time stays paused until a person resumes it, which notifies waiting workers', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await harness.store.pause('emails', 'a')
    await caller.enqueue(...jobs(2, of('a')))
    expect(await caller.exchange([], { limit: 1, leaseMs: LEASE })).toEqual({ verdicts: [], jobs: [] })
    harness.clock.advance(1_000_000)
    expect(await caller.claim(1)).toEqual([])
    const waiting = harness.store.wait('ada', 5_000)
    await harness.store.pause('emails', 'a', 0)
    expect(await waiting).toEqual(['emails'])
    expect(await caller.claim(9)).toHaveLength(2)
  })

  test('a partition lists up to a hundred paused groups, in the order of the ends of their pauses', async () => {
    await using harness = await make()
    const { store } = harness
    const listed = async () => (await store.configure('emails', {})).groups
    const now = await store.now('emails')
    await store.pause('emails', 'for ever: 50% of ~it^')
    await store.pause('emails', 'late', 2_000)
    await store.pause('emails', 'soon', 1_000)
    expect(await listed()).toEqual([
      { group: 'soon', until: now + 1_000 },
      { group: 'late', until: now + 2_000 },
      { group: 'for ever: 50% of ~it^' },
    ])
    harness.clock.advance(1_000)
    expect(await listed()).toMatchObject([{ group: 'late' }, { group: 'for ever: 50% of ~it^' }])
    await store.pause('emails', 'late', 0)
    expect(await listed()).toHaveLength(1)
    expect((await store.configure('reports', {})).groups).toEqual([])
    for (let i = 0; i < 120; i++) await store.pause('emails', `group ${i}`, 1_000 + i)
    const groups = await listed()
    expect(groups.map(({ group }) => group)).toEqual(Array.from({ length: 100 }, (_, i) => `group ${i}`))
  })

  test('pause and resume return whether the group was paused, and whether it has jobs', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    expect(await store.pause('emails', 'a', 0)).toEqual({ wasPaused: false, hasJobs: false })
    expect(await store.pause('emails', 'a', 1_000)).toEqual({ wasPaused: false, hasJobs: false })
    await caller.enqueue(job({ ...of('a'), delay: 500 }))
    expect(await store.pause('emails', 'a')).toEqual({ wasPaused: true, hasJobs: true })
    expect(await store.pause('emails', 'a', 0)).toEqual({ wasPaused: true, hasJobs: true })
    harness.clock.advance(500)
    const [held] = await caller.claim(1)
    expect(await store.pause('emails', 'a', 100)).toEqual({ wasPaused: false, hasJobs: true })
    harness.clock.advance(100)
    await caller.settle(held!, completed)
    expect(await store.pause('emails', 'a', 0)).toEqual({ wasPaused: false, hasJobs: false })
  })

  test('a released job may pause its group until the job is due again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, of('a')))
    const [held] = await caller.claim(1)
    const answer = await swap(caller, held!, { kind: 'released', in: 700, pauses: 'group' })
    expect(answer).toMatchObject({ jobs: [], nextDue: 700 })
    harness.clock.advance(700)
    expect(await caller.claim(9)).toHaveLength(3)
  })

  test('a delayed job of a group counts as waiting as soon as it is due', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const late = job({ ...of('a'), delay: 300 })
    await caller.enqueue(late)
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBe(300)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 0, delayed: 1 })
    harness.clock.advance(300)
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, delayed: 0 })
    expect(await harness.store.get('emails', late.id)).toMatchObject({ state: 'waiting', group: 'a' })
    expect(ids((await harness.store.list('emails', { state: 'waiting' })).jobs)).toEqual([late.id])
    expect(ids(await caller.claim(1))).toEqual([late.id])
  })

  test('lists have the jobs of groups after the other jobs, and clear removes both', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const [grouped, plain] = [[...jobs(4, of('a')), ...jobs(4, of('b'))], jobs(3)]
    const late = [job({ ...of('a'), delay: 900 }), job({ delay: 950 }), job({ ...of('b'), delay: 990 })]
    await caller.enqueue(...grouped, ...plain, ...late)
    for (const [state, expected] of [
      ['waiting', [...plain, ...grouped]],
      ['delayed', late],
    ] as const) {
      const found: string[] = []
      let cursor: string | undefined
      do {
        const page = await store.list('emails', { state, limit: 2, ...(cursor && { cursor }) })
        found.push(...ids(page.jobs))
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(found).toEqual(ids(expected))
      expect(await store.clear('emails', state)).toBe(expected.length)
    }
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 0 })
    expect(await caller.exchange([], { limit: 9, leaseMs: LEASE })).toEqual({ verdicts: [], jobs: [] })
  })

  test('a job that has ended and is retried still has its group and its limits', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(2, limited('a', 1))
    await caller.run(list[0]!, failed)
    await caller.run(list[1]!, failed)
    expect(await harness.store.alter('emails', ids(list), { kind: 'retry' })).toEqual(['done', 'done'])
    const claimed = await caller.claim(9)
    expect(claimed).toHaveLength(1)
    expect(claimed[0]!.group).toBe('a')
  })

  test('any text is a valid group name', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const names = ['a|b,c@d~e%f', 'ä\n😀', '{x}:*', ' ']
    await caller.enqueue(...names.flatMap((name) => jobs(2, { ...limited(name, 1), priority: 3 })))
    const claimed = await caller.claim(9)
    expect(claimed.map(({ group }) => group).sort()).toEqual([...names].sort())
    for (const held of claimed) await caller.settle(held, completed)
    expect(await caller.claim(9)).toHaveLength(4)
  })

  test('nothing is prefetched if the partition has jobs with groups', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job(of('a')), ...jobs(5))
    expect(await caller.claimAhead(2, 3)).toHaveLength(2)
    expect(await caller.claimAhead(0, 3)).toHaveLength(0)
  })

  test('a limit of the partition counts the jobs of all groups', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3, of('a')), ...jobs(3, of('b')), ...jobs(3))
    const limits = { concurrency: 4 }
    const { jobs: claimed, nextDue } = await caller.exchange([], { limit: 9, leaseMs: LEASE, limits })
    expect(claimed).toHaveLength(4)
    expect(nextDue).toBeUndefined()
  })

  test('a full partition drops jobs of groups only after all other jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [grouped, plain] = [jobs(2, of('a')), job()]
    const bound = { max: 3, full: 'drop-oldest' } as const
    const enqueue = (...list: NewJob[]) => harness.store.enqueue('emails', { ...caller.next(), bound }, list)
    await enqueue(...grouped, plain)
    await enqueue(job(of('b')))
    expect(await harness.store.get('emails', plain.id)).toMatchObject({
      state: 'cancelled',
      reason: 'dropped',
    })
    await enqueue(job(of('b')))
    expect(await harness.store.get('emails', grouped[0]!.id)).toMatchObject({ state: 'cancelled' })
    expect(ids(await caller.claim(9))).not.toContain(grouped[0]!.id)
  })
}
