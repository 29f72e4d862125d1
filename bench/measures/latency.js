/**
 * The time from the call of dispatch to the start of the handler on an idle worker. Jobs come one at a time,
 * with pauses between them. The worker is in the same process or in another one.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from '../clock.js'
import { payload } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'
import { percentile } from '../statistics.js'

const SAMPLES = 300
/**
 * How many jobs run before the measurement, to warm up connections, scripts and the just-in-time compiler.
 */
const WARM_UP = scaled(30)
const peers = [...onRedis.filter((peer) => peer !== 'bullmq-lean'), 'graphile-worker']

export const measures = [
  {
    name: 'latency',
    peers,
    rows: [
      { metric: 'p50', label: 'idle dispatch → start, p50', unit: 'ms', target: { part: 0.6 } },
      { metric: 'p99', label: 'idle dispatch → start, p99', unit: 'ms', target: { part: 1 } },
    ],
    async run({ open, samples = SAMPLES }) {
      const queue = await open({ tuned: 'latency' })
      const took = []
      await queue.work(10, ({ at }) => took.push(now() - at))
      await dispatchSlowly(queue, samples, () => took.length)
      return latencies(took)
    },
  },
  {
    name: 'latency-across',
    peers,
    rows: [
      { metric: 'p50', label: '  to another process, p50', unit: 'ms', target: { part: 0.6 } },
      { metric: 'p99', label: '  to another process, p99', unit: 'ms', target: { part: 1 } },
    ],
    async run({ open, partner, samples = SAMPLES }) {
      const worker = await partner({ work: 10 })
      const queue = await open({ tuned: 'latency' })
      await dispatchSlowly(queue, samples)
      await pause(scaled(200))
      const { took } = await worker.ask('report')
      return latencies(took)
    },
  },
]

export function latencies(took) {
  const warm = took.slice(WARM_UP)
  return { p50: percentile(warm, 50), p99: percentile(warm, 99) }
}

/**
 * Dispatches one job every 5 to 15 ms. With `started`, the next dispatch also waits until the job before it
 * has started.
 */
export async function dispatchSlowly(queue, samples, started) {
  for (let sent = 0; sent < WARM_UP + samples; sent++) {
    await queue.add({ ...payload(sent), at: now() })
    await pause(5 + Math.random() * 10)
    while (started !== undefined && started() <= sent) await pause(1)
  }
}
