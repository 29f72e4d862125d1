import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import type { WorkOptions } from '../../src/jobs.ts'
import { Bench, type Connect } from './bench.ts'

/** Queues get their turns although a worker holds jobs ahead, which it takes from whichever queue is fast. */
export function turns(connect: Connect): void {
  test('queues that all have jobs go forward together', async () => {
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

  test.each<[string, WorkOptions]>([
    ['in its turn', {}],
    ['first, where its queue goes first', { queues: ['emails', 'low'] }],
    ['in its turn, one at a time', { concurrency: 1 }],
    ['first, one at a time', { queues: ['emails', 'low'], concurrency: 1 }],
  ])('a job that comes into an idle queue starts %s, while another has thousands', async (_, options) => {
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
    await bench.jobs.dispatchMany(new LowJob(), Array(2_000).fill(undefined))
    const worker = await bench.work([LowJob, NextJob], { concurrency: 3, stopWhenEmpty: true, ...options })
    expect(await worker.done).toMatchObject({ completed: 2_001 })
    // The worker holds 20 ms of work; the rest is what a busy machine adds to the ring.
    expect(before).toBeLessThan(800)
  })

  test('with many queues, the jobs of one come a few together, and all are run', async () => {
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
    const { store } = await client.open()
    const exchange = vi.spyOn(store, 'exchange')
    const worker = await bench.work([ManyJob], { stopWhenEmpty: true }, client)
    expect(await worker.done).toMatchObject({ completed: 8_000, lost: 0 })
    expect([...runs.values()]).toEqual(Array(200).fill(40))
    // In turns of one, jobs of a queue do not end together.
    expect(rows).toBeLessThan(4_000)
    // One by one, each would take a call to claim and one to settle.
    expect(exchange.mock.calls.length).toBeLessThan(8_000)
  })
}
