import { afterEach, expect, test, vi } from 'vitest'
import type { LeasedJob } from '../src/model/record.ts'
import { Execution, type RunEnvironment } from '../src/run/execution.ts'
import type { Store } from '../src/store/contract/store.ts'
import { LeaseKeeper, type LeaseKeeperOptions } from '../src/worker/lease/lease-keeper.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** A keeper with one running job, and a store that knows nothing of either. */
function keep() {
  const extend = vi.fn<Store['extend']>(async () => ({ lost: [], notices: [] }))
  const running = new Set<Execution>()
  const keeper = new LeaseKeeper({
    ...{ store: { extend }, caller: 'ada', lease: 100_000, running, settling: () => [] },
    ...{ permits: { renew: async () => true }, trouble: () => {}, pulse: {} },
  } as unknown as LeaseKeeperOptions)
  const environment = { wrote: () => {}, reported: (each: Execution) => keeper.reported(each) }
  const execution = new Execution(
    { id: 'a', token: 't', failures: 0 } as LeasedJob,
    { partition: 'default', queue: 'default' },
    undefined,
    environment as unknown as RunEnvironment,
    0,
  )
  running.add(execution)
  return { extend, keeper, execution }
}

const watched = { lost: [], notices: [], watched: ['a'] }
const written = ([, , notes]: Parameters<Store['extend']>) =>
  notes.flatMap(({ log = [] }) => log.map(({ text }) => text))

test('lines wait for the renewal of the lease again when nobody watches any more, and progress asks', async () => {
  vi.useFakeTimers()
  const { extend, keeper, execution } = keep()
  const writes = async () => {
    execution.write('info', 'reading')
    await vi.advanceTimersByTimeAsync(250)
  }
  await writes()
  expect(extend).not.toHaveBeenCalled()
  extend.mockResolvedValueOnce(watched)
  keeper.look('default')
  await writes()
  expect(extend).toHaveBeenCalledTimes(1)
  await writes()
  expect(extend).toHaveBeenCalledTimes(2)
  for (let i = 0; i < 4; i++) await writes()
  expect(extend).toHaveBeenCalledTimes(2)
  execution.report('1')
  await vi.advanceTimersByTimeAsync(250)
  expect(extend).toHaveBeenCalledTimes(3)
})

test('a line that is written while the worker learns that somebody watches is handed over soon', async () => {
  vi.useFakeTimers()
  const { extend, keeper, execution } = keep()
  extend.mockImplementationOnce(async () => {
    execution.write('info', 'reading')
    return watched
  })
  keeper.look('default')
  await vi.advanceTimersByTimeAsync(250)
  expect(extend.mock.calls.map(written)).toEqual([[], ['reading']])
})
