/** `operate().tail()` follows one job while it runs in any process. */

import { expect, test, vi } from 'vitest'
import { Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate, type TailEvent } from '../../src/operate.ts'
import { Bench, type Connect, signal } from './bench.ts'

let go = signal()

class ImportJob extends Job {
  override tries = 2
  override backoff = 0
  async handle() {
    this.info('reading')
    this.progress(1, 2)
    await go.promise
    this.warn('no header')
    throw new Error('the file is empty')
  }
}

/** This job writes lines in each run until the test has got one, and reports no progress. */
class WritingJob extends Job {
  override tries = 2
  override backoff = 0
  async handle() {
    const write = () => this.info(`run ${this.attempt}`)
    write()
    const writing = setInterval(write, 20)
    await go.promise.finally(() => clearInterval(writing))
    go = signal()
    throw new Error('the file is empty')
  }
}

async function all(news: AsyncIterable<TailEvent>): Promise<TailEvent[]> {
  const told: TailEvent[] = []
  for await (const each of news) told.push(each)
  return told
}

export function tailing(connect: Connect): void {
  test('a caller follows a job over its runs, with its log, its progress and its end', async () => {
    go = signal()
    await using bench = await Bench.make(connect)
    const [{ id }] = await bench.jobs.dispatch([new ImportJob().with()] as const)
    const news = operate(bench.client()).tail(id)
    expect(await news.next()).toMatchObject({ value: { kind: 'state', job: { id, state: 'waiting' } } })
    const worker = await bench.work([ImportJob])
    const told: TailEvent[] = []
    while (!told.some(({ kind }) => kind === 'progress')) told.push((await news.next()).value!)
    expect(told).toContainEqual({ kind: 'progress', progress: { done: 1, total: 2 } })
    expect(told[0]).toMatchObject({ kind: 'state', job: { state: 'active', holder: worker.id } })
    go.resolve()
    told.push(...(await all(news)))
    const lines = told.flatMap((each) =>
      each.kind === 'log' ? [`${each.line.level} ${each.line.text}`] : [],
    )
    expect(lines).toEqual(['info reading', 'warn no header', 'info reading', 'warn no header'])
    expect(told.at(-1)).toMatchObject({ kind: 'state', job: { state: 'failed', runs: 2, failures: 2 } })
    expect(told.at(-1)).not.toHaveProperty('job.payload.0')
    expect((await all(operate(bench.client()).tail(id))).map(({ kind }) => kind)).toEqual([
      ...['log', 'log', 'log', 'log', 'progress', 'state'],
    ])
  })

  test('in each run, lines of a job without progress come four times a second, without a renewal of its lease', async () => {
    go = signal()
    await using bench = await Bench.make(connect)
    const back = bench.client()
    const extend = vi.spyOn((await insideOf(back).open()).store, 'extend')
    const handle = await bench.jobs.dispatch(new WritingJob().with())
    await bench.work([WritingJob], { lease: 100_000 }, back)
    await vi.waitFor(async () => expect(await handle.status()).toMatchObject({ state: 'active' }), 10_000)
    expect(extend).not.toHaveBeenCalled()
    const began = performance.now()
    const told: string[] = []
    for await (const news of operate(bench.client()).tail(handle.id)) {
      if (news.kind !== 'log') continue
      const { text } = news.line
      if (text === told.at(-1)) continue
      told.push(text)
      go.resolve()
    }
    const seconds = (performance.now() - began) / 1_000
    expect(told).toEqual(['run 1', 'run 2'])
    // Each run adds one call, by which the worker learns that a caller watches.
    expect(extend.mock.calls.length).toBeLessThanOrEqual(4 * seconds + 3)
  })

  test('the tail ends with the signal and with the removal of the job, and an unknown job is refused', async () => {
    await using bench = await Bench.make(connect)
    const [{ id }] = await bench.jobs.dispatch([new ImportJob().with()] as const)
    const over = new AbortController()
    const ends = operate(bench.client()).tail(id, { signal: over.signal })
    await ends.next()
    over.abort()
    expect(await ends.next()).toEqual({ value: undefined, done: true })
    const news = operate(bench.client()).tail(id)
    await news.next()
    await bench.jobs.remove(id)
    expect(await all(news)).toEqual([{ kind: 'gone' }])
    await expect(operate(bench.jobs).tail(id).next()).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    await expect(operate(bench.jobs).tail('').next()).rejects.toMatchObject({ code: 'JOB_ID_INVALID' })
  })
}
