/** Jobs run when a test asks for it, with the real worker and on the clock of the fake. */
import { describe, expect, test, vi } from 'vitest'
import {
  batch,
  chain,
  circuitBreaker,
  cron,
  Job,
  limiter,
  rateLimited,
  unique,
  withoutOverlapping,
  workflow,
} from '../../src/index.ts'
import { Jobs } from '../../src/testing.ts'
import { at } from './place.ts'

const none = { completed: 0, retried: 0, failed: 0, released: 0, suspended: 0, cancelled: 0, crashed: 0 }
const now = new Date('2026-11-27T08:00:00Z')
const config = { queues: ['default', 'emails'] }

/** A handler that a test replaces. */
const handle = vi.fn(async (_payload: { n: number }, _job: WorkJob): Promise<unknown> => undefined)
class WorkJob extends Job {
  override tries = 3
  override backoff = ['1m', '10m']
  async handle(payload: { n: number }): Promise<unknown> {
    return handle(payload, this)
  }
}

const clear = () => handle.mockReset()

test('a drain runs due jobs and the jobs that they dispatch, in order, and counts the runs', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  const ran: number[] = []
  handle.mockImplementation(async ({ n }) => {
    ran.push(n)
    if (n < 3) await new WorkJob().dispatch({ n: n + 10 })
  })
  await new WorkJob().dispatchMany([{ n: 1 }, { n: 2 }, { n: 3 }])
  expect(await fake.drain()).toEqual({ ...none, completed: 5 })
  expect(ran).toEqual([1, 2, 3, 11, 12])
  expect(await fake.drain()).toEqual(none)
})

test('a drain runs retries and delayed jobs only on request, and then the clock of the fake moves to the last of them', async () => {
  clear()
  await using fake = Jobs.fake({ config, now })
  handle.mockRejectedValue(new Error('down'))
  await new WorkJob().dispatch({ n: 1 })
  await WorkJob.with({ n: 2 }).delayed('1h').withTries(1).dispatch()
  expect(await fake.drain()).toEqual({ ...none, retried: 1 })
  await fake.advance('59s')
  expect(await fake.drain()).toEqual(none)
  await fake.advance('1s')
  expect(await fake.drain()).toEqual({ ...none, retried: 1 })
  expect(await fake.drain({ withDelayed: '5m' })).toEqual(none)
  expect(at(fake.now)).toBe('2026-11-27T08:06')
  expect(await fake.drain({ withDelayed: true })).toEqual({ ...none, failed: 2 })
  expect(at(fake.now)).toBe('2026-11-27T09:00')
  expect((await Jobs.failed()).map(({ errors }) => errors.length)).toEqual([1, 3])
})

test('a drain also ends if jobs dispatch jobs for ever, and names these jobs', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  handle.mockImplementation(async ({ n }) => void (await new WorkJob().dispatch({ n: n + 1 })))
  await new WorkJob().dispatch({ n: 0 })
  await expect(fake.drain({ most: 30 })).rejects.toThrow(
    /go on for ever: \d+ runs have ended, most of WorkJob \(\d+\)/,
  )
  const { runs } = fake.spy(WorkJob)
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(fake.spy(WorkJob).runs, 'nothing goes on').toBe(runs)
  handle.mockImplementation(async ({ n }) => void (await WorkJob.with({ n }).delayed('1d').dispatch()))
  await expect(fake.drain({ most: 30, withDelayed: true })).rejects.toMatchObject({ code: 'FAKE_ENDLESS' })
})

test('a drain that ends because a schedule has too many ticks names the schedule', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  await Jobs.schedules.set('each-second', WorkJob.with({ n: 1 }), cron('* * * * * *'))
  await expect(fake.drain({ most: 30, withDelayed: '1h', withSchedules: true })).rejects.toThrow(
    /go on for ever: \d+ runs have ended, most of WorkJob by the schedule each-second \(\d+\)/,
  )
})

