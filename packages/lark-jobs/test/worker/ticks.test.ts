/** The part of a worker that handles due schedules and flows, tested alone: when it calls the store. */
import { afterEach, expect, test, vi } from 'vitest'
import { FlowBook } from '../../src/flow/flow-book.ts'
import { Registry } from '../../src/options/registry.ts'
import { ScheduleBook } from '../../src/schedule/book.ts'
import { LEAD } from '../../src/schedule/plan.ts'
import type { DueSchedules, Store } from '../../src/store/contract/store.ts'
import { Deferred } from '../../src/waiting/deferred.ts'
import { Ticks } from '../../src/worker/maintenance/ticks.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('a schedule that becomes due during a call for due schedules is requested by the next call, without a pause', async () => {
  const answers = [new Deferred<DueSchedules>(), new Deferred<DueSchedules>()]
  const again = new Deferred<void>()
  let calls = 0
  const due = () => {
    if (calls === 1) again.resolve()
    return answers[calls++]!.promise
  }
  const store = { schedules: { due } } as unknown as Store
  const ticks = new Ticks({
    store,
    book: new ScheduleBook(store),
    flows: new FlowBook({ store }),
    registry: new Registry(),
    bounds: new Map(),
    report: {} as never,
    met: (error) => again.reject(error),
  })
  const nothing = { at: 0, due: [], flows: [], nextTick: 60_000 }
  ticks.foresee('emails', 0)
  expect(calls).toBe(1)
  ticks.foresee('emails', 0)
  answers[0]!.resolve(nothing)
  await again.promise
  answers[1]!.resolve(nothing)
  await ticks.stop()
})

test('the due time of a job that is queued before its tick counts from the call to the store, however long its schedule takes', async () => {
  let now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const definition = {
    timing: { kind: 'every', ms: 600_000 },
    ...{ missed: 'skip', grace: 60_000, overlap: 'allow', jitter: 0, pauseAfterFailures: 0, limit: 0 },
    job: { key: 'report', payload: '{}' },
  }
  const state = JSON.stringify({ next: 1_200_000, ahead: [], ticks: 0, since: 0, skipped: [] })
  const due = async (): Promise<DueSchedules> => {
    now += 10
    const stored = { id: 'report', rev: 1, definition: JSON.stringify(definition), state, runs: [] }
    return { at: 1_200_000 - LEAD, due: [stored], flows: [] }
  }
  const write = async () => ({ written: [{ isWritten: false, rev: 0, jobs: [] }], nextTick: 60_000 })
  const store = { schedules: { due, write } } as unknown as Store
  const book = new ScheduleBook(store)
  const parse = book.parse.bind(book)
  book.parse = (...read) => {
    now += 7
    return parse(...read)
  }
  const dueAt: number[] = []
  const ticks = new Ticks({
    ...{ store, book, flows: new FlowBook({ store }), registry: { keys: ['report'] } as unknown as Registry },
    ...{ bounds: new Map(), report: {} as never, met: (error) => dueAt.push(error as number) },
    foreseen: (_, ms) => dueAt.push(now + ms) > 0,
  })
  await ticks.fire('emails')
  // The time in an answer counts as the time half-way between the call and its answer.
  expect(new Set(dueAt)).toEqual(new Set([1_005 + LEAD]))
  await ticks.stop()
})
