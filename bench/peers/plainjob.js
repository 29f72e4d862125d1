/**
 * plainjob on better-sqlite3, with its own pragmas (WAL, synchronous NORMAL). A worker of plainjob runs one
 * job at a time. plainjob removes completed jobs in the background when they have reached a certain age, and
 * has no limit for the number of completed jobs.
 */
import Database from 'better-sqlite3'
import { better, defineQueue, defineWorker } from 'plainjob'

export const title = 'plainjob'
export const store = 'file'

const logger = { error: console.error, warn() {}, info() {}, debug() {} }

export async function open({ file }) {
  const queue = defineQueue({ connection: better(new Database(file)), logger })
  return {
    add: (payload) => queue.add('SendEmail', payload),
    addMany: (payloads) => queue.addMany('SendEmail', payloads),
    async work(_concurrency, handler) {
      const worker = defineWorker('SendEmail', async (job) => handler(JSON.parse(job.data)), {
        queue,
        logger,
      })
      void worker.start()
      return { stop: () => worker.stop() }
    },
    async close() {
      queue.close()
    },
  }
}
