/**
 * A handler blocks the event loop of its worker, which holds fast jobs ahead: when do those start elsewhere? Two
 * workers in processes of their own work off fast jobs, with one among them that blocks for a second. Those behind it
 * that start more than 20 ms after the block began, which is as long as jobs may be held ahead, were held by the
 * blocked worker: the other is through with what is left in a few milliseconds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { payload } from '../payloads.js'
import { percentile } from '../statistics.js'

/** Fast jobs before the one that blocks, so that both workers are fast and lease ahead; and behind it. */
const BEFORE = 3_000
const BEHIND = 400
const BLOCK = 1_000
/** Milliseconds that a job may lie with a worker that held it ahead. */
const WINDOW = 20
const TIMES = 10

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
      if (held.length === 0) throw new Error('Nothing was held ahead: there is nothing to measure')
      return { p50: percentile(held, 50), p99: percentile(held, 99), held: held.length / TIMES }
    },
  }
}

/** @returns how late each job started that was held ahead by the blocked worker, after the block began */
async function once(queue, workers) {
  const fast = Array.from({ length: BEFORE }, (_, n) => payload(n))
  const behind = Array.from({ length: BEHIND }, (_, n) => ({ ...payload(n), isBehind: true }))
  await queue.addMany([...fast, { ...payload(0), block: BLOCK }, ...behind])
  for (;;) {
    await pause(BLOCK / 2)
    // A blocked worker answers when its block is over.
    const reports = await Promise.all(workers.map((worker) => worker.ask('report')))
    const { blockedAt } = reports.find((report) => report.blockedAt !== undefined) ?? {}
    // Those of the blocked worker too: what it did not give back, it starts itself in the end.
    const starts = reports.flatMap((report) => report.behind)
    if (blockedAt === undefined || starts.length < BEHIND) continue
    for (const worker of workers) await worker.ask('forget')
    return starts.map((at) => at - blockedAt).filter((late) => late > WINDOW)
  }
}
