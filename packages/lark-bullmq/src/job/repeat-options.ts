/** When a job scheduler ticks, and the key of a repeatable job of BullMQ 5. */
import { createHash } from 'node:crypto'

export interface RepeatOptions {
  /** A cron expression, which may begin with a field for seconds. */
  pattern?: string
  /** Milliseconds between two ticks, at least 1,000. */
  every?: number
  /**
   * The time zone of the pattern. Default: the time zone of Lark's configuration, which is UTC unless set. In
   * BullMQ, the default is the time zone of the process.
   */
  tz?: string
  startDate?: Date | string | number
  endDate?: Date | string | number
  /** The most jobs that the scheduler adds. */
  limit?: number
  /** One job is added at once, besides those of the ticks. */
  immediately?: boolean
  /** The key of a repeatable job. Default: a hash of its name, its `jobId`, and when it ticks. */
  key?: string
  /** It is part of the key of a repeatable job. */
  jobId?: string
}

/**
 * The key of a repeatable job, as BullMQ 5 computes it. So an application that adds the same job again, also
 * after an import, changes the repeatable job and does not make a second one.
 */
export function repeatableKey(
  name: string,
  { key, jobId = '', endDate, tz = '', pattern, every }: RepeatOptions,
): string {
  if (key !== undefined) return key
  const until = endDate === undefined ? '' : new Date(endDate).getTime()
  return hashOf(`${name}:${jobId}:${until}:${tz}:${pattern || every || ''}`)
}

/** @param text what tells repeatable jobs apart; early versions of BullMQ used it as the key */
export function hashOf(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
