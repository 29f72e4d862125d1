/**
 * Pages with a prefilter: a page has only those jobs of a list that contain certain texts, wherever the store
 * keeps the texts, and says how far it has searched.
 */
import { expect, test } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import type { Filter, Page, Prefilter, Store } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job } from './jobs.ts'

/** So long that a store does not keep the payload in the record of its job. */
const FILL = 'x'.repeat(20_000)

function payload(name: string, isLarge = false): string {
  return JSON.stringify({ name, ...(isLarge && { fill: FILL }) })
}

async function pages(store: Store, filter: Filter): Promise<Page[]> {
  const found: Page[] = []
  let cursor: string | undefined
  do {
    const page = await store.list('emails', { ...filter, ...(cursor === undefined ? {} : { cursor }) })
    found.push(page)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

export function prefiltered(make: Make): void {
  /** Makes jobs in each state: some with a group, with tags, of another class, or with a large payload. */
  async function seeded(harness: Awaited<ReturnType<Make>>): Promise<NewJob[]> {
    const caller = harness.caller()
    const some = (more: Partial<NewJob> = {}): NewJob[] => [
      job({ payload: payload('ada'), ...more }),
      job({ payload: payload('bob'), options: { tags: ['vip', 'north|south'] }, ...more }),
      job({ payload: payload('ada', true), ...more }),
      job({ payload: payload('bob', true), key: 'send|sms', ...more }),
      job({ payload: payload('ada'), group: { name: 'acme' }, ...more }),
      job({ payload: payload('eve'), priority: 1, ...more }),
    ]
    const all: NewJob[] = []
    const add = async (more: Partial<NewJob> = {}) => {
      for (const given of some(more)) {
        await caller.enqueue(given)
        all.push(given)
      }
    }
    await add()
    for (let i = 0; i < 6; i++) await caller.settle(await caller.claimOne(), completed)
    await add()
    for (let i = 0; i < 6; i++) await caller.settle(await caller.claimOne(), failed)
    await add()
    for (let i = 0; i < 6; i++) await caller.claimOne()
    await add({ delay: 10 })
    harness.clock.advance(10)
    await add()
    await add({ delay: 1_000 })
    return all
  }

  const cases: [Prefilter, (given: NewJob) => boolean][] = [
    [{ payload: ['ada'] }, (given) => given.payload.includes('ada')],
    [{ payload: ['"name"', 'bob', FILL] }, (given) => given.payload === payload('bob', true)],
    [{ payload: ['nobody'] }, () => false],
    [{ key: 'send|sms' }, (given) => given.key === 'send|sms'],
    [{ key: 'send' }, () => false],
    [{ options: ['vip'] }, (given) => given.options !== undefined],
    [{ group: ['acme'], payload: ['ada'] }, (given) => given.group !== undefined],
  ]

  test('a page has the jobs that pass its prefilter, in every state and for every size of page', async () => {
    await using harness = await make()
    const { store } = harness
    const all = await seeded(harness)
    const given = new Map(all.map((each) => [each.id, each]))
    const some = all
      .filter((_, i) => i % 7 === 3)
      .map(({ id }): [Prefilter, (each: NewJob) => boolean] => [
        { id: id.slice(0, 12) },
        (each) => each.id.startsWith(id.slice(0, 12)),
      ])
    for (const state of ['waiting', 'delayed', 'active', 'completed', 'failed'] as const) {
      for (const more of [{}, { isOldestFirst: true }, { isById: true }, { isLean: true }]) {
        const plain = (await pages(store, { state, ...more })).flatMap(({ jobs }) => jobs)
        expect(plain).toHaveLength(state === 'waiting' ? 12 : 6)
        for (const [prefilter, passes] of [...cases, ...some]) {
          const expected = plain.filter(({ id }) => passes(given.get(id)!))
          for (const limit of [1, 2, 5, 100]) {
            const what = `${state} ${JSON.stringify({ ...more, prefilter, limit }).slice(0, 100)}`
            const found = await pages(store, { state, ...more, prefilter, limit, isMarked: true })
            expect(
              found.flatMap(({ jobs }) => jobs),
              what,
            ).toEqual(expected)
            expect(
              found.reduce((sum, { passed }) => sum + passed!.count, 0),
              what,
            ).toBe(plain.length)
            for (const { passed, jobs, marks } of found) {
              expect(passed!.count, what).toBeLessThanOrEqual(limit)
              const last = jobs.at(-1)
              if (last?.finishedAt !== undefined) expect(passed!.endedAt, what).toBeDefined()
              for (const [i, cursor] of marks!.entries()) {
                const rest = await pages(store, { state, ...more, prefilter, cursor })
                expect(ids(rest.flatMap(({ jobs }) => jobs)), `${what} after ${i}`).toEqual(
                  ids(expected.slice(expected.findIndex(({ id }) => id === jobs[i]!.id) + 1)),
                )
              }
            }
          }
        }
      }
    }
  })

  test('a page with a prefilter has no more bytes than an answer may have, and says where it was cut', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const heavy = Array.from({ length: 5 }, (_, i) =>
      job({ payload: JSON.stringify({ name: i % 2 === 0 ? 'ada' : 'bob', fill: 'x'.repeat(400_000) }) }),
    )
    for (const each of heavy) await caller.enqueue(each)
    const found = await pages(store, { state: 'waiting', prefilter: { payload: ['ada'] } })
    expect(found.flatMap(({ jobs }) => ids(jobs))).toEqual(ids(heavy.filter((_, i) => i % 2 === 0)))
    expect(found.reduce((sum, { passed }) => sum + passed!.count, 0)).toBe(5)
    for (const { jobs, passed } of found) {
      expect(jobs.length).toBeLessThanOrEqual(2)
      expect(passed!.count).toBeLessThanOrEqual(3)
    }
    const lean = await pages(store, { state: 'waiting', prefilter: { payload: ['ada'] }, isLean: true })
    expect(lean.flatMap(({ jobs }) => jobs.map(({ payload }) => payload))).toEqual(['', '', ''])
    const named = await pages(store, { state: 'waiting', prefilter: { key: 'send-email' }, isLean: true })
    expect(named.map(({ jobs }) => jobs.length)).toEqual([5])
  })

  test('a page with a prefilter has the end time of the last job that was searched', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const times: number[] = []
    for (let i = 0; i < 4; i++) {
      clock.advance(1_000)
      await caller.enqueue(job({ payload: payload(i === 0 ? 'ada' : 'bob') }))
      await caller.settle(await caller.claimOne(), completed)
      times.push(await store.now('emails'))
    }
    const filter = { state: 'completed', prefilter: { payload: ['ada'] }, limit: 3 } as const
    const [first, second] = await pages(store, filter)
    expect(first).toMatchObject({ jobs: [], passed: { count: 3, endedAt: times[1] } })
    expect(second).toMatchObject({ passed: { count: 1, endedAt: times[0] } })
    expect(second!.jobs).toHaveLength(1)
  })
}
