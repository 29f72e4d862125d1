import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Job, NonRetryableError, type StoredJob } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { Unread } from '../../src/worker/lease/unread.ts'
import { Bench, type Connect, Record } from './bench.ts'

const text = 'x'.repeat(400_000)

class ImportJob extends Job {
  static begun: number[] = []
  async handle({ n }: { n: number; text: string }) {
    ImportJob.begun.push(n)
    await setImmediate()
  }
}

class BrokenJob extends Job {
  override queueName = 'emails'
  handle(_payload: { n: number; text: string }) {
    throw new NonRetryableError('no')
  }
}

/** Watches the calls that return jobs with payloads. @returns the payloads of each answer */
function payloads(store: Store): string[][] {
  const found: string[][] = []
  const { list, get } = store
  vi.spyOn(store, 'list').mockImplementation(async (...args) => {
    const page = await list.apply(store, args)
    found.push(page.jobs.map(({ payload }) => payload))
    return page
  })
  vi.spyOn(store, 'get').mockImplementation(async (...args) => {
    const job = await get.apply(store, args)
    if (job !== undefined) found.push([job.payload])
    return job
  })
  return found
}

/** These jobs are so large that only two fit into one answer of the store. */
export function largeJobs(connect: Connect): void {
  test('with many slots, jobs begin while the worker claims more jobs, and no job is given back', async () => {
    await using bench = await Bench.make(connect)
    ImportJob.begun = []
    for (let n = 0; n < 24; n += 1) await bench.jobs.dispatch(new ImportJob(), { n, text })
    const { store } = await insideOf(bench.jobs).open()
    const { exchange } = store
    // To read a large answer takes milliseconds. On a busy machine, the lease thread would consider the event
    // loop blocked, and give the jobs back.
    using _expect = vi.spyOn(Unread.prototype, 'expect').mockImplementation(() => {})
    using _read = vi.spyOn(Unread.prototype, 'read').mockReturnValue(true)
    let handed = 0
    const held: number[] = []
    const returned: string[] = []
    vi.spyOn(store, 'exchange').mockImplementation(async (partition, call, settlements, want) => {
      for (const { id, outcome } of settlements) if (outcome.kind === 'unstarted') returned.push(id)
      if (want.limit > 0) held.push(handed - ImportJob.begun.length)
      const answer = await exchange.call(store, partition, call, settlements, want)
      handed += answer.jobs.length
      return answer
    })
    const report = new Record()
    // A worker also gives back jobs whose claim it reads late.
    await bench.work([ImportJob], { concurrency: 50, lease: 600_000, report })
    await report.ends(24)
    expect([...ImportJob.begun].sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, n) => n))
    // Two answers have two jobs each. In an earlier version, the worker claimed all jobs at once.
    expect(Math.max(...held)).toBeLessThanOrEqual(4)
    expect(returned).toEqual([])
  })

  test('failed, retry, cancel and status read only the payloads that they return', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    for (let n = 0; n < 6; n += 1) await jobs.dispatch(new BrokenJob(), { n, text })
    for (let n = 0; n < 4; n += 1) await jobs.dispatch(new ImportJob(), { n, text })
    const report = new Record()
    const worker = await bench.work([BrokenJob], { queues: ['emails'], concurrency: 3, report })
    await report.ends(6)
    await worker.stop()
    const { store } = await insideOf(jobs).open()
    const read = payloads(store)
    const failed = await jobs.failed<BrokenJob>({ limit: 3 })
    expect(failed.map(({ payload }) => payload?.text === text)).toEqual([true, true, true])
    const ended = failed.map(({ finishedAt }) => finishedAt!)
    expect(ended).toEqual([...ended].sort((a, b) => b - a))
    for (const page of read) expect(page.length).toBeLessThanOrEqual(2)
    // The page with the last of the three jobs may contain one more.
    expect(read.flat().length).toBeLessThanOrEqual(4)
    read.length = 0
    const status = await jobs.status()
    expect(status.queues.find(({ queue }) => queue === 'default')?.unknownKeys).toEqual(['ImportJob'])
    expect(await jobs.retry('failed')).toBe(6)
    expect(await jobs.cancel({ key: 'ImportJob' })).toEqual({ cancelled: 4, asked: 0 })
    expect(await jobs.cancel({ queue: 'emails' })).toEqual({ cancelled: 6, asked: 0 })
    expect(read).toEqual([])
  })

  test('many jobs are changed a few at a time', async () => {
    await using bench = await Bench.make(connect)
    await bench.jobs.dispatchMany(
      new ImportJob(),
      Array.from({ length: 700 }, (_, n) => ({ n, text: '' })),
    )
    const { store } = await insideOf(bench.jobs).open()
    const alter = vi.spyOn(store, 'alter')
    expect(await bench.jobs.cancel({ queue: 'default' })).toEqual({ cancelled: 700, asked: 0 })
    expect(alter.mock.calls.map(([, ids]) => ids.length)).toEqual([250, 250, 200])
  })

  test('a list over many partitions and pages begins with the jobs that failed last', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { emails: { partitions: 3 } } })
    for (let n = 0; n < 12; n += 1) await jobs.dispatch(new BrokenJob(), { n, text })
    const report = new Record()
    const worker = await bench.work([BrokenJob], { concurrency: 1, report }, jobs)
    await report.ends(12)
    await worker.stop()
    const all = await jobs.failed()
    expect(all).toHaveLength(12)
    const ids = (list: readonly StoredJob[]) => list.map(({ id }) => id)
    const times = all.map(({ finishedAt }) => finishedAt!)
    expect(times).toEqual([...times].sort((a, b) => b - a))
    for (const limit of [1, 3, 5]) {
      const first = await jobs.failed({ limit })
      expect(first.map(({ finishedAt }) => finishedAt)).toEqual(times.slice(0, limit))
      expect(new Set(ids(first)).size).toBe(limit)
    }
  })
}
