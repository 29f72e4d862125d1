import { expect, test } from 'vitest'
import { remarksOn } from '../../src/commands/look/queue-remarks.ts'
import { createJobs, Job, keep } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

class PlainJob extends Job {
  override tries = 1
  handle({ n }: { n: number }) {
    this.info(`has ${n}`)
    if (n < 0) throw new Error('no')
    return { n }
  }
}
class ResultJob extends PlainJob {
  override keepResult = '10m'
}
class GoneJob extends PlainJob {
  override keep = keep({ completed: false, failed: '1d', log: false })
}

/** The worker decides how long the store keeps ended jobs of a class or a queue. */
export function keeping(connect: Connect): void {
  test('a result is kept while a thousand other jobs end, and a class may keep no records or no log', async () => {
    await using bench = await Bench.make(connect)
    const { jobs } = bench
    const [result, gone, failed] = [new ResultJob(), new GoneJob(), new GoneJob()]
    await jobs.dispatch(result, { n: 1 })
    await jobs.dispatch(gone, { n: 2 })
    await jobs.dispatch(failed, { n: -3 })
    const plain = new PlainJob()
    await jobs.dispatchMany(
      plain,
      Array.from({ length: 1_100 }, (_, n) => ({ n })),
    )
    await (await bench.work([PlainJob, ResultJob, GoneJob], { stopWhenEmpty: true, concurrency: 1 })).done
    expect(await jobs.find(result.id!)).toMatchObject({
      state: 'completed',
      result: { n: 1 },
      log: [{ text: 'has 1' }],
    })
    expect(await jobs.find(gone.id!)).toBeUndefined()
    expect(await jobs.find(failed.id!)).toMatchObject({ state: 'failed', log: [] })
    expect(await jobs.find(plain.ids[0]!)).toBeUndefined()
    const { counts } = (await jobs.status()).queues[0]!
    expect(counts).toMatchObject({ completed: 1_001, failed: 1 })
  })

  test('a supervisor removes no failed jobs, even if it started with another keep setting', async () => {
    await using bench = await Bench.make(connect)
    const { connection, prefix } = await operate(bench.jobs).place()
    await using jobs = createJobs({ connection, prefix, keep: { failed: { count: 1 } } })
    const { store } = await insideOf(jobs).open('supervisor')
    class OnceJob extends PlainJob {
      override maxCrashes = 1
    }
    await bench.jobs.dispatchMany(
      new OnceJob(),
      [1, 2, 3].map((n) => ({ n })),
    )
    const want = { limit: 3, leaseMs: 60_000 }
    const { jobs: held } = await store.exchange('default', { caller: 'ada', number: 1 }, [], want)
    const notes = held.map(({ id, token }) => ({ id, token, alone: true }))
    await store.extend('default', 'ada', notes, want.leaseMs)
    expect((await store.recover('default', { holder: 'ada' })).failed).toHaveLength(3)
    expect((await jobs.status()).queues[0]!.counts).toMatchObject({ failed: 3 })
  })

  test('the worker and the status say that failed jobs were removed before their age', async () => {
    await using bench = await Bench.make(connect)
    const { connection, prefix } = await operate(bench.jobs).place()
    await using jobs = createJobs({ connection, prefix })
    const { store, settings } = await insideOf(jobs).open()
    // The store reads this limit at each call and acts as if 100,000 jobs had failed.
    Object.assign(settings.retention, { failed: { ...settings.retention.failed, count: 2 } })
    const report = new Record()
    const worker = await bench.work([PlainJob], { report, concurrency: 1 }, jobs)
    const warning = () => report.warnings.find((text) => text.includes('before'))
    for (let n = 1; warning() === undefined; n++) {
      const ended = report.ends(n)
      await jobs.dispatch(new PlainJob(), { n: -n })
      await ended
    }
    await worker.stop()
    expect(warning()).toMatch(
      /^default: [\d,]+ failed jobs? (was|were) removed before (its|their) age, the last .* ago, because there were too many$/,
    )
    expect(report.remedies).toContainEqual({ do: 'see-failures', queue: 'default' })
    expect((await jobs.status()).queues[0]).toMatchObject({
      counts: { failed: 2 },
      dropped: { count: expect.any(Number) },
    })
    expect(await operate(jobs).doctor()).toContainEqual(
      expect.objectContaining({ code: 'failed-kept', level: 'warning', subject: 'default' }),
    )
    const said = [...remarksOn(await operate(jobs).status())].map(({ kind, text }) => `${kind}: ${text}`)
    expect(said).toContainEqual(
      expect.stringMatching(/^warn: default: .* removed before .* lark jobs:failed/),
    )
    expect((await store.standings(['default']))[0]!.dropped!.count).toBeGreaterThan(0)
  })

  test('a queue keeps records as its configuration says', async () => {
    await using bench = await Bench.make(connect)
    const { connection, prefix } = await operate(bench.jobs).place()
    const keeps = { default: { keep: { completed: { count: 3 }, failed: false as const } } }
    await using jobs = createJobs({ connection, prefix, queues: keeps })
    expect(await operate(jobs).retention('default')).toMatchObject({
      completed: { count: 3 },
      failed: { count: 0 },
    })
    await jobs.dispatchMany(
      new PlainJob(),
      [1, -2, 3, 4, -5, 6].map((n) => ({ n })),
    )
    const worker = await jobs.work({ jobs: [PlainJob], stopWhenEmpty: true, concurrency: 1 })
    await worker.done
    const { store } = await insideOf(jobs).open()
    expect(await store.counts('default')).toMatchObject({ completed: 3, failed: 0 })
    const { jobs: kept } = await store.list('default', { state: 'completed' })
    expect(kept.map(({ payload }) => JSON.parse(payload).n)).toEqual([6, 4, 3])
  })

  test.each(['class', 'queue'])(
    'a caller gets the result of a job whose %s keeps nothing, even if the job ended before the call',
    async (whose) => {
      await using bench = await Bench.make(connect)
      const { connection, prefix } = await operate(bench.jobs).place()
      const nothing = { completed: false, failed: false } as const
      const queues = whose === 'queue' ? { default: { keep: nothing } } : ['default']
      await using jobs = createJobs({ connection, prefix, queues })
      class EndedJob extends PlainJob {
        override keep = whose === 'class' ? keep(nothing) : undefined
      }
      // The jobs end before their dispatcher asks for the results.
      const done = await jobs.dispatch(new EndedJob().with({ n: 1 }))
      const failed = await jobs.dispatch(new EndedJob().with({ n: -3 }))
      await (await jobs.work({ jobs: [EndedJob], stopWhenEmpty: true })).done
      expect(await done.result()).toEqual({ n: 1 })
      await expect(failed.result()).rejects.toMatchObject({ code: 'JOB_FAILED' })
      for (const handle of [done, failed]) expect(await handle.find()).toBeUndefined()
    },
  )
}
