/**
 * This folder has more than 25 files: one for each subject of dispatching and working. All stores have the
 * same tests, and `suite.ts` has them in order.
 */
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, signal } from './bench.ts'

/** Tests runs whose signal is aborted at their timeout, or because a person cancels the job. */
export function aborting(connect: Connect): void {
  test('the signal is aborted at the timeout, and a later return value does not count', async () => {
    await using bench = await Bench.make(connect)
    const reasons: unknown[] = []
    class LongJob extends Job {
      override timeout = 30
      override tries = 1
      async handle() {
        const aborted = once(this.signal, 'abort')
        await aborted
        reasons.push(this.signal.reason)
        return 'late'
      }
    }
    const job = new LongJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([LongJob], { stopWhenEmpty: true })).done
    expect(reasons[0]).toMatchObject({
      code: 'JOB_TIMED_OUT',
      message: 'LongJob took longer than its timeout of 0.03 s',
    })
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'failed' })
    expect(found?.result).toBeUndefined()
    expect(found?.errors[0]).toMatchObject({ code: 'JOB_TIMED_OUT' })
  })

  test('a handler that blocks the event loop beyond its timeout counts as timed out, whatever it returns', async () => {
    await using bench = await Bench.make(connect)
    class BusyJob extends Job {
      override timeout = 30
      override tries = 1
      handle({ throws }: { throws: boolean }) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
        if (throws) throw new Error('busy')
        return 'late'
      }
    }
    const job = new BusyJob()
    await bench.jobs.dispatchMany(job, [{ throws: false }, { throws: true }])
    const { failed } = await (await bench.work([BusyJob], { concurrency: 1, stopWhenEmpty: true })).done
    expect(failed).toBe(2)
    for (const id of job.ids) {
      const found = await bench.jobs.find(id)
      expect(found?.errors[0]).toMatchObject({ code: 'JOB_TIMED_OUT' })
      expect(found?.errors[0]?.took).toBeGreaterThanOrEqual(50)
    }
    await expect(bench.jobs.dispatchNow(job, { throws: false })).rejects.toMatchObject({
      code: 'JOB_TIMED_OUT',
    })
  })

  test.each(['user', 'expired'] as const)(
    'if a running job is cancelled (%s), its signal is aborted, and the job ends as cancelled',
    async (reason) => {
      await using bench = await Bench.make(connect)
      const began = signal()
      class PatientJob extends Job {
        async handle() {
          const aborted = once(this.signal, 'abort')
          began.resolve()
          await aborted
          throw this.signal.reason
        }
      }
      const job = new PatientJob()
      await bench.jobs.dispatch(job)
      const worker = await bench.work([PatientJob], { stopWhenEmpty: true, lease: 300 })
      await began.promise
      const { store } = await insideOf(bench.jobs).open()
      expect(await store.alter('default', [job.id!], { kind: 'cancel', reason })).toEqual(['asked'])
      expect(await worker.done).toMatchObject({ cancelled: 1 })
      expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'cancelled', reason })
    },
  )
}
