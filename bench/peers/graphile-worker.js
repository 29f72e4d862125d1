/**
 * graphile-worker on PostgreSQL. To measure throughput, it uses its local queue of 500 jobs, which
 * prefetches. To measure latency, it does not use the local queue, because this queue adds latency.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'

export const title = 'graphile-worker'
export const store = 'postgres'

const logger = new Logger(() => () => {})

export async function clear({ connection }) {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query('DROP SCHEMA IF EXISTS graphile_worker CASCADE')
  await client.end()
}

export async function open({ connection }, { tuned = 'throughput' } = {}) {
  const preset = (concurrentJobs) => ({
    worker: {
      connectionString: connection,
      concurrentJobs,
      logger,
      // The manual recommends at least one connection for each concurrent job.
      maxPoolSize: concurrentJobs + 2,
      ...(tuned === 'throughput' && { localQueue: { size: 500 }, completeJobBatchDelay: 0 }),
    },
  })
  const utils = await makeWorkerUtils({ preset: preset(10) })
  await utils.migrate()
  return {
    add: (payload) => utils.addJob('SendEmail', payload),
    addMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: 'SendEmail', payload }))),
    async work(concurrency, handler) {
      const taskList = { SendEmail: async (payload) => handler(payload) }
      const runner = await run({ preset: preset(concurrency), taskList, noHandleSignals: true })
      return { stop: () => runner.stop() }
    },
    close: () => utils.release(),
  }
}
