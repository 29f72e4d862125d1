/**
 * BullMQ on ioredis. It keeps the newest 1,000 completed jobs, as Lark does by default. `enableAutoPipelining` of
 * ioredis is off, because with it BullMQ enqueues only 41,000 jobs a second instead of 62,000.
 */
import { Queue, Worker } from 'bullmq'

export const title = 'BullMQ'
export const store = 'redis'

export const open = ({ connection }) => openKeeping({ count: 1_000 }, connection)

/**
 * @param {{ count: number }} removeOnComplete set on the worker; on the queue, it would be stored with every job and
 * cost memory and time
 */
export async function openKeeping(removeOnComplete, url) {
  const { hostname, port, pathname } = new URL(url)
  const connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)) }
  const queue = new Queue('bench', { connection })
  await queue.waitUntilReady()
  return {
    add: (payload) => queue.add('SendEmail', payload),
    addMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'SendEmail', data }))),
    addLater: (payload, delay) => queue.add('SendEmail', payload, { delay }),
    async work(concurrency, handler) {
      const worker = new Worker('bench', async (job) => handler(job.data), {
        connection,
        concurrency,
        removeOnComplete,
      })
      await worker.waitUntilReady()
      return { stop: () => worker.close() }
    },
    close: () => queue.close(),
  }
}
