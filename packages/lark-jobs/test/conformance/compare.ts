/**
 * Compares a partition of a store with its model.
 */
import { expect } from 'vitest'
import type { Journal } from '../../src/model/journal.ts'
import type { ClaimedJob, State } from '../../src/model/record.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { ids } from './jobs.ts'
import type { Model } from './model.ts'
import { endedStates } from './model-job.ts'
import type { Random } from './random.ts'

/**
 * Compares the counters, and every field of one job that the model knows. Sometimes also compares the list of
 * active jobs.
 */
export async function compare(store: Store, partition: string, model: Model, random: Random): Promise<void> {
  await forget(store, partition, model)
  expect(await store.counts(partition)).toEqual(model.counts())
  const [standing] = await store.standings([partition])
  expect(standing!.retrying).toBe(model.retrying())
  expect(standing!.suspended).toBe(model.suspended())
  expect(await store.minutes(partition)).toEqual(model.minutes())
  if (random.chance(4)) await compareActive(store, partition, model)
  if (random.chance(4)) await compareEnded(store, partition, model)
  const [hidden] = model.hidden.keys()
  if (hidden !== undefined) expect(await store.get(partition, hidden)).toBeUndefined()
  const expected = random.pick([...model.jobs.values()])
  if (!expected) return
  const { id, payload, priority, runs, failures, crashes, releases, reason, because } = expected
  const record = await store.get(partition, id)
  expect(record).toMatchObject({ id, payload, priority, runs, failures, crashes, releases })
  expect(record?.options ?? null).toEqual(JSON.parse(expected.options ?? 'null'))
  expect(record?.state).toBe<State>(expected.state)
  expect(record?.reason).toBe(reason)
  expect(record?.because).toBe(because)
  expect(record?.holder).toBe(expected.holder || undefined)
  expect(record?.suspended).toEqual(expected.suspended)
  expect(record?.undoing ?? false).toBe(expected.undoing)
  const journal = await store.journals.read(partition, id, 0)
  expect(journal && isEmpty(journal) ? undefined : journal).toEqual(expected.wholeJournal)
}

/** Whether a journal has nothing in it. A store may keep an empty journal, or no journal. */
function isEmpty({ count, signals, undo, rested }: Journal): boolean {
  return count + signals.length === 0 && undo === undefined && rested === undefined
}

/** A claimed job, without a journal that has nothing in it. */
export function withoutEmptyJournal(claimed: ClaimedJob): ClaimedJob {
  const { journal, ...job } = claimed
  return journal === undefined || isEmpty(journal) ? job : claimed
}

/** Removes those ended jobs from the model that the store has not kept. */
export async function forget(store: Store, partition: string, model: Model): Promise<void> {
  model.dropUnkept()
  for (const state of endedStates) {
    if (!model.exceeds(state)) continue
    const { jobs } = await store.list(partition, { state })
    model.keep(state, ids(jobs))
  }
}

/**
 * Checks that the pages of active jobs have every active job once, in the order in which their leases end.
 */
async function compareActive(store: Store, partition: string, model: Model): Promise<void> {
  const found: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.list(partition, { state: 'active', limit: 3, ...(cursor && { cursor }) })
    found.push(...ids(page.jobs))
    expect(new Set(found).size).toBe(found.length)
    cursor = page.cursor
  } while (cursor !== undefined)
  const ends = found.map((id) => model.leaseEndOf(id))
  expect(ends).toEqual([...ends].sort((a, b) => a - b))
  expect([...found].sort()).toEqual(ids(model.in('active')).sort())
}

/** Checks that the pages of ended jobs have every ended job once, the latest end first. */
async function compareEnded(store: Store, partition: string, model: Model): Promise<void> {
  for (const state of endedStates) {
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list(partition, { state, limit: 2, ...(cursor && { cursor }) })
      found.push(...ids(page.jobs))
      cursor = page.cursor
    } while (cursor !== undefined)
    const ends = found.map((id) => model.jobs.get(id)!.finishedAt)
    expect(ends).toEqual([...ends].sort((a, b) => b - a))
    expect([...found].sort()).toEqual(ids(model.in(state)).sort())
  }
}
