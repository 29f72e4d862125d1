/**
 * The call that imports from BullMQ. The code that does the work (`import.ts`) is loaded with the first call.
 */
import type { RedisServers } from '@s18i/lark-jobs'
import { opened, recorded } from '@s18i/lark-jobs/internal'
import { type Operate, operate } from '@s18i/lark-jobs/operate'
import { type BullmqOptions, checkBullmq } from './options.ts'
import type { BullmqImport } from './report.ts'

/**
 * Imports from BullMQ 5 or 6: jobs that wait or are delayed, job schedulers, and with `failed` also failed
 * jobs. The answer says why other jobs stay in BullMQ. If a call is interrupted, repeat it within an hour.
 * Then no job is lost or imported twice.
 *
 * @param from the Redis of BullMQ: a connection string, or an object as in `jobs.connection`
 * @param options `prefix`, default `bull`; `queues`, default all; `key`, default `{name}`; `failed`; `move`
 *   removes imported jobs and schedulers from BullMQ; `force` imports although workers of BullMQ are
 *   connected; `dryRun`, `signal`, `onProgress`
 * @param operating the store to import into, and the person who imports, for the audit. Default: the store of
 *   the application
 * @throws BULLMQ_NOT_FOUND, BULLMQ_RUNNING or UNKNOWN_QUEUE before anything is imported; STORE_INVALID,
 *   FILTER_INVALID
 * @example const { imported, queues } = await importBullmq('redis://old:6379', { dryRun: true })
 */
export async function importBullmq(
  from: string | RedisServers,
  options: BullmqOptions = {},
  operating: Operate = operate(),
): Promise<BullmqImport> {
  checkBullmq(options)
  const { importInto } = await import('./import.ts')
  if (options.dryRun) return importInto(await opened(operating), from, options)
  const { queues, signal } = options
  const on = queues === undefined ? 'jobs of BullMQ' : `jobs of queue ${queues.join(', ')} of BullMQ`
  const change = { what: 'import', on, signal, count: ({ imported }: BullmqImport) => imported } as const
  return recorded(operating, change, (target, noted) => importInto(target, from, options, noted))
}
