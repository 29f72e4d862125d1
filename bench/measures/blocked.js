/**
 * A handler blocks the event loop of its worker, which has prefetched fast jobs. The measure shows when these jobs
 * start in the other worker. Two workers in separate processes run fast jobs, and one job among them blocks for a
 * second. Jobs behind it that start more than 20 ms after the block began were prefetched by the blocked worker: 20 ms
 * is the longest time for which jobs may be prefetched, and the other worker runs all remaining jobs within a few
 * milliseconds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payload } from '../payloads.js'
import { scale, scaled } from '../scale.js'
import { percentile } from '../statistics.js'

/**
 * How many fast jobs come before the job that blocks, so that both workers are warm and prefetch, and how
 * many come after that job.
 */
const BEFORE = 3_000
const BEHIND = 400
const BLOCK = Math.max(scaled(1_000), 100)
/** Milliseconds for which a worker may hold a prefetched job. */
const WINDOW = 20
const TIMES = scaled(10)

export function blocked(name, peer) {
  return {
    name,
    peers: [peer],
    rows: [
      {
        metric: 'p50',
        label: 'job held by a blocked worker → elsewhere, p50',
        unit: 'ms',
        target: { most: 50 },
      },
      { metric: 'p99', label: '  the same, p99', unit: 'ms', target: { most: 50 } },
      { metric: 'held', label: '  jobs that it held, each time', unit: 'jobs' },
    ],
    async run({ open, partner }) {
      const queue = await open()
      const workers = [await partner({ work: 10 }), await partner({ work: 10 })]
      const late = []
      for (let time = 0; time < TIMES; time++) late.push(await once(queue, workers))
      const held = late.flat()
      if (held.length === 0 && scale === 1)
        throw new Error('Nothing was held ahead: there is nothing to measure')
      return { p50: percentile(held, 50), p99: percentile(held, 99), held: held.length / TIMES }
    },
  }
}

/**
 * @returns for each job that the blocked worker had prefetched, how long after the beginning of the block it started
 */
async function once(queue, workers) {
  const fast = Array.from({ length: BEFORE }, (_, n) => payload(n))
  const behind = Array.from({ length: BEHIND }, (_, n) => ({ ...payload(n), isBehind: true }))
  await queue.addMany([...fast, { ...payload(0), block: BLOCK }, ...behind])
  for (;;) {
    await pause(BLOCK / 2)
    // The blocked worker sends its report only when the block is over.
    const reports = await Promise.all(workers.map((worker) => worker.ask('report')))
    const { blockedAt } = reports.find((report) => report.blockedAt !== undefined) ?? {}
    // Starts in the blocked worker count, too, because the blocked worker starts the jobs that it did not
    // give back.
    const starts = reports.flatMap((report) => report.behind)
    if (blockedAt === undefined || starts.length < BEHIND) continue
    for (const worker of workers) await worker.ask('forget')
    return starts.map((at) => at - blockedAt).filter((late) => late > WINDOW)
  }
}
