/**
 * What a schedule is: when it ticks, which job it queues then, and what happens to ticks that were missed or
 * come too early. The store keeps it as JSON text, and never reads it.
 */
import { createHash } from 'node:crypto'
import type { NewJob } from '../model/record.ts'
import type { Missed, Overlap, Timing } from '../options/schedules/timing.ts'

export interface Definition {
  timing: Timing
  missed: Missed
  /** By how many milliseconds a tick may be late and still become a job. */
  grace: number
  overlap: Overlap
  /**
   * Milliseconds. Each tick is delayed by a part of this time, which the id of the schedule decides. 0: no
   * delay.
   */
  jitter: number
  /** The schedule is paused after this many failed jobs in a row; 0: never. */
  pauseAfterFailures: number
  /** The schedule has ended after this many ticks; 0: never. */
  limit: number
  queue: string
  /** The job of each tick, without its id. */
  job: Omit<NewJob, 'id' | 'ownId'>
  /** The key of the job class that declares the schedule. Absent: `Jobs.schedules.set` made it. */
  ofClass?: string
}

/** 16 characters that distinguish definitions. */
export function hashOf(definition: Definition): string {
  return createHash('sha256').update(writeDefinition(definition)).digest('base64url').slice(0, 16)
}

/**
 * The text of a definition. Two definitions that say the same have the same text, whatever the order of their
 * fields.
 */
export function writeDefinition(definition: Definition): string {
  return JSON.stringify(sorted(definition))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(
    entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, each]) => [name, sorted(each)]),
  )
}
