/**
 * bee-queue with all optional features off: it sends no events, keeps no job objects, and removes completed
 * jobs (it cannot keep only the newest ones). The producer is not a worker, which saves a connection.
 */
import Queue from 'bee-queue'

export const title = 'bee-queue'
export const store = 'redis'

export async function open({ connection }) {
  const redis = { url: connection }
  const settings = { redis, getEvents: false, sendEvents: false, storeJobs: false, removeOnSuccess: true }
  const queue = new Queue('bench', { ...settings, isWorker: false })
  await queue.ready()
  return {
    add: (payload) => queue.createJob(payload).save(),
    addMany: (payloads) => queue.saveAll(payloads.map((payload) => queue.createJob(payload))),
    addLater: (payload, delay) =>
      queue
        .createJob(payload)
        .delayUntil(Date.now() + delay)
        .save(),
    async work(concurrency, handler) {
      // Delayed jobs have their own kind of event, which the worker receives whatever `getEvents` says.
      const worker = new Queue('bench', { ...settings, activateDelayedJobs: true, delayedDebounce: 1 })
      await worker.ready()
      worker.process(concurrency, async (job) => handler(job.data))
      // The recommended way to take back jobs of dead workers. 5 s is the default interval.
      worker.checkStalledJobs(5_000, () => {})
      return { stop: () => worker.close() }
    },
    close: () => queue.close(),
  }
}