test('a drain may run several jobs at the same time', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  let [running, most] = [0, 0]
  handle.mockImplementation(async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 5))
    running--
  })
  await new WorkJob().dispatchMany([1, 2, 3, 4].map((n) => ({ n })))
  expect(await fake.drain({ concurrency: 3 })).toMatchObject({ completed: 4 })
  expect(most).toBe(3)
})

describe('a caller that awaits a result', () => {
  test('makes the job run, and moves the clock', async () => {
    clear()
    await using fake = Jobs.fake({ config, now })
    handle.mockImplementation(async ({ n }) => n * 2)
    const handles = await Jobs.dispatch([WorkJob.with({ n: 1 }), WorkJob.with({ n: 2 }).delayed('2h')])
    expect(await Promise.all(handles.map((each) => each.result()))).toEqual([2, 4])
    expect(at(fake.now)).toBe('2026-11-27T10:00')
  })

  test('waits no longer than its timeout, by the clock of the fake', async () => {
    clear()
    await using fake = Jobs.fake({ config, now })
    const job = await WorkJob.with({ n: 1 }).delayed('2h').dispatch()
    await expect(job.result({ timeout: '5m' })).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    expect(at(fake.now)).toBe('2026-11-27T08:05')
  })

  test('does not wait for a result that cannot come', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    await Jobs.pause({ queue: 'default' })
    const job = await WorkJob.with({ n: 1 }).dispatch()
    await expect(job.result()).rejects.toMatchObject({ code: 'FAKE_IDLE' })
    await Jobs.resume({ queue: 'default' })
    expect(await fake.drain()).toMatchObject({ completed: 1 })
  })

  test('may be another job', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => {
      if (n === 0) return 1
      const inner = await WorkJob.with({ n: n - 1 })
        .delayed('1m')
        .dispatch()
      return 1 + ((await inner.result()) as number)
    })
    const job = await WorkJob.with({ n: 3 }).dispatch()
    expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 4 })
    expect(await job.result()).toBe(4)
  })

  test('may be a job that calls drain(), or a job that waits for an event', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => {
      if (n === 0) {
        await new WorkJob().dispatch({ n: 1 })
        expect(await fake.drain()).toMatchObject({ completed: 1 })
        await new WorkJob().dispatch({ n: 2 })
        await fake.spy(WorkJob).completed({ n: 2 })
      }
      return n
    })
    await new WorkJob().dispatch({ n: 0 })
    expect(await fake.drain()).toMatchObject({ completed: 3 })
  })

  test('may be a job that waits for two results at a time, and the other jobs still run one after the other', async () => {
    clear()
    await using _ = Jobs.fake({ config })
    let [running, most] = [0, 0]
    handle.mockImplementation(async ({ n }) => {
      if (n > 0) {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running--
        return n
      }
      const inner = await Jobs.dispatch([1, 2, 3].map((n) => WorkJob.with({ n })))
      return await Promise.all(inner.map((each) => each.result()))
    })
    const job = await WorkJob.with({ n: 0 }).dispatch()
    expect(await job.result()).toEqual([1, 2, 3])
    expect(most).toBe(1)
  })

  test('may be failed() of a class', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => n)
    let result: unknown
    class FailingJob extends Job {
      override tries = 1
      async handle() {
        throw new Error('down')
      }
      override async failed() {
        result = await (await WorkJob.with({ n: 5 }).delayed('1m').dispatch()).result()
      }
    }
    await new FailingJob().dispatch()
    expect(await fake.drain()).toMatchObject({ failed: 1, completed: 1 })
    expect(result).toBe(5)
  })

  test('gets the error of a flow that fails', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => {
      if (n === 1) throw new Error('down')
    })
    const steps = [1, 2].map((n) => WorkJob.with({ n }).withTries(1))
    const flow = await chain(steps)
      .onFailed(WorkJob.with({ n: 3 }))
      .dispatch()
    await expect(flow.result()).rejects.toThrow(/WorkJob failed: .*down/)
    expect(await fake.spy(WorkJob).completed({ n: 3 })).toMatchObject({ attempt: 1 })
    expect(fake.spy(WorkJob).runs).toBe(2)
  })

  test('gets the result of a flow', async () => {
    clear()
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => n)
    const flow = await chain([WorkJob.with({ n: 1 }), WorkJob.with({ n: 2 }).delayed('1d')]).dispatch()
    expect(await flow.result()).toBe(2)
    const many = await batch([1, 2, 3].map((n) => WorkJob.with({ n }))).dispatch()
    expect(await many.result()).toEqual({ completed: 3, failed: 0, total: 3 })
    fake.assertDispatched(WorkJob, {}, { times: 5 })
  })
})

