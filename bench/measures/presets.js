/** How fast a worker runs jobs that do nothing with those presets of Lark that are not the default. */
import { scaled } from '../scale.js'
import { drain, fill } from './process.js'

const JOBS = scaled(60_000)

export const measures = ['throughput', 'spread'].flatMap((preset) => [one(preset, 50), one(preset, 1)])

function one(preset, concurrency) {
  return {
    name: `preset-${preset}-${concurrency}`,
    peers: ['lark'],
    like: `process-${concurrency}`,
    rows: [
      { metric: 'rate', label: `process, concurrency ${concurrency}, preset ${preset}`, unit: 'jobs/s' },
    ],
    async run({ open, near, seconds }) {
      await fill(near, JOBS)
      return { rate: await drain(await open({ preset }), concurrency, JOBS, seconds * 1.5) }
    },
  }
}
