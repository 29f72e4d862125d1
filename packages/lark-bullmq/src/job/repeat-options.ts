/** The times at which a job scheduler ticks, and the key of a repeatable job of BullMQ 5. */
import { createHash } from 'node:crypto'

export interface RepeatOptions {
  /** A cron expression, which may begin with a field for seconds. */
  pattern?: string
  /** Milliseconds between two ticks, at least 1,000. */
  every?: number
  /**
   * The time zone of the pattern. Default: the time zone in Lark's configuration, which is UTC by default. In
   * BullMQ, the default is the time zone of the process.
   */
  tz?: string
  startDate?: Date | string | number
  endDate?: Date | string | number
  /** The maximum number of jobs that the scheduler adds. */
  limit?: number
  /** One job is added at once, in addition to the jobs of the ticks. */
  immediately?: boolean
  /** The key of a repeatable job. Default: a hash of its name, its `jobId`, and when it ticks. */
  key?: string
  /** A part of the key of a repeatable job. */
  jobId?: string
}

/**
 * The key of a repeatable job. The key is computed as in BullMQ 5. So an application that adds the same
 * repeatable job again, also after an import, changes this job and does not make a second one.
 */
export function repeatableKey(
  name: string,
  { key, jobId = '', endDate, tz = '', pattern, every }: RepeatOptions,
): string {
  if (key !== undefined) return key
  const until = endDate === undefined ? '' : new Date(endDate).getTime()
  return hashOf(`${name}:${jobId}:${until}:${tz}:${pattern || every || ''}`)
}

/**
 * @param text a text that distinguishes repeatable jobs. Early versions of BullMQ used this text itself as
 * the key
 */
export function hashOf(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