test('flows run to their end, including callbacks', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  const ran: number[] = []
  handle.mockImplementation(async ({ n }) => void ran.push(n))
  await workflow('order', (w) => {
    const first = w.add(WorkJob.with({ n: 1 }))
    w.add(WorkJob.with({ n: 2 }).onQueue('emails'), { after: first, name: 'second' })
  })
    .onCompleted(WorkJob.with({ n: 3 }))
    .dispatch()
  expect(await fake.drain()).toMatchObject({ completed: 3 })
  expect(ran).toEqual([1, 2, 3])
})

test('the deadline of a flow depends on the clock of the fake', async () => {
  clear()
  await using fake = Jobs.fake({ config, now })
  const flow = await chain([WorkJob.with({ n: 1 }), WorkJob.with({ n: 2 }).delayed('2h')])
    .within('1h')
    .dispatch()
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 1 })
  expect((await flow.status())?.state).toBe('failed')
  expect(at(fake.now)).toBe('2026-11-27T09:00')
})

test('unique, throttled and debounced jobs depend on the clock of the fake', async () => {
  class ThrottledJob extends Job {
    override unique = unique({ throttle: '1h' })
    async handle() {}
  }
  class DebouncedJob extends Job {
    override unique = unique({ debounce: '10m' })
    async handle(_: { n: number }) {}
  }
  await using fake = Jobs.fake({ config })
  expect([await new ThrottledJob().dispatch(), await new ThrottledJob().dispatch()]).toEqual([true, false])
  await fake.drain()
  expect(await new ThrottledJob().dispatch()).toBe(false)
  await fake.advance('61m')
  expect(await new ThrottledJob().dispatch()).toBe(true)
  await fake.drain()
  await new DebouncedJob().dispatch({ n: 1 })
  await fake.advance('9m')
  await new DebouncedJob().dispatch({ n: 2 })
  await fake.advance('9m')
  expect(await fake.drain()).toEqual(none)
  expect((await fake.spy(DebouncedJob).completed()).payload).toEqual({ n: 2 })
})

test('limits of queues, of limiters and of middleware depend on the clock of the fake', async () => {
  const ran: string[] = []
  class QueueJob extends Job {
    override queueName = 'slow'
    async handle() {
      ran.push('queue')
    }
  }
  class LimiterJob extends Job {
    override limiter = limiter({ rate: { limit: 2, per: '1h' } })
    async handle() {
      ran.push('limiter')
    }
  }
  class MiddlewareJob extends Job {
    override middleware = () => [rateLimited('api')]
    async handle() {
      ran.push('middleware')
    }
  }
  await using fake = Jobs.fake({
    config: {
      queues: { default: {}, slow: { rate: { limit: 2, per: '1h' } } },
      limiters: { api: { rate: { limit: 2, per: '1h' } } },
    },
    now,
  })
  for (const make of [QueueJob, LimiterJob, MiddlewareJob]) {
    const begun = fake.now
    ran.length = 0
    for (let i = 0; i < 4; i++) await new make().dispatch()
    await fake.drain()
    expect(ran, make.name).toHaveLength(2)
    await fake.drain({ withDelayed: true })
    expect(ran, make.name).toHaveLength(4)
    expect(fake.now - begun, make.name).toBeGreaterThanOrEqual(3_600_000)
    expect(fake.now - begun, make.name).toBeLessThan(2 * 3_600_000)
  }
})

