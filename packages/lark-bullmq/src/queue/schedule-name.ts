/**
 * The id of the schedule that stands for a job scheduler of BullMQ. In BullMQ, an id is unique within a
 * queue, and may contain white space and colons. In Lark, it is unique within the store.
 */

import { createHash } from 'node:crypto'
import { LARGEST } from '@s18i/lark-jobs/internal'

const hashed = /^[0-9a-f]{64}$/

export function scheduleName(queue: string, id: string): string {
  // The lists of job schedulers show a hash instead of a long id, so a hash is accepted here.
  if (hashed.test(id)) return id
  const whole = `${queue}/${id}`.replaceAll(/[\s:%\p{C}]/gu, encodeURIComponent)
  return whole.length <= LARGEST.scheduleId ? whole : createHash('sha256').update(whole).digest('hex')
}

/** The id of the job scheduler, or the id of the schedule if no job scheduler has made it. */
export function schedulerName(queue: string, schedule: string): string {
  if (!schedule.startsWith(`${queue}/`)) return schedule
  try {
    return decodeURIComponent(schedule.slice(queue.length + 1))
  } catch {
    return schedule
  }
}
