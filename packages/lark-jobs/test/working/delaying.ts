import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record } from './bench.ts'

class DueJob extends Job {
  static ran: { delay: number; late: number }[] = []
  handle({ delay, at }: { delay: number; at: number }) {
    DueJob.ran.push({ delay, late: Date.now() - at - delay })
  }
}

/** Dispatches one job for each delay, in this order. */
async function put(bench: Bench, delays: readonly number[]): Promise<void> {
  DueJob.ran = []
  await Promise.all(
    delays.map((delay) => {
      const job = new DueJob()
      job.delay = delay
      return bench.jobs.dispatch(job, { delay, at: Date.now() })
    }),
  )
}

/** Delayed jobs become due while workers run. */
export function delaying(connect: Connect): void {
  test('a job due soon does not wait for a job due in a year', async () => {
    await using bench = await Bench.make(connect)
    const report = new Record()
    await bench.work([DueJob], { report })
    const year = new DueJob()
    year.delay = '365d'
    await bench.jobs.dispatch(year, { delay: 0, at: 0 })
    await put(bench, [150])
    await report.ends(1)
    // A worker that gets no notification checks later than this.
    expect(DueJob.ran[0]!.late).toBeLessThan(2_000)
    expect(await bench.jobs.find(year.id!)).toMatchObject({ state: 'delayed' })
  })

  test('twelve jobs run in the order in which they become due', async () => {
    await using bench = await Bench.make(connect)
    const delays = [7, 2, 11, 0, 5, 9, 1, 12, 4, 10, 3, 8].map((n) => n * 20)
    await put(bench, delays)
    const report = new Record()
    await bench.work([DueJob], { concurrency: 1, report })
    await report.ends(12)
    expect(DueJob.ran.map(({ delay }) => delay)).toEqual(delays.sort((one, other) => one - other))
  })

  test('two workers run each of fifty delayed jobs once, none early, and most of them on time', async () => {
    await using bench = await Bench.make(connect)
    const report = new Record()
    for (const client of [bench.jobs, bench.client()]) await bench.work([DueJob], { report }, client)
    await put(
      bench,
      Array.from({ length: 50 }, (_, n) => 100 + n * 10),
    )
    await report.ends(50)
    await bench.jobs.close()
    expect(new Set(DueJob.ran.map(({ delay }) => delay)).size).toBe(50)
    expect(DueJob.ran).toHaveLength(50)
    const late = DueJob.ran.map((ran) => ran.late).sort((one, other) => one - other)
    // The store and this process may each round off a millisecond.
    expect(late[0]).toBeGreaterThanOrEqual(-2)
    expect(late[25]).toBeLessThan(250)
  })
}
