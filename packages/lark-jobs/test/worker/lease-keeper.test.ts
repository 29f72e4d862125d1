import { afterEach, expect, test, vi } from 'vitest'
import type { ClaimedJob } from '../../src/model/record.ts'
import { Execution, type RunEnvironment } from '../../src/run/execution.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { LeaseKeeper, type LeaseKeeperOptions } from '../../src/worker/lease/lease-keeper.ts'

afterEach(() => {
  vi.useRealTimers()
})

const LEASE = 100_000

/** Makes a lease keeper with a running job in each partition, and a store without data. */
function keep(...partitions: string[]) {
  const extend = vi.fn<Store['extend']>(async () => ({ lost: [], notices: [] }))
  const running = new Set<Execution>()
  const permits = { renew: async () => true }
  const pulse = { renewedAt: 0 }
  const keeper = new LeaseKeeper({
    ...{ store: { extend }, caller: 'ada', leaseMs: LEASE, running, settling: () => [] },
    ...{ permits, trouble: () => {}, pulse },
  } as unknown as LeaseKeeperOptions)
  const environment = { wrote: () => {}, reported: (each: Execution) => keeper.reported(each) }
  for (const partition of partitions.length === 0 ? ['default'] : partitions)
    running.add(
      new Execution(
        { id: 'a', token: 't', failures: 0 } as ClaimedJob,
        { partition, queue: partition },
        undefined,
        environment as unknown as RunEnvironment,
        0,
      ),
    )
  const [execution] = running as Set<Execution> & Iterable<Execution>
  return { extend, keeper, execution: execution!, permits, pulse }
}

const watched = { lost: [], notices: [], watched: ['a'] }
const written = ([, , notes]: Parameters<Store['extend']>) =>
  notes.flatMap(({ log = [] }) => log.map(({ text }) => text))

test('when nobody watches any more, log lines wait for the renewal of the lease again, and progress asks whether somebody watches', async () => {
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

test('a log line that is written when the worker is told of a watcher is sent soon', async () => {
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

test('a partition or a limiter that does not answer does not delay the leases of others', async () => {
  vi.useFakeTimers()
  const { extend, keeper, permits, pulse } = keep('away', 'here')
  const began = Date.now()
  const silence = new Promise<never>(() => {})
  permits.renew = () => silence
  extend.mockImplementation((partition) =>
    partition === 'away' ? silence : Promise.resolve({ lost: [], notices: [] }),
  )
  keeper.start()
  await vi.advanceTimersByTimeAsync(LEASE + 1)
  const calls = extend.mock.calls.map(([partition]) => partition)
  expect(calls.filter((partition) => partition === 'here')).toHaveLength(3)
  expect(calls.filter((partition) => partition === 'away')).toHaveLength(1)
  // Not all leases are renewed, and the lease thread is told so.
  expect(pulse.renewedAt).toBe(began)
})

test('a late renewal does not wait for a partition that gave no answer the last time', async () => {
  vi.useFakeTimers()
  const { extend, keeper } = keep('away', 'here')
  const nobody = Promise.reject(new Error('no answer'))
  nobody.catch(() => {})
  let awayAnswers: Promise<never> = nobody
  extend.mockImplementation((partition) =>
    partition === 'away' ? awayAnswers : Promise.resolve({ lost: [], notices: [] }),
  )
  keeper.start()
  await vi.advanceTimersByTimeAsync(LEASE / 3 + 1)
  awayAnswers = new Promise(() => {})
  await vi.advanceTimersByTimeAsync(LEASE / 3)
  const before = extend.mock.calls.length
  await keeper.catchUp()
  expect(extend.mock.calls.slice(before).map(([partition]) => partition)).toEqual(['here'])
})

test('the log lines of a job are sent while another partition does not answer', async () => {
  vi.useFakeTimers()
  const { extend, keeper, execution } = keep('here', 'away')
  extend.mockImplementation((partition) =>
    partition === 'away' ? new Promise(() => {}) : Promise.resolve(watched),
  )
  keeper.look('here')
  keeper.look('away')
  await vi.advanceTimersByTimeAsync(0)
  execution.write('info', 'reading')
  await vi.advanceTimersByTimeAsync(250)
  expect(extend.mock.calls.map(written)).toContainEqual(['reading'])
})
