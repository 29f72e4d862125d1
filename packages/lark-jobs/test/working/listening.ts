/** `Jobs.events()` reports what happens to jobs in any process. */

import { expect, test, vi } from 'vitest'
import type { Jobs } from '../../src/api/jobs.ts'
import { type EventGap, type EventOptions, Job, type QueueEvent, type QueueEvents } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { Bench, type Connect, Record } from './bench.ts'

class SendJob extends Job {
  override tries = 1
  handle({ fails }: { fails?: boolean }) {
    if (fails) throw new Error('mailbox full')
  }
}

class LowJob extends Job {
  override queueName = 'low'
  handle() {}
}

type Told = QueueEvent | EventGap

async function listen(jobs: Jobs, options: EventOptions = {}): Promise<QueueEvents> {
  return jobs.events(options).ready()
}

/** Takes the given number of events. */
async function take(events: QueueEvents, count: number): Promise<Told[]> {
  const taken: Told[] = []
  while (taken.length < count) {
    const { done, value } = await events.next()
    if (done) throw new Error(`only ${taken.length} events`)
    taken.push(value)
  }
  return taken
}

const kinds = (told: readonly Told[]) => told.map(({ kind }) => kind)
const idsOf = (told: readonly Told[]) => told.map((event) => ('id' in event ? event.id : 'gap'))

/** Dispatches the given number of jobs in one call, and returns their ids. */
async function send(jobs: Jobs, count: number): Promise<string[]> {
  const handles = await jobs.dispatch(Array.from({ length: count }, () => SendJob.with({})))
  return handles.map(({ id }) => id)
}

