/**
 * The memory that one more waiting job needs in the server. The measurement begins after the first jobs,
 * because the server allocates a latency histogram at the first call of each command. These histograms have
 * 30 KB (measured), and would add 8 bytes to each of 50,000 jobs.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { longPayload, payload, payloads } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'

const JOBS = scaled(50_000)

export const measures = [
  memory('memory-60', payload, 'Redis memory a waiting job of 60 bytes', 0.6),
  memory('memory-220', longPayload, 'Redis memory a waiting job of 220 bytes', 0.5),
]

function memory(name, make, label, part) {
  return {
    name,
    // One round is enough, because the server allocates the same memory in every round.
    rounds: 1,
    peers: onRedis.filter((peer) => peer !== 'bullmq-lean'),
    rows: [{ metric: 'bytes', label, unit: 'bytes', target: { part } }],
    async run({ open, probe }) {
      const queue = await open()
      const bulk = payloads(1_000, make)
      await queue.addMany(bulk)
      const before = await probe.memory()
      for (let left = JOBS; left > 0; left -= bulk.length) await queue.addMany(bulk)
      await queue.close()
      // Wait until the server has freed the connection and its buffers.
      await pause(scaled(500))
      return { bytes: ((await probe.memory()) - before) / JOBS }
    },
  }
}
