/**
 * Lark with its defaults: leases, safe resends, retries, and the newest 1,000 completed jobs kept for an hour. Each
 * dispatch makes a job object, as users do. The report prints nothing.
 */
import { createJobs, Job } from '../../packages/lark-jobs/dist/index.js'

export const title = 'Lark'
export const store = 'redis'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/**
 * @param {number} [options.queues] the number of queues that the workers serve
 * @param {number} [options.used] over how many of them jobs are spread, in turn; default: all
 * @param {number} [options.partitions] of each
 * @param {string} [options.preset] the preset of the workers
 * @param {object} [options.queue] the configuration of each queue
 * @param {(Job: Function) => Function} [options.kind] makes a class with a feature from the plain job, with the same
 * name
 */
export async function open({ connection }, options = {}) {
  const { queues = 1, used = queues, partitions = 1, preset, queue = {}, kind = (Job) => Job } = options
  const names = Array.from({ length: queues }, (_, n) => `bench-${n}`)
  const each = { ...queue, ...(partitions !== 1 && { partitions }) }
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
  const Kind = kind(SendEmailJob)

  return {
    add: (payload) => jobs.dispatch(new Kind(), payload),
    addMany: (payloads) => jobs.dispatchMany(new Kind(), payloads),
    addLater(payload, delay) {
      const job = new Kind()
      job.delay = delay
      return jobs.dispatch(job, payload)
    },
    async work(concurrency, handler) {
      handle = handler
      const worker = await jobs.work({ jobs: [Kind], concurrency, report: silent })
      return { stop: () => worker.stop() }
    },
    /** Pauses or resumes the queues, to make a backlog for workers that have started. */
    async hold(paused) {
      const { store } = await jobs.open()
      await Promise.all(names.map((name) => store.configure(name, { paused })))
    },
    close: () => jobs.close(),
  }
}
