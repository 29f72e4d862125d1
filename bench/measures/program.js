/**
 * The speed of `lark jobs:work`, the program that users run, with its output in a file. The jobs are those of
 * `process.js`.
 */
import { scaled } from '../scale.js'
import { fill } from './process.js'

/**
 * The files of the application. The job class counts its runs, and writes the result to a file when the
 * process exits. The class has the same key as the class with which the peer dispatches the jobs.
 */
const files = (warm) => ({
  'jobs/SendEmailJob.js': `
    import { writeFileSync } from 'node:fs'
    import { Job } from '@s18i/lark-jobs'
    const seen = { count: 0, warm: 0, last: 0 }
    export class SendEmailJob extends Job {
      queueName = 'bench-0'
      async handle() {
        seen.last = performance.now()
        if (++seen.count === ${warm}) seen.warm = seen.last
      }
    }
    process.on('exit', () => writeFileSync('seen.json', JSON.stringify(seen)))`,
})

/**
 * @param {string} like the name of another measure: the program is compared with the figures of the peers in
 *   that measure
 * @param {number} all the number of jobs, the same as in the measure `like`
 */
export function program(name, peer, like, times, all) {
  const jobs = scaled(all)
  const warm = jobs / 10
  return {
    name,
    peers: [peer],
    like,
    rows: [
      {
        metric: 'rate',
        label: 'process, lark jobs:work into a file, concurrency 50',
        unit: 'jobs/s',
        target: { times },
      },
    ],
    async run({ near, application }) {
      await fill(near, jobs)
      const app = application(files(warm))
      const [code] = await app.lark('jobs:work', '--concurrency=50', '--stop-when-empty')
      const output = app.read('output.txt')
      if (code !== 0 || !output.includes(`${jobs.toLocaleString('en')} completed in `))
        throw new Error(output.slice(-2_000))
      const seen = JSON.parse(app.read('seen.json'))
      return { rate: (seen.count - warm) / ((seen.last - seen.warm) / 1_000) }
    },
  }
}
