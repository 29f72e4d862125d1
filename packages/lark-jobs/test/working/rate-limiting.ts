import { expect, test, vi } from 'vitest'
import { Job, type JobsConfig, type RateLimitedOptions, rateLimited } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** With `rateLimited`, jobs of any class and queue share a limiter. */
export function rateLimiting(connect: Connect): void {
  const run = { now: 0, most: 0, begun: [] as number[] }

  /** Makes two classes in two queues whose jobs take permits of one limiter. */
  function classes(options?: RateLimitedOptions) {
    Object.assign(run, { now: 0, most: 0, begun: [] })
    abstract class PayingJob extends Job {
      override middleware() {
        return [rateLimited('stripe', options)]
      }
      async handle() {
        run.begun.push(Date.now())
        run.most = Math.max(run.most, ++run.now)
        await new Promise((resolve) => setTimeout(resolve, 5))
        run.now--
        return this.attempt
      }
    }
    class ChargeJob extends PayingJob {}
    class RefundJob extends PayingJob {
      override queueName = 'emails'
    }
    return [ChargeJob, RefundJob] as const
  }

  async function drain(
    bench: Bench,
    limiters: NonNullable<JobsConfig['limiters']>,
    count: number,
    options?: RateLimitedOptions,
  ) {
    const jobs = classes(options)
    const clients = [bench.client({ limiters }), bench.client({ limiters })]
    for (const make of jobs) await clients[0]!.dispatchMany(new make(), new Array(count / 2).fill(undefined))
    const report = new Record()
    const workers = await Promise.all(
      clients.map((client) => bench.work([...jobs], { report, stopWhenEmpty: true }, client)),
    )
    const done = await Promise.all(workers.map((worker) => worker.done))
    expect(done.reduce((sum, { completed }) => sum + completed, 0)).toBe(count)
    const completed = report.endings.filter(({ outcome }) => outcome.kind === 'completed')
    expect(new Set(completed.map(({ outcome }) => (outcome as { result?: string }).result))).toEqual(
      new Set(['1']),
    )
    return report
  }

  test('two workers keep a concurrency limit over two classes and two queues', async () => {
    await using bench = await Bench.make(connect)
    await drain(bench, { stripe: { concurrency: 3 } }, 30, { releaseAfter: 10 })
    expect(run.most).toBe(3)
  })

  test('with weights, as many jobs run as their weights allow together', async () => {
    await using bench = await Bench.make(connect)
    await drain(bench, { stripe: { concurrency: 5 } }, 12, { weight: 2, releaseAfter: 10 })
    expect(run.most).toBe(2)
  })

  test('with a rate, a refused job comes back when a permit is free, and not before', async () => {
    await using bench = await Bench.make(connect)
    const per = 250
    const report = await drain(bench, { stripe: { rate: { limit: 4, per } } }, 16)
    const times = run.begun.sort((one, other) => one - other)
    // The permit is granted within the period, but the handler may begin a little later.
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(3 * per - 100)
    const released = report.endings.filter(({ outcome }) => outcome.kind === 'released')
    // Each worker has at most ten jobs at a time. If all refused jobs waited equally long, all ten jobs would
    // be due at the same time again.
    expect(released.length).toBeLessThan(40)
    expect(released[0]?.outcome).toMatchObject({ because: 'limiter stripe has no free permit' })
  })

  test.each<[object, string, string, object]>([
    [{}, 'UNKNOWN_LIMITER', "ChargeJob: 'stripe' is not a configured limiter", {}],
    [{ strype: { concurrency: 1 } }, 'UNKNOWN_LIMITER', "'stripe' is not", { hint: 'Did you mean strype?' }],
    [
      { stripe: { concurrency: 2 } },
      'JOB_INVALID',
      "ChargeJob: rateLimited('stripe'): weight is 3; it must be at most 2",
      {},
    ],
    [{ stripe: { rate: { limit: 2 } } }, 'JOB_INVALID', 'weight is 3; it must be at most 2', {}],
    [
      { stripe: { rate: { limit: 9, kind: 'bucket', burst: 2 } } },
      'JOB_INVALID',
      'weight is 3; it must be at most 2',
      {},
    ],
  ])(
    'a worker does not start if a class asks for an unknown limiter or too many permits: %j',
    async (limiters, code, text, more) => {
      await using bench = await Bench.make(connect)
      const client = bench.client({ limiters } as JobsConfig)
      const starting = bench.work([...classes({ weight: 3 })], {}, client)
      await expect(starting).rejects.toMatchObject({ code, message: expect.stringContaining(text), ...more })
    },
  )

  test('middleware of the configuration is checked at the start, and middleware inside of another when it runs', async () => {
    await using bench = await Bench.make(connect)
    class HiddenJob extends Job {
      override tries = 1
      override middleware() {
        const limited = rateLimited('paypal')
        return [(job: Parameters<typeof limited>[0], next: () => Promise<unknown>) => limited(job, next)]
      }
      handle() {}
    }
    const all = bench.client({ middleware: [rateLimited('paypal')] })
    await expect(bench.work([HiddenJob], {}, all)).rejects.toMatchObject({ code: 'UNKNOWN_LIMITER' })
    const job = new HiddenJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([HiddenJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ errors: [{ code: 'UNKNOWN_LIMITER' }] })
  })

  const wrong: [unknown, object, string][] = [
    ['', {}, "rateLimited(): the limiter is ''; it must be the name of a limiter, such as 'stripe'"],
    ['a', { weight: 0 }, 'rateLimited(): weight is 0; it must be a whole number from 1 to 1000'],
    ['a', { weight: 1.5 }, 'rateLimited(): weight is 1.5; it must be'],
    ['a', { releaseAfter: -1 }, 'rateLimited(): releaseAfter is -1; it must be milliseconds'],
    ['a', { wait: 1 }, 'rateLimited(): wait is not an option'],
  ]
  test.each(wrong)('wrong options are refused: %j %j', (limiter, options, message) => {
    expect(() => rateLimited(limiter as string, options)).toThrow(message)
  })

  test.each<[unknown, string]>([
    [{ stripe: {} }, 'jobs.limiters.stripe is {}; it must be an object with concurrency, rate, or both'],
    [
      { stripe: { concurrency: 0 } },
      'jobs.limiters.stripe.concurrency is 0; it must be a whole number from 1',
    ],
    [{ stripe: { rate: 5 } }, 'jobs.limiters.stripe.rate is 5; it must be an object such as'],
    [{ stripe: { concurency: 5 } }, 'jobs.limiters.stripe.concurency is not an option'],
    [{ 'a:b': { concurrency: 5 } }, 'it must be an object with a key for each limiter'],
    [['stripe'], 'it must be an object with a key for each limiter'],
  ])('a configuration that says it wrongly is refused: %j', async (limiters, message) => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ limiters } as JobsConfig)
    await expect(client.status()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message),
    })
  })

  test('dispatchNow() takes no permit', async () => {
    await using bench = await Bench.make(connect)
    const [ChargeJob] = classes()
    const { store } = await insideOf(bench.jobs).open()
    const permit = vi.spyOn(store.limiters, 'permit')
    expect(await bench.jobs.dispatchNow(new ChargeJob())).toBe(1)
    expect(permit).not.toHaveBeenCalled()
  })
}
