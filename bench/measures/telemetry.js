/**
 * The cost of telemetry, measured in turns with a process that has no telemetry. Jobs that do nothing show
 * the cost of each dispatch and each run. Jobs that wait for 5 ms, as jobs do that query a database, show the
 * effect on the throughput. The measured process does not export its spans.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payloads } from '../payloads.js'
import { scaled } from '../scale.js'
import { dispatch, spent, work } from './cpu.js'
import { drain } from './process.js'

const JOBS = scaled(30_000)
/** How many jobs run before the measurement, for warming up. */
const WARM_UP = scaled(10_000)
/** For how many milliseconds a job waits. */
const PAUSE = 5

const many = payloads(Math.min(JOBS, 1_000))
const pausing = (Plain) =>
  class SendEmailJob extends Plain {
    async handle(payload) {
      await pause(PAUSE)
      return super.handle(payload)
    }
  }

const nowhere = {
  export: (_, done) => done({ code: 0 }),
  forceFlush: async () => {},
  shutdown: async () => {},
  selectAggregationTemporality: () => 1,
}

async function measureMetrics() {
  const { metrics } = await import('@opentelemetry/api')
  const { MeterProvider, PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics')
  const reader = new PeriodicExportingMetricReader({ exporter: nowhere, exportIntervalMillis: 60_000 })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
}

/** @param {number} share the share of traces that are sampled */
async function makeTraces(share) {
  const sdk = await import('@opentelemetry/sdk-trace-node')
  const sampler = new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(share) })
  new sdk.NodeTracerProvider({ sampler, spanProcessors: [new sdk.BatchSpanProcessor(nowhere)] }).register()
}

/** The ways in which an application sets up telemetry. Only these measures load the SDK. */
const setups = {
  none: { label: 'no telemetry' },
  api: { label: 'no SDK', setUp() {} },
  metrics: { label: 'metrics', setUp: measureMetrics },
  some: {
    label: 'metrics, 1 % of traces',
    async setUp() {
      await measureMetrics()
      await makeTraces(0.01)
    },
  },
  all: {
    label: 'metrics, all traces',
    async setUp() {
      await measureMetrics()
      await makeTraces(1)
    },
  },
}

async function configOf(setUp) {
  if (setUp === undefined) return {}
  await setUp()
  const { otel } = await import('../../packages/lark-jobs/dist/otel.js')
  return { telemetry: otel() }
}

export const measures = Object.entries(setups).flatMap(([name, { label, setUp }]) => [
  {
    name: `telemetry-${name}`,
    peers: ['lark'],
    rows: [
      { metric: 'rate', label: `${label}: process, concurrency 50`, unit: 'jobs/s' },
      { metric: 'nodeIn', label: '  Node CPU a job, dispatch', unit: 'µs' },
      { metric: 'nodeOut', label: '  Node CPU a job, processing', unit: 'µs' },
    ],
    async run({ open, probe }) {
      const queue = await open({ config: await configOf(setUp) })
      await dispatch(queue, WARM_UP)
      const warming = work(queue)
      await warming.until(WARM_UP)
      await warming.stop()
      const into = await spent(probe, () => dispatch(queue, JOBS), JOBS)
      const began = performance.now()
      const out = await spent(probe, () => work(queue).until(JOBS), JOBS)
      return { rate: JOBS / ((performance.now() - began) / 1_000), nodeIn: into.node, nodeOut: out.node }
    },
  },
  {
    name: `telemetry-${name}-pause`,
    peers: ['lark'],
    rows: [{ metric: 'rate', label: `${label}: process jobs of 5 ms, concurrency 50`, unit: 'jobs/s' }],
    async run({ open, seconds }) {
      const queue = await open({ config: await configOf(setUp), kind: pausing })
      for (let left = JOBS; left > 0; left -= many.length) await queue.addMany(many)
      return { rate: await drain(queue, 50, JOBS, seconds) }
    },
  },
])
