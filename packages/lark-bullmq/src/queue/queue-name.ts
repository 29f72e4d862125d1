/** The name of a queue, as the classes of this package take it. */
import { isQueueName, shown } from '@s18i/lark-jobs/internal'
import { refusedValue, unsupported } from '../compared/unsupported.ts'

/**
 * @throws JOB_INVALID for a name that BullMQ refuses, BULLMQ_UNSUPPORTED for a name that only Lark refuses
 */
export function readQueue(who: string, name: unknown): string {
  if (typeof name !== 'string' || name === '')
    throw refusedValue(who, 'the name of the queue', name, 'Queue name must be provided')
  if (name.includes(':'))
    throw refusedValue(who, 'the name of the queue', name, 'Queue name cannot contain :')
  if (isQueueName(name)) return name
  throw unsupported(
    who,
    `the name of the queue ${shown(name)}`,
    'up to 200 characters, without spaces, commas, slashes and braces',
    'bullmq-differences.md#jobs',
  )
}
