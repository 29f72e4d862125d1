import { expect, test, vi } from 'vitest'
import { Job, type Middleware, skipWhen, timing } from '../../src/index.ts'
import { Bench, type Connect } from './bench.ts'

/** Tests middleware around `handle`. */
export function middleware(connect: Connect): void {
  test('the middleware of the configuration surrounds that of the class, and both see the job and its result', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    const outer: Middleware = async (job, next) => {
      const { id, key, name, queue, attempt, payload } = job
      seen.push({ id, key, name, queue, attempt, payload }, job.signal.aborted)
      const result = await next()
      seen.push(result)
      return result
    }
    class EchoJob extends Job {
      override readonly key = 'echo'
      override queueName = 'emails'
      override middleware(): Middleware<{ n: number }>[] {
        return [
          async (job, next) => {
            job.info(`before ${job.payload.n}`)
            return [await next()]
          },
        ]
      }
      handle({ n }: { n: number }) {
        this.info('handle')
        return n + 1
      }
    }
    const jobs = bench.client({ middleware: [outer] })
    const job = new EchoJob()
    await jobs.dispatch(job, { n: 1 })
    await (await bench.work([EchoJob], { stopWhenEmpty: true }, jobs)).done
    const facts = { key: 'echo', name: 'EchoJob', queue: 'emails', attempt: 1, payload: { n: 1 } }
    expect(seen).toEqual([{ id: job.id, ...facts }, false, [2]])
    const found = await jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'completed', result: [2] })
    expect(found?.log.map(({ text }) => text)).toEqual(['before 1', 'handle'])
    // dispatchNow runs the middleware in the same order.
    const line = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(await jobs.dispatchNow(new EchoJob(), { n: 4 })).toEqual([5])
    line.mockRestore()
    expect(seen.at(-1)).toEqual([5])
  })

  test('a middleware fails the attempt if it throws or returns false, and may release or fail the job', async () => {
    await using bench = await Bench.make(connect)
    const acts: Record<string, Middleware> = {
      throw: () => {
        throw new Error('no')
      },
      release: (job) => job.release('2h'),
      fail: async (job, next) => {
        await next()
        try {
          job.fail('rather not')
        } catch {
          return 'fine'
        }
      },
      quiet: async (_, next) => {
        await next()
      },
    }
    class ActingJob extends Job {
      override backoff = '2h'
      override middleware(): Middleware<{ act: string }>[] {
        return [(job, next) => acts[job.payload.act]!(job, next)]
      }
      handle(_: { act: string }) {
        return false
      }
    }
    const job = new ActingJob()
    await bench.jobs.dispatchMany(
      job,
      Object.keys(acts).map((act) => ({ act })),
    )
    await (await bench.work([ActingJob], { stopWhenEmpty: true })).done
    const found = await Promise.all(job.ids.map((id) => bench.jobs.find(id)))
    expect(found.map((each) => [each?.state, each?.failures, each?.errors[0]?.message])).toEqual([
      ['delayed', 1, 'no'],
      ['delayed', 0, undefined],
      ['failed', 1, 'rather not'],
      ['delayed', 1, 'handle() returned false'],
    ])
  })

  test('skipWhen completes a job without running it; timing logs slow runs, and reports every run', async () => {
    await using bench = await Bench.make(connect)
    const ran: number[] = []
    const reported: string[] = []
    class WatchedJob extends Job {
      override middleware() {
        return [
          timing({ slow: 0, report: (took, job) => void reported.push(`${job.name} ${took >= 0}`) }),
          skipWhen(({ n }: { n: number }, job) => n === 1 && job.attempt === 1),
        ]
      }
      handle({ n }: { n: number }) {
        ran.push(n)
      }
    }
    const job = new WatchedJob()
    await bench.jobs.dispatchMany(job, [{ n: 1 }, { n: 2 }])
    expect(await (await bench.work([WatchedJob], { stopWhenEmpty: true })).done).toMatchObject({
      completed: 2,
    })
    expect(ran).toEqual([2])
    expect(reported).toEqual(['WatchedJob true', 'WatchedJob true'])
    const log = (await bench.jobs.find(job.ids[0]!))?.log.map(({ level, text }) => `${level} ${text}`)
    expect(log).toEqual([
      'info Skipped: the job is not needed',
      expect.stringMatching(/^warn Took [\d.]+ ms, which is longer than 0 ms$/),
    ])
    expect(() => timing({ slow: 'soon' })).toThrow("timing(): slow is 'soon'; it must be milliseconds")
  })

  test('the timeout of the job includes its middleware', async () => {
    await using bench = await Bench.make(connect)
    class SlowJob extends Job {
      override timeout = 30
      override tries = 1
      override middleware(): Middleware[] {
        return [
          async (job, next) => {
            await new Promise((resolve) => job.signal.addEventListener('abort', resolve))
            return next()
          },
        ]
      }
      handle() {
        return 'late'
      }
    }
    const job = new SlowJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([SlowJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      state: 'failed',
      errors: [{ code: 'JOB_TIMED_OUT' }],
    })
  })
}
