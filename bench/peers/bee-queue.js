/**
 * bee-queue with all optional features off: it sends no events, keeps no job objects in memory, and removes
 * completed jobs, because it cannot limit how many completed jobs it keeps. The option `isWorker` of the
 * producer is off, which saves a connection.
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
      // bee-queue sends a separate event for delayed jobs, and a worker receives this event even if
      // `getEvents` is off.
      const worker = new Queue('bench', { ...settings, activateDelayedJobs: true, delayedDebounce: 1 })
      await worker.ready()
      worker.process(concurrency, async (job) => handler(job.data))
      // The documentation of bee-queue recommends this call, which queues the jobs of dead workers again. 5 s
      // is its default interval.
      worker.checkStalledJobs(5_000, () => {})
      return { stop: () => worker.close() }
    },
    close: () => queue.close(),
  }
}
