import { expect, test, vi } from 'vitest'
import { type CircuitBreakerOptions, circuitBreaker, Job, type Middleware } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { Outcome } from '../../src/model/record.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

type Act = 'works' | 'throws' | 'returns false' | 'fails itself' | 'throws what does not count' | 'releases'

/** Circuit breakers keep jobs from a service that is down. */
export function breaking(connect: Connect): void {
  /**
   * Makes a class that calls a service through a circuit breaker, and counts its calls. `between` is
   * middleware inside of the breaker.
   */
  function calling(options: CircuitBreakerOptions, between: Middleware[] = []) {
    const service = { isDown: false, calls: 0 }
    class CallJob extends Job {
      override tries = 1
      override middleware() {
        return [circuitBreaker(options), ...between]
      }
      handle({ act }: { act: Act }) {
        service.calls++
        if (service.isDown || act === 'throws') throw new Error('503')
        if (act === 'throws what does not count') throw new TypeError('of ours')
        if (act === 'releases') this.release('2h')
        if (act === 'returns false') return false
        try {
          if (act === 'fails itself') this.fail('404')
        } catch {
          return true
        }
      }
    }
    return { service, CallJob }
  }

  const works = { act: 'works' } as const
  const throws = { act: 'throws' } as const
  const kinds = ({ endings }: Record) => endings.map(({ outcome }) => outcome.kind)
  const last = ({ endings }: Record): Outcome => endings.at(-1)!.outcome

  test('the circuit opens for all workers and classes with its name, and jobs are released until a trial closes the circuit', async () => {
    await using bench = await Bench.make(connect)
    const { service, CallJob } = calling({ failures: 3, pause: 300, name: 'service' })
    class OtherJob extends CallJob {
      override queueName = 'emails'
    }
    const report = new Record()
    const workers = [
      await bench.work([CallJob, OtherJob], { report, queues: ['default'] }),
      await bench.work([CallJob, OtherJob], { report, queues: ['emails'] }, bench.client()),
    ]
    await bench.jobs.dispatch(new CallJob(), throws)
    await bench.jobs.dispatch(new CallJob(), throws)
    await report.ends(2)
    await bench.jobs.dispatch(new OtherJob(), throws)
    await report.ends(3)
    expect([service.calls, ...kinds(report)]).toEqual([3, 'failed', 'failed', 'failed'])
    const job = new CallJob()
    await bench.jobs.dispatch(job, works)
    await report.ends(4)
    expect(last(report)).toMatchObject({ kind: 'released', in: expect.any(Number) })
    expect((last(report) as { in: number }).in).toBeLessThanOrEqual(330)
    expect(last(report)).toMatchObject({ because: 'the circuit service is open' })
    expect(service.calls).toBe(3)
    await report.ends(5)
    expect(kinds(report).at(-1)).toBe('completed')
    await bench.jobs.dispatch(new OtherJob(), works)
    await report.ends(6)
    expect(kinds(report).at(-1)).toBe('completed')
    await Promise.all(workers.map((worker) => worker.stop()))
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'completed', failures: 0, releases: 1 })
  })

  test('a failed trial starts the pause again: one job runs, and the other jobs are released again', async () => {
    await using bench = await Bench.make(connect)
    const { service, CallJob } = calling({ failures: 1, pause: 500 })
    service.isDown = true
    const report = new Record()
    await bench.work([CallJob], { report })
    await bench.jobs.dispatch(new CallJob(), works)
    await report.ends(1)
    await bench.jobs.dispatchMany(new CallJob(), [works, works, works])
    await report.ends(7)
    expect(service.calls).toBe(2)
    expect(kinds(report).sort()).toEqual(['failed', 'failed', ...new Array(5).fill('released')])
    service.isDown = false
    await vi.waitFor(() => expect(kinds(report).filter((kind) => kind === 'completed')).toHaveLength(2), {
      timeout: 5_000,
    })
  })

  test('failed attempts count if when() allows it; a job that releases itself does not count', async () => {
    await using bench = await Bench.make(connect)
    const { service, CallJob } = calling({ failures: 3, when: (error) => !(error instanceof TypeError) })
    const report = new Record()
    await bench.work([CallJob], { report, concurrency: 1 })
    const acts: Act[] = [
      'returns false',
      'throws what does not count',
      'releases',
      'fails itself',
      'works',
      'throws',
    ]
    await bench.jobs.dispatchMany(
      new CallJob(),
      acts.map((act) => ({ act })),
    )
    await report.ends(6)
    expect(service.calls).toBe(6)
    await bench.jobs.dispatch(new CallJob(), works)
    await report.ends(7)
    expect([service.calls, kinds(report).at(-1)]).toEqual([6, 'released'])
    // A run without a worker does not ask the circuit.
    expect(await bench.jobs.dispatchNow(new CallJob(), works)).toBe(undefined)
  })

  test('a run that timed out counts as failed even if its handler ends well later', async () => {
    await using bench = await Bench.make(connect)
    const go = signal()
    class SlowJob extends Job {
      override timeout = 30
      override tries = 1
      override middleware() {
        return [circuitBreaker({ failures: 1, name: 'slow' })]
      }
      async handle() {
        await go.promise
      }
    }
    const { service, CallJob } = calling({ failures: 1, name: 'slow' })
    const { store } = await insideOf(bench.jobs).open()
    const circuit = vi.spyOn(store.limiters, 'circuit')
    const report = new Record()
    await bench.work([SlowJob, CallJob], { report })
    await bench.jobs.dispatch(new SlowJob())
    await vi.waitFor(() => expect(circuit.mock.calls.at(-1)?.[2].kind).toBe('failed'))
    await circuit.mock.results.at(-1)!.value
    await bench.jobs.dispatch(new CallJob(), works)
    await report.ends(1)
    expect([service.calls, ...kinds(report)]).toEqual([0, 'released'])
    go.resolve()
    await report.ends(2)
    expect(kinds(report)).toEqual(['released', 'failed'])
    expect(circuit.mock.calls.filter(([, , { kind }]) => kind === 'failed')).toHaveLength(1)
  })

  test('if an inner middleware releases the trial, the next job becomes the trial', async () => {
    await using bench = await Bench.make(connect)
    let isPutBack = false
    const { service, CallJob } = calling({ failures: 1, pause: 50 }, [
      (job, next) => (isPutBack ? job.release('2h') : next()),
    ])
    const report = new Record()
    await bench.work([CallJob], { report })
    await bench.jobs.dispatch(new CallJob(), throws)
    await report.ends(1)
    isPutBack = true
    const trial = new CallJob()
    trial.delay = 60
    await bench.jobs.dispatch(trial, works)
    await report.ends(2)
    expect(last(report)).toEqual({ kind: 'released', in: 7_200_000 })
    isPutBack = false
    await bench.jobs.dispatch(new CallJob(), works)
    await report.ends(3)
    expect([service.calls, last(report).kind]).toEqual([2, 'completed'])
  })

  const wrong: [object, string][] = [
    [{ failures: 0 }, 'circuitBreaker(): failures is 0; it must be a whole number from 1 to 1000'],
    [{ failures: 2_000 }, 'failures is 2000; it must be a whole number from 1 to 1000'],
    [{ per: 'long' }, "circuitBreaker(): per is 'long'; it must be milliseconds"],
    [{ pause: 0 }, 'circuitBreaker(): pause is 0; it must be milliseconds'],
    [{ name: 5 }, "circuitBreaker(): name is 5; it must be a text, such as 'stripe'"],
    [{ when: true }, 'circuitBreaker(): when is true; it must be a function of the error'],
    [{ failure: 5 }, 'circuitBreaker(): failure is not an option'],
  ]
  test.each(wrong)('wrong options are refused: %j', (options, message) => {
    expect(() => circuitBreaker(options)).toThrow(message)
  })
}
