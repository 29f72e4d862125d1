import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests jobs that release themselves. */
export function releasing(connect: Connect): void {
  test('the store keeps the reason of a release, cut to a limit, while the job waits, and the worker shows it', async () => {
    await using bench = await Bench.make(connect)
    class NotYetJob extends Job {
      handle() {
        this.release('1h', 'the export is not ready'.padEnd(500, '.'))
      }
    }
    class WrongJob extends Job {
      override tries = 1
      handle() {
        this.release('1h', 5 as never)
      }
    }
    const jobs = [new NotYetJob(), new WrongJob()]
    for (const job of jobs) await bench.jobs.dispatch(job)
    await (await bench.work([NotYetJob, WrongJob], { stopWhenEmpty: true })).done
    const [released, failed] = await Promise.all(jobs.map((job) => bench.jobs.find(job.id!)))
    expect(released).toMatchObject({ state: 'delayed', because: 'the export is not ready'.padEnd(200, '.') })
    expect(failed).toMatchObject({
      state: 'failed',
      errors: [{ message: 'WrongJob: release() was given number as the reason; it must be a text' }],
    })
  })

  test('a released job comes back without using up an attempt, even if the handler catches the error', async () => {
    await using bench = await Bench.make(connect)
    const attempts: number[] = []
    class NotYetJob extends Job {
      override tries = 1
      handle() {
        attempts.push(this.attempt)
        if (attempts.length === 1) this.release()
        if (attempts.length > 2) return 'done'
        try {
          this.release('0s')
        } catch {
          return 'caught'
        }
      }
    }
    const job = new NotYetJob()
    await bench.jobs.dispatch(job)
    const report = new Record()
    const worker = await bench.work([NotYetJob], { stopWhenEmpty: true, report })
    expect(await worker.done).toMatchObject({ completed: 1, released: 2, failed: 0 })
    expect(attempts).toEqual([1, 1, 1])
    expect(report.endings.map(({ isAsked }) => isAsked)).toEqual([true, true, undefined])
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'completed',
      result: 'done',
      runs: 3,
      failures: 0,
      releases: 2,
    })
  })

  test('a release delays the job for the given time, and an invalid duration fails the attempt', async () => {
    await using bench = await Bench.make(connect)
    class LaterJob extends Job {
      override tries = 1
      handle({ delay }: { delay: string }) {
        this.release(delay)
      }
    }
    const job = new LaterJob()
    await bench.jobs.dispatchMany(job, [{ delay: '2h' }, { delay: 'soon' }])
    await (await bench.work([LaterJob], { stopWhenEmpty: true })).done
    const later = await bench.jobs.find(job.ids[0]!)
    expect(later).toMatchObject({ state: 'delayed', failures: 0, releases: 1, errors: [] })
    expect(later!.dueAt! - later!.queuedAt).toBeGreaterThanOrEqual(7_200_000)
    expect(await bench.jobs.find(job.ids[1]!)).toMatchObject({
      state: 'failed',
      errors: [
        {
          code: 'JOB_INVALID',
          message:
            "LaterJob: release() was given 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d'",
        },
      ],
    })
  })

  test('a release past retryUntil fails the job, whatever its number of releases', async () => {
    await using bench = await Bench.make(connect)
    class ForeverJob extends Job {
      override retryUntil = '1h'
      handle() {
        this.release(runs++ < 3 ? 0 : '2h')
      }
    }
    let runs = 0
    const job = new ForeverJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([ForeverJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'failed',
      releases: 3,
      errors: [
        {
          code: 'RETRY_UNTIL_PASSED',
          message: 'ForeverJob: released to a time past its retryUntil, which ends 1 h after it was queued',
        },
      ],
    })
  })

  test('a release after the timeout counts as a timeout', async () => {
    await using bench = await Bench.make(connect)
    class SlowJob extends Job {
      override timeout = 30
      override tries = 1
      async handle() {
        await new Promise((resolve) => this.signal.addEventListener('abort', resolve))
        this.release('1m')
      }
    }
    const job = new SlowJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([SlowJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'failed',
      releases: 0,
      errors: [{ code: 'JOB_TIMED_OUT' }],
    })
  })

  test('a job released while its worker stops keeps the delay', async () => {
    await using bench = await Bench.make(connect)
    const began = signal()
    class StoppedJob extends Job {
      async handle() {
        const stopped = new Promise((resolve) => this.signal.addEventListener('abort', resolve))
        began.resolve()
        await stopped
        this.release('2h')
      }
    }
    const job = new StoppedJob()
    await bench.jobs.dispatch(job)
    const worker = await bench.work([StoppedJob])
    await began.promise
    await worker.stop(0)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'delayed', failures: 0, releases: 1 })
  })
}
