/**
 * BullMQ on ioredis. BullMQ keeps the newest 1,000 completed jobs here, as Lark does by default.
 * `enableAutoPipelining` of ioredis is off, because with it BullMQ enqueues only 41,000 jobs a second instead
 * of 62,000.
 */
import { FlowProducer, Queue, Worker } from 'bullmq'
import { payload } from '../payloads.js'

export const title = 'BullMQ'
export const store = 'redis'

export const open = ({ connection }) => openKeeping({ count: 1_000 }, connection)

/**
 * @param {{ count: number }} removeOnComplete an option of the worker, because BullMQ would store an option
 * of the queue with every job, which costs memory and time
 */
export async function openKeeping(removeOnComplete, url) {
  const { hostname, port, pathname } = new URL(url)
  const connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)) }
  const queue = new Queue('bench', { connection })
  await queue.waitUntilReady()
  let producer
  const addFlow = (flow) => {
    producer ??= new FlowProducer({ connection })
    return producer.add(flow)
  }
  const node = (data, children) => ({ name: 'SendEmail', queueName: 'bench', data, children })
  return {
    add: (payload) => queue.add('SendEmail', payload),
    addMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'SendEmail', data }))),
    addLater: (payload, delay) => queue.add('SendEmail', payload, { delay }),
    flows: {
      batch: (payloads, callback) =>
        addFlow(
          node(
            callback,
            [...payloads].map((data) => node(data)),
          ),
        ),
      /** The first job of the chain is the innermost child of the flow. */
      chain: (payloads) =>
        addFlow(
          [...payloads].reduce((before, data) => node(data, before === undefined ? [] : [before]), undefined),
        ),
    },
    schedule: (n, pattern) =>
      queue.upsertJobScheduler(`s-${n}`, { pattern }, { name: 'SendEmail', data: payload(n) }),
    async work(concurrency, handler) {
      const worker = new Worker('bench', async (job) => handler(job.data), {
        connection,
        concurrency,
        removeOnComplete,
      })
      await worker.waitUntilReady()
      return { stop: () => worker.close() }
    },
    async close() {
      await producer?.close()
      await queue.close()
    },
  }
}
