/**
 * The data that `otel()` passes to OpenTelemetry, without a store. One test uses a store, and checks the data
 * that a collector gets.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, DiagLogLevel, diag, metrics, propagation, trace } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import * as conventions from '@opentelemetry/semantic-conventions/incubating'
import { expect, test, vi } from 'vitest'
import { createJobs, Job, JobsError } from '../../src/index.ts'
import type { ClaimedJob } from '../../src/model/record.ts'
import { otel } from '../../src/otel.ts'
import { stepFamily, stepWords } from '../../src/step/name.ts'
import { attribute, metric } from '../../src/telemetry/otel/conventions.ts'
import { OpenTelemetry } from '../../src/telemetry/otel/open-telemetry.ts'
import { idsOf, Sdk } from './sdk.ts'

const job = (options: object = {}): ClaimedJob => ({
  ...{ id: 'Vbu1Wui6I4h7z', key: 'send', payload: '', priority: 0, queuedAt: 0, token: 'a.1' },
  ...{ runs: 1, failures: 0, crashes: 0, releases: 0, options },
})
const run = (options?: object, id?: string) => ({
  job: { ...job(options), ...(id !== undefined && { id }) },
  ...{ queue: 'emails', partition: 'emails.2', key: 'send', waited: 5 },
})

test('the names of spans and attributes are those of the semantic conventions', () => {
  const known = new Set<unknown>(Object.values(conventions))
  const foreign = [...Object.values(attribute), ...Object.values(metric)].filter((each) => !known.has(each))
  expect(foreign.length).toBeGreaterThan(0)
  expect(foreign.filter((each) => !each.startsWith('lark.'))).toEqual([])
})

test('a run without a stored trace, for example of a tick, begins a new trace, whatever span is active', async () => {
  await using sdk = new Sdk()
  trace.getTracer('app').startActiveSpan('the run before', (span) => {
    new OpenTelemetry().processing(run(undefined, 'nightly@2026-11-26T03:00:00Z')).ended('completed', 1)
    span.end()
  })
  const [span] = sdk.spans('process emails')
  expect(idsOf(span!)).toEqual({ trace: expect.any(String), id: expect.any(String), links: [] })
  expect(span!.attributes).toMatchObject({
    'messaging.destination.partition.id': 'emails.2',
    'lark.schedule.id': 'nightly',
  })
})

test.each([
  ['no object', 'traceparent'],
  ['null', null],
  ['a list', [1, { traceparent: 'x' }]],
  ['no trace', { traceparent: '00-zz-b7ad6b7169203331-01', tracestate: 7 }],
  [
    'too much',
    { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', baggage: 'a'.repeat(5_000) },
  ],
])('a stored trace that is %s adds no link to the span', async (_, stored) => {
  await using sdk = new Sdk()
  new OpenTelemetry().processing(run({ trace: stored })).ended('completed', 1)
  expect(sdk.spans('process emails')[0]!.links).toEqual([])
})

test('baggage that is too large is not stored, and the SDK reports this', async () => {
  await using _ = new Sdk()
  const warn = vi.fn()
  const quiet = () => {}
  diag.setLogger({ warn, error: quiet, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN)
  const entries = Array.from({ length: 5 }, (_, i) => [`part-${i}`, { value: 'a'.repeat(1_000) }] as const)
  const large = propagation.createBaggage(Object.fromEntries(entries))
  const small = propagation.createBaggage({ tenant: { value: 'acme' } })
  const traceOf = (baggage: typeof small) =>
    context.with(
      propagation.setBaggage(context.active(), baggage),
      () => new OpenTelemetry().sending({ queue: 'emails', count: 1 }).trace,
    )
  const traceparent = expect.stringMatching(/^00-\w{32}-\w{16}-01$/)
  expect(traceOf(small)).toEqual({ traceparent, baggage: 'tenant=acme' })
  expect(warn).not.toHaveBeenCalled()
  expect(traceOf(large)).toEqual({ traceparent })
  expect(warn.mock.calls.flat().join()).toMatch(/has \d+ bytes, the limit is 4096: its baggage is left out/)
})

test('the span of a failed dispatch has the error', async () => {
  await using sdk = new Sdk()
  const error = new JobsError('STORE_UNREACHABLE', 'Redis does not answer')
  new OpenTelemetry().sending({ queue: 'emails', count: 3 }).failed(error)
  const [span] = sdk.spans('send emails')
  expect(span).toMatchObject({
    attributes: { 'error.type': 'STORE_UNREACHABLE', 'messaging.batch.message_count': 3 },
    status: { message: 'Redis does not answer' },
  })
  const { 'messaging.client.sent.messages': sent } = await sdk.collected()
  expect(sent).toMatchObject([{ value: 3, attributes: { 'error.type': 'STORE_UNREACHABLE' } }])
})

test.each([
  [Object.assign(new Error('x'), { code: 'E'.repeat(200) }), 'E'.repeat(100)],
  [new RangeError('x'), 'RangeError'],
  [Object.assign(new Error('x'), { code: 404 }), 'Error'],
  ['a text', '_OTHER'],
  [undefined, '_OTHER'],
])('the type of an error: %s', async (error, type) => {
  await using sdk = new Sdk()
  new OpenTelemetry().processing(run()).ended('failed', 1, error)
  expect(sdk.spans('process emails')[0]!.attributes['error.type']).toBe(type)
})

test.each([
  ['charge', 'step charge', 'charge'],
  ['["mail",7]', 'step mail', 'mail 7'],
  ['[7,"mail"]', 'step mail', '7 mail'],
  ['[7]', 'step 7', '7'],
  ['[draft] a', 'step [draft] a', '[draft] a'],
])(
  'the name of the span of a step has only the part of its name that all steps of a loop share: %s',
  async (key, ...names) => {
    await using sdk = new Sdk()
    const step = { what: 'step', name: stepWords(key), family: stepFamily(key), attempt: 2 } as const
    const processing = new OpenTelemetry().processing(run())
    expect(await processing.step(step, async () => 5)).toBe(5)
    const [span] = sdk.spans()
    expect([span!.name, span!.attributes['lark.step.name']]).toEqual(names)
    processing.ended('completed', 1)
  },
)

test('an SDK that is set up late gets the metrics from then on, and the full counts', async () => {
  const telemetry = new OpenTelemetry()
  telemetry.processing(run()).ended('completed', 1)
  await using sdk = new Sdk()
  telemetry.processing(run()).ended('completed', 1)
  const found = await sdk.collected()
  expect(found['messaging.client.consumed.messages']).toMatchObject([{ value: 2 }])
  expect(found['messaging.process.duration']).toMatchObject([{ value: { count: 1 } }])
  expect(sdk.spans()).toHaveLength(1)
})

test('the metrics of a store that does not answer are left out, and the SDK reports this', async () => {
  await using sdk = new Sdk()
  const warn = vi.fn()
  const quiet = () => {}
  diag.setLogger({ warn, error: quiet, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.WARN)
  const telemetry = new OpenTelemetry()
  const stop = telemetry.observing(() => Promise.reject(new JobsError('STORE_UNREACHABLE', 'no answer')))
  telemetry.sending({ queue: 'emails', count: 1 }).sent({ count: 1 })
  const found = await sdk.collected()
  expect(found['messaging.client.sent.messages']).toMatchObject([{ value: 1 }])
  expect(found['lark.jobs.stored'] ?? []).toEqual([])
  expect(warn.mock.calls.flat().join()).toContain('the metrics of the store are missing: no answer')
  stop()
})

test('the configuration accepts only a telemetry that otel() makes', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:', telemetry: otel as never })
  await expect(jobs.dispatch(new SendJob())).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'createJobs(): jobs.telemetry is a function; it must be otel() of @s18i/lark-jobs/otel',
  })
})

test('a module that is loaded again may configure a new telemetry', async () => {
  await using jobs = createJobs()
  await jobs.close()
  jobs.configure({ connection: 'sqlite::memory:', telemetry: otel() })
  jobs.configure({ connection: 'sqlite::memory:', telemetry: otel() })
  expect(() => jobs.configure({ connection: 'sqlite::memory:' })).toThrow('with other telemetry')
})

interface Posted {
  path: string
  body: string
}

/** A collector: an HTTP server that keeps the requests that it gets. */
async function collector() {
  const posted: Posted[] = []
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      posted.push({ path: request.url!, body: Buffer.concat(parts).toString() })
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { posted, url, [Symbol.asyncDispose]: async () => void server.close() }
}

