/** How fast a worker runs jobs that do nothing, from a queue that was filled before. */
import { payloads } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'

const all = [...onRedis, 'graphile-worker']

export const measures = [
  processing('process-50', 50, 150_000, all, 'process, concurrency 50', 7),
  processing('process-1', 1, 150_000, all, 'process, concurrency 1', 25),
  // A measure with a network delay. Without a delay, the figure would not show whether a peer makes one round
  // trip for each job.
  processing('far-50', 50, 60_000, onRedis, 'process, 1 ms away, concurrency 50', 7, 1),
  processing('far-1', 1, 30_000, onRedis, 'process, 1 ms away, concurrency 1', 80, 1),
]

/** @param {number} [delay] milliseconds between client and server, each way */
function processing(name, concurrency, jobs, peers, label, times, delay) {
  const count = scaled(jobs)
  return {
    name,
    peers,
    delay,
    rows: [{ metric: 'rate', label, unit: 'jobs/s', target: { times } }],
    async run({ open, seconds, near }) {
      await fill(near, count, { slots: concurrency })
      const queue = await open({ slots: concurrency })
      return { rate: await drain(queue, concurrency, count, seconds * 1.5) }
    },
  }
}

export async function fill(open, jobs, options) {
  const queue = await open(options)
  const bulk = payloads(Math.min(jobs, 1_000))
  for (let left = jobs; left > 0; left -= bulk.length) await queue.addMany(bulk)
  await queue.close()
}

/**
 * Runs the jobs of a queue, and returns the jobs per second. The measurement ends with the start of the last
 * job, or when the time is over. The first jobs (a tenth of the jobs or of the time) are for warming up and
 * do not count.
 */
export async function drain(queue, concurrency, jobs, seconds) {
  let count = 0
  let warm = { at: Number.POSITIVE_INFINITY, count: 0 }
  let last = 0
  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  let began
  await queue.work(concurrency, () => {
    const at = performance.now()
    began ??= at
    count++
    if (warm.count === 0 && (count * 10 > jobs || at - began > seconds * 100)) warm = { at, count }
    last = at
    if (count >= jobs || at - began > seconds * 1_000) finish()
  })
  await finished
  return (count - warm.count) / ((last - warm.at) / 1_000)
}
