/**
 * How late jobs begin if many schedules are due at the same instant. A worker of concurrency 50 waits for
 * this instant.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { scaled } from '../scale.js'
import { percentile } from '../statistics.js'

const SCHEDULES = scaled(10_000)
/** How many schedules are made at the same time. */
const TOGETHER = scaled(100)
/** Seconds between two ticks: more than it takes to make the schedules, and to run their jobs. */
const PERIOD = scaled(60)
const PATTERN = PERIOD < 60 ? `*/${PERIOD} * * * * *` : '0 * * * * *'
const SECOND = 1_000

export const measures = [
  {
    name: 'schedules',
    peers: ['lark', 'bullmq'],
    slow: true,
    rounds: 1,
    rows: [
      { metric: 'p50', label: '10,000 schedules due at once, lateness p50', unit: 'ms', target: { part: 1 } },
      { metric: 'last', label: '  until the last has begun', unit: 'ms', target: { part: 1 } },
      { metric: 'redis', label: '  Redis CPU a tick and its job', unit: 'µs' },
      { metric: 'make', label: '  to make them', unit: 's' },
    ],
    async run({ open, probe }) {
      const queue = await open({ tuned: 'latency' })
      const began = performance.now()
      for (let n = 0; n < SCHEDULES; n += TOGETHER)
        await Promise.all(Array.from({ length: TOGETHER }, (_, i) => queue.schedule(n + i, PATTERN)))
      const made = performance.now()
      let instant = Number.POSITIVE_INFINITY
      const late = []
      let finish
      const finished = new Promise((resolve) => {
        finish = resolve
      })
      await queue.work(50, () => {
        const ms = Date.now() - instant
        if (ms >= 0 && late.push(ms) === SCHEDULES) finish()
      })
      // Leave 10 seconds for the jobs of ticks that were due while the schedules were made.
      instant = Math.ceil((Date.now() + scaled(10 * SECOND)) / (PERIOD * SECOND)) * PERIOD * SECOND
      await pause(instant - Date.now() - SECOND)
      const redis = await probe.cpu()
      await finished
      return {
        p50: percentile(late, 50),
        last: late.at(-1),
        redis: ((await probe.cpu()) - redis) / SCHEDULES,
        make: (made - began) / SECOND,
      }
    },
  },
]
