/**
 * Lark, with everything that is on by default: leases, safe resends, retries, the newest 1,000 completed jobs kept
 * for an hour. A job object for each dispatch, as users write it; a report that prints nothing.
 */
import { createJobs, Job } from '../../packages/lark-jobs/dist/index.js'

export const title = 'Lark'
export const store = 'redis'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/** @param {number} [options.queues] spread over so many, in turn */
export async function open({ connection }, { queues = 1 } = {}) {
  const names = Array.from({ length: queues }, (_, n) => `bench-${n}`)
  const jobs = createJobs({ connection, queues: names })
  let handle
  let turn = 0

  class SendEmailJob extends Job {
    queueName = names[turn++ % queues]
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
    close: () => jobs.close(),
  }
}