test('jobs of one name run one after the other, and a permit is free when its job has ended', async () => {
  let [running, most] = [0, 0]
  class OneJob extends Job {
    override middleware = () => [withoutOverlapping()]
    async handle() {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
    }
  }
  await using fake = Jobs.fake({ config })
  for (let i = 0; i < 3; i++) await new OneJob().dispatch()
  expect(await fake.drain({ withDelayed: true, concurrency: 3 })).toMatchObject({ completed: 3 })
  expect(most).toBe(1)
})

test('a circuit opens and closes on the clock of the fake', async () => {
  let isDown = true
  class CallJob extends Job {
    override tries = 10
    override backoff = '1s'
    override middleware = () => [circuitBreaker({ name: 'api', failures: 2, per: '1m', pause: '30m' })]
    async handle() {
      if (isDown) throw new Error('down')
    }
  }
  await using fake = Jobs.fake({ config, now })
  await new CallJob().dispatch()
  expect(await fake.drain({ withDelayed: '1m' })).toMatchObject({ retried: 2, released: 1 })
  isDown = false
  expect(await fake.drain({ withDelayed: true })).toMatchObject({ completed: 1 })
  expect(fake.now - now.getTime()).toBeGreaterThan(30 * 60_000)
})

test('a running job times out on the clock of the fake, and keeps its lease', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  const reasons: unknown[] = []
  handle.mockImplementation(
    (_, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason)
          reject(signal.reason)
        })
      }),
  )
  await WorkJob.with({ n: 1 }).withTimeout('2h').withTries(1).dispatch()
  await fake.spy(WorkJob).started()
  await fake.advance('1h')
  expect(reasons).toEqual([])
  await fake.advance('1h')
  expect(reasons).toMatchObject([{ code: 'JOB_TIMED_OUT' }])
  expect(await fake.spy(WorkJob).failed()).toMatchObject({ last: true, error: { code: 'JOB_TIMED_OUT' } })
  expect(await fake.drain({ withDelayed: true })).toEqual(none)
})

test('two simultaneous moves of the clock reduce the remaining time of a running job only once', async () => {
  clear()
  await using fake = Jobs.fake({ config, now })
  let reason: unknown
  handle.mockImplementation(
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
          resolve()
        })
      }),
  )
  await WorkJob.with({ n: 1 }).withTimeout('2h').dispatch()
  await fake.spy(WorkJob).started()
  await Promise.all([fake.advance('90m'), fake.advance('90m')])
  expect([at(fake.now), reason]).toEqual(['2026-11-27T09:30', undefined])
})

test('a drain checks its options', async () => {
  await using fake = Jobs.fake({ config })
  for (const options of [{ concurrency: 0 }, { most: Number.NaN }, { concurrency: '2' as never }])
    await expect(fake.drain(options)).rejects.toMatchObject({ code: 'FAKE_INVALID' })
})

test('schedules tick correctly at a clock change', async () => {
  clear()
  await using fake = Jobs.fake({ config, now: new Date('2026-10-24T00:00:00Z') })
  const ticks: string[] = []
  handle.mockImplementation(async () => void ticks.push(at(fake.now)))
  const daily = cron('30 3 * * *', { timezone: 'Europe/Berlin' })
  await Jobs.schedules.set('daily', WorkJob.with({ n: 1 }), daily)
  await fake.drain({ withDelayed: '2d', withSchedules: true })
  expect(ticks).toEqual(['2026-10-24T01:30', '2026-10-25T02:30'])
})

