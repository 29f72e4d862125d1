/** What a worker does when schedules and flows are due, without a worker: when it asks the store. */
import { expect, test } from 'vitest'
import { FlowBook } from '../src/flow/flow-book.ts'
import { Deferred } from '../src/model/deferred.ts'
import { Registry } from '../src/options/registry.ts'
import { ScheduleBook } from '../src/schedule/book.ts'
import type { DueSchedules, Store } from '../src/store/contract/store.ts'
import { Ticks } from '../src/worker/maintenance/ticks.ts'

test('something that becomes due while the worker asks what is due is asked for next, and does not wait', async () => {
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
