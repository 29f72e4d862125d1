/**
 * bee-queue with all off that may be off: no events, no job objects held, completed jobs forgotten (it cannot keep
 * the newest so many). The producer is no worker, which saves it a connection.
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
      // Delayed jobs are announced by an event of their own kind, which is heard whatever getEvents says.
      const worker = new Queue('bench', { ...settings, activateDelayedJobs: true, delayedDebounce: 1 })
      await worker.ready()
      worker.process(concurrency, async (job) => handler(job.data))
      // Its recipe for taking back what dead workers held; 5 s is its default interval.
      worker.checkStalledJobs(5_000, () => {})
      return { stop: () => worker.close() }
    },
    close: () => queue.close(),
  }
}
