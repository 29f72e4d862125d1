/**
 * The time from `kill -9` of a worker that runs ten jobs until all ten jobs have started in another worker,
 * with default settings. A second measure kills a worker process of a supervisor (`lark jobs:work
 * --processes`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { now } from '../clock.js'
import { payload } from '../payloads.js'
import { onRedis } from '../peers/index.js'
import { scaled } from '../scale.js'

const JOBS = 10
/** groupmq is not measured, because by default it fails a job whose worker died. */
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
      const first = await partner({ work: JOBS, tells: true, hang: true })
      const queue = await open()
      for (let n = 0; n < JOBS; n++) await queue.add({ ...payload(n), at: now() })
      await first.started(JOBS)
      const second = await partner({ work: JOBS, tells: true })
      // Wait until the second worker is idle and the first worker has held its jobs for some time.
      await pause(scaled(2_000))
      first.kill()
      const killed = now()
      await second.started(JOBS)
      return { seconds: (now() - killed) / 1_000 }
    },
  },
  supervised('crash-supervised', 'lark'),
]

/** Jobs that never end. At its start, each job writes its process and the time to a file. */
const files = {
  'jobs/SendEmailJob.js': `
    import { appendFileSync } from 'node:fs'
    import { Job } from '@s18i/lark-jobs'
    export class SendEmailJob extends Job {
      queueName = 'bench-0'
      async handle() {
        const at = Number(process.hrtime.bigint()) / 1e6
        appendFileSync('starts.txt', JSON.stringify({ id: this.id, pid: process.pid, at }) + '\\n')
        await new Promise(() => {})
      }
    }`,
  'starts.txt': '',
}

export function supervised(name, peer) {
  return {
    name,
    peers: [peer],
    rows: [
      {
        metric: 'seconds',
        label: 'kill -9 under the supervisor → its jobs elsewhere',
        unit: 's',
        target: { most: 1 },
      },
      { metric: 'jobs', label: '  jobs that the killed process ran', unit: 'jobs' },
    ],
    async run({ open, application }) {
      const queue = await open()
      for (let n = 0; n < JOBS; n++) await queue.add(payload(n))
      const app = application(files)
      void app.lark('jobs:work', '--processes=2', `--concurrency=${JOBS}`)
      const starts = async (enough) => {
        for (;;) {
          const lines = app.read('starts.txt').split('\n').slice(0, -1)
          const all = lines.map((line) => JSON.parse(line))
          if (enough(all)) return all
          await pause(5)
        }
      }
      const [{ pid }] = await starts((all) => all.length === JOBS)
      // Wait until the second worker process is idle and the first process has held its jobs for some time.
      await pause(scaled(2_000))
      process.kill(pid, 'SIGKILL')
      const killed = now()
      const its = (all) => all.filter((start) => start.pid === pid).length
      const all = await starts((each) => each.length === JOBS + its(each))
      return { seconds: (Math.max(...all.map(({ at }) => at)) - killed) / 1_000, jobs: its(all) }
    },
  }
}
