import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'

/** Jobs that people put back to work. */
export function retrying(connect: Connect): void {
  test('all that failed run once more, though they fail again at once', async () => {
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
    // Another worker, so that everything has been settled before.
    const again = new Record()
    await bench.work([HopelessJob], { report: again, concurrency: 50 })
    expect(await bench.jobs.retry('failed')).toBe(2_500)
    await again.ends(2_500)
    await bench.jobs.close()
    expect(again.endings).toHaveLength(2_500)
    expect(new Set(runs.values())).toEqual(new Set([2]))
    expect(await bench.jobs.failed({ limit: 3_000 })).toHaveLength(2_500)
  })

  test('an id that is given twice is put back once', async () => {
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
}
