import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Caller } from '../conformance/caller.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Blocks the event loop. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Tests how workers renew leases, lose leases, and take back jobs of dead workers. */
export function leases(connect: Connect): void {
  test('a lone worker with an event loop blocked for longer than a lease takes no job from itself', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const survey = vi.spyOn(store, 'survey')
    const attempts: number[] = []
    class BlockingJob extends Job {
      async handle() {
        attempts.push(this.attempt)
        standStill(700)
        // Wait until this worker has looked for ended leases.
        const before = survey.mock.calls.length
        await vi.waitFor(() => expect(survey.mock.calls.length).toBeGreaterThan(before), 5_000)
      }
    }
    const job = new BlockingJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([BlockingJob], { lease: 300, stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 1, lost: 0 })
    expect(attempts).toEqual([1])
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
  })

  test.each(['works', 'stops'] as const)(
    'a job that runs longer than its lease stays with a worker that %s beside another worker',
    async (does) => {
      await using bench = await Bench.make(connect)
      const { store } = await insideOf(bench.jobs).open()
      const began = signal()
      const go = signal()
      class LongJob extends Job {
        async handle() {
          began.resolve()
          await go.promise
        }
      }
      const job = new LongJob()
      await bench.jobs.dispatch(job)
      const worker = await bench.work([LongJob], { lease: 300 })
      await began.promise
      const other = bench.client()
      const idle = await bench.work([LongJob], { lease: 300 }, other)
      const looks = vi.spyOn((await insideOf(other).open()).store, 'survey')
      const stopped = does === 'stops' ? worker.stop() : undefined
      const leaseEnds = (await store.now()) + 600
      await vi.waitFor(async () => expect(await store.now()).toBeGreaterThan(leaseEnds), 5_000)
      const before = looks.mock.calls.length
      await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(before + 2), 5_000)
      go.resolve()
      await (stopped ?? worker.stop())
      await idle.stop()
      expect([worker.summary, idle.summary]).toMatchObject([
        { completed: 1, lost: 0 },
        { completed: 0, lost: 0 },
      ])
      expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
    },
  )

  test('an ended job stays with its worker while the store does not accept its outcome', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const settles = signal()
    const go = signal()
    const exchange = store.exchange.bind(store)
    vi.spyOn(store, 'exchange').mockImplementation(async (partition, call, settlements, want) => {
      if (settlements.length > 0) {
        settles.resolve()
        await go.promise
      }
      return exchange(partition, call, settlements, want)
    })
    class EndingJob extends Job {
      handle() {}
    }
    const job = new EndingJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([EndingJob], { lease: 600 })
    await settles.promise
    const other = bench.client()
    const idle = await bench.work([EndingJob], { lease: 600 }, other)
    const looks = vi.spyOn((await insideOf(other).open()).store, 'survey')
    const leaseEnds = (await store.now()) + 1_000
    await vi.waitFor(async () => expect(await store.now()).toBeGreaterThan(leaseEnds), 5_000)
    const before = looks.mock.calls.length
    await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(before + 2), 5_000)
    go.resolve()
    await worker.stop()
    await idle.stop()
    expect([worker.summary, idle.summary]).toMatchObject([
      { completed: 1, lost: 0 },
      { completed: 0, lost: 0 },
    ])
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
  })

  test('if the same worker claims a job again, only the first run gets LEASE_LOST', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const began = signal()
    const lost = signal<{ run: number; code: string }>()
    const go = signal()
    const signals: AbortSignal[] = []
    class AgainJob extends Job {
      async handle() {
        const run = signals.push(this.signal)
        this.signal.addEventListener('abort', () => lost.resolve({ run, code: this.signal.reason.code }))
        began.resolve()
        await go.promise
        return run
      }
    }
    const job = new AgainJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    const worker = await bench.work([AgainJob], { lease: 300, concurrency: 2, report })
    await began.promise
    await store.recover('default', { holder: worker.id })
    expect(await lost.promise).toEqual({ run: 1, code: 'LEASE_LOST' })
    go.resolve()
    await report.ends(1)
    await worker.stop()
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    expect(worker.summary).toMatchObject({ completed: 1, lost: 1 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', result: 2, crashes: 1 })
  })

  test('the worker renews the leases of jobs of two queues with the same id', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const began = signal()
    const go = signal()
    let runs = 0
    class TwinJob extends Job {
      async handle(_payload: string) {
        if (++runs === 2) began.resolve()
        await go.promise
      }
    }
    await bench.jobs.dispatch([
      TwinJob.with('one').withId('twin-77'),
      TwinJob.with('other').withId('twin-77').onQueue('emails'),
    ])
    const report = new Record()
    const worker = await bench.work([TwinJob], { lease: 300, concurrency: 3, report })
    const extend = vi.spyOn(store, 'extend')
    await began.promise
    const renewals = (queue: string) =>
      extend.mock.calls.filter(([partition, , notes]) => partition === queue && notes.length > 0).length
    await vi.waitFor(() => {
      for (const queue of ['default', 'emails']) expect(renewals(queue)).toBeGreaterThan(4)
    }, 5_000)
    go.resolve()
    await report.ends(2)
    await worker.stop()
    expect(runs).toBe(2)
    expect(worker.summary).toMatchObject({ completed: 2, lost: 0 })
  })

  test('a worker of one queue takes back jobs of all queues', async () => {
    await using bench = await Bench.make(connect)
    class MailJob extends Job {
      override queueName = 'emails'
      handle() {}
    }
    const job = new MailJob()
    await bench.jobs.dispatch(job)
    const { store } = await insideOf(bench.jobs).open()
    await new Caller(store, 'dead', 'emails').claimOne(100)
    await bench.work([MailJob], { queues: 'default', lease: 300 })
    await vi.waitFor(
      async () => expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', crashes: 1 }),
      5_000,
    )
  })
}
