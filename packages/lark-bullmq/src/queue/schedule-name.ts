/**
 * The id of the schedule that stands for a job scheduler of BullMQ. In BullMQ, an id is unique within a
 * queue, and may contain white space and colons. In Lark, an id is unique within the store, and has no such
 * characters.
 */

import { createHash } from 'node:crypto'
import { LARGEST } from '@s18i/lark-jobs/internal'

const hashed = /^[0-9a-f]{64}$/

export function scheduleName(queue: string, id: string): string {
  // For a long id, the lists of job schedulers show a hash. So a hash is accepted here, too.
  if (hashed.test(id)) return id
  const whole = `${queue}/${id}`.replaceAll(/[\s:%\p{C}]/gu, encodeURIComponent)
  return whole.length <= LARGEST.scheduleId ? whole : createHash('sha256').update(whole).digest('hex')
}

/**
 * The id of the job scheduler of a schedule. If the schedule does not stand for a job scheduler, the id of
 * the schedule.
 */
export function schedulerName(queue: string, schedule: string): string {
  if (!schedule.startsWith(`${queue}/`)) return schedule
  try {
    return decodeURIComponent(schedule.slice(queue.length + 1))
  } catch {
    return schedule
  }
}
