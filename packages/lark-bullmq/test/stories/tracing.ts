/**
 * Traces and counts jobs with the option `telemetry`, as `bullmq-otel` does. `tracing-on-lark.ts` is the same
 * file with another import, and a test compares what the two files do.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Attributes,
  FlowProducer,
  MetricNames,
  Queue,
  QueueEvents,
  SpanKind,
  type Telemetry,
  TelemetryAttributes,
  Worker,
} from 'bullmq'
import type { Place } from './application.ts'

interface Context {
  span?: string
}

/** Keeps spans and counts. */
function recorder() {
  const spans: {
    name: string
    kind: number | undefined
    below: string | undefined
    attributes: Attributes
    events: unknown[]
  }[] = []
  const counts: Record<string, number> = {}
  const active = new AsyncLocalStorage<Context>()
  const count = (name: string) => ({
    add: (value: number, { [TelemetryAttributes.JobState]: state }: Attributes = {}) => {
      counts[`${name} ${state}`] = (counts[`${name} ${state}`] ?? 0) + value
    },
  })
  const telemetry: Telemetry<Context> = {
    tracer: {
      startSpan: (name, options, context) => {
        const below = context?.span ?? active.getStore()?.span
        const span = {
          name,
          kind: options?.kind,
          below,
          attributes: {} as Attributes,
          events: [] as unknown[],
        }
        spans.push(span)
        return {
          setSpanOnContext: (before) => ({ ...before, span: name }),
          setAttribute: (key, value) => void Object.assign(span.attributes, { [key]: value }),
          setAttributes: (all) => void Object.assign(span.attributes, all),
          addEvent: (event, about) => void span.events.push([event, about]),
          recordException: (error) =>
            void span.events.push(['exception', (error as Error).message.split('. ').at(-1)]),
          end: () => {},
        }
      },
    },
    contextManager: {
      with: (context, fn) => active.run(context, fn),
      active: () => active.getStore() ?? {},
      getMetadata: (context) => JSON.stringify(context),
      fromMetadata: (_, metadata) => JSON.parse(metadata),
    },
    meter: {
      createCounter: count,
      createHistogram: (name) => ({
        record: (value, about) => value >= 0 && count(name).add(1, about),
      }),
      createGauge: (name) => ({
        record: (value, { [TelemetryAttributes.QueueJobsState]: state } = {}) => {
          counts[`${name} ${state}`] = value
        },
      }),
    },
  }
  return { telemetry, spans, counts }
}

export const stories: Record<string, (place: Place) => Promise<unknown>> = {
  async 'spans and counts of jobs'(place) {
    const { telemetry, spans, counts } = recorder()
    const queue = new Queue('traced', { ...place, telemetry })
    const events = new QueueEvents('traced', place)
    await events.waitUntilReady()
    const flows = new FlowProducer({ ...place, telemetry })
    const one = await queue.add('one', { fails: false })
    const two = await queue.add(
      'two',
      { fails: true },
      { attempts: 2, backoff: 1, telemetry: { omitContext: true } },
    )
    const [three] = await queue.addBulk([{ name: 'three', data: {} }])
    await queue.add('bad', {}, { jobId: '7' }).catch(() => {})
    const waiting = await queue.recordJobCountsMetric('waiting')
    const worker = new Worker(
      'traced',
      async ({ data }) => {
        if (data.fails) throw new Error('no luck')
        return 'luck'
      },
      { ...place, telemetry, name: 'tracer' },
    )
    const { job: root } = await flows.add({
      name: 'root',
      queueName: 'traced',
      opts: {},
      children: [{ name: 'leaf', queueName: 'traced', opts: {} }],
    })
    const ends = [one, two, three!, root].map((job) =>
      job.waitUntilFinished(events, 15_000).catch(() => 'failed'),
    )
    const values = await Promise.all(ends)
    const cleaned = await queue.clean(0, 0, 'failed')
    await Promise.all([worker.close(), events.close(), flows.close(), queue.close()])
    const wanted = /^(?:add|addBulk|addFlow|process|clean) /
    const told = spans.filter(({ name }) => wanted.test(name))
    const names = told.map(({ name, kind, below = '', events, attributes }) => {
      const which = attributes[TelemetryAttributes.JobName] ?? attributes[TelemetryAttributes.FlowName] ?? ''
      const made = name.startsWith('process') ? attributes[TelemetryAttributes.JobAttemptsMade] : ''
      // BullMQ has a span for each job of a flow.
      const above = below.replace('addNode', 'addFlow')
      return JSON.stringify([name, kind, above, name.startsWith('process') ? '' : which, made, events])
    })
    const jobs = Object.entries(counts).filter(([name]) => !name.includes(' waiting-children'))
    return {
      spans: names.sort(),
      counts: Object.fromEntries(jobs.sort()),
      constants: [SpanKind.CONSUMER, MetricNames.JobDuration],
      ...{ values, waiting, cleaned: cleaned.length },
    }
  },
}
