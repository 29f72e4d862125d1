import { expect, test, vi } from 'vitest'
import { Job, type OverlappingOptions, withoutOverlapping } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** With `withoutOverlapping`, jobs with the same name never run at the same time. */
export function overlapping(connect: Connect): void {
  test('three workers run only one job of each name at a time, and a job that must wait uses up no attempt', async () => {
    await using bench = await Bench.make(connect)
    const now: { [name: string]: number } = { a: 0, b: 0 }
    const most = { name: 0, all: 0 }
    class SyncJob extends Job {
      override middleware() {
        return [withoutOverlapping(({ name }: { name: string }) => name, { releaseAfter: 10 })]
      }
      async handle({ name }: { name: string }) {
        now[name]!++
        most.name = Math.max(most.name, now[name]!)
        most.all = Math.max(most.all, now.a! + now.b!)
        await new Promise((resolve) => setTimeout(resolve, 8))
        now[name]!--
        return this.attempt
      }
    }
    const job = new SyncJob()
    await bench.jobs.dispatchMany(
      job,
      Array.from({ length: 24 }, (_, n) => ({ name: n % 2 === 0 ? 'a' : 'b' })),
    )
    const clients = [bench.jobs, bench.client(), bench.client()]
    const workers = await Promise.all(
      clients.map((client) => bench.work([SyncJob], { concurrency: 6, stopWhenEmpty: true }, client)),
    )
    await Promise.all(workers.map(({ done }) => done))
    expect(most).toEqual({ name: 1, all: 2 })
    const found = await Promise.all(job.ids.map((id) => bench.jobs.find(id)))
    expect(found.map((each) => [each?.state, each?.result, each?.failures])).toEqual(
      new Array(24).fill(['completed', 1, 0]),
    )
  })

  /**
   * Runs a job that holds its name until the test ends it, and begins another job with the same name
   * meanwhile.
   */
  async function meeting(first?: OverlappingOptions, second?: OverlappingOptions) {
    const bench = await Bench.make(connect)
    const began = signal()
    const go = signal()
    class HoldingJob extends Job {
      override middleware() {
        return [withoutOverlapping(({ id }: { id: number }) => id, first)]
      }
      async handle(_: { id: number }) {
        began.resolve()
        await go.promise
      }
    }
    class OtherJob extends Job {
      override middleware() {
        return [withoutOverlapping(({ id }: { id: number }) => id, second)]
      }
      handle(_: { id: number }) {}
    }
    const report = new Record()
    await bench.jobs.dispatch(new HoldingJob(), { id: 1 })
    await bench.work([HoldingJob, OtherJob], { report })
    await began.promise
    const holding = await bench.jobs.dispatch(new HoldingJob(), { id: 1 })
    expect(holding).toBe(true)
    await bench.jobs.dispatch(new OtherJob(), { id: 1 })
    await bench.jobs.dispatch(new OtherJob(), { id: 2 })
    await report.ends(3)
    const endings = report.endings.map(({ name, job, outcome }) => `${name} ${job.payload} ${outcome.kind}`)
    const released = report.endings.flatMap(({ outcome }) =>
      outcome.kind === 'released' ? [outcome.in] : [],
    )
    go.resolve()
    await bench[Symbol.asyncDispose]()
    return { endings: endings.sort(), released }
  }

  test('names belong to a class, and a job that must wait is due again after about releaseAfter', async () => {
    const { endings, released } = await meeting({ releaseAfter: '10s' }, { releaseAfter: '10s' })
    expect(endings).toEqual([
      'HoldingJob {"id":1} released',
      'OtherJob {"id":1} completed',
      'OtherJob {"id":2} completed',
    ])
    expect(released[0]).toBeGreaterThanOrEqual(7_500)
    expect(released[0]).toBeLessThanOrEqual(12_500)
  })

  test('classes with the same shared text share their names', async () => {
    const { endings } = await meeting({ shared: 'accounts' }, { shared: 'accounts' })
    expect(endings).toEqual([
      'HoldingJob {"id":1} released',
      'OtherJob {"id":1} released',
      'OtherJob {"id":2} completed',
    ])
  })

  test('without a function, the class has one name, which is free after a failure of its job', async () => {
    await using bench = await Bench.make(connect)
    let now = 0
    let most = 0
    class OnceJob extends Job {
      override tries = 1
      override middleware() {
        return [withoutOverlapping({ releaseAfter: 5 })]
      }
      async handle({ n }: { n: number }) {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setTimeout(resolve, 5))
        now--
        if (n % 2 === 0) throw new Error('even')
      }
    }
    await bench.jobs.dispatchMany(
      new OnceJob(),
      Array.from({ length: 6 }, (_, n) => ({ n })),
    )
    const worker = await bench.work([OnceJob], { stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 3, failed: 3 })
    expect(most).toBe(1)
  })

  test('an invalid name fails the attempt, and dispatchNow() always runs', async () => {
    await using bench = await Bench.make(connect)
    class NamelessJob extends Job {
      override tries = 1
      override middleware() {
        return [withoutOverlapping(({ id }: { id: number }) => id)]
      }
      handle({ id }: { id: number }) {
        return id
      }
    }
    const job = new NamelessJob()
    await bench.jobs.dispatch(job, { id: null as unknown as number })
    await (await bench.work([NamelessJob], { stopWhenEmpty: true })).done
    const message = 'withoutOverlapping(): the name of a payload is null; it must be a text or a number'
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'failed',
      errors: [{ code: 'JOB_INVALID', message }],
    })
    expect(await bench.jobs.dispatchNow(new NamelessJob(), { id: 3 })).toBe(3)
  })

  test.each<[object, string]>([
    [{ releaseAfter: 'soon' }, "withoutOverlapping(): releaseAfter is 'soon'; it must be milliseconds"],
    [{ releaseAfter: 0 }, 'withoutOverlapping(): releaseAfter is 0; it must be milliseconds'],
    [{ shared: '' }, "withoutOverlapping(): shared is ''; it must be a text, such as 'stripe'"],
    [{ shard: 'x' }, 'withoutOverlapping(): shard is not an option'],
  ])('wrong options are refused when the class is registered: %j', async (options, message) => {
    await using bench = await Bench.make(connect)
    class WrongJob extends Job {
      override middleware() {
        return [withoutOverlapping(options as OverlappingOptions)]
      }
      handle() {}
    }
    await expect(bench.work([WrongJob])).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: expect.stringContaining(`WrongJob: middleware() threw: ${message}`),
    })
  })

  test('a worker that stops before the handler ends gives the name back', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    let runs = 0
    class StubbornJob extends Job {
      override middleware() {
        return [withoutOverlapping({ releaseAfter: 5 })]
      }
      async handle() {
        if (++runs > 1) return
        began.resolve()
        await new Promise(() => {})
      }
    }
    await bench.jobs.dispatch(new StubbornJob())
    const worker = await bench.work([StubbornJob])
    await began.promise
    await worker.stop(0)
    const client = bench.client()
    const next = await bench.work([StubbornJob], { stopWhenEmpty: true }, client)
    expect(await next.done).toMatchObject({ completed: 1 })
  })

  test('a worker that holds no name makes no call for limiters', async () => {
    await using bench = await Bench.make(connect)
    class PlainJob extends Job {
      handle() {}
    }
    const { store } = await insideOf(bench.jobs).open()
    const calls = [vi.spyOn(store.limiters, 'permit'), vi.spyOn(store.limiters, 'renew')]
    await bench.jobs.dispatchMany(new PlainJob(), new Array(20).fill(undefined))
    await (await bench.work([PlainJob], { stopWhenEmpty: true, lease: 300 })).done
    for (const call of calls) expect(call).not.toHaveBeenCalled()
  })
}
