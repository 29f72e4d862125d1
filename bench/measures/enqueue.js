/** How fast jobs are queued. No worker runs during the measurement. */
import { payloads } from '../payloads.js'
import { onRedis } from '../peers/index.js'

const batch = payloads(100)
const bulk = payloads(1_000)

export const measures = [
  {
    name: 'enqueue',
    peers: [...onRedis, 'graphile-worker'],
    rows: [{ metric: 'rate', label: 'enqueue, Promise.all of 100', unit: 'jobs/s', target: { times: 4.5 } }],
    run: ({ open, seconds }) => enqueue(open, seconds, (queue) => Promise.all(batch.map(queue.add))),
  },
  {
    name: 'bulk',
    peers: [...onRedis, 'graphile-worker'],
    rows: [{ metric: 'rate', label: 'enqueue, bulk of 1,000', unit: 'jobs/s', target: { times: 6 } }],
    run: ({ open, seconds }) => enqueue(open, seconds, (queue) => queue.addMany(bulk), bulk.length),
  },
]

/**
 * Dispatches one batch after the other, and returns the jobs per second. The first fifth of the time is for
 * warming up and does not count.
 */
export async function enqueue(open, seconds, send, size = batch.length) {
  const queue = await open()
  await during(seconds / 5, () => send(queue))
  const began = performance.now()
  const batches = await during(seconds, () => send(queue))
  return { rate: (batches * size) / ((performance.now() - began) / 1_000) }
}

async function during(seconds, send) {
  const end = performance.now() + seconds * 1_000
  let batches = 0
  for (; performance.now() < end; batches++) await send()
  return batches
}
