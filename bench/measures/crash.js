/** After `kill -9` of a worker: how long until all ten jobs that it ran have started elsewhere, on defaults. */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from '../clock.js'
import { payload } from '../payloads.js'
import { onRedis } from '../peers/index.js'

const JOBS = 10
/** groupmq has nothing to show here: by its defaults it fails a job whose worker died. */
const peers = onRedis.filter((peer) => peer !== 'bullmq-lean' && peer !== 'groupmq')

export const measures = [
  {
    name: 'crash',
    slow: true,
    rounds: 1,
    peers,
    rows: [
      {
        metric: 'seconds',
        label: 'kill -9 of a worker → its jobs elsewhere',
        unit: 's',
        target: { most: 16 },
      },
    ],
    async run({ open, partner }) {
      const first = await partner({ work: JOBS, hang: true })
      const queue = await open()
      for (let n = 0; n < JOBS; n++) await queue.add({ ...payload(n), at: now() })
      await first.started(JOBS)
      const second = await partner({ work: JOBS })
      // Until the second has settled down: the first has held its jobs for a while then.
      await pause(2_000)
      first.kill()
      const killed = now()
      await second.started(JOBS)
      return { seconds: (now() - killed) / 1_000 }
    },
  },
]
