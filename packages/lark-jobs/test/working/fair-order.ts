import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { WorkOptions } from '../../src/api/work.ts'
import type { QueueConfig } from '../../src/config/queues.ts'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect } from './bench.ts'

/** Queues take turns although a worker prefetches jobs of fast queues. */
export function fairOrder(connect: Connect): void {
  test('queues that all have jobs progress together', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    class WorkJob extends Job {
      async handle(queue: string) {
        ran.push(queue)
        await pause(1)
      }
    }
    const queues = ['default', 'emails', 'low']
    for (const queue of queues) {
      const job = new WorkJob()
      job.queueName = queue
      await bench.jobs.dispatchMany(job, Array(200).fill(queue))
    }
    await (await bench.work([WorkJob], { concurrency: 3, stopWhenEmpty: true })).done
    const firstHalf = ran.slice(0, 300)
    for (const queue of queues) {
      const turns = firstHalf.filter((each) => each === queue).length
      expect(turns, queue).toBeGreaterThanOrEqual(70)
      expect(turns, queue).toBeLessThanOrEqual(130)
    }
  })

  test.each<[string, number, number, QueueConfig, WorkOptions]>([
    ['that are fast', 5_000, 0, {}, {}],
    ['that take a while', 150, 15, {}, {}],
    ['that are slow', 100, 60, {}, {}],
    ['of which few run at a time', 300, 1, {}, { concurrency: 2 }],
    ['of queues in parts', 300, 2, { partitions: 2 }, {}],
    ['of limited queues', 100, 40, { concurrency: 10 }, {}],
  ])('by weight: jobs %s start in proportion', async (_, count, ms, more, options) => {
    await using bench = await Bench.make(connect)
    const weights = { critical: 6, default: 3, low: 1 }
    const queues = Object.fromEntries(
      Object.entries(weights).map(([queue, weight]) => [queue, { ...more, weight }]),
    )
    const client = bench.client({ queues })
    const ran: string[] = []
    class WorkJob extends Job {
      async handle(queue: string) {
        ran.push(queue)
        if (ms > 0) await pause(ms)
      }
    }
    for (const queue of Object.keys(weights)) {
      const job = new WorkJob()
      job.queueName = queue
      await client.dispatchMany(job, Array(count).fill(queue))
    }
    await (await bench.work([WorkJob], { stopWhenEmpty: true, ...options }, client)).done
    expect(ran).toHaveLength(3 * count)
    // Count only the runs while all queues still have jobs.
    const among = ran.slice(0, count)
    const counts = Object.keys(weights).map((queue) => among.filter((each) => each === queue).length)
    for (const [i, part] of [0.6, 0.3, 0.1].entries()) {
      // `fair-order.test.ts` checks the exact shares. In this test, the calls of several queues overtake each
      // other.
      expect(counts[i]! / count).toBeGreaterThan(Math.max(part - 0.15, 0.02))
      expect(counts[i]! / count).toBeLessThan(part + 0.15)
    }
  })

  test.each<[string, WorkOptions]>([
    ['in its turn', {}],
    ['first, where its queue goes first', { queues: ['emails', 'low'] }],
    ['in its turn, one at a time', { concurrency: 1 }],
    ['first, one at a time', { queues: ['emails', 'low'], concurrency: 1 }],
  ])('a job that comes into an idle queue starts %s, while another has a thousand', async (_, options) => {
    await using bench = await Bench.make(connect)
    const other = bench.client()
    let started = 0
    let before = 0
    class LowJob extends Job {
      override queueName = 'low'
      async handle() {
        if (++started === 200) await other.dispatch(new NextJob())
        await pause(1)
      }
    }
    class NextJob extends Job {
      override queueName = 'emails'
      handle() {
        before = started
      }
    }
    await bench.jobs.dispatchMany(new LowJob(), Array(1_000).fill(undefined))
    const worker = await bench.work([LowJob, NextJob], { concurrency: 3, stopWhenEmpty: true, ...options })
    expect(await worker.done).toMatchObject({ completed: 1_001 })
    // The worker has prefetched 20 ms of work. On a busy machine, more time may pass until the worker reads
    // the notification.
    expect(before).toBeLessThan(800)
  })

  test('with many queues, each turn runs a few jobs of a queue, and all jobs run', async () => {
    await using bench = await Bench.make(connect)
    const queues = Array.from({ length: 200 }, (_, n) => `queue-${n}`)
    const client = bench.client({ queues })
    const runs = new Map<string, number>()
    let last = ''
    let rows = 0
    class ManyJob extends Job {
      handle(queue: string) {
        runs.set(queue, (runs.get(queue) ?? 0) + 1)
        if (queue !== last) rows++
        last = queue
      }
    }
    for (const queue of queues) {
      const job = new ManyJob()
      job.queueName = queue
      await client.dispatchMany(job, Array(40).fill(queue))
    }
    const { store } = await insideOf(client).open()
    const exchange = vi.spyOn(store, 'exchange')
    const worker = await bench.work([ManyJob], { stopWhenEmpty: true }, client)
    expect(await worker.done).toMatchObject({ completed: 8_000, lost: 0 })
    expect([...runs.values()]).toEqual(Array(200).fill(40))
    // If turns had one job each, the jobs of a queue would not end together.
    expect(rows).toBeLessThan(4_000)
    // If turns had one job each, each job would need one call to claim and one to settle.
    expect(exchange.mock.calls.length).toBeLessThan(8_000)
  })
}
