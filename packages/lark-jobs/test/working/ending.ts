import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Job, type JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { MAX_CRASHES } from '../../src/store/contract/store.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Milliseconds. A worker searches for ended jobs after every third of a lease. */
const LEASE = 600

/** Some jobs end while no handler runs: by expiry, by `cancelled()`, or by `failed()` after crashes. */
export function ending(connect: Connect): void {
  class LateJob extends Job {
    static ran: number[] = []
    static told: unknown[] = []
    override readonly key = 'late'
    override expiresIn: number | string = 1
    handle({ n }: { n: number }) {
      LateJob.ran.push(n)
    }
    override cancelled(payload: { n: number }, reason: string) {
      LateJob.told.push([payload, reason, this.id])
    }
  }

  test('a job that does not begin in time is cancelled as expired, and cancelled() is called', async () => {
    await using bench = await Bench.make(connect)
    LateJob.ran = []
    LateJob.told = []
    const [late, other] = [new LateJob(), new LateJob()]
    await bench.jobs.dispatch(late, { n: 1 })
    other.expiresIn = '1h'
    await bench.jobs.dispatch(other, { n: 2 })
    await pause(10)
    const report = new Record()
    const { cancelled, completed } = await (await bench.work([LateJob], { report, stopWhenEmpty: true })).done
    expect({ cancelled, completed }).toEqual({ cancelled: 1, completed: 1 })
    expect(LateJob.ran).toEqual([2])
    expect(LateJob.told).toEqual([[{ n: 1 }, 'expired', late.id]])
    expect(await bench.jobs.find(late.id!)).toMatchObject({
      state: 'cancelled',
      reason: 'expired',
      failures: 0,
    })
  })

  test('the time for a delayed job begins when the job is due', async () => {
    await using bench = await Bench.make(connect)
    LateJob.ran = []
    const job = new LateJob()
    job.delay = 300
    job.expiresIn = '1m'
    await bench.jobs.dispatch(job, { n: 1 })
    await (await bench.work([LateJob], { stopWhenEmpty: true })).done
    expect(LateJob.ran).toEqual([1])
    expect((await bench.jobs.find(job.id!))?.options).toEqual({ expiresIn: 60_300 })
  })

  test('a job that has begun is retried at any later time', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    class ShakyJob extends Job {
      override expiresIn = 1_000
      override backoff = 1_100
      handle() {
        if (++runs === 1) throw new Error('not at the first attempt')
      }
    }
    const worker = await bench.work([ShakyJob], { stopWhenEmpty: true })
    await bench.jobs.dispatch(new ShakyJob())
    expect(await worker.done).toMatchObject({ completed: 1, cancelled: 0 })
    expect(runs).toBe(2)
  })

  test('cancelled() of a running job is called before the job has ended', async () => {
    await using bench = await Bench.make(connect)
    const started = signal()
    const told = signal<unknown>()
    class LongJob extends Job {
      async handle(_payload: { n: number }) {
        started.resolve()
        await new Promise((_, reject) => {
          this.signal.addEventListener('abort', () => reject(this.signal.reason))
        })
      }
      override async cancelled(payload: { n: number }, reason: string) {
        told.resolve([payload, reason, this.signal.aborted, (await bench.jobs.find(this.id!))?.state])
      }
    }
    const job = new LongJob()
    await bench.jobs.dispatch(job, { n: 3 })
    const report = new Record()
    await bench.work([LongJob], { report, lease: LEASE })
    await started.promise
    await bench.jobs.cancel(job.id!)
    expect(await told.promise).toEqual([{ n: 3 }, 'user', false, 'active'])
    await report.ends(1)
  })

  test('a worker calls cancelled() of a waiting job once', async () => {
    await using bench = await Bench.make(connect)
    const told = signal()
    const calls: unknown[] = []
    class DelayedJob extends Job {
      override delay = '1h'
      handle(_payload: { n: number }) {}
      override cancelled(payload: { n: number }, reason: string) {
        calls.push([payload, reason, this.id])
        told.resolve()
      }
    }
    const job = new DelayedJob()
    await bench.jobs.dispatch(job, { n: 4 })
    await bench.jobs.cancel(job.id!)
    const workers = [
      await bench.work([DelayedJob], { lease: LEASE }),
      await bench.work([DelayedJob], { lease: LEASE }),
    ]
    await told.promise
    await Promise.all(workers.map((worker) => worker.stop()))
    expect(calls).toEqual([[{ n: 4 }, 'user', job.id]])
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.recover('default')).not.toHaveProperty('nextEffect')
  })

  test('a worker that knows the class calls failed() for a job that crashed too often', async () => {
    await using bench = await Bench.make(connect)
    const told = signal<unknown>()
    class CrashJob extends Job {
      override readonly key = 'crash'
      handle(_payload: { n: number }) {}
      override failed(error: JobsError, payload: { n: number }) {
        told.resolve([error.code, error.id, payload, this.id])
      }
    }
    class OtherJob extends Job {
      handle() {}
    }
    const job = new CrashJob()
    await bench.jobs.dispatch(job, { n: 5 })
    const { store } = await insideOf(bench.jobs).open()
    for (let number = 1; number <= MAX_CRASHES; number++) {
      const { jobs } = await store.exchange('default', { caller: 'dead', number }, [], {
        limit: 1,
        leaseMs: 60_000,
      })
      const notes = jobs.map(({ id, token }) => ({ id, token, alone: true }))
      await store.extend('default', 'dead', notes, 60_000)
      await store.recover('default', { holder: 'dead', fromWithin: true })
    }
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', crashes: MAX_CRASHES })
    const stranger = await bench.work([OtherJob], { lease: LEASE })
    await bench.work([CrashJob], { lease: LEASE })
    expect(await told.promise).toEqual(['WORKER_DIED', job.id, { n: 5 }, job.id])
    await stranger.stop()
  })

  test('a hook that throws or takes too long is noted in the log, and not called again', async () => {
    await using bench = await Bench.make(connect)
    let calls = 0
    class BadJob extends Job {
      override delay = '1h'
      override timeout = 100
      handle(_payload: { how: string }) {}
      override async cancelled({ how }: { how: string }) {
        calls++
        if (how === 'throw') throw new Error('no')
        await new Promise(() => {})
      }
    }
    const job = new BadJob()
    await bench.jobs.dispatchMany(job, [{ how: 'throw' }, { how: 'hang' }])
    await bench.jobs.cancel(job.ids)
    const report = new Record()
    const worker = await bench.work([BadJob], { report, lease: LEASE })
    const { store } = await insideOf(bench.jobs).open()
    while ((await store.recover('default')).nextEffect !== undefined) await pause(20)
    await worker.stop()
    expect(calls).toBe(2)
    expect(report.lines.sort()).toEqual([
      'warn: cancelled() failed: BadJob took longer than its timeout of 0.1 s',
      'warn: cancelled() failed: no',
    ])
  })

  test.each([
    ['expiresIn', 0],
    ['expiresIn', 'soon'],
    ['cancelled', 5],
  ])('a class with a wrong setting is refused: %s is %j', async (field, value) => {
    await using bench = await Bench.make(connect)
    class WrongJob extends Job {
      handle() {}
    }
    const job = Object.assign(new WrongJob(), { [field]: value })
    const refused = { code: 'JOB_INVALID', message: expect.stringContaining(`WrongJob: ${field} is`) }
    if (field === 'expiresIn') await expect(bench.jobs.dispatch(job)).rejects.toMatchObject(refused)
    else {
      Object.assign(WrongJob.prototype, { [field]: value })
      await expect(bench.work([WrongJob])).rejects.toMatchObject(refused)
    }
  })
}
