/** The name of a queue, as the classes of this package take it. */
import { isQueueName } from '@s18i/lark-jobs/internal'
import { wrongValue } from '../compared/unsupported.ts'

/** @throws JOB_INVALID */
export function readQueue(who: string, name: unknown): string {
  if (isQueueName(name)) return name as string
  throw wrongValue(
    who,
    'the name of the queue',
    name,
    'a text of up to 200 characters, without spaces, commas, slashes and braces',
  )
}
