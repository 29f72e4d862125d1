import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { Job, JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { JobLike } from '../../src/options/job-class.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class MailJob extends Job {
  override queueName = 'emails'
  handle(_payload: { n: number }) {}
}

const names = ['emails', 'emails/1', 'emails/2']
const grown = { queues: { default: {}, emails: { partitions: 3 }, low: {} } }

/** Dispatches `count` jobs in separate ticks, so that each job goes to the next partition. */
async function fill(client: Jobs, count: number, make: () => JobLike = () => new MailJob()) {
  for (let n = 0; n < count; n++) await insideOf(client).enqueue(make(), [{ n }])
}

/** Tests a queue with several partitions. Users see only one queue. */
export function partitions(connect: Connect): void {
  test('jobs of one tick go to one partition in one call, and the next tick uses the next partition', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    const { store } = await insideOf(client).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    for (let tick = 0; tick < 6; tick++)
      await Promise.all(Array.from({ length: 40 }, (_, n) => client.dispatch(new MailJob(), { n })))
    const called = enqueue.mock.calls.map(([partition]) => partition)
    expect(called).toHaveLength(6)
    expect(called.slice(3)).toEqual(called.slice(0, 3))
    expect(called.slice(0, 3).sort()).toEqual(names)
    for (const name of names) expect((await store.counts(name)).waiting).toBe(80)
  })

  test('dispatchMany sends to all partitions at once, and keeps the order within each', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    const { store } = await insideOf(client).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    const job = new MailJob()
    const payloads = Array.from({ length: 4_500 }, (_, n) => ({ n }))
    expect(await client.dispatchMany(job, payloads)).toBe(true)
    const [one, two, three, ...rest] = enqueue.mock.calls.map(([partition, , jobs]) => [
      partition,
      jobs[0]!.payload,
      jobs.length,
    ])
    expect([one![0], two![0], three![0]].sort()).toEqual(names)
    expect([one, two, three].map((call) => call!.slice(1))).toEqual([
      ['{"n":0}', 1_000],
      ['{"n":1000}', 1_000],
      ['{"n":2000}', 1_000],
    ])
    // The calls of the last two chunks may come in either order.
    expect(rest.sort((a, b) => (b[2] as number) - (a[2] as number))).toEqual([
      [one![0], '{"n":3000}', 1_000],
      [two![0], '{"n":4000}', 500],
    ])
    expect(new Set(job.ids).size).toBe(4_500)
  })

  test('a failed chunk stops later chunks, and the error has the queued ids', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    const { store } = await insideOf(client).open()
    const enqueue = store.enqueue.bind(store)
    let calls = 0
    const failed: string[] = []
    // The failure is simulated, to choose its moment. Real failures are in the tests of the stores.
    const spy = vi.spyOn(store, 'enqueue').mockImplementation(async (partition, call, jobs) => {
      if (++calls !== 2) return enqueue(partition, call, jobs)
      failed.push(...jobs.map(({ id }) => id))
      throw new JobsError('STORE_REFUSED', 'it is full')
    })
    const payloads = Array.from({ length: 6_000 }, (_, n) => ({ n }))
    const error = await client.dispatchMany(new MailJob(), payloads).catch((e) => e)
    spy.mockRestore()
    expect(error).toMatchObject({ code: 'STORE_REFUSED', ids: failed })
    expect(error.queued.length % 1_000).toBe(0)
    expect(error.queued.length).toBeLessThan(5_000)
    expect(error.message).toBe(`${error.queued.length} of 6000 jobs are queued; then: it is full`)
    const counts = await Promise.all(names.map((name) => store.counts(name)))
    expect(counts.reduce((sum, { waiting }) => sum + waiting, 0)).toBe(error.queued.length)
  })

  test('a worker serves all partitions, and people see one queue', async () => {
    await using bench = await Bench.make(connect)
    class FailJob extends MailJob {
      override tries = 1
      override handle() {
        throw new Error('no')
      }
    }
    const client = bench.client(grown)
    const { store } = await insideOf(client).open()
    await fill(client, 30)
    await fill(client, 6, () => new FailJob())
    const report = new Record()
    const worker = await bench.work([MailJob, FailJob], { report, stopWhenEmpty: true }, client)
    expect(await worker.done).toMatchObject({ completed: 30, failed: 6, lost: 0 })
    expect(new Set(report.endings.map(({ queue }) => queue))).toEqual(new Set(['emails']))

    const { queues } = await client.status()
    expect(queues.map(({ queue }) => queue)).toEqual(['default', 'emails', 'low'])
    expect(queues[1]).toMatchObject({
      counts: { waiting: 0, completed: 30, failed: 6 },
      lastHour: { completed: 30, failed: 6, retried: 0 },
      partitions: names.map((partition) => ({ partition, counts: { completed: 10, failed: 2 } })),
    })

    const failed = await client.failed({ queue: 'emails' })
    expect(failed.map(({ queue }) => queue)).toEqual(Array(6).fill('emails'))
    expect(failed.map(({ partition }) => partition).sort()).toEqual([...names, ...names].sort())
    for (const { id, partition } of failed)
      expect(await client.find(id)).toMatchObject({ id, queue: 'emails', partition, state: 'failed' })
    await expect(client.failed({ queue: 'emails/1' })).rejects.toMatchObject({
      code: 'UNKNOWN_QUEUE',
      hint: 'Did you mean emails? There are default, emails, low.',
    })
    expect(await client.retry([failed[0]!.id, failed[1]!.id])).toBe(2)
    expect(await client.retry('failed', 'emails')).toBe(4)
    for (const name of names) expect((await store.counts(name)).waiting).toBe(2)
  })

  test('the order is kept within a partition', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    const { store } = await insideOf(client).open()
    const enqueue = vi.spyOn(store, 'enqueue')
    const ran: number[] = []
    class OrderJob extends MailJob {
      override handle({ n }: { n: number }) {
        ran.push(n)
      }
    }
    await fill(client, 90, () => new OrderJob())
    const partitionOf = new Map(
      enqueue.mock.calls.flatMap(([partition, , jobs]) =>
        jobs.map(({ payload }) => [JSON.parse(payload).n as number, partition]),
      ),
    )
    await (await bench.work([OrderJob], { concurrency: 1, stopWhenEmpty: true }, client)).done
    expect(ran).toHaveLength(90)
    for (const name of names) {
      const order = ran.filter((n) => partitionOf.get(n) === name)
      expect(order).toHaveLength(30)
      expect(order).toEqual([...order].sort((one, other) => one - other))
    }
  })

  test('more partitions do not give a queue more turns', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    // The jobs take longer than their settling. If the jobs were shorter, a queue would miss its turn while
    // its answer is on its way.
    class TurnJob extends MailJob {
      override async handle() {
        ran.push('emails')
        await pause(1)
      }
    }
    class LowJob extends MailJob {
      override queueName = 'low'
      override async handle() {
        ran.push('low')
        await pause(1)
      }
    }
    const client = bench.client(grown)
    await fill(client, 90, () => new TurnJob())
    await fill(client, 90, () => new LowJob())
    const options = { concurrency: 1, preset: 'spread', stopWhenEmpty: true } as const
    expect(await (await bench.work([TurnJob, LowJob], options, client)).done).toMatchObject({
      completed: 180,
    })
    const ofLow = ran.slice(0, 90).filter((queue) => queue === 'low').length
    expect(ofLow).toBeGreaterThanOrEqual(30)
    expect(ofLow).toBeLessThanOrEqual(60)
  })

  test('in strict order of queues, all partitions of a queue share its turn', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    class LowJob extends MailJob {
      override queueName = 'low'
      override handle() {
        ran.push('low')
      }
    }
    class TurnJob extends MailJob {
      override handle() {
        ran.push('emails')
      }
    }
    const client = bench.client(grown)
    await fill(client, 20, () => new LowJob())
    await fill(client, 60, () => new TurnJob())
    const options = { queues: ['emails', 'low'], concurrency: 2, stopWhenEmpty: true }
    await (await bench.work([TurnJob, LowJob], options, client)).done
    expect(ran).toEqual([...Array(60).fill('emails'), ...Array(20).fill('low')])
  })

  test('maxJobs counts the jobs of all partitions', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    await fill(client, 30)
    const worker = await bench.work([MailJob], { maxJobs: 7 }, client)
    expect(await worker.done).toMatchObject({ completed: 7 })
    const { queues } = await client.status()
    expect(queues[1]!.counts).toMatchObject({ waiting: 23, active: 0, completed: 7 })
  })

  test('a job in any partition wakes an idle worker', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    let ran = signal()
    class NextJob extends MailJob {
      override handle(_payload: { n: number }) {
        ran.resolve()
      }
    }
    await bench.work([NextJob], {}, client)
    let longest = 0
    for (let n = 0; n < 60; n++) {
      ran = signal()
      const before = performance.now()
      void client.dispatch(new NextJob(), { n })
      await ran.promise
      longest = Math.max(longest, performance.now() - before)
    }
    // Without a notification, the worker checks again by itself after 3.75 s at the earliest.
    expect(longest).toBeLessThan(3_000)
  })

  test('a worker configured with one partition serves other partitions as soon as it finds them', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    const report = new Record()
    await bench.work([MailJob], { report })
    await fill(client, 9)
    await report.ends(9)
    await vi.waitFor(async () => {
      const { queues } = await bench.jobs.status()
      expect(queues[1]!.partitions).toMatchObject(
        names.map((partition) => ({ partition, counts: { completed: 3 } })),
      )
    }, 5_000)
    // The worker now gets notifications of these partitions, and need not check again.
    for (let n = 0; n < 6; n++) {
      const before = performance.now()
      await client.dispatch(new MailJob(), { n })
      await report.ends(10 + n)
      expect(performance.now() - before).toBeLessThan(3_000)
    }
  })

  test('a queue that gets fewer partitions loses no job', async () => {
    await using bench = await Bench.make(connect)
    await fill(bench.client(grown), 30)
    const client = bench.client({ queues: { default: {}, emails: { partitions: 1 } } })
    await fill(client, 5)
    const { store } = await insideOf(client).open()
    expect((await store.counts('emails')).waiting).toBe(15)
    expect(await (await bench.work([MailJob], { stopWhenEmpty: true }, client)).done).toMatchObject({
      completed: 35,
    })
  })

  test('a queue is not empty while a new partition has jobs', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client(grown)
    class FirstJob extends Job {
      async handle() {
        await fill(client, 3)
      }
    }
    await bench.jobs.dispatch(new FirstJob())
    const worker = await bench.work([FirstJob, MailJob], { stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 4 })
  })
}