test('schedules tick on the clock of the fake', async () => {
  clear()
  class NightlyJob extends Job {
    override schedule = cron('0 3 * * *')
    async handle() {
      nights.push(at(Number(this.info === undefined ? 0 : fakeNow())))
    }
  }
  const nights: string[] = []
  await using fake = Jobs.fake({ config, jobs: [NightlyJob], now })
  const fakeNow = () => fake.now
  expect(await fake.drain({ withDelayed: '3d' })).toEqual(none)
  expect(await fake.drain({ withDelayed: '3d', withSchedules: true })).toMatchObject({ completed: 3 })
  expect(nights).toEqual(['2026-12-01T03:00', '2026-12-02T03:00', '2026-12-03T03:00'])
  expect(at(fake.now)).toBe('2026-12-03T08:00')
  fake.assertScheduled('NightlyJob', { when: '0 3 * * *' })
  fake.assertNothingDispatched()
  await Jobs.schedules.set('work', WorkJob.with({ n: 7 }), cron('0 9 * * *'))
  await Jobs.schedules.set('late', WorkJob.with({ n: 8 }), cron('0 9 * * *', { missed: 'once' }))
  await fake.advance('26h')
  expect(await fake.drain()).toEqual(none)
  // No worker ran at nine o'clock, so one job makes up for the missed tick.
  expect(await fake.drain({ withSchedules: true })).toMatchObject({ completed: 1 })
  expect((await fake.spy(WorkJob).completed()).payload).toEqual({ n: 8 })
})

test('the hooks of cancelled and expired jobs are called', async () => {
  const told: string[] = []
  class SlowJob extends Job {
    override expiresIn = '1h'
    async handle() {
      await new Promise((resolve) => this.signal.addEventListener('abort', resolve))
    }
    override cancelled(_: unknown, reason: string) {
      told.push(reason)
    }
  }
  await using fake = Jobs.fake({ config })
  await new SlowJob().dispatch()
  await fake.advance('2h')
  expect(await fake.drain()).toMatchObject({ cancelled: 1 })
  const handle = await SlowJob.with().dispatch()
  await fake.spy(SlowJob).started()
  await handle.cancel('enough')
  await fake.drain()
  expect((await handle.status())?.because).toBe('enough')
  const waiting = await SlowJob.with().dispatch()
  await waiting.cancel()
  await fake.drain()
  expect(told).toEqual(['expired', 'user', 'user'])
})

test('a spy makes jobs run until its event, and misses no event', async () => {
  clear()
  await using fake = Jobs.fake({ config })
  const spy = fake.spy(WorkJob)
  handle.mockImplementation(async ({ n }) => {
    if (n === 2) throw new Error('two')
    return `result ${n}`
  })
  await new WorkJob().dispatchMany([{ n: 1 }, { n: 2 }, { n: 3 }])
  expect(await spy.completed({ n: 1 })).toMatchObject({ result: 'result 1', attempt: 1 })
  expect(await spy.completed({ n: 3 })).toMatchObject({ payload: { n: 3 } })
  expect(await spy.retried({ n: 2 })).toMatchObject({ retryIn: 60_000, error: { message: 'two' } })
  expect(await spy.failed({ n: 2 })).toMatchObject({ attempt: 3, last: true })
  expect(await fake.spy('WorkJob').completed({ n: 1 })).toMatchObject({ result: 'result 1' })
  expect(spy.runs).toBe(5)
  await expect(spy.completed({ n: 9 })).rejects.toThrow(
    /No job of WorkJob has completed, and nothing is left/,
  )
})

test('a test may also use fake timers', async () => {
  clear()
  vi.useFakeTimers()
  try {
    await using fake = Jobs.fake({ config })
    handle.mockImplementation(async ({ n }) => n)
    await new WorkJob().dispatchMany(Array.from({ length: 300 }, (_, n) => ({ n })))
    expect(await fake.drain()).toMatchObject({ completed: 300 })
    const job = await WorkJob.with({ n: 7 }).delayed('1d').dispatch()
    expect(await job.result()).toBe(7)
    const flow = await chain([WorkJob.with({ n: 8 }), WorkJob.with({ n: 9 }).delayed('1d')]).dispatch()
    expect(await flow.result()).toBe(9)
  } finally {
    vi.useRealTimers()
  }
})
