import { once } from 'node:events'
import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Lark calls `failed()` when a job has failed for good. */
export function telling(connect: Connect): void {
  test('failed() is called once, after the last attempt, with its error and a copy of the payload', async () => {
    await using bench = await Bench.make(connect)
    const told: unknown[] = []
    class HopelessJob extends Job {
      override tries = 3
      override backoff = 0
      handle(payload: { list: number[] }) {
        payload.list.push(9)
        throw new TypeError(`no ${this.attempt}`)
      }
      override async failed(error: unknown, payload: { list: number[] }) {
        this.info('told')
        const { store } = await insideOf(bench.jobs).open()
        told.push([(error as Error).message, payload, this.id, this.attempt])
        told.push((await store.get('default', this.id!))?.state)
      }
    }
    const job = new HopelessJob()
    await bench.jobs.dispatch(job, { list: [1] })
    await (await bench.work([HopelessJob], { stopWhenEmpty: true })).done
    expect(told).toEqual([['no 3', { list: [1] }, job.id, 3], 'active'])
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'failed', failures: 3 })
    expect(found?.log.map(({ text }) => text)).toEqual(['told'])
  })

  test('failed() is called after this.fail(), false and a timeout, but not after a release', async () => {
    await using bench = await Bench.make(connect)
    const told: string[] = []
    class EndingJob extends Job {
      override tries = 1
      override timeout = 30
      async handle({ how }: { how: string }) {
        if (how === 'fail') this.fail('I give up')
        if (how === 'release') this.release('2h')
        if (how === 'false') return false
        await once(this.signal, 'abort')
        throw new Error('was aborted')
      }
      override failed(error: Error) {
        // `failed()` has its own timeout.
        told.push(`${error.message}${this.signal.aborted ? ', late' : ''}`)
      }
    }
    const job = new EndingJob()
    await bench.jobs.dispatchMany(
      job,
      ['fail', 'release', 'false', 'timeout'].map((how) => ({ how })),
    )
    await (await bench.work([EndingJob], { stopWhenEmpty: true })).done
    expect(told.sort()).toEqual([
      'EndingJob took longer than its timeout of 0.03 s',
      'I give up',
      'handle() returned false',
    ])
  })

  test.each<[string, (job: Job) => unknown, string]>([
    [
      'throws',
      () => {
        throw new Error('nobody there')
      },
      'failed() failed: nobody there',
    ],
    [
      'takes too long',
      () => new Promise(() => {}),
      'failed() failed: TellingJob took longer than its timeout of 0.05 s',
    ],
  ])('a failed() that %s adds a line to the log, and changes nothing', async (_, failed, line) => {
    await using bench = await Bench.make(connect)
    class TellingJob extends Job {
      override tries = 1
      override timeout = 50
      handle() {
        throw new Error('no')
      }
      override failed() {
        return failed(this)
      }
    }
    const job = new TellingJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([TellingJob], { stopWhenEmpty: true })).done
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'failed', errors: [{ message: 'no' }] })
    expect(found?.log.map(({ level, text }) => `${level} ${text}`)).toEqual([`warn ${line}`])
  })

  test('the worker keeps the lease while failed() runs', async () => {
    await using bench = await Bench.make(connect)
    const renewed = signal()
    class SlowJob extends Job {
      override tries = 1
      handle() {
        return false
      }
      override async failed() {
        await renewed.promise
      }
    }
    const job = new SlowJob()
    await bench.jobs.dispatch(job)
    const { store } = await insideOf(bench.jobs).open()
    const { extend } = store
    let renewals = 0
    // With two renewals, the first lease has ended.
    store.extend = async (...args) => {
      const answer = await extend.apply(store, args)
      if (args[2].length > 0 && ++renewals === 4) renewed.resolve()
      return answer
    }
    const worker = await bench.work([SlowJob], { stopWhenEmpty: true, lease: 300 })
    expect(await worker.done).toMatchObject({ failed: 1, lost: 0 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', runs: 1, crashes: 0 })
  })

  test('if the worker ends during failed(), the job is given back, and another worker calls failed()', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    let told = 0
    class CutJob extends Job {
      override tries = 1
      handle() {
        return false
      }
      override async failed() {
        if (++told > 1) return
        const aborted = once(this.signal, 'abort')
        began.resolve()
        await aborted
        throw this.signal.reason
      }
    }
    const job = new CutJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    const worker = await bench.work([CutJob], { report })
    await began.promise
    await worker.stop(0)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', failures: 0 })
    await (await bench.work([CutJob], { stopWhenEmpty: true })).done
    expect(told).toBe(2)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', failures: 1 })
  })
}
