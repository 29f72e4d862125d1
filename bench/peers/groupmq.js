/**
 * groupmq keeps the newest 1,000 completed jobs here.
 *
 * With `autoBatch`, groupmq collects up to 100 jobs, or the jobs of one millisecond, and its `add` resolves
 * when they are stored. So it enqueues 53,000 jobs a second instead of 42,000, but the latency rises by a
 * millisecond. `autoBatch` is off in the measures of latency. groupmq has no call that enqueues several jobs.
 */
import { Queue, Worker } from 'groupmq'
import { Redis } from 'ioredis'

export const title = 'groupmq'
export const store = 'redis'

/**
 * Milliseconds between two searches for due jobs. By default, groupmq searches every 1.5 s and finds up to 32
 * jobs. The measure of delayed jobs has 100 jobs a second, so the default would be too slow.
 */
const EAGER = 20

/**
 * @param {number} [options.slots] how many jobs run at the same time. groupmq runs one job of each group at a
 * time, and is fastest with as many groups as slots
 */
export async function open({ connection }, { slots = 50, tuned = 'throughput' } = {}) {
  const redis = new Redis(connection, { maxRetriesPerRequest: null })
  const queue = new Queue({
    redis,
    namespace: 'bench',
    keepCompleted: 1_000,
    ...(tuned === 'latency' && { schedulerLockTtlMs: EAGER }),
    autoBatch: tuned === 'throughput' && { size: 100, maxWaitMs: 1 },
  })
  let turn = 0
  const group = () => `group-${turn++ % slots}`
  return {
    add: (data) => queue.add({ groupId: group(), data }),
    addMany: (payloads) => Promise.all(payloads.map((data) => queue.add({ groupId: group(), data }))),
    // A delayed job blocks its group, so each delayed job has its own group.
    addLater: (data, delay) => queue.add({ groupId: `delayed-${turn++}`, data, delay }),
    async work(concurrency, handler) {
      const worker = new Worker({
        queue,
        concurrency,
        handler: async (job) => handler(job.data),
        ...(tuned === 'latency' && { schedulerIntervalMs: EAGER }),
      })
      worker.run()
      return { stop: () => worker.close() }
    },
    async close() {
      await queue.close()
      redis.disconnect()
    },
  }
}
