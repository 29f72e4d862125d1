import { expect, test } from 'vitest'
import { Job, type JobsConfig } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests limits of a queue that several workers serve. */
export function limiting(connect: Connect): void {
  class CountJob extends Job {
    static now = 0
    static most = 0
    static begun: number[] = []
    static ran: number[] = []
    async handle(n: number) {
      CountJob.begun.push(Date.now())
      CountJob.ran.push(n)
      CountJob.most = Math.max(CountJob.most, ++CountJob.now)
      await new Promise((resolve) => setTimeout(resolve, 5))
      CountJob.now--
    }
    static reset() {
      Object.assign(CountJob, { now: 0, most: 0, begun: [], ran: [] })
    }
  }

  async function drain(bench: Bench, config: NonNullable<JobsConfig['queues']>, count: number, workers = 3) {
    CountJob.reset()
    const clients = Array.from({ length: workers }, () => bench.client({ queues: config }))
    await clients[0]!.dispatchMany(
      new CountJob(),
      Array.from({ length: count }, (_, n) => n),
    )
    const report = new Record()
    const ended = report.ends(count)
    for (const client of clients) await bench.work([CountJob], { report }, client)
    await ended
    return report
  }

  test('with a concurrency limit, three workers together run as many jobs at a time as it allows', async () => {
    await using bench = await Bench.make(connect)
    await drain(bench, { default: { concurrency: 4 } }, 120)
    expect(CountJob.most).toBe(4)
  })

  test('with a concurrency limit of one, jobs run one after the other, in order', async () => {
    await using bench = await Bench.make(connect)
    await drain(bench, { default: { concurrency: 1 } }, 30)
    expect(CountJob.most).toBe(1)
    expect(CountJob.ran).toEqual(Array.from({ length: 30 }, (_, n) => n))
  })

  test('with a concurrency limit of one, the next job begins after a failed attempt, and every job completes', async () => {
    await using bench = await Bench.make(connect)
    let now = 0
    let most = 0
    class FlakyJob extends Job {
      async handle() {
        most = Math.max(most, ++now)
        await new Promise(setImmediate)
        now--
        return this.attempt > 1
      }
    }
    const client = bench.client({ queues: { default: { concurrency: 1 } } })
    for (const backoff of [0, 20, 0, 20, 0, 20]) {
      const job = new FlakyJob()
      job.backoff = backoff
      await client.dispatch(job)
    }
    const workers = await Promise.all(
      [1, 2].map(() => bench.work([FlakyJob], { stopWhenEmpty: true }, client)),
    )
    const sums = await Promise.all(workers.map((worker) => worker.done))
    expect(sums.reduce((sum, { completed }) => sum + completed, 0)).toBe(6)
    expect(most).toBe(1)
  })

  test('the partitions of a queue share its limit', async () => {
    await using bench = await Bench.make(connect)
    await drain(bench, { default: { concurrency: 5, partitions: 2 } }, 60)
    expect(CountJob.most).toBeLessThanOrEqual(4)
  })

  test('with a rate, a job begins as soon as the rate allows it, and not before', async () => {
    await using bench = await Bench.make(connect)
    const per = 300
    await drain(bench, { default: { rate: { limit: 5, per } } }, 20)
    const times = CountJob.begun.sort((one, other) => one - other)
    expect(times).toHaveLength(20)
    // The claim is within the period, but the handler may begin a little later.
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(3 * per - 100)
  })

  test('a queue with limits does not hold up a queue without limits', async () => {
    await using bench = await Bench.make(connect)
    CountJob.reset()
    const client = bench.client({ queues: { default: {}, emails: { rate: { limit: 1, per: '1h' } } } })
    const slow = new CountJob()
    slow.queueName = 'emails'
    await client.dispatchMany(slow, new Array(5).fill(0))
    await client.dispatchMany(new CountJob(), new Array(50).fill(0))
    const report = new Record()
    const ended = report.ends(51)
    const worker = await bench.work([CountJob], { report, concurrency: 2 }, client)
    await ended
    const stopped = performance.now()
    await worker.stop()
    expect(performance.now() - stopped).toBeLessThan(3_000)
    const [, emails] = (await client.status()).queues
    expect(emails?.counts).toMatchObject({ waiting: 4, active: 0, completed: 1 })
  })

  test('with a rate, a job that does not end does not hold up others', async () => {
    await using bench = await Bench.make(connect)
    const others = signal()
    const began: number[] = []
    class HangJob extends Job {
      async handle(n: number) {
        if (began.push(n) === 6) others.resolve()
        if (n === 0) await others.promise
      }
    }
    const client = bench.client({ queues: { default: { rate: { limit: 2, per: 100 } } } })
    await client.dispatchMany(new HangJob(), [0, 1, 2, 3, 4, 5])
    await (await bench.work([HangJob], { concurrency: 2, stopWhenEmpty: true }, client)).done
    expect(began).toEqual([0, 1, 2, 3, 4, 5])
  })

  const wrong: [object, string][] = [
    [{ concurrency: 0 }, 'jobs.queues.default.concurrency is 0; it must be a whole number from 1'],
    [{ concurrency: -1 }, 'jobs.queues.default.concurrency is -1; it must be a whole number from 1'],
    [{ concurrency: 2, partitions: 3 }, 'jobs.queues.default.concurrency is 2; it must be at least 3'],
    [{ rate: 5 }, "jobs.queues.default.rate is 5; it must be an object such as { limit: 100, per: '1m' }"],
    [{ rate: { limit: -1 } }, 'jobs.queues.default.rate.limit is -1; it must be a whole number from 1'],
    [{ rate: { limit: 5, per: 'soon' } }, "jobs.queues.default.rate.per is 'soon'; it must be milliseconds"],
    [
      { rate: { limit: 5, kind: 'leaky' } },
      "rate.kind is 'leaky'; it must be 'sliding', 'window' or 'bucket'",
    ],
    [{ rate: { limit: 5, burst: 3 } }, "rate.burst is 3; it must be absent, or kind 'bucket'"],
    [{ rate: { limit: 5, max: 3 } }, 'jobs.queues.default.rate.max is not an option'],
    [
      { rate: { limit: 20_000 } },
      "rate.limit is 20000; it must be at most 10000, or kind 'window' or 'bucket'",
    ],
  ]
  test.each(wrong)('a wrong configuration is refused: %j', async (queue, message) => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: queue } })
    await expect(client.status()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message),
    })
  })
}