class SendJob extends Job {
  override readonly key = 'send'
  handle() {}
}

test("each call of a step in dispatchNow() has a span that is a child of the application's span", async () => {
  await using sdk = new Sdk()
  class TripJob extends Job {
    override queueName = 'trips'
    async handle() {
      await this.step(['book', 7], () => trace.getTracer('app').startSpan('call').end(), {
        undo: () => {},
      })
      await this.step('pay', () => this.fail('declined'), { tries: 2, backoff: 1 })
    }
  }
  await using jobs = createJobs({ connection: 'sqlite::memory:', telemetry: otel() })
  await trace.getTracer('app').startActiveSpan('request', async (span) => {
    await expect(jobs.dispatchNow(new TripJob())).rejects.toThrow('declined')
    span.end()
  })
  const request = idsOf(sdk.spans('request')[0]!)
  const [book, undo, pay, call] = ['step book', 'undo book', 'step pay', 'call'].map((name) => {
    const spans = sdk.spans(name)
    expect(spans).toHaveLength(1)
    return spans[0]!
  })
  for (const span of [book!, undo!, pay!]) expect(idsOf(span).parent).toBe(request.id)
  expect(idsOf(call!).parent).toBe(idsOf(book!).id)
  expect(book!.attributes).toEqual({
    ...{ 'messaging.destination.name': 'trips', 'messaging.message.id': expect.any(String) },
    ...{ 'lark.job.key': 'TripJob', 'lark.step.name': 'book 7', 'lark.step.attempt': 1 },
  })
  expect(pay!.attributes).toMatchObject({ 'error.type': 'NonRetryableError' })
})

