/** How late delayed jobs start: 500 jobs on an idle worker, with random due times within 5 s. */
import { now } from '../clock.js'
import { payload } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'
import { percentile } from '../statistics.js'

const JOBS = scaled(500)

export const measures = [
  {
    name: 'delayed',
    peers: onRedis.filter((peer) => peer !== 'bullmq-lean'),
    rows: [
      { metric: 'p50', label: 'delayed job, lateness p50', unit: 'ms', target: { most: 2 } },
      { metric: 'p99', label: 'delayed job, lateness p99', unit: 'ms', target: { most: 10 } },
    ],
    async run({ open }) {
      const queue = await open({ tuned: 'latency' })
      const late = []
      let finish
      const finished = new Promise((resolve) => {
        finish = resolve
      })
      await queue.work(50, ({ due }) => {
        late.push(now() - due)
        if (late.length === JOBS) finish()
      })
      for (let n = 0; n < JOBS; n++) {
        const delay = scaled(500 + Math.random() * 5_000)
        await queue.addLater({ ...payload(n), due: now() + delay }, delay)
      }
      await finished
      return { p50: percentile(late, 50), p99: percentile(late, 99) }
    },
  },
]
