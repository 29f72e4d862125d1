/** The name of a queue, as the classes of this package take it. */
import { isQueueName, shown } from '@s18i/lark-jobs/internal'
import { refusedValue, unsupported } from '../compared/unsupported.ts'

/**
 * Checks the name of a queue. In BullMQ, braces in a name keep the keys of the queue on one node of a
 * cluster.
 *
 * @returns the name in Lark, which has no braces, because Lark places keys in a cluster itself
 * @throws JOB_INVALID for a name that BullMQ refuses, BULLMQ_UNSUPPORTED for a name that only Lark refuses
 */
export function readQueue(who: string, name: unknown): string {
  if (typeof name !== 'string' || name === '')
    throw refusedValue(who, 'the name of the queue', name, 'Queue name must be provided')
  if (name.includes(':'))
    throw refusedValue(who, 'the name of the queue', name, 'Queue name cannot contain :')
  const queue = larkQueue(name)
  if (isQueueName(queue)) return queue
  throw unsupported(
    who,
    `the name of the queue ${shown(name)}`,
    'up to 200 characters, without spaces, commas and slashes',
    'bullmq-differences.md#jobs',
  )
}

/** The name in Lark of a queue of BullMQ. */
export function larkQueue(name: string): string {
  return name.replaceAll(/[{}]/g, '')
}
