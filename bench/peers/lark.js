/**
 * Lark with its defaults: leases, safe resends, retries, and the newest 1,000 completed jobs kept for an
 * hour. Each dispatch makes a job object, as users do. The workers print no report.
 */
import { batch, chain, createJobs, cron, Job, workflow } from '../../packages/lark-jobs/dist/index.js'
import { payload } from '../payloads.js'
import { scale } from '../scale.js'

export const title = 'Lark'
export const store = 'redis'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/**
 * @param {number} [options.queues] the number of queues that the workers serve
 * @param {number} [options.used] the number of queues to which jobs are dispatched in turn; default: all
 *   queues
 * @param {number} [options.partitions] the number of partitions of each queue
 * @param {string} [options.preset] the preset of the workers
 * @param {object} [options.queue] the configuration of each queue
 * @param {object} [options.config] further configuration
 * @param {(Job: Function) => Function} [options.kind] takes the class of the plain job, and returns a
 * subclass with a feature and the same name
 */
export async function open({ connection }, options = {}) {
  const { queues = 1, used = queues, partitions = 1, preset, queue = {}, config = {} } = options
  const { kind = (Job) => Job } = options
  const names = Array.from({ length: queues }, (_, n) => `bench-${n}`)
  const each = { ...queue, ...(partitions !== 1 && { partitions }) }
  const jobs = createJobs({
    connection,
    queues: Object.fromEntries(names.map((name) => [name, each])),
    ...(preset !== undefined && { preset }),
    ...config,
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
  const draft = (payload) => new Kind().with(payload)
  function* drafts(payloads) {
    for (const payload of payloads) yield draft(payload)
  }

  return {
    add: (payload) => jobs.dispatch(new Kind(), payload),
    /** Dispatches a job and returns its handle. */
    dispatch: (payload) => jobs.dispatch(draft(payload)),
    addMany: (payloads) => jobs.dispatchMany(new Kind(), payloads),
    addLater(payload, delay) {
      const job = new Kind()
      job.delay = delay
      return jobs.dispatch(job, payload)
    },
    flows: {
      batch: (payloads, callback) =>
        jobs.dispatch(batch(drafts(payloads)).allowFailures().onCompleted(draft(callback))),
      chain: (payloads) => jobs.dispatch(chain([...drafts(payloads)])),
      /**
       * Dispatches a workflow whose layers have `width` nodes each. Each node waits for `parents` nodes of
       * the layer before.
       */
      workflow: (payloads, width, parents) =>
        jobs.dispatch(
          workflow('bench', (w) => {
            const nodes = []
            for (const each of drafts(payloads)) {
              const layer = nodes.length - (nodes.length % width) - width
              const place = (n) => layer + ((nodes.length + n * (width / parents)) % width)
              const after = layer < 0 ? [] : Array.from({ length: parents }, (_, n) => nodes[place(n)])
              nodes.push(w.add(each, { after }))
            }
          }),
        ),
    },
    schedule: (n, pattern) => jobs.schedules.set(`s-${n}`, draft(payload(n)), cron(pattern)),
    async work(concurrency, handler) {
      handle = handler
      const lease = scale < 1 ? { lease: 1_000 } : {}
      const worker = await jobs.work({ jobs: [Kind], concurrency, report: silent, ...lease })
      return { stop: () => worker.stop() }
    },
    /** Pauses or resumes the queues, so that a measure can make a backlog after its workers have started. */
    hold: (paused) => (paused ? jobs.pause({ all: true }) : jobs.resume({ all: true })),
    close: () => jobs.close(),
  }
}
