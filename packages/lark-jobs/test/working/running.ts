import { expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { newId } from '../../src/model/id.ts'
import { Bench, type Connect, Record, signal } from './bench.ts'

/** Tests runs of jobs from the store through `handle` until the job is settled. */
export function running(connect: Connect): void {
  test('handle gets a copy of the payload, the job has its id and attempt, and its result and log are kept', async () => {
    await using bench = await Bench.make(connect)
    const seen: unknown[] = []
    class EchoJob extends Job {
      handle(payload: { list: number[] }) {
        seen.push(payload, this.id, this.attempt, this.signal.aborted)
        this.info('one')
        this.success('two')
        this.warn('three')
        this.error('four')
        return { sum: payload.list.length }
      }
    }
    const payload = { list: [1, 2] }
    const job = new EchoJob()
    await bench.jobs.dispatch(job, payload)
    payload.list.push(3)
    const worker = await bench.work([EchoJob], { stopWhenEmpty: true })
    expect(await worker.done).toMatchObject({ completed: 1, failed: 0 })
    expect(seen).toEqual([{ list: [1, 2] }, job.id, 1, false])
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'completed', result: { sum: 2 }, runs: 1, failures: 0, errors: [] })
    expect(found?.log.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'info one',
      'success two',
      'warn three',
      'error four',
    ])
  })

  test.each([
    [true, undefined],
    [undefined, undefined],
    [0, 0],
    ['', ''],
    [null, null],
    [[1], [1]],
    [37, 37],
    ['sent', 'sent'],
    [{ sent: 1 }, { sent: 1 }],
  ])('a handler that returns %o succeeds, and the stored result is %o', async (value, kept) => {
    await using bench = await Bench.make(connect)
    class ValueJob extends Job {
      handle() {
        return value
      }
    }
    const job = new ValueJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([ValueJob], { stopWhenEmpty: true })).done
    const found = await bench.jobs.find(job.id!)
    expect(found?.state).toBe('completed')
    expect(found?.result).toEqual(kept)
    expect(found).not.toHaveProperty('payload')
    expect('result' in found!).toBe(kept !== undefined)
  })

  test('find() and failed() return payload, result and errors as values', async () => {
    await using bench = await Bench.make(connect)
    class OftenJob extends Job {
      override backoff = 0
      override tries = 2
      handle({ n }: { n: number; at: string[] }) {
        if (n < 0 || this.attempt === 1) throw Object.assign(new Error(`no ${n}`), { code: 'EODD' })
        return { twice: 2 * n }
      }
    }
    const job = new OftenJob()
    await bench.jobs.dispatchMany(job, [
      { n: 1, at: ['"', '\n'] },
      { n: -1, at: [] },
    ])
    await (await bench.work([OftenJob], { stopWhenEmpty: true })).done
    const found = await bench.jobs.find<OftenJob>(job.ids[0]!)
    expect(found?.payload?.at).toEqual(['"', '\n'])
    expect(found?.result?.twice).toBe(2)
    const error = { name: 'Error', message: 'no 1', code: 'EODD', run: 1, stack: expect.any(String) }
    expect(found?.errors).toEqual([{ ...error, took: expect.any(Number), at: expect.any(Number) }])
    const [failed] = await bench.jobs.failed<OftenJob>()
    expect(failed?.payload).toEqual({ n: -1, at: [] })
    expect(failed).not.toHaveProperty('result')
    expect(failed?.errors.map(({ run, message }) => [run, message])).toEqual([
      [1, 'no -1'],
      [2, 'no -1'],
    ])
  })

  test('a damaged value, or one nested too deeply, is returned as text', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    const deep = '['.repeat(50_000) + ']'.repeat(50_000)
    for (const [i, payload] of ['{"n":', deep, '"text"'].entries()) {
      const id = newId()
      await store.enqueue('default', { caller: 'web', number: i + 1 }, [{ id, key: 'odd', payload }])
      expect((await bench.jobs.find(id))?.payload).toBe(payload === '"text"' ? 'text' : payload)
    }
  })

  const circle: { self?: unknown } = {}
  circle.self = circle
  test.each([
    ['a function', { socket: () => {} }, 'result.socket is a function'],
    ['a circle', circle, 'result.self is a cycle: it contains itself'],
  ])(
    'a result that is not JSON (%s) is not kept, and the job is completed all the same',
    async (_, result, why) => {
      await using bench = await Bench.make(connect)
      class OddJob extends Job {
        handle() {
          return result
        }
      }
      const job = new OddJob()
      await bench.jobs.dispatchMany(job, [undefined, undefined])
      const worker = await bench.work([OddJob], { concurrency: 1, stopWhenEmpty: true })
      expect(await worker.done).toMatchObject({ completed: 2, failed: 0 })
      for (const id of job.ids) {
        const found = await bench.jobs.find(id)
        expect(found).toMatchObject({ state: 'completed' })
        expect(found?.result).toBeUndefined()
        expect(found?.log[0]?.text).toBe(`The result was not kept: OddJob: ${why}`)
      }
    },
  )

  test('handle gets any JSON payload, or none', async () => {
    await using bench = await Bench.make(connect)
    const got: unknown[] = []
    class AnyJob extends Job {
      handle(payload?: unknown) {
        got.push(payload)
      }
    }
    const payloads = [0, '', null, false, [], {}, '{"a":1}', undefined]
    await bench.jobs.dispatchMany(new AnyJob(), payloads)
    await (await bench.work([AnyJob], { concurrency: 1, stopWhenEmpty: true })).done
    expect(got).toEqual(payloads)
  })

  test('a job is retried as often as its tries allow, and every error is kept', async () => {
    await using bench = await Bench.make(connect)
    const attempts: number[] = []
    class FlakyJob extends Job {
      override tries = 4
      override backoff = 0
      handle() {
        attempts.push(this.attempt)
        if (this.attempt === 1) throw new TypeError('first')
        if (this.attempt === 2) throw null
        return false
      }
    }
    const job = new FlakyJob()
    await bench.jobs.dispatch(job)
    const summary = await (await bench.work([FlakyJob], { stopWhenEmpty: true })).done
    expect(summary).toMatchObject({ completed: 0, retried: 3, failed: 1 })
    expect(attempts).toEqual([1, 2, 3, 4])
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'failed', runs: 4, failures: 4, crashes: 0 })
    expect(found?.errors.map(({ run, name, message, code }) => [run, name, message, code])).toEqual([
      [1, 'TypeError', 'first', undefined],
      [2, 'Error', 'null', undefined],
      [3, 'JobsError', 'handle() returned false', 'HANDLE_RETURNED_FALSE'],
      [4, 'JobsError', 'handle() returned false', 'HANDLE_RETURNED_FALSE'],
    ])
    expect(found?.errors[0]?.stack).toMatch('running.ts')

    // A retry by hand gives the job new attempts.
    expect(await bench.jobs.retry('failed')).toBe(1)
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'waiting', failures: 0 })
    await expect(bench.jobs.retry([job.id!])).rejects.toMatchObject({ code: 'JOB_NOT_RETRIABLE' })
    await expect(bench.jobs.retry(['nonesuch'])).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  test('between two attempts, the backoff delays the job', async () => {
    await using bench = await Bench.make(connect)
    class SlowRetryJob extends Job {
      override backoff = ['2h']
      handle() {
        throw new Error('not now')
      }
    }
    const job = new SlowRetryJob()
    await bench.jobs.dispatch(job)
    await (await bench.work([SlowRetryJob], { stopWhenEmpty: true })).done
    const found = await bench.jobs.find(job.id!)
    expect(found).toMatchObject({ state: 'delayed', failures: 1 })
    expect(found!.dueAt! - found!.queuedAt).toBeGreaterThanOrEqual(7_200_000)
  })

  test('settings of a single job apply to its run', async () => {
    await using bench = await Bench.make(connect)
    class StrictJob extends Job {
      override tries = 5
      override backoff = 0
      handle() {
        return false
      }
    }
    const job = new StrictJob()
    job.tries = 1
    await bench.jobs.dispatch(job)
    await (await bench.work([StrictJob], { stopWhenEmpty: true })).done
    expect(await bench.jobs.find(job.id!)).toMatchObject({ state: 'failed', failures: 1 })
  })

  test('a class runs jobs stored under its alias', async () => {
    await using bench = await Bench.make(connect)
    class OldJob extends Job {
      override readonly key = 'old-name'
      handle() {}
    }
    const ran = signal<string>()
    class NewJob extends Job {
      override readonly key = 'new-name'
      override aliases = ['old-name']
      handle() {
        ran.resolve(this.id!)
      }
    }
    const job = new OldJob()
    await bench.jobs.dispatch(job)
    await bench.work([NewJob])
    expect(await ran.promise).toBe(job.id)
  })

  test('a job with an unknown key is put back without using up an attempt', async () => {
    await using bench = await Bench.make(connect)
    class StrangeJob extends Job {
      override readonly key = 'strange'
      handle() {}
    }
    class OtherJob extends Job {
      handle() {}
    }
    const job = new StrangeJob()
    await bench.jobs.dispatch(job)
    const summary = await (await bench.work([OtherJob], { stopWhenEmpty: true })).done
    expect(summary).toMatchObject({ completed: 0, failed: 0, released: 1 })
    expect(await bench.jobs.find(job.id!)).toMatchObject({
      // The job is due again after a second.
      state: expect.stringMatching(/^(delayed|waiting)$/),
      failures: 0,
      releases: 1,
      because: 'the worker has no class with this key',
    })
    const { queues } = await bench.jobs.status()
    expect(queues[0]).toMatchObject({ queue: 'default', unknownKeys: ['strange'] })
  })

  test('a job dispatches another, and a later job wakes an idle worker', async () => {
    await using bench = await Bench.make(connect)
    const ended = signal<number>()
    const report = new Record()
    class SecondJob extends Job {
      override queueName = 'emails'
      handle({ n }: { n: number }) {
        ended.resolve(n)
      }
    }
    class FirstJob extends Job {
      async handle({ n }: { n: number }) {
        await bench.jobs.dispatch(new SecondJob(), { n: n + 1 })
      }
    }
    await bench.work([FirstJob, SecondJob], { report })
    await bench.jobs.dispatch(new FirstJob(), { n: 1 })
    expect(await ended.promise).toBe(2)
    await report.ends(2)
    expect(report.endings.map(({ queue }) => queue)).toEqual(['default', 'emails'])
  })

  test('a delayed job starts when it is due, and not before', async () => {
    await using bench = await Bench.make(connect)
    const ran = signal<number>()
    class LaterJob extends Job {
      override delay = 150
      handle() {
        ran.resolve(performance.now())
      }
    }
    await bench.work([LaterJob])
    const before = performance.now()
    await bench.jobs.dispatch(new LaterJob())
    expect((await ran.promise) - before).toBeGreaterThanOrEqual(149)
  })
}
