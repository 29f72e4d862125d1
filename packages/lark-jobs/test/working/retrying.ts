import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests retries by hand and after failures. */
export function retrying(connect: Connect): void {
  test('a retry of all failed jobs runs each job once more, even if it fails again at once', async () => {
    await using bench = await Bench.make(connect)
    const runs = new Map<number, number>()
    class HopelessJob extends Job {
      override tries = 1
      handle({ n }: { n: number }) {
        runs.set(n, (runs.get(n) ?? 0) + 1)
        return false
      }
    }
    const payloads = Array.from({ length: 2_500 }, (_, n) => ({ n }))
    await bench.jobs.dispatchMany(new HopelessJob(), payloads)
    const report = new Record()
    const worker = await bench.work([HopelessJob], { report, concurrency: 50 })
    await report.ends(2_500)
    await worker.stop()
    // The first worker has ended, so all its jobs are settled.
    const again = new Record()
    await bench.work([HopelessJob], { report: again, concurrency: 50 })
    expect(await bench.jobs.retry('failed')).toBe(2_500)
    await again.ends(2_500)
    await bench.jobs.close()
    expect(again.endings).toHaveLength(2_500)
    expect(new Set(runs.values())).toEqual(new Set([2]))
    expect(await bench.jobs.failed({ limit: 3_000 })).toHaveLength(2_500)
  })

  test('a job with its id given twice is retried once', async () => {
    await using bench = await Bench.make(connect)
    class OnceJob extends Job {
      override tries = 1
      handle() {
        return false
      }
    }
    const job = new OnceJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([OnceJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.retry([job.id!, job.id!])).toBe(1)
    const { queues } = await bench.jobs.status()
    expect(queues[0]?.counts).toMatchObject({ waiting: 1, failed: 0 })
  })

  test('a job that fails twice completes with its third attempt, and a job with one try runs once', async () => {
    await using bench = await Bench.make(connect)
    const runs: string[] = []
    class ThirdTimeJob extends Job {
      override backoff = 0
      handle({ name }: { name: string }) {
        runs.push(name)
        return this.attempt === 3
      }
    }
    const job = new ThirdTimeJob()
    await bench.jobs.dispatch(job, { name: 'three' })
    const once = new ThirdTimeJob()
    once.tries = 1
    await bench.jobs.dispatch(once, { name: 'one' })
    const worker = await bench.work([ThirdTimeJob], { stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 1, retried: 2, failed: 1 })
    expect(runs.sort()).toEqual(['one', 'three', 'three', 'three'])
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 3, failures: 2 })
    expect(await bench.jobs.find(once.id!)).toMatchObject({ state: 'failed', runs: 1, failures: 1 })
  })

  test('a retry by hand runs a completed job again, and refuses active, waiting and unknown jobs', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    const go = signal()
    let runs = 0
    class HandJob extends Job {
      async handle() {
        if (++runs < 3) return
        began.resolve()
        await go.promise
      }
    }
    const job = new HandJob()
    await bench.jobs.dispatch(job)
    const refused = (code: string, id = job.id!) =>
      expect(bench.jobs.retry([id])).rejects.toMatchObject({ code })
    await refused('JOB_NOT_RETRIABLE')
    await refused('JOB_NOT_FOUND', 'nonesuch')
    for (const _ of [1, 2]) {
      await (await bench.work([HandJob], { stopWhenEmpty: true })).done
      expect(await bench.jobs.retry([job.id!])).toBe(1)
      await refused('JOB_NOT_RETRIABLE')
    }
    const worker = await bench.work([HandJob])
    await began.promise
    await refused('JOB_NOT_RETRIABLE')
    go.resolve()
    await worker.stop()
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed' })
  })

  test('the store keeps the newest ten errors', async () => {
    await using bench = await Bench.make(connect)
    class LongJob extends Job {
      override tries = 14
      override backoff = 0
      handle() {
        throw new Error(`no ${this.attempt}`)
      }
    }
    const job = new LongJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([LongJob], { stopWhenEmpty: true })).done
    const errors = (await bench.jobs.find(job.id!))?.errors.map(({ message }) => message)
    expect(errors).toEqual(Array.from({ length: 10 }, (_, i) => `no ${i + 5}`))
  })
}
