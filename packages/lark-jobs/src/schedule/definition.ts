/**
 * The definition of a schedule: when it ticks, which job it queues, and what happens to ticks that were
 * missed or that come before the previous run has ended. The store keeps the definition as JSON text and
 * never reads it.
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
   * Each tick is delayed by a part of this time, in milliseconds. The id of the schedule determines that
   * part. 0 means no delay.
   */
  jitter: number
  /** The schedule is paused after this many failed jobs in a row. 0 means never. */
  pauseAfterFailures: number
  /** The schedule ends after this many ticks. 0 means never. */
  limit: number
  queue: string
  /** The job of each tick, without its id. */
  job: Omit<NewJob, 'id' | 'ownId'>
  /**
   * The key of the job class that declares the schedule. Absent if `Jobs.schedules.set` created the schedule.
   */
  ofClass?: string
}

/** 16 characters that distinguish definitions. */
export function hashOf(definition: Definition): string {
  return createHash('sha256').update(writeDefinition(definition)).digest('base64url').slice(0, 16)
}

/**
 * The text of a definition. Equal definitions have the same text, no matter in which order their fields were
 * given.
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
