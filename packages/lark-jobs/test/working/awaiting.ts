/**
 * `handle.result()`: the value that the job returned, or the error about another end, whichever process ran
 * the job.
 */

import { getEventListeners } from 'node:events'
import { expect, test, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { chain, Job, JobsError, unique } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { MAX_ITEMS } from '../../src/store/contract/store.ts'
import { Bench, type Connect, signal } from './bench.ts'

class SquareJob extends Job {
  async handle({ n }: { n: number }) {
    return { square: n * n }
  }
}

class NothingJob extends Job {
  handle({ returns }: { returns?: boolean }) {
    return returns
  }
}

class HttpError extends Error {
  override name = 'HttpError'
  code = 'E404'
}

class FailingJob extends Job {
  override tries = 1
  handle(): { never: true } {
    throw new HttpError('not found', { cause: new Error('no such page') })
  }
}

class DateJob extends Job {
  handle() {
    return new Date(0)
  }
}

/** Each wait in these tests takes fewer milliseconds than this. */
const PATIENCE = 10_000
/** Milliseconds within which the end of a job must be known, if the store answers. */
const SOON = 1_000

async function storeOf(jobs: Jobs) {
  return (await insideOf(jobs).open()).store
}

/** Resolves when the store has answered a watch of this many jobs. */
async function watched(jobs: Jobs, count: number): Promise<void> {
  const watch = vi.spyOn(await storeOf(jobs), 'watch')
  await vi.waitFor(async () => {
    const calls = watch.mock.calls.findIndex(([, , ids]) => ids.length === count)
    expect(calls).toBeGreaterThanOrEqual(0)
    await watch.mock.results[calls]!.value
  }, PATIENCE)
  watch.mockRestore()
}

export function awaiting(connect: Connect): void {
  test('result() resolves to the value that handle() returned, before and after the end, in this and in another process', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const handle = await web.dispatch(new SquareJob().with({ n: 7 }))
    const before = [handle.result(), handle.result({ timeout: '1m' })]
    await bench.work([SquareJob], {}, bench.client())
    const result: { square: number } = await before[0]!
    expect(result).toEqual({ square: 49 })
    expect(await before[1]).toEqual({ square: 49 })
    expect(await handle.result()).toEqual({ square: 49 })
    expect(await bench.client().handle(SquareJob, handle.id).result()).toEqual({ square: 49 })
  })

  test('result() resolves to undefined if handle() returned true or nothing', async () => {
    await using bench = await Bench.make(connect)
    await bench.work([NothingJob])
    for (const returns of [true, undefined]) {
      const handle = await bench.jobs.dispatch(new NothingJob().with({ ...(returns && { returns }) }))
      expect(await handle.result()).toBeUndefined()
    }
  })

  test('result() rejects for a failed job with JOB_FAILED, the last error, and the causes of this error', async () => {
    await using bench = await Bench.make(connect)
    await bench.work([FailingJob], {}, bench.client())
    const handle = await bench.jobs.dispatch(new FailingJob().with())
    const error = await handle.result().catch((error) => error)
    expect(error).toMatchObject({ code: 'JOB_FAILED', id: handle.id })
    expect(error.message).toBe(`FailingJob ${handle.id} failed: not found (cause: no such page)`)
    expect(error.cause).toMatchObject({ name: 'HttpError', message: 'not found', code: 'E404' })
    expect(error.cause.stack).toContain('awaiting.ts')
    expect(error.cause.cause).toMatchObject({ message: 'no such page' })
    expect(error.cause).toBeInstanceOf(Error)
  })

  test('result() rejects for a job that was cancelled, expired or removed', async () => {
    await using bench = await Bench.make(connect)
    const draft = new SquareJob().with({ n: 1 }).delayed('1h')
    const [cancelled, removed] = await bench.jobs.dispatch([draft, draft])
    const results = [cancelled, removed].map((handle) => handle.result().catch((error) => error))
    await watched(bench.jobs, 2)
    await cancelled.cancel()
    await bench.client().handle(SquareJob, removed.id).remove()
    expect(await results[0]).toMatchObject({ code: 'JOB_CANCELLED', reason: 'user', id: cancelled.id })
    expect(await results[1]).toMatchObject({ code: 'JOB_REMOVED', id: removed.id })
    const expired = await bench.jobs.dispatch(new SquareJob().with({ n: 1 }).expiresIn(1))
    const result = expired.result().catch((error) => error)
    await bench.work([SquareJob])
    const error = await result
    // The worker may have run the job in time.
    if (error instanceof Error) expect(error).toMatchObject({ code: 'JOB_CANCELLED', reason: 'expired' })
  })

  test('if the returned value is not JSON, result() rejects with RESULT_DROPPED although the job has completed', async () => {
    await using bench = await Bench.make(connect)
    await bench.work([DateJob])
    const handle = await bench.jobs.dispatch(new DateJob().with())
    await expect(handle.result()).rejects.toMatchObject({
      code: 'RESULT_DROPPED',
      message: expect.stringMatching(/was not kept: DateJob: result is a Date$/),
    })
    expect(await handle.status()).toMatchObject({ state: 'completed' })
    expect(await handle.status()).not.toHaveProperty('result')
  })

  test('result() rejects after its timeout, for an aborted signal and for an invalid timeout, and the job goes on', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(new SquareJob().with({ n: 3 }))
    await expect(handle.result({ timeout: 50 })).rejects.toMatchObject({
      code: 'RESULT_TIMEOUT',
      message: `Job ${handle.id} has not ended within 50 ms`,
    })
    const reason = new Error('the visitor has left')
    const controller = new AbortController()
    const left = controller.signal
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    // One signal may end many waits for jobs and flows, and many readers of events.
    const waits = Array.from({ length: 20 }, () => handle.result({ signal: left }))
    const flow = await bench.jobs.dispatch(chain([new SquareJob().with({ n: 2 })]))
    for (let n = 0; n < 20; n++) waits.push(flow.result({ signal: left }) as (typeof waits)[number])
    const readers = Array.from({ length: 20 }, () => bench.jobs.events({ signal: left }))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', warned)
    expect(warnings).toEqual([])
    expect(getEventListeners(left, 'abort')).toHaveLength(1)
    controller.abort(reason)
    for (const wait of waits) await expect(wait).rejects.toBe(reason)
    for (const reader of readers) expect(await reader.next()).toMatchObject({ done: true })
    await expect(handle.result({ signal: controller.signal })).rejects.toBe(reason)
    await expect(handle.result({ timeout: 'soon' })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: `${handle.id}: result() was given the timeout 'soon'; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0`,
    })
    await expect(handle.result({ timeout: 0 })).rejects.toMatchObject({
      code: 'JOB_INVALID',
      message: `${handle.id}: result() was given the timeout 0; it must be milliseconds, or a text like '30s', '5m', '2h' or '1d', above 0`,
    })
    await bench.work([SquareJob])
    expect(await handle.result()).toEqual({ square: 9 })
  })

  test('if the store cannot be reached when result() opens it or asks for partitions, the wait goes on', async () => {
    await using bench = await Bench.make(connect)
    const { id } = await bench.jobs.dispatch(new SquareJob().with({ n: 3 }))
    await bench.work([SquareJob])
    const web = bench.client()
    const away = new JobsError('STORE_UNREACHABLE', 'Away')
    vi.spyOn(insideOf(web), 'open').mockRejectedValueOnce(away)
    expect(await web.handle(SquareJob, id).result()).toEqual({ square: 3 * 3 })
    vi.spyOn(await storeOf(web), 'partitions').mockRejectedValueOnce(away)
    expect(await web.handle(SquareJob, id).result()).toEqual({ square: 3 * 3 })
    const fails = new JobsError('LAYOUT_UNKNOWN', 'A layout')
    vi.spyOn(insideOf(web), 'open').mockRejectedValueOnce(fails)
    await expect(web.handle(SquareJob, id).result()).rejects.toBe(fails)
  })

  test('timeout and signal count while the store is being opened', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const opening = vi.spyOn(insideOf(web), 'open').mockReturnValue(new Promise(() => {}))
    const handle = web.handle(SquareJob, 'nobody0000000')
    await expect(handle.result({ timeout: 20 })).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    const reason = new Error('the visitor has left')
    const controller = new AbortController()
    const result = handle.result({ signal: controller.signal })
    controller.abort(reason)
    await expect(result).rejects.toBe(reason)
    opening.mockRestore()
  })

  test('result() says that a job was not queued because the queue was full', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client({ queues: { default: { max: 1, full: 'reject' } } })
    await web.dispatch(new SquareJob().with({ n: 1 }))
    const handle = await web.dispatch(new SquareJob().with({ n: 2 }))
    expect(handle.rejection).toEqual({ reason: 'full' })
    await expect(handle.result()).rejects.toMatchObject({
      code: 'JOB_NOT_QUEUED',
      id: handle.id,
      message: `Job ${handle.id} has no result: it was not queued, because the queue default was full`,
    })
  })

  test('result() rejects with RESULT_GONE if the job never existed or its record was removed', async () => {
    await using bench = await Bench.make(connect)
    const handle = await bench.jobs.dispatch(new SquareJob().with({ n: 1 }))
    const result = handle.result()
    await watched(bench.jobs, 1)
    await bench.work([SquareJob], {}, bench.client())
    await result
    await handle.remove()
    // The store remembers for a while that a watched job has ended.
    expect(await handle.result()).toEqual({ square: 1 })
    for (const queue of ['default', 'emails']) {
      await expect(bench.jobs.handle(SquareJob, 'nobody0000000', { queue }).result()).rejects.toMatchObject({
        code: 'RESULT_GONE',
        id: 'nobody0000000',
      })
    }
  })

  test('when another job has taken the id, the handle never gets the result of the second job', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const store = await storeOf(web)
    const draft = (n: number) => new SquareJob().with({ n }).withId('one', { reuse: 'ended' })
    const first = await web.dispatch(draft(1))
    const worker = await bench.work([SquareJob])
    expect(await first.result()).toEqual({ square: 1 })
    await worker.stop()
    const second = await web.dispatch(draft(2))
    await expect(first.result()).rejects.toMatchObject({ code: 'RESULT_GONE', id: 'one' })
    // A handle in another process belongs to the job that has the id when the handle first reads it.
    const other = web.handle(SquareJob, 'one').result()
    await watched(web, 1)
    const looks = vi.spyOn(store, 'watch')
    const quiet = signal()
    looks.mockImplementation(async (...args) => {
      await quiet.promise
      looks.mockRestore()
      return store.watch(...args)
    })
    await bench.work([SquareJob])
    const ended = async (state: string) => {
      await expect.poll(async () => (await second.status())?.state, { timeout: PATIENCE }).toBe(state)
    }
    await ended('completed')
    const third = await bench.client().dispatch(draft(3))
    await ended('completed')
    quiet.resolve()
    await expect(other).rejects.toMatchObject({ code: 'RESULT_GONE' })
    expect(await third.result()).toEqual({ square: 9 })
  })

  test('if a person retries the job between two checks of a handle, the handle gets the result of the retry', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    let fails = true
    class TwiceJob extends Job {
      override tries = 1
      async handle() {
        if (fails) throw new Error('not yet')
        return { done: true }
      }
    }
    const handle = await web.dispatch(new TwiceJob().with().withId('two', { reuse: 'ended' }))
    const store = await storeOf(web)
    const result = handle.result()
    await watched(web, 1)
    const [quiet, looks] = [signal(), vi.spyOn(store, 'watch')]
    looks.mockImplementation(async (...args) => {
      await quiet.promise
      looks.mockRestore()
      return store.watch(...args)
    })
    await bench.work([TwiceJob])
    await expect.poll(async () => (await handle.status())?.state, { timeout: PATIENCE }).toBe('failed')
    fails = false
    await web.retry('two')
    quiet.resolve()
    expect(await result).toEqual({ done: true })
  })

  test('hundreds of waits at once cause no warning of Node about too many listeners', async () => {
    await using bench = await Bench.make(connect)
    const warned = vi.spyOn(process, 'emitWarning')
    const handles = await bench.jobs.dispatch(
      Array.from({ length: 200 }, (_, n) => new SquareJob().with({ n })),
    )
    const results = Promise.all(handles.map((handle) => handle.result()))
    await bench.work([SquareJob])
    expect((await results).at(-1)).toEqual({ square: 199 ** 2 })
    expect(warned).not.toHaveBeenCalled()
    warned.mockRestore()
  })

  test('in a queue with several partitions, a handle finds its job without knowing the partition', async () => {
    await using bench = await Bench.make(connect)
    const queues = { default: { partitions: 3 } }
    const web = bench.client({ queues })
    await bench.work([SquareJob], {}, bench.client({ queues }))
    const drafts = Array.from({ length: 9 }, (_, n) => new SquareJob().with({ n }))
    const handles = await web.dispatch(drafts)
    const others = handles.map(({ id }) => bench.client({ queues }).handle(SquareJob, id))
    for (const [n, other] of others.entries()) expect(await other.result()).toEqual({ square: n * n })
    await expect(web.handle(SquareJob, 'nobody0000000').result()).rejects.toMatchObject({
      code: 'RESULT_GONE',
    })
  })

  test('after a change of partitions, an id means the job in the partition that the id decides', async () => {
    await using bench = await Bench.make(connect)
    const draft = new SquareJob().with({ n: 2 })
    const before = await bench.jobs.dispatch(draft.withId('invoice-7'))
    const worker = await bench.work([SquareJob])
    expect(await before.result()).toEqual({ square: 4 })
    await worker.stop()
    const web = bench.client({ queues: { default: { partitions: 3 } } })
    const handle = web.handle(SquareJob, 'invoice-7')
    // The queue had one partition then.
    expect(await handle.result()).toEqual({ square: 4 })
    await web.dispatch(new SquareJob().with({ n: 3 }).withId('invoice-7'))
    expect(await handle.status()).toMatchObject({ state: 'waiting' })
    await expect(handle.result({ timeout: SOON })).rejects.toMatchObject({ code: 'RESULT_TIMEOUT' })
    expect(await handle.progress()).toBeUndefined()
  })

  test('a dispatch that another job rejected gets the result of that other job', async () => {
    class OnceJob extends SquareJob {
      override unique = unique((payload: { n: number }) => String(payload.n))
    }
    await using bench = await Bench.make(connect)
    const first = await bench.jobs.dispatch(new OnceJob().with({ n: 4 }))
    const second = await bench.jobs.dispatch(new OnceJob().with({ n: 4 }))
    expect(second).toMatchObject({ queued: false, id: first.id })
    const result = second.result()
    await bench.work([OnceJob])
    expect(await result).toEqual({ square: 16 })
  })

  test(`${MAX_ITEMS + 200} waits in a process share one listener for notifications, and each wait gets its own result`, async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const store = await storeOf(web)
    const [wait, watch] = [vi.spyOn(store, 'wait'), vi.spyOn(store, 'watch')]
    const drafts = Array.from({ length: MAX_ITEMS + 200 }, (_, n) => new SquareJob().with({ n }))
    const handles = await web.dispatch(drafts)
    const results = Promise.all(handles.map((handle) => handle.result()))
    await vi.waitFor(() => expect(watch.mock.calls.length).toBeGreaterThan(1), PATIENCE)
    expect(new Set(watch.mock.calls.map(([, watcher]) => watcher)).size).toBe(1)
    expect(wait.mock.calls).toHaveLength(1)
    await bench.work([SquareJob], {}, bench.client())
    expect(await results).toEqual(drafts.map((_, n) => ({ square: n * n })))
    // When no wait is left, the process asks the store nothing.
    const calls = watch.mock.calls.length
    await new Promise((resolve) => setTimeout(resolve, 2 * SOON))
    expect(watch.mock.calls.length).toBe(calls)
  })

  test('without notifications, a wait still finds out about the end within a second', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const store = await storeOf(web)
    vi.spyOn(store, 'wait').mockImplementation(async (_, __, over) => {
      await new Promise((resolve) => over?.addEventListener('abort', resolve))
      return []
    })
    const ended = signal<number>()
    class NotedJob extends Job {
      handle() {
        ended.resolve(performance.now())
        return 1
      }
    }
    const handle = await web.dispatch(new NotedJob().with())
    const result = handle.result()
    await bench.work([NotedJob], {}, bench.client())
    expect(await result).toBe(1)
    expect(performance.now() - (await ended.promise)).toBeLessThan(SOON)
  })

  test('close() of the instance ends its waits', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const handle = await web.dispatch(new SquareJob().with({ n: 1 }))
    const result = handle.result().catch((error) => error)
    await watched(web, 1)
    await web.close()
    expect(await result).toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(JobsError.is(await result)).toBe(true)
  })

  test.each(['open', 'not open yet'])(
    'if the instance is closed (%s) at once, a wait that has just begun ends, and the store stays closed',
    async (state) => {
      await using bench = await Bench.make(connect)
      const { id } = await bench.jobs.dispatch(new SquareJob().with({ n: 1 }))
      const web = bench.client()
      if (state === 'open') await insideOf(web).open()
      const opening = vi.spyOn(insideOf(web), 'open')
      const result = web
        .handle(SquareJob, id)
        .result()
        .catch((error) => error)
      await web.close()
      opening.mockClear()
      expect(await result).toMatchObject({ code: 'STORE_UNREACHABLE' })
      expect(opening).not.toHaveBeenCalled()
    },
  )

  test('close() of the instance ends its waits even if the store cannot be reached', async () => {
    await using bench = await Bench.make(connect)
    const web = bench.client()
    const opening = vi
      .spyOn(insideOf(web), 'open')
      .mockRejectedValue(new JobsError('STORE_UNREACHABLE', 'Away'))
    const result = web
      .handle(SquareJob, 'nobody0000000')
      .result()
      .catch((error) => error)
    await vi.waitFor(() => expect(opening).toHaveBeenCalled(), PATIENCE)
    await web.close()
    opening.mockRestore()
    expect(await result).toMatchObject({ message: 'The store was closed while a result was awaited' })
  })

  test('if a handler awaits a job that only its own worker runs, one warning names the deadlock', async () => {
    await using bench = await Bench.make(connect)
    const inner: { result?: Promise<unknown> } = {}
    // The first awaited job can begin; a later one cannot.
    const delayed = await bench.jobs.dispatch(new SquareJob().with({ n: 1 }).delayed('1h'))
    const first = delayed.result().catch((error) => error)
    const awaits = async () => {
      const handles = await bench.jobs.dispatch([
        new SquareJob().with({ n: 2 }),
        new SquareJob().with({ n: 3 }),
      ])
      inner.result = Promise.all(handles.map((handle) => handle.result()))
      return inner.result
    }
    class OuterJob extends Job {
      async handle() {
        await Promise.race([
          awaits(),
          new Promise((resolve) => this.signal.addEventListener('abort', resolve)),
        ])
      }
    }
    const warnings: (Error & { code?: string })[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    const outer = await bench.jobs.dispatch(new OuterJob().with())
    await bench.work([OuterJob, SquareJob], { concurrency: 1 })
    await vi.waitFor(() => expect(warnings).toMatchObject([{ code: 'LARK_RESULT_DEADLOCK' }]), 8_000)
    expect(warnings[0]!.message).toMatch(
      /^result\(\) waits for job \w+ of the queue default, which does not begin/,
    )
    await outer.cancel()
    expect(await inner.result).toEqual([{ square: 4 }, { square: 9 }])
    await delayed.cancel()
    expect(await first).toMatchObject({ code: 'JOB_CANCELLED' })
    process.off('warning', listen)
    expect(warnings).toHaveLength(1)
  })
}
