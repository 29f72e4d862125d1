/** `this.progress()` reports the progress of a job, and the store keeps the latest report. */

import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Bench, type Connect, signal } from './bench.ts'

/** Milliseconds. Every wait in these tests takes less time. */
const PATIENCE = 10_000

let steps = signal<(progress: unknown) => void>()
let stop = signal()

/** This job reports values of the test until the test ends it. */
class ReportingJob extends Job {
  async handle() {
    steps.resolve((progress) => this.progress(progress))
    await stop.promise
    this.progress(3, 3, 'done')
    return 'ok'
  }
}

class WrongJob extends Job {
  override tries = 1
  handle({ large }: { large: boolean }) {
    this.progress(large ? 'x'.repeat(5_000) : { size: 1n })
  }
}

export function reporting(connect: Connect): void {
  test('progress is visible while the job runs, reaches callers that await the result, and is kept after the end', async () => {
    await using bench = await Bench.make(connect)
    steps = signal()
    stop = signal()
    const web = bench.client()
    const handle = await web.dispatch(new ReportingJob().with())
    expect(await handle.progress()).toBeUndefined()
    // The lease is far longer than the test, so that no renewal brings the progress.
    await bench.work([ReportingJob], { lease: 100_000 }, bench.client())
    const report = await steps.promise
    const told: unknown[] = []
    const result = handle.result({ onProgress: (progress) => told.push(progress) })
    for (const progress of [1, { done: 2, total: 3 }, null]) {
      report(progress)
      await vi.waitFor(() => expect(told.at(-1)).toEqual(progress), PATIENCE)
      expect(await handle.progress()).toEqual(progress)
    }
    stop.resolve()
    expect(await result).toBe('ok')
    const last = { done: 3, total: 3, note: 'done' }
    expect(await handle.progress()).toEqual(last)
    expect(await handle.status()).toMatchObject({ state: 'completed', progress: last })
    expect(await bench.client().find(handle.id)).toMatchObject({ progress: last })
  })

  test('a job that reports all the time makes four calls a second while somebody watches it, and no calls otherwise', async () => {
    await using bench = await Bench.make(connect)
    steps = signal()
    stop = signal()
    const web = bench.client()
    const back = bench.client()
    const handle = await web.dispatch(new ReportingJob().with())
    const { store } = await insideOf(back).open()
    const extend = vi.spyOn(store, 'extend')
    const reports = () =>
      extend.mock.calls.filter(([, , notes]) => notes.some((note) => note.progress !== undefined)).length
    await bench.work([ReportingJob], { lease: 100_000 }, back)
    const report = await steps.promise
    let n = 0
    const busy = setInterval(() => report(n++), 5)
    // The first report asks the store whether anyone watches.
    await vi.waitFor(() => expect(reports()).toBe(1), PATIENCE)
    const before = n
    await vi.waitFor(() => expect(n).toBeGreaterThan(before + 100), PATIENCE)
    expect(reports()).toBe(1)
    const began = performance.now()
    const result = handle.result()
    await vi.waitFor(() => expect(reports()).toBeGreaterThan(4), PATIENCE)
    const seconds = (performance.now() - began) / 1_000
    expect(reports() - 1).toBeLessThanOrEqual(4 * seconds + 1)
    clearInterval(busy)
    stop.resolve()
    await result
  })

  test('values without a JSON form and values that are too large are refused', async () => {
    await using bench = await Bench.make(connect)
    await bench.work([WrongJob])
    for (const [large, message] of [
      [true, /^WrongJob: the progress has .*5002 bytes, the limit is 4096$/],
      [false, /^WrongJob: progress\.size is a BigInt$/],
    ] as const) {
      const handle = await bench.jobs.dispatch(new WrongJob().with({ large }))
      const error = await handle.result().catch((error) => error)
      expect(error.cause).toMatchObject({ code: 'PROGRESS_INVALID', message: expect.stringMatching(message) })
    }
  })

  test('a listener that throws ends only its own wait, with its error', async () => {
    await using bench = await Bench.make(connect)
    steps = signal()
    stop = signal()
    const handle = await bench.jobs.dispatch(new ReportingJob().with())
    await bench.work([ReportingJob], {}, bench.client())
    const report = await steps.promise
    const error = new Error('the page is gone')
    const throwing = handle.result({
      onProgress: () => {
        throw error
      },
    })
    const result = handle.result()
    report(1)
    await expect(throwing).rejects.toBe(error)
    stop.resolve()
    expect(await result).toBe('ok')
  })
}
