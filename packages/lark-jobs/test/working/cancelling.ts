import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(_payload: { n: number }) {}
}
class OtherJob extends Job {
  override readonly key = 'other'
  override queueName = 'emails'
  handle() {}
}

/** Cancelling from another process. */
export function cancelling(connect: Connect): void {
  test('a cancel by id ends a waiting or delayed job at once, and the job does not run', async () => {
    await using bench = await Bench.make(connect)
    const [waiting, delayed, kept] = [new NoteJob(), new NoteJob(), new NoteJob()]
    delayed.delay = '1h'
    for (const job of [waiting, delayed, kept]) await bench.jobs.dispatch(job, { n: 1 })
    const other = bench.client()
    expect(await other.cancel([waiting.id!, delayed.id!])).toEqual({ cancelled: 2, asked: 0 })
    expect(await other.find(delayed.id!)).toMatchObject({ state: 'cancelled', reason: 'user' })
    const { completed } = await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    expect(completed).toBe(1)
  })

  test('a running job that is cancelled by id gets the reason by its signal, ends as cancelled and is not retried', async () => {
    await using bench = await Bench.make(connect)
    const started = signal()
    const heard = signal<unknown>()
    class LongJob extends Job {
      async handle() {
        started.resolve()
        await new Promise((_, reject) => {
          this.signal.addEventListener('abort', () => {
            heard.resolve(this.signal.reason)
            reject(this.signal.reason)
          })
        })
      }
    }
    const job = new LongJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    // The lease is so long that the worker cannot learn of the cancel by a renewal.
    const worker = await bench.work([LongJob], { report, lease: 600_000 })
    await started.promise
    expect(await bench.client().cancel(job.id!)).toEqual({ cancelled: 0, asked: 1 })
    expect(await heard.promise).toMatchObject({ code: 'JOB_CANCELLED' })
    await report.ends(1)
    await worker.stop()
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'cancelled',
      reason: 'user',
      runs: 1,
      failures: 0,
    })
  })

  test('each running job gets the reason, whether jobs are cancelled one by one or all at once', async () => {
    await using bench = await Bench.make(connect)
    const begun = [signal(), signal(), signal(), signal()]
    const heard: number[] = []
    class LongJob extends Job {
      async handle({ n }: { n: number }) {
        begun[n]!.resolve()
        await new Promise((_, reject) => {
          this.signal.addEventListener('abort', () => {
            heard.push(n)
            reject(this.signal.reason)
          })
        })
      }
    }
    const job = new LongJob()
    await bench.jobs.dispatchMany(
      job,
      begun.map((_, n) => ({ n })),
    )
    const report = new Record()
    const worker = await bench.work([LongJob], { report, lease: 600_000 })
    await Promise.all(begun.map(({ promise }) => promise))
    const other = bench.client()
    await other.cancel(job.ids[2]!)
    await report.ends(1)
    expect(heard).toEqual([2])
    const [first, second, , fourth] = job.ids
    await Promise.all([other.cancel(first!), other.cancel([second!, fourth!])])
    await report.ends(4)
    expect(heard.sort()).toEqual([0, 1, 2, 3])
    await worker.stop()
  })

  test('a filter cancels by key, queue and state', async () => {
    await using bench = await Bench.make(connect)
    for (let n = 0; n < 3; n++) {
      await bench.jobs.dispatch(new NoteJob(), { n })
      await bench.jobs.dispatch(new OtherJob())
      const elsewhere = new NoteJob()
      elsewhere.queueName = 'emails'
      elsewhere.delay = '1h'
      await bench.jobs.dispatch(elsewhere, { n })
    }
    expect(await bench.jobs.cancel({ key: 'note', queue: 'emails', state: 'waiting' })).toEqual({
      cancelled: 0,
      asked: 0,
    })
    expect(await bench.jobs.cancel({ key: 'other' })).toEqual({ cancelled: 3, asked: 0 })
    expect(await bench.jobs.cancel({ state: 'delayed' })).toEqual({ cancelled: 3, asked: 0 })
    expect(await bench.jobs.cancel({ queue: 'default' })).toEqual({ cancelled: 3, asked: 0 })
    await expect(bench.jobs.cancel({ queue: 'emials' })).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('a filter cancels 2,500 jobs on all pages of the list', async () => {
    await using bench = await Bench.make(connect)
    const payloads = Array.from({ length: 2_500 }, (_, n) => ({ n }))
    await bench.jobs.dispatchMany(new NoteJob(), payloads)
    const delayed = new NoteJob()
    delayed.delay = '1h'
    await bench.jobs.dispatchMany(delayed, payloads)
    expect(await bench.jobs.cancel({ key: 'note' })).toEqual({ cancelled: 5_000, asked: 0 })
  })

  test('a call with an unknown id or an ended job is refused before any job is cancelled', async () => {
    await using bench = await Bench.make(connect)
    const [ended, waiting] = [new NoteJob(), new NoteJob()]
    await bench.jobs.dispatch(ended, { n: 1 })
    await (await bench.work([NoteJob], { stopWhenEmpty: true })).done
    await bench.jobs.dispatch(waiting, { n: 2 })
    await expect(bench.jobs.cancel([waiting.id!, 'nonesuch'])).rejects.toMatchObject({
      code: 'JOB_NOT_FOUND',
    })
    await expect(bench.jobs.cancel([waiting.id!, ended.id!])).rejects.toMatchObject({
      code: 'JOB_NOT_CANCELLABLE',
      message: `${ended.id} is completed; only a job that has not ended can be cancelled`,
    })
    expect(await bench.jobs.find(waiting.id!)).toMatchObject({ state: 'waiting' })
  })
}
