import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { Job, JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests how workers stop, and what happens to jobs of workers that do not end in time. */
export function stopping(connect: Connect): void {
  test('stop takes no more jobs, and waits for running jobs', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    const go = signal()
    class GateJob extends Job {
      async handle() {
        began.resolve()
        await go.promise
      }
    }
    await bench.jobs.dispatchMany(new GateJob(), [undefined, undefined])
    const worker = await bench.work([GateJob], { concurrency: 1 })
    await began.promise
    const stopped = worker.stop()
    go.resolve()
    await stopped
    await worker.stop()
    expect(worker.summary).toMatchObject({ completed: 1, released: 0 })
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.counts('default')).toMatchObject({ waiting: 1, active: 0, completed: 1 })
    expect(await store.workers()).toEqual([])
  })

  test('at the deadline, stop aborts the signals and gives running jobs back without using up an attempt', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    const reasons: string[] = []
    class DeafJob extends Job {
      handle() {
        this.signal.addEventListener('abort', () => reasons.push(this.signal.reason.code))
        began.resolve()
        return new Promise(() => {})
      }
    }
    const job = new DeafJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([DeafJob])
    await began.promise
    await worker.stop(0)
    expect(reasons).toEqual(['WORKER_STOPPED'])
    expect(worker.abandoned).toBe(1)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', failures: 0, crashes: 0 })
  })

  test('a job whose handler ends because of its signal is given back without a failure', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    class PoliteJob extends Job {
      handle() {
        began.resolve()
        return new Promise((_, reject) => {
          this.signal.addEventListener('abort', () => reject(this.signal.reason))
        })
      }
    }
    const job = new PoliteJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([PoliteJob])
    await began.promise
    await worker.stop(0)
    expect(worker.abandoned).toBe(0)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', failures: 0, errors: [] })
  })

  test('a handler that returns after the abort completes its job', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    class LateJob extends Job {
      async handle() {
        const aborted = once(this.signal, 'abort')
        began.resolve()
        await aborted
        return 'done'
      }
    }
    const job = new LateJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([LateJob])
    await began.promise
    await worker.stop(0)
    expect(worker.summary).toMatchObject({ completed: 1, released: 0 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', result: 'done' })
  })

  test('after quiet(), the worker takes no more jobs and is listed as quiet', async () => {
    await using bench = await Bench.make(connect)
    class IdleJob extends Job {
      handle() {}
    }
    const worker = await bench.work([IdleJob])
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.workers()).toMatchObject([
      {
        id: worker.id,
        state: 'running',
        keys: ['IdleJob', 'lark:command'],
        queues: ['default', 'emails', 'low'],
      },
    ])
    worker.quiet()
    worker.quiet()
    await vi.waitFor(async () => expect(await store.workers()).toMatchObject([{ state: 'quiet' }]))
    await bench.jobs.dispatch(new IdleJob())
    await worker.stop()
    expect((await store.counts('default')).waiting).toBe(1)
  })

  test('after a lost lease, another worker runs the job, and the outcome of the first does not count', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    const ran: string[] = []
    let hold = true
    class StealJob extends Job {
      async handle() {
        ran.push(`attempt ${this.attempt}`)
        if (!hold) return 'second'
        hold = false
        const aborted = once(this.signal, 'abort')
        began.resolve()
        await aborted
        ran.push(this.signal.reason.code)
        return 'first'
      }
    }
    const job = new StealJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    const first = await bench.work([StealJob], { lease: 300, concurrency: 1, report })
    await began.promise
    // The first worker must not claim the job again before the other worker has started.
    first.quiet()
    await (await insideOf(bench.jobs).open()).store.recover('default', { holder: first.id })
    const other = new Record()
    await bench.work([StealJob], { report: other })
    await other.ends(1)
    await first.stop()
    expect(ran.sort()).toEqual(['LEASE_LOST', 'attempt 1', 'attempt 1'])
    expect(first.summary).toMatchObject({ completed: 0, lost: 1 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'completed',
      result: 'second',
      crashes: 1,
      failures: 0,
    })
  })

  test('stop() ends although the store cannot be reached and an outcome waits for its next try', async () => {
    await using bench = await Bench.make(connect)
    const [began, asked] = [signal(), signal()]
    class LongJob extends Job {
      async handle() {
        began.resolve()
        await once(this.signal, 'abort')
        throw this.signal.reason
      }
    }
    await bench.jobs.dispatch(new LongJob())
    const worker = await bench.work([LongJob])
    await began.promise
    const { store } = await insideOf(bench.jobs).open()
    vi.spyOn(store, 'exchange').mockImplementation(() => {
      asked.resolve()
      return Promise.reject(new JobsError('STORE_UNREACHABLE', 'Away'))
    })
    await bench.jobs.dispatch(new LongJob())
    await asked.promise
    await worker.stop(0, 0)
    expect(worker.summary).toMatchObject({ released: 0 })
    expect(worker.summary.unstored).toBeGreaterThan(0)
  })

  test('a worker that stops while the store cannot be reached ends after it has reported its outcomes when the store is back', async () => {
    await using bench = await Bench.make(connect)
    let runs = 0
    class ShortJob extends Job {
      handle() {
        runs++
      }
    }
    const { store } = await insideOf(bench.jobs).open()
    const asked = signal()
    const exchange = store.exchange.bind(store)
    let isAway = true
    vi.spyOn(store, 'exchange').mockImplementation(async (partition, call, settlements, want) => {
      if (settlements.length === 0 || !isAway) return exchange(partition, call, settlements, want)
      asked.resolve()
      throw new JobsError('STORE_UNREACHABLE', 'Away')
    })
    const jobs = [new ShortJob(), new ShortJob()]
    for (const job of jobs) await bench.jobs.dispatch(job)
    const report = new Record()
    const worker = await bench.work([ShortJob], { report, lease: 500 })
    await asked.promise
    await report.ends(2)
    const stopping = worker.stop(0)
    const waits = expect.stringContaining('Waits up to 2 min for the store, to tell it how 2 jobs ended')
    await vi.waitFor(() => expect(report.warnings).toContainEqual(waits), 10_000)
    expect(worker.state).toBe('stopping')
    isAway = false
    await stopping
    expect(worker.summary).toMatchObject({ completed: 2, unstored: 0 })
    for (const job of jobs)
      expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', runs: 1, crashes: 0 })
    expect(runs).toBe(2)
  })

  test('a stopping worker names the outcomes that it cannot report to the store, and does not count them as done', async () => {
    await using bench = await Bench.make(connect)
    class ShortJob extends Job {
      handle() {}
    }
    const { store } = await insideOf(bench.jobs).open()
    const exchange = store.exchange.bind(store)
    const job = new ShortJob()
    await bench.jobs.dispatch(job)
    vi.spyOn(store, 'exchange').mockImplementation(async (...args) => {
      if (args[2].length > 0) throw new JobsError('STORE_UNREACHABLE', 'Away')
      return exchange(...args)
    })
    const report = new Record()
    const worker = await bench.work([ShortJob], { report, outcomes: '20ms' })
    await report.ends(1)
    await worker.stop(0)
    expect(worker.summary).toMatchObject({ completed: 0, unstored: 1 })
    expect(report.warnings).toContainEqual(
      `The store did not answer: how 1 job ended is not stored, and it may run again: ${job.id}`,
    )
  })

  test('even if a stopping worker may wait only very briefly, it gets the answer of a store that answers', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go] = [signal(), signal()]
    class DeafJob extends Job {
      async handle() {
        begun.resolve()
        await go.promise
      }
    }
    const { store } = await insideOf(bench.jobs).open()
    const exchange = store.exchange.bind(store)
    vi.spyOn(store, 'exchange').mockImplementation(async (...args) => {
      if (args[2].length > 0) await pause(50)
      return exchange(...args)
    })
    const job = new DeafJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([DeafJob], { report: new Record(), outcomes: 0 })
    await begun.promise
    await worker.stop(0)
    go.resolve()
    expect(worker.summary).toMatchObject({ released: 1, unstored: 0 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', crashes: 0 })
  })

  test('a stopping worker leaves the list of workers although a part of the store does not answer', async () => {
    await using bench = await Bench.make(connect)
    const [begun, go, renewing] = [signal(), signal(), signal()]
    class RenewedJob extends Job {
      async handle() {
        begun.resolve()
        await go.promise
      }
    }
    const { store } = await insideOf(bench.jobs).open()
    vi.spyOn(store, 'extend').mockImplementation(() => {
      renewing.resolve()
      return new Promise(() => {})
    })
    await bench.jobs.dispatch(new RenewedJob())
    const worker = await bench.work([RenewedJob], { report: new Record(), lease: 300 })
    await begun.promise
    await renewing.promise
    go.resolve()
    await worker.stop()
    expect(await store.workers()).toEqual([])
  })

  test('a worker in code ends with its scope', async () => {
    await using bench = await Bench.make(connect)
    class ScopedJob extends Job {
      handle() {}
    }
    const report = new Record()
    {
      await using _worker = await bench.work([ScopedJob], { report })
      await bench.jobs.dispatch(new ScopedJob())
      await report.ends(1)
    }
    const { store } = await insideOf(bench.jobs).open()
    expect(await store.workers()).toEqual([])
  })

  test('quiet() resolves when the store has the outcomes of the jobs that ran, or when the worker goes on', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const [begun, go, settling, answer] = [signal(), signal(), signal(), signal()]
    class SlowJob extends Job {
      async handle(_payload: { n: number }) {
        begun.resolve()
        await go.promise
      }
    }
    const job = new SlowJob()
    await bench.jobs.dispatch(job, { n: 1 })
    const exchange = store.exchange.bind(store)
    vi.spyOn(store, 'exchange').mockImplementation(async (...args) => {
      if (args[2].length > 0) {
        settling.resolve()
        await answer.promise
      }
      return exchange(...args)
    })
    await using worker = await bench.work([SlowJob])
    await begun.promise
    let state: string | undefined = 'active'
    const quiet = worker.quiet().then(async () => {
      state = (await bench.jobs.find(job.id!))?.state
    })
    go.resolve()
    await settling.promise
    // The handler has returned, but the store does not have the outcome yet.
    await new Promise(setImmediate)
    expect(state).toBe('active')
    answer.resolve()
    await quiet
    expect(state).toBe('completed')
    await worker.quiet()
    worker.resume()
    await worker.stop()
    await worker.quiet()
  })
}
