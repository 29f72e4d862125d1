/**
 * Tests `telemetry: otel()` with the real SDK: spans of dispatches and runs, their connection, and metrics.
 */

import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { expect, test, vi } from 'vitest'
import {
  batch,
  chain,
  type DispatchableFlow,
  defineSignal,
  Job,
  context as jobContext,
  unique,
  withContext,
} from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { otel } from '../../src/otel.ts'
import { idsOf, Sdk } from '../telemetry/sdk.ts'
import { Bench, type Connect, Record as Report } from './bench.ts'

/** The jobs of these tests make a span named `inside`, and record the baggage that they find. */
const inside = () => trace.getTracer('app').startSpan('inside').end()
let carried: (string | undefined)[] = []

class StepJob extends Job {
  override readonly key = 'step'
  override tries = 2
  override backoff = 0
  handle({ how }: { how: string }) {
    carried.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value)
    inside()
    if (how === 'retry' && this.attempt === 1) throw new TypeError('no paper')
    if (how === 'release') this.release('2h')
    if (how === 'fail') this.fail(Object.assign(new Error('no ink'), { code: 'NO_INK' }))
  }
  override failed() {
    inside()
  }
}
class OuterJob extends Job {
  override readonly key = 'outer'
  override queueName = 'emails'
  static jobs: Bench['jobs']
  async handle() {
    await OuterJob.jobs.dispatch(new StepJob(), { how: 'fine' })
  }
}
const go = defineSignal('go')
/** This job mails in two tries with batched results, and then waits for `go`. */
class TripJob extends Job {
  override readonly key = 'trip'
  static met: () => Promise<unknown>
  async handle({ n }: { n: number }) {
    const see = () => {
      inside()
      return [propagation.getActiveBaggage()?.getEntry('tenant')?.value, jobContext()?.['user']]
    }
    const mailed = await this.step(
      ['mail', n],
      async ({ attempt }) => {
        if (attempt === 1) throw new TypeError('no paper')
        await TripJob.met()
        return see()
      },
      { tries: 2, backoff: 0 },
    )
    const between = see()
    await this.waitFor(go)
    const pages: number[] = []
    for await (const row of this.eachItem('rows', () => ({ items: [n] }))) pages.push(row)
    await this.step('end', see)
    return { mailed, between, pages }
  }
}
class UndoneJob extends Job {
  override readonly key = 'undone'
  override tries = 1
  async handle() {
    await this.step('book', () => 7, { undo: inside })
    throw new Error('sold out')
  }
}
class OnceJob extends Job {
  override readonly key = 'once'
  override unique = unique()
  handle() {}
}

