/**
 * How soon another worker starts the jobs that a blocked worker had prefetched. Two workers in separate
 * processes run fast jobs, and one more job blocks the event loop of its worker for a second. A job behind
 * the blocking job counts as prefetched by the blocked worker if it starts more than 20 ms after the block
 * began. The reason: a worker may hold prefetched jobs for at most 20 ms, and the other worker runs all jobs
 * that are not prefetched within a few milliseconds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payload } from '../payloads.js'
import { scale, scaled } from '../scale.js'
import { percentile } from '../statistics.js'

/**
 * `BEFORE`: the number of fast jobs before the job that blocks. These jobs warm up both workers, so that both
 * workers prefetch. `BEHIND`: the number of fast jobs after the job that blocks.
 */
const BEFORE = 3_000
const BEHIND = 400
const BLOCK = Math.max(scaled(1_000), 100)
/** The longest time in milliseconds for which a worker may hold a prefetched job. */
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
 * @returns for each job that the blocked worker had prefetched: the milliseconds between the beginning of the
 *   block and the start of the job
 */
async function once(queue, workers) {
  const fast = Array.from({ length: BEFORE }, (_, n) => payload(n))
  const behind = Array.from({ length: BEHIND }, (_, n) => ({ ...payload(n), isBehind: true }))
  await queue.addMany([...fast, { ...payload(0), block: BLOCK }, ...behind])
  for (;;) {
    await pause(BLOCK / 2)
    // The blocked worker can send its report only when the block is over.
    const reports = await Promise.all(workers.map((worker) => worker.ask('report')))
    const { blockedAt } = reports.find((report) => report.blockedAt !== undefined) ?? {}
    // A prefetched job may also start in the blocked worker itself, if the worker did not give the job back.
    const starts = reports.flatMap((report) => report.behind)
    if (blockedAt === undefined || starts.length < BEHIND) continue
    for (const worker of workers) await worker.ask('forget')
    return starts.map((at) => at - blockedAt).filter((late) => late > WINDOW)
  }
}
