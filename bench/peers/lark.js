/**
 * Lark, with everything that is on by default: leases, safe resends, retries, the newest 1,000 completed jobs kept
 * for an hour. A job object for each dispatch, as users write it; a report that prints nothing.
 */
import { createJobs, Job } from '../../packages/lark-jobs/dist/index.js'

export const title = 'Lark'
export const store = 'redis'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/**
 * @param {number} [options.queues] that its workers serve
 * @param {number} [options.used] over how many of them jobs are spread, in turn; default all
 * @param {number} [options.partitions] of each
 * @param {string} [options.preset] of its workers
 */
export async function open({ connection }, { queues = 1, used = queues, partitions = 1, preset } = {}) {
  const names = Array.from({ length: queues }, (_, n) => `bench-${n}`)
  const each = partitions === 1 ? {} : { partitions }
  const jobs = createJobs({
    connection,
    queues: Object.fromEntries(names.map((name) => [name, each])),
    ...(preset !== undefined && { preset }),
  })
  let handle
  let turn = 0

  class SendEmailJob extends Job {
    queueName = names[turn++ % used]
    async handle(payload) {
      return handle(payload)
    }
  }

  return {
    add: (payload) => jobs.dispatch(new SendEmailJob(), payload),
    addMany: (payloads) => jobs.dispatchMany(new SendEmailJob(), payloads),
    addLater(payload, delay) {
      const job = new SendEmailJob()
      job.delay = delay
      return jobs.dispatch(job, payload)
    },
    async work(concurrency, handler) {
      handle = handler
      const worker = await jobs.work({ jobs: [SendEmailJob], concurrency, report: silent })
      return { stop: () => worker.stop() }
    },
    /** Pauses its queues, or lets them go on: a backlog for workers that have started. */
    async hold(paused) {
      const { store } = await jobs.open()
      await Promise.all(names.map((name) => store.configure(name, { paused })))
    },
    close: () => jobs.close(),
  }
}
