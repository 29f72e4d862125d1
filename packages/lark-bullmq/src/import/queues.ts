/**
 * Finds the queues of BullMQ that are imported: the named queues, or all queues. Also finds the queues that
 * must not be imported now, because workers of BullMQ serve them.
 */

import { excerpt } from '@s18i/lark/internal'
import { listed } from '@s18i/lark-jobs/internal'
import { BullmqError } from '../errors.ts'
import type { BullmqQueue, BullmqSource } from './source.ts'

/** @throws BULLMQ_NOT_FOUND */
export async function queuesIn(
  source: BullmqSource,
  prefix: string,
  named: readonly string[] | undefined,
): Promise<BullmqQueue[]> {
  const names = named ?? (await source.queues())
  const queues = await Promise.all([...new Set(names)].map((name) => source.look(name)))
  const missing = names.filter((_, i) => named !== undefined && queues[i] === undefined)
  if (missing.length === 0 && names.length > 0) return queues.filter((queue) => queue !== undefined)
  const others = named === undefined ? [] : await source.queues()
  const what = missing.length > 0 ? `no BullMQ queue ${listed(missing.map(excerpt))}` : 'no queue of BullMQ'
  throw new BullmqError('BULLMQ_NOT_FOUND', `${source.name} has ${what} with the prefix ${excerpt(prefix)}`, {
    exit: 2,
    hint:
      others.length > 0
        ? `There are ${listed(others)}.`
        : 'Is it the right database, and the prefix of your queues? redis://host:6379/1 is database 1.',
  })
}

export function stillRunning(
  queues: readonly BullmqQueue[],
  workers: ReadonlyMap<string, number>,
): BullmqError {
  const each = queues.map(({ name }) => `${name} (${workers.get(name)})`)
  const message = `Workers of BullMQ are connected to queues that are not paused: ${listed(each)}`
  return new BullmqError('BULLMQ_RUNNING', message, {
    hint: 'They would run jobs that Lark runs too. Stop them, or pause the queue in BullMQ: queue.pause(). --force imports all the same.',
  })
}

/** How many jobs and schedulers an import has to process. */
export function found(queues: readonly BullmqQueue[], hasFailed = false): number {
  return queues.reduce((all, { counts }) => {
    const { wait, paused, prioritized, delayed, repeat, failed, 'waiting-children': parents } = counts
    return all + wait + paused + prioritized + delayed + parents + repeat + (hasFailed ? failed : 0)
  }, 0)
}