export function listening(connect: Connect): void {
  test('each change of a job in any process is an event', async () => {
    await using bench = await Bench.make(connect)
    await using events = await listen(bench.client())
    const before = Date.now()
    const report = new Record()
    await bench.work([SendJob], { report }, bench.client())
    const handle = await bench.client().dispatch(SendJob.with({ fails: true }))
    const told = await take(events, 3)
    expect(told).toMatchObject(
      ['queued', 'started', 'failed'].map((kind) => ({ kind, id: handle.id, queue: 'default' })),
    )
    for (const event of told) if ('at' in event) expect(Math.abs(event.at - before)).toBeLessThan(60_000)
    expect(JSON.parse(JSON.stringify(told[0]))).toHaveProperty('cursor')
  })

  test('a loop gets events until it ends', async () => {
    await using bench = await Bench.make(connect)
    const events = await listen(bench.jobs)
    const sent = await send(bench.jobs, 3)
    const heard: string[] = []
    for await (const event of events) {
      if ('id' in event) heard.push(event.id)
      if (heard.length === 3) break
    }
    expect(heard).toEqual(sent)
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  test('a process that hears many streams causes no warning of Node about many listeners', async () => {
    await using bench = await Bench.make(connect)
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    try {
      const all = await Promise.all(Array.from({ length: 12 }, () => listen(bench.jobs)))
      for (const events of all) await events.return()
      expect(warned).not.toHaveBeenCalled()
    } finally {
      warned.mockRestore()
    }
  })

  test('without ready(), the events begin with the first next()', async () => {
    await using bench = await Bench.make(connect)
    await send(bench.jobs, 1)
    const events = bench.jobs.events()
    expect(events.cursor).toBeUndefined()
    const next = events.next()
    await vi.waitFor(() => expect(events.cursor).toBeDefined())
    const [id] = await send(bench.jobs, 1)
    expect((await next).value).toMatchObject({ id })
    await events.return()
  })

  test('the options queues and kinds select events', async () => {
    await using bench = await Bench.make(connect)
    await using low = await listen(bench.jobs, { queues: ['low'] })
    await using ends = await listen(bench.jobs, { kinds: ['completed', 'failed'] })
    const low1 = await bench.jobs.dispatch(LowJob.with())
    await send(bench.jobs, 1)
    const low2 = await bench.jobs.dispatch(LowJob.with())
    expect(idsOf(await take(low, 2))).toEqual([low1.id, low2.id])
    await bench.work([SendJob, LowJob], { queues: ['default', 'low'] })
    expect(kinds(await take(ends, 3))).toEqual(['completed', 'completed', 'completed'])
  })

  test('with since, another process continues after an event and gets none twice', async () => {
    await using bench = await Bench.make(connect)
    await using first = await listen(bench.client())
    const sent = await send(bench.jobs, 120)
    sent.push((await bench.jobs.dispatch(LowJob.with())).id, ...(await send(bench.jobs, 3)))
    const heard = await take(first, 7)
    for (const count of [7, 3]) {
      const { cursor } = heard[count - 1]!
      await using again = await listen(bench.client(), { since: cursor })
      const all = [...idsOf(heard.slice(0, count)), ...idsOf(await take(again, sent.length - count))]
      expect(all.sort()).toEqual([...sent].sort())
      expect(new Set(all).size).toBe(sent.length)
    }
  })

  test('the cursor also moves past events that the options exclude', async () => {
    await using bench = await Bench.make(connect)
    await using events = await listen(bench.jobs, { kinds: ['removed'] })
    const [first, last] = await send(bench.jobs, 2)
    await bench.jobs.remove(first!)
    await take(events, 1)
    const { cursor: since } = events
    await bench.jobs.remove(last!)
    await using again = await listen(bench.client(), { since })
    expect(await take(again, 1)).toMatchObject([{ kind: 'removed', id: last }])
  })

  test('the stream continues while the application is busy with an event', async () => {
    await using bench = await Bench.make(connect)
    const { store } = await insideOf(bench.jobs).open()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    try {
      await using events = await listen(bench.jobs, { queues: ['default'] })
      const listened = vi.spyOn(store, 'listen')
      vi.advanceTimersByTime(20_000)
      expect(listened.mock.calls).toEqual([['default', expect.any(String), 180_000, undefined]])
      await events.return()
      vi.advanceTimersByTime(60_000)
      expect(listened).toHaveBeenCalledTimes(1)
    } finally {
      vi.useRealTimers()
    }
  })

  test('two readers of a process get the same events', async () => {
    await using bench = await Bench.make(connect)
    await using one = await listen(bench.jobs)
    await using other = await listen(bench.jobs)
    const sent = await send(bench.jobs, 2)
    expect(idsOf(await take(one, 2))).toEqual(sent)
    expect(idsOf(await take(other, 2))).toEqual(sent)
  })

  test('many readers of a process cause no warning', async () => {
    await using bench = await Bench.make(connect)
    const warnings: Error[] = []
    const warned = (warning: Error) => warnings.push(warning)
    process.on('warning', warned)
    const all = await Promise.all(Array.from({ length: 12 }, () => listen(bench.jobs)))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', warned)
    expect(warnings).toEqual([])
    for (const events of all) await events.return()
  })

  test('the signal, return() and close() end a wait for events', async () => {
    await using bench = await Bench.make(connect)
    const ends: ((events: QueueEvents, jobs: Jobs, abort: AbortController) => unknown)[] = [
      (_events, _jobs, abort) => abort.abort(),
      (events) => events.return(),
      (_, jobs) => jobs.close(),
    ]
    for (const end of ends) {
      const abort = new AbortController()
      const jobs = bench.client()
      const events = await listen(jobs, { signal: abort.signal })
      const next = events.next()
      await end(events, jobs, abort)
      expect(await next).toEqual({ done: true, value: undefined })
      expect(await events.next()).toEqual({ done: true, value: undefined })
    }
    const abort = new AbortController()
    const events = await listen(bench.jobs, { signal: abort.signal })
    await send(bench.jobs, 2)
    await take(events, 1)
    abort.abort()
    expect(await events.next()).toEqual({ done: true, value: undefined })
    const aborted = bench.jobs.events({ signal: AbortSignal.abort() })
    expect(await aborted.next()).toEqual({ done: true, value: undefined })
  })

  test('a queue that appears later comes as a gap, followed by its events', async () => {
    await using bench = await Bench.make(connect)
    await using events = await listen(bench.jobs)
    const other = bench.client({ queues: ['default', 'emails', 'low', 'later'] })
    const first = await other.dispatch(SendJob.with({}).onQueue('later'))
    expect(await take(events, 1)).toMatchObject([{ kind: 'gap', queue: 'later' }])
    const next = await other.dispatch(SendJob.with({}).onQueue('later'))
    expect(first.id).not.toBe(next.id)
    expect(await take(events, 1)).toMatchObject([{ kind: 'queued', queue: 'later', id: next.id }])
  })

  test('a cursor of another store causes a gap for each queue with missed events', async () => {
    await using bench = await Bench.make(connect)
    await using other = await Bench.make(connect)
    await using foreign = await listen(other.jobs, { queues: ['default'] })
    await send(other.jobs, 1)
    const [{ cursor: since } = {} as Told] = await take(foreign, 1)
    await send(bench.jobs, 1)
    await using events = await listen(bench.jobs, { queues: ['default'], since })
    const next = take(events, 1)
    expect(await next).toMatchObject([{ kind: 'gap', queue: 'default' }])
    const [id] = await send(bench.jobs, 1)
    expect(idsOf(await take(events, 1))).toEqual([id])
  })

  test('operate() offers events too', async () => {
    await using bench = await Bench.make(connect)
    await using events = await operate(bench.jobs)
      .events({ queues: ['default'] })
      .ready()
    const sent = await send(bench.jobs, 1)
    expect(idsOf(await take(events, 1))).toEqual(sent)
  })

  test.each<[unknown, object]>([
    [{ kinds: ['finished'] }, { code: 'FILTER_INVALID' }],
    [{ kinds: 'failed' }, { code: 'FILTER_INVALID' }],
    [{ queues: [] }, { code: 'FILTER_INVALID' }],
    [{ queues: undefined }, { code: 'FILTER_INVALID' }],
    [{ queue: ['default'] }, { code: 'FILTER_INVALID' }],
    [{ signal: 'x' }, { code: 'FILTER_INVALID' }],
    [{ queues: ['nowhere'] }, { code: 'UNKNOWN_QUEUE' }],
    [{ since: 'nonsense' }, { code: 'CURSOR_INVALID' }],
  ])('refuses %j', async (options, error) => {
    await using bench = await Bench.make(connect)
    await expect(bench.jobs.events(options as EventOptions).ready()).rejects.toMatchObject(error)
    await expect(bench.jobs.events(options as EventOptions).next()).rejects.toMatchObject(error)
  })

  test('events() refuses the cursor of a list', async () => {
    await using bench = await Bench.make(connect)
    await send(bench.jobs, 2)
    const { cursor: since } = await bench.jobs.list({}, { limit: 1 })
    await expect(bench.jobs.events({ since }).ready()).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
  })
}