export function tracing(connect: Connect): void {
  async function traced() {
    carried = []
    const sdk = new Sdk()
    const bench = await Bench.make(connect)
    const config = { telemetry: otel(), queues: ['default', 'emails'], limiters: { api: { concurrency: 3 } } }
    const client = bench.client(config)
    const run = async (...jobs: (new () => Job)[]) =>
      await (await bench.work(jobs, { stopWhenEmpty: true }, client)).done
    return {
      ...{ sdk, bench, client, run, config },
      async [Symbol.asyncDispose]() {
        await bench[Symbol.asyncDispose]()
        await sdk[Symbol.asyncDispose]()
      },
    }
  }

  test('a run has its own trace with a link to the dispatch, and is active in the handler', async () => {
    await using app = await traced()
    const { sdk, client } = app
    OuterJob.jobs = client
    await trace.getTracer('app').startActiveSpan('request', async (span) => {
      await client.dispatch(new OuterJob())
      span.end()
    })
    await app.run(OuterJob, StepJob)
    const [request] = sdk.spans('request')
    const [outerSend] = sdk.spans('send emails')
    const [outerRun] = sdk.spans('process emails')
    const [send] = sdk.spans('send default')
    const [process] = sdk.spans('process default')
    expect(sdk.spans()).toHaveLength(6)
    expect(outerSend!.kind).toBe(SpanKind.PRODUCER)
    expect(outerRun!.kind).toBe(SpanKind.CONSUMER)
    expect(outerSend!.attributes).toEqual({
      'messaging.system': 'lark',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'emails',
      'messaging.message.id': expect.any(String),
      'lark.job.key': 'outer',
    })
    expect(outerRun!.attributes).toEqual({
      'messaging.system': 'lark',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'emails',
      'messaging.message.id': outerSend!.attributes['messaging.message.id'],
      'lark.job.key': 'outer',
      'lark.job.attempt': 1,
      'lark.job.outcome': 'completed',
    })
    expect(outerRun!.status.code).toBe(SpanStatusCode.UNSET)
    expect(idsOf(outerSend!)).toMatchObject({ parent: idsOf(request!).id, trace: idsOf(request!).trace })
    // The run has its own trace: it has no parent, another id, and a link.
    expect(idsOf(outerRun!)).toEqual({
      trace: expect.not.stringContaining(idsOf(request!).trace),
      id: expect.any(String),
      links: [idsOf(outerSend!).id],
    })
    expect(idsOf(send!)).toMatchObject({ parent: idsOf(outerRun!).id, trace: idsOf(outerRun!).trace })
    expect(idsOf(process!).links).toEqual([idsOf(send!).id])
    expect(idsOf(sdk.spans('inside')[0]!).parent).toBe(idsOf(process!).id)
  })

  test('each attempt has a span, and the context outlives delays, retries and the dispatcher', async () => {
    await using app = await traced()
    const { sdk, bench } = app
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } })
    const other = bench.client(app.config)
    await context.with(propagation.setBaggage(context.active(), baggage), async () => {
      const ways = ['retry', 'fail', 'release']
      for (const how of ways) await other.dispatch(new StepJob().with({ how }).delayed(20))
    })
    await other.close()
    const report = new Report()
    const ended = report.ends(4)
    await bench.work([StepJob], { report, concurrency: 1 }, app.client)
    await ended
    const sends = sdk.spans('send default').map((span) => idsOf(span).id)
    const runs = sdk.spans('process default')
    const seen = runs.map((span) => ({
      from: sends.indexOf(idsOf(span).links[0]!),
      attempt: span.attributes['lark.job.attempt'],
      outcome: span.attributes['lark.job.outcome'],
      error: span.attributes['error.type'],
      status: span.status,
      events: span.events.map(({ name }) => name),
    }))
    const unset = { code: SpanStatusCode.UNSET }
    const bad = (message: string) => ({ code: SpanStatusCode.ERROR, message })
    expect(seen.sort((one, two) => one.from - two.from || Number(one.attempt) - Number(two.attempt))).toEqual(
      [
        {
          ...{ from: 0, attempt: 1, outcome: 'retried', error: 'TypeError' },
          ...{ status: bad('no paper'), events: ['exception'] },
        },
        { from: 0, attempt: 2, outcome: 'completed', error: undefined, status: unset, events: [] },
        {
          ...{ from: 1, attempt: 1, outcome: 'failed', error: 'NO_INK' },
          ...{ status: bad('no ink'), events: ['exception'] },
        },
        { from: 2, attempt: 1, outcome: 'released', error: undefined, status: unset, events: [] },
      ],
    )
    expect(new Set(runs.map((span) => idsOf(span).trace)).size).toBe(4)
    expect(carried).toEqual(['acme', 'acme', 'acme', 'acme'])
    // Spans of `failed` also belong to the run.
    const parents = sdk.spans('inside').map((span) => idsOf(span).parent)
    expect(parents).toHaveLength(5)
    expect(new Set(parents)).toEqual(new Set(runs.map((span) => idsOf(span).id)))
  })

  test('each call of a step has a span in its run with the context of the job, also after a suspension', async () => {
    await using app = await traced()
    const { sdk, bench, client } = app
    let waiting: (() => void)[] = []
    TripJob.met = () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length < 2) return
        for (const each of waiting) each()
        waiting = []
      })
    const { store } = await insideOf(client).open()
    const calls = vi.spyOn(store.journals, 'record')
    const trips = []
    for (const n of [1, 2]) {
      const baggage = propagation.createBaggage({ tenant: { value: `t${n}` } })
      const dispatch = () => client.dispatch(new TripJob().with({ n }))
      trips.push(
        await context.with(propagation.setBaggage(context.active(), baggage), () =>
          withContext({ user: `u${n}` }, dispatch),
        ),
      )
    }
    await bench.work([TripJob], {}, client)
    for (const trip of trips)
      await vi.waitFor(async () => expect((await trip.status())?.state).toBe('delayed'), 15_000)
    for (const trip of trips) await trip.send(go)
    const seen = await Promise.all(trips.map((trip) => trip.result({ timeout: '20s' })))
    const own = (n: number) => [`t${n}`, `u${n}`]
    expect(seen).toEqual([1, 2].map((n) => ({ mailed: own(n), between: own(n), pages: [n] })))
    const results = calls.mock.calls.map(([, notes]) => notes.flatMap((note) => note.steps?.entries ?? []))
    expect(
      results.map((entries) => entries.filter((entry) => entry.startsWith('r["mail"')).length),
    ).toContain(2)

    for (const [i, { id }] of trips.entries()) {
      const of = (name: string) =>
        sdk.spans(name).filter((span) => span.attributes['messaging.message.id'] === id)
      const [first, second] = of('process default')
      // As with retries, each run has its own trace, and all runs link to the dispatch.
      expect([first, second].map((run) => run!.attributes['lark.job.outcome'])).toEqual([
        'suspended',
        'completed',
      ])
      expect(idsOf(first!).trace).not.toBe(idsOf(second!).trace)
      expect(idsOf(second!).links).toEqual(idsOf(first!).links)
      expect(idsOf(second!).links).toHaveLength(1)
      const common = {
        ...{ 'messaging.destination.name': 'default', 'messaging.message.id': id, 'lark.job.key': 'trip' },
        'lark.step.name': `mail ${i + 1}`,
      }
      const mails = of('step mail')
      expect(mails.map(({ attributes }) => attributes)).toEqual([
        { ...common, 'lark.step.attempt': 1, 'error.type': 'TypeError' },
        { ...common, 'lark.step.attempt': 2 },
      ])
      expect(mails.map(({ status }) => status.code)).toEqual([SpanStatusCode.ERROR, SpanStatusCode.UNSET])
      for (const [span, run] of [
        ...mails.map((mail) => [mail, first] as const),
        [of('page rows')[0], second] as const,
        [of('step end')[0], second] as const,
      ]) {
        expect(span!.kind).toBe(SpanKind.INTERNAL)
        expect(idsOf(span!)).toMatchObject({ parent: idsOf(run!).id, trace: idsOf(run!).trace })
      }
      const parents = sdk.spans('inside').map((span) => idsOf(span).parent)
      const around = [mails[1], first, second, of('step end')[0]].map((span) => idsOf(span!).id)
      expect(around.map((parent) => parents.filter((each) => each === parent).length)).toEqual([1, 1, 1, 1])
    }
  })

  test('an undo has a span in its run', async () => {
    await using app = await traced()
    const { sdk, client } = app
    await client.dispatch(new UndoneJob())
    await app.run(UndoneJob)
    const [undo] = sdk.spans('undo book')
    expect(undo!.attributes).toMatchObject({ 'lark.step.name': 'book', 'lark.step.attempt': 1 })
    expect(idsOf(undo!).parent).toBe(idsOf(sdk.spans('process default').at(-1)!).id)
    expect(idsOf(sdk.spans('inside')[0]!).parent).toBe(idsOf(undo!).id)
    expect(sdk.spans('step book')).toHaveLength(1)
  })

  test('dispatches of many jobs, of several queues and of rejected jobs have spans', async () => {
    await using app = await traced()
    const { sdk, client } = app
    await client.dispatchMany(new StepJob(), [{ how: 'fine' }, { how: 'fine' }, { how: 'fine' }])
    await client.dispatch([new StepJob().with({ how: 'fine' }), new OuterJob().with()])
    expect(await client.dispatchMany(new OnceJob(), [undefined, undefined] as never)).toBe(false)
    await app.run(StepJob, OnceJob)
    const sends = sdk.spans().filter(({ name }) => name.startsWith('send'))
    expect(
      sends.map(({ name, attributes: all }) => [
        name,
        all['lark.job.key'],
        all['messaging.batch.message_count'],
        all['messaging.message.id'] !== undefined,
        all['lark.jobs.rejected'],
      ]),
    ).toEqual([
      ['send default', 'step', 3, false, undefined],
      ['send default', 'step', undefined, true, undefined],
      ['send emails', 'outer', undefined, true, undefined],
      ['send default', 'once', 2, false, 1],
    ])
    const links = sdk.spans('process default').flatMap((span) => idsOf(span).links)
    const id = (i: number) => idsOf(sends[i]!).id
    expect(links.sort()).toEqual([id(0), id(0), id(0), id(1), id(3)].sort())
  })

  const step = (how = 'fine') => new StepJob().with({ how })
  test.each<[string, () => DispatchableFlow, runs: number, queue: string, members: number | undefined]>([
    ['a chain', () => chain([step('retry'), step()]), 3, 'default', undefined],
    ['a batch', () => batch([step(), step()]).onCompleted(step()), 3, 'default', 2],
    ['nested flows', () => chain([batch([step(), step()]), chain([step()])]), 3, 'default', undefined],
  ])('the jobs of %s link to its dispatch', async (_, make, count, queue, members) => {
    await using app = await traced()
    const { sdk, client } = app
    const handle = (await client.dispatch(make() as never)) as unknown as { id: string }
    await app.run(StepJob)
    const [send] = sdk.spans(`send ${queue}`)
    expect(sdk.spans(`send ${queue}`)).toHaveLength(1)
    expect(send!.attributes).toMatchObject({ 'messaging.message.conversation_id': handle.id })
    expect(send!.attributes['messaging.batch.message_count']).toBe(members)
    const runs = sdk.spans('process default')
    expect(runs.map((span) => idsOf(span).links)).toEqual(Array(count).fill([idsOf(send!).id]))
    for (const { attributes } of runs) expect(attributes['messaging.message.conversation_id']).toBeDefined()
  })

  test('metrics count dispatches, runs, and the jobs of the store', async () => {
    await using app = await traced()
    const { sdk, client, bench } = app
    await client.dispatchMany(new StepJob(), [{ how: 'fine' }, { how: 'fail' }])
    await client.dispatch(new OuterJob().with().delayed('2h'))
    const report = new Report()
    const ended = report.ends(2)
    const worker = await bench.work([StepJob], { report }, client)
    await ended
    await bench.jobs.dispatch(new OuterJob())
    const queue = { 'messaging.destination.name': 'default' }
    const common = { 'messaging.system': 'lark', ...queue }
    const send = { ...common, 'messaging.operation.name': 'send' }
    const process = { ...common, 'messaging.operation.name': 'process' }
    const key = { 'lark.job.key': 'step' }
    const emails = { 'messaging.destination.name': 'emails' }
    const looks = vi.spyOn((await insideOf(client).open()).store, 'workerRuns')
    const found = await sdk.collected()
    const points = (name: string) => found[name]!.map(({ attributes, value }) => [attributes, value])
    expect(points('messaging.client.sent.messages')).toEqual([
      [send, 2],
      [{ ...send, ...emails }, 1],
    ])
    expect(points('messaging.client.consumed.messages')).toEqual([[process, 2]])
    const histogram = (count: number) => expect.objectContaining({ count, sum: expect.any(Number) })
    const type = { 'messaging.operation.type': 'send' }
    expect(points('messaging.client.operation.duration')).toEqual([
      [{ ...send, ...type }, histogram(1)],
      [{ ...send, ...type, ...emails }, histogram(1)],
    ])
    expect(points('messaging.process.duration')).toEqual(
      expect.arrayContaining([
        [{ ...process, ...key }, histogram(1)],
        [{ ...process, ...key, 'error.type': 'NO_INK' }, histogram(1)],
      ]),
    )
    expect(points('lark.jobs.wait.duration')).toEqual([[{ ...queue, ...key }, histogram(2)]])
    const stored = (queue: string, state: string) =>
      found['lark.jobs.stored']!.find(
        ({ attributes: all }) =>
          all['messaging.destination.name'] === queue && all['lark.job.state'] === state,
      )?.value
    const states = ['waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled']
    expect(states.map((state) => stored('default', state))).toEqual([0, 0, 0, 1, 1, 0])
    // No class has the key, so the worker may have just claimed the job or put it back.
    const somewhere = ['waiting', 'delayed', 'active'].map((state) => Number(stored('emails', state)))
    expect(somewhere.reduce((sum, count) => sum + count)).toBe(2)
    expect(points('lark.jobs.retrying')).toContainEqual([queue, 0])
    expect(points('lark.jobs.suspended')).toContainEqual([queue, 0])
    const oldest = points('lark.jobs.oldest_waiting.age')
    expect(oldest).toContainEqual([queue, 0])
    expect(oldest).toHaveLength(2)
    expect(points('lark.limiter.permits.limit')).toEqual([[{ 'lark.limiter.name': 'api' }, 3]])
    expect(points('lark.limiter.permits.held')).toEqual([[{ 'lark.limiter.name': 'api' }, 0]])
    await worker.stop()
    // A collection of the metrics reads the store once, and only while a worker runs.
    expect(looks).toHaveBeenCalledTimes(1)
    await sdk.collected()
    expect(looks).toHaveBeenCalledTimes(1)
  })

  test('metrics have the waiting time and the duration of runs of all workers, also of an ended worker', async () => {
    await using app = await traced()
    const { sdk, client, bench } = app
    await client.dispatch(new StepJob(), { how: 'fine' })
    await app.run(StepJob)
    const worker = await bench.work([StepJob], {}, client)
    const found = await sdk.collected()
    await worker.stop()
    for (const name of ['wait', 'process'])
      expect(
        found[`lark.jobs.${name}.quantile`]!.map(({ attributes, value }) => [attributes, value]),
      ).toEqual(
        ['0.5', '0.95', '0.99'].map((quantile) => [
          { 'messaging.destination.name': 'default', 'lark.quantile': quantile },
          expect.any(Number),
        ]),
      )
  })

  test('the worker that takes a job back makes a span for the run of the dead process', async () => {
    await using app = await traced()
    const { sdk, client } = app
    await client.dispatch(new StepJob(), { how: 'fine' })
    const { store } = await insideOf(client).open()
    const want = { limit: 1, leaseMs: 60_000 }
    const { jobs } = await store.exchange('default', { caller: 'dead', number: 1 }, [], want)
    expect(jobs).toHaveLength(1)
    await app.bench.work([StepJob], { lease: 1_000 }, client)
    // The lease ends while the worker lives, so the store is not silent.
    await store.extend('default', 'dead', jobs, 1)
    await vi.waitFor(() => expect(sdk.spans('process default')).toHaveLength(2), 15_000)
    const [send] = sdk.spans('send default')
    const [crashed] = sdk.spans('process default').filter((span) => span.status.code === SpanStatusCode.ERROR)
    expect(crashed).toMatchObject({
      kind: SpanKind.CONSUMER,
      attributes: {
        'messaging.message.id': jobs[0]!.id,
        'lark.job.key': 'step',
        'lark.job.attempt': 1,
        'lark.job.outcome': 'crashed',
        'error.type': 'WORKER_DIED',
      },
      status: { message: 'its worker died' },
    })
    expect(crashed!.startTime).toEqual(crashed!.endTime)
    const [error] = (await store.get('default', jobs[0]!.id))!.errors
    const [seconds, rest] = crashed!.endTime
    expect(Math.round(seconds * 1_000 + rest / 1e6)).toBe(error!.at)
    expect(idsOf(crashed!)).toEqual({ ...idsOf(crashed!), links: [idsOf(send!).id] })
    expect(idsOf(crashed!).parent).toBeUndefined()
  })

  test('without telemetry or without an SDK, a job carries no trace', async () => {
    const optionsOf = async (client: Bench['jobs']) => {
      await client.dispatch(new StepJob(), { how: 'fine' })
      await client.dispatch(chain([step(), step()]))
      const { store } = await insideOf(client).open()
      const { jobs } = await store.list('default', { state: 'waiting' })
      return jobs.map(({ options }) => options)
    }
    await using bench = await Bench.make(connect)
    expect(await optionsOf(bench.client())).toEqual([undefined, undefined])
    expect(await optionsOf(bench.client({ telemetry: otel() }))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
}
