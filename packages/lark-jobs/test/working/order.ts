import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests the order of jobs, and how many run at the same time. */
export function order(connect: Connect): void {
  test('jobs of higher priority run first, and jobs of one priority run in the order of dispatch', async () => {
    await using bench = await Bench.make(connect)
    const ran: string[] = []
    class NamedJob extends Job {
      handle({ name }: { name: string }) {
        ran.push(name)
      }
    }
    for (const [name, priority] of [
      ['a', 0],
      ['b', -5],
      ['c', 10],
      ['d', 0],
      ['e', 10],
    ] as const) {
      const job = new NamedJob()
      job.priority = priority
      await bench.jobs.dispatch(job, { name })
    }
    await (await bench.work([NamedJob], { concurrency: 1, stopWhenEmpty: true })).done
    expect(ran).toEqual(['c', 'e', 'a', 'd', 'b'])
  })

  test('jobs that the last job dispatches begin when it ends, the highest priority first', async () => {
    await using bench = await Bench.make(connect)
    const ran: number[] = []
    class LastJob extends Job {
      async handle({ priority }: { priority: number }) {
        ran.push(priority)
        if (ran.length > 1) return
        for (const next of [-3, 7, 0]) {
          const job = new LastJob()
          job.priority = next
          await bench.jobs.dispatch(job, { priority: next })
        }
      }
    }
    const report = new Record()
    await bench.work([LastJob], { concurrency: 1, report })
    const began = performance.now()
    await bench.jobs.dispatch(new LastJob(), { priority: 100 })
    await report.ends(4)
    // This is sooner than a worker would check by itself.
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(ran).toEqual([100, 7, 0, -3])
  })

  test('with one slot, ten jobs run in the order of their dispatch', async () => {
    await using bench = await Bench.make(connect)
    const steps: string[] = []
    class StepJob extends Job {
      async handle({ n }: { n: number }) {
        steps.push(`begin ${n}`)
        await new Promise(setImmediate)
        steps.push(`end ${n}`)
      }
    }
    for (let n = 0; n < 10; n++) await bench.jobs.dispatch(new StepJob(), { n })
    await (await bench.work([StepJob], { concurrency: 1, stopWhenEmpty: true })).done
    expect(steps).toEqual(Array.from({ length: 10 }, (_, n) => [`begin ${n}`, `end ${n}`]).flat())
  })

  test('a slow job does not hold up later jobs', async () => {
    await using bench = await Bench.make(connect)
    const others = signal()
    const ended: string[] = []
    class MixedJob extends Job {
      async handle({ slow }: { slow: boolean }) {
        if (slow) await others.promise
        if (ended.push(slow ? 'slow' : 'fast') === 20) others.resolve()
      }
    }
    await bench.jobs.dispatch(new MixedJob(), { slow: true })
    await bench.jobs.dispatchMany(new MixedJob(), Array(20).fill({ slow: false }))
    await (await bench.work([MixedJob], { concurrency: 2, stopWhenEmpty: true })).done
    expect(ended).toEqual([...Array(20).fill('fast'), 'slow'])
  })

  class QueueJob extends Job {
    static ran: string[] = []
    handle() {
      QueueJob.ran.push(this.id!)
    }
  }

  async function fill(bench: Bench): Promise<Map<string, string>> {
    QueueJob.ran = []
    const queueOf = new Map<string, string>()
    for (const queue of ['default', 'emails', 'low']) {
      for (let n = 0; n < 20; n++) {
        const job = new QueueJob()
        job.queueName = queue
        await bench.jobs.dispatch(job)
        queueOf.set(job.id!, queue)
      }
    }
    return queueOf
  }

  test('a worker serves named queues strictly in their order', async () => {
    await using bench = await Bench.make(connect)
    const queueOf = await fill(bench)
    await (await bench.work([QueueJob], { queues: ['low', 'default'], concurrency: 1, stopWhenEmpty: true }))
      .done
    expect(QueueJob.ran.map((id) => queueOf.get(id))).toEqual([
      ...Array(20).fill('low'),
      ...Array(20).fill('default'),
    ])
  })

  test('a worker without named queues gives every queue its turn', async () => {
    await using bench = await Bench.make(connect)
    const queueOf = await fill(bench)
    // With prefetch, 20 jobs that do nothing would be one turn.
    await (await bench.work([QueueJob], { concurrency: 3, preset: 'spread', stopWhenEmpty: true })).done
    expect(QueueJob.ran).toHaveLength(60)
    const firstHalf = QueueJob.ran.slice(0, 30).map((id) => queueOf.get(id))
    for (const queue of ['default', 'emails', 'low']) {
      const turns = firstHalf.filter((each) => each === queue).length
      expect(turns, queue).toBeGreaterThanOrEqual(5)
      expect(turns, queue).toBeLessThanOrEqual(15)
    }
  })

  test('the number of simultaneous jobs reaches the concurrency, and never exceeds it', async () => {
    await using bench = await Bench.make(connect)
    let now = 0
    let most = 0
    const full = signal()
    class BusyJob extends Job {
      async handle() {
        most = Math.max(most, ++now)
        if (now === 7) full.resolve()
        // No job ends before all slots are busy.
        await full.promise
        await null
        now--
      }
    }
    await bench.jobs.dispatchMany(new BusyJob(), Array(200).fill(undefined))
    await (await bench.work([BusyJob], { concurrency: 7, stopWhenEmpty: true })).done
    expect(most).toBe(7)
  })

  test('after an increase of the concurrency jobs begin at once, and after a decrease running jobs go on', async () => {
    await using bench = await Bench.make(connect)
    const atBegin: number[] = []
    let now = 0
    const first = signal()
    const third = signal()
    const go = signal()
    class GateJob extends Job {
      async handle() {
        atBegin.push(++now)
        if (now === 1) first.resolve()
        if (now === 3) third.resolve()
        await go.promise
        now--
      }
    }
    const report = new Record()
    const worker = await bench.work([GateJob], { concurrency: 1, report })
    await bench.jobs.dispatchMany(new GateJob(), Array(40).fill(undefined))
    await first.promise
    worker.concurrency = 3
    await third.promise
    worker.concurrency = 1
    for (const wrong of [0, -1, 1.5, Number.NaN, '5' as unknown as number])
      expect(() => Object.assign(worker, { concurrency: wrong })).toThrow(
        `worker.concurrency is ${inspect(wrong)}; it must be a whole number from 1`,
      )
    expect(worker.concurrency).toBe(1)
    go.resolve()
    await report.ends(40)
    expect(atBegin).toEqual([1, 2, 3, ...Array(37).fill(1)])
  })

  test('maxJobs ends the worker after that number of jobs', async () => {
    await using bench = await Bench.make(connect)
    class CountJob extends Job {
      handle() {}
    }
    await bench.jobs.dispatchMany(new CountJob(), Array(30).fill(undefined))
    expect(await (await bench.work([CountJob], { maxJobs: 12 })).done).toMatchObject({ completed: 12 })
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.counts('default')).toMatchObject({ waiting: 18, active: 0, completed: 12 })
  })

  test('two workers share 2,000 jobs, and each job runs once', async () => {
    await using bench = await Bench.make(connect)
    const runs = new Map<number, number>()
    class OnceJob extends Job {
      async handle({ n }: { n: number }) {
        await null
        runs.set(n, (runs.get(n) ?? 0) + 1)
      }
    }
    await bench.jobs.dispatchMany(
      new OnceJob(),
      Array.from({ length: 2_000 }, (_, n) => ({ n })),
    )
    const other = bench.client()
    const workers = await Promise.all([
      bench.work([OnceJob], { concurrency: 10, stopWhenEmpty: true }),
      bench.work([OnceJob], { concurrency: 10, stopWhenEmpty: true }, other),
    ])
    const [one, two] = await Promise.all(workers.map((worker) => worker.done))
    expect(one!.completed + two!.completed).toBe(2_000)
    expect(runs.size).toBe(2_000)
    expect([...runs.values()].every((count) => count === 1)).toBe(true)
  })

  test('5,000 of 6,000 waiting jobs run at a time, which is more than one call returns', async () => {
    await using bench = await Bench.make(connect)
    const runs = new Map<number, number>()
    const full = signal()
    class WideJob extends Job {
      async handle({ n }: { n: number }) {
        runs.set(n, (runs.get(n) ?? 0) + 1)
        if (runs.size === 5_000) full.resolve()
        await full.promise
      }
    }
    await bench.jobs.dispatchMany(
      new WideJob(),
      Array.from({ length: 6_000 }, (_, n) => ({ n })),
    )
    const worker = await bench.work([WideJob], { queues: 'default', concurrency: 5_000, stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 6_000, lost: 0 })
    expect(runs.size).toBe(6_000)
    expect([...runs.values()].every((count) => count === 1)).toBe(true)
  })

  test('with aging, a job that has waited long runs before jobs of higher priority', async () => {
    await using bench = await Bench.make(connect)
    const client = bench.client({ queues: { default: { aging: 50 } } })
    const ran: number[] = []
    class PlaceJob extends Job {
      override readonly key = 'place'
      handle(n: number) {
        ran.push(n)
      }
    }
    const dispatch = (n: number, priority: number) => {
      const job = new PlaceJob()
      job.priority = priority
      return client.dispatch(job, n)
    }
    await dispatch(1, 0)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await dispatch(2, 1)
    await dispatch(3, 50)
    await (await bench.work([PlaceJob], { stopWhenEmpty: true, concurrency: 1 }, client)).done
    expect(ran).toEqual([3, 1, 2])
  })
}