test('a collector gets spans and metrics by OTLP', async () => {
  await using collected = await collector()
  const spans = new BatchSpanProcessor(new OTLPTraceExporter({ url: `${collected.url}/v1/traces` }))
  const tracers = new NodeTracerProvider({ spanProcessors: [spans] })
  tracers.register()
  const exporter = new OTLPMetricExporter({ url: `${collected.url}/v1/metrics` })
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 })
  const meters = new MeterProvider({ readers: [reader] })
  metrics.setGlobalMeterProvider(meters)
  try {
    await using jobs = createJobs({ connection: 'sqlite::memory:', telemetry: otel() })
    await jobs.dispatch(new SendJob())
    const report = { ended: () => {}, wrote: () => {}, warn: () => {}, info: () => {} }
    const worker = await jobs.work({ jobs: [SendJob], report, stopWhenEmpty: true })
    await worker.done
    await tracers.forceFlush()
    await meters.forceFlush()
  } finally {
    await tracers.shutdown()
    await meters.shutdown()
    for (const api of [context, propagation, trace, metrics]) api.disable()
  }
  const bodies = (path: string) =>
    collected.posted.filter((each) => each.path === path).map(({ body }) => JSON.parse(body))
  const sent = bodies('/v1/traces').flatMap(({ resourceSpans }) => resourceSpans[0].scopeSpans)
  expect(sent.map(({ scope }) => scope.name)).toEqual(['@s18i/lark-jobs'])
  const [send, process] = sent[0].spans
  expect([send.name, process.name]).toEqual(['send default', 'process default'])
  expect(process.links).toMatchObject([{ traceId: send.traceId, spanId: send.spanId }])
  expect(process.traceId).not.toBe(send.traceId)
  const names = bodies('/v1/metrics')
    .flatMap(({ resourceMetrics }) => resourceMetrics[0].scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .map(({ name }) => name)
  expect([...new Set(names)].sort()).toEqual(
    expect.arrayContaining([metric.sent, metric.consumed, metric.operation, metric.process, metric.wait]),
  )
})
