/**
 * The speed of the embedded store compared with plainjob, the latency of a dispatch in another process, and
 * the CPU of an idle worker.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payloads } from '../payloads.js'
import { scale, scaled } from '../scale.js'
import { enqueue } from './enqueue.js'
import { dispatchSlowly, latencies } from './latency.js'
import { drain, fill } from './process.js'

const peers = ['lark-embedded', 'plainjob']
const batch = payloads(100)
const JOBS = scaled(60_000)
/**
 * For how many seconds the CPU time of an idle worker is measured. The time is much longer than the garbage
 * collection after the last work of the worker takes.
 */
const IDLE = 20 * scale

export const measures = [
  {
    name: 'embedded-enqueue',
    peers,
    rows: [
      {
        metric: 'rate',
        label: 'enqueue, Promise.all of 100',
        unit: 'jobs/s',
        target: { times: 2.5 },
      },
    ],
    run: ({ open, seconds }) => enqueue(open, seconds, (queue) => Promise.all(batch.map(queue.add))),
  },
  {
    name: 'embedded-bulk',
    peers,
    rows: [{ metric: 'rate', label: 'enqueue, bulk of 100', unit: 'jobs/s' }],
    run: ({ open, seconds }) => enqueue(open, seconds, (queue) => queue.addMany(batch)),
  },
  processing(50, { times: 4 }),
  processing(1),
  {
    name: 'embedded-across',
    peers: ['lark-embedded'],
    rows: [
      { metric: 'p50', label: "another process's dispatch → start, p50", unit: 'ms', target: { most: 5 } },
      { metric: 'p99', label: "another process's dispatch → start, p99", unit: 'ms' },
      { metric: 'idle', label: 'CPU of an idle worker', unit: '%', target: { most: 1 } },
    ],
    async run({ open, partner, samples = 300 }) {
      const worker = await partner({ work: 10 })
      const queue = await open()
      await dispatchSlowly(queue, samples)
      await pause(scaled(1_000))
      const before = await worker.ask('report')
      await pause(IDLE * 1_000)
      const after = await worker.ask('report')
      return { ...latencies(after.took), idle: (after.cpu - before.cpu) / (IDLE * 10_000) }
    },
  },
]

/** plainjob runs one job at a time. Lark is compared with plainjob at both concurrencies. */
function processing(concurrency, target) {
  return {
    name: `embedded-process-${concurrency}`,
    peers,
    rows: [{ metric: 'rate', label: `process, concurrency ${concurrency}`, unit: 'jobs/s', target }],
    async run({ open, seconds }) {
      await fill(open, JOBS)
      return { rate: await drain(await open(), concurrency, JOBS, seconds * 1.5) }
    },
  }
}
