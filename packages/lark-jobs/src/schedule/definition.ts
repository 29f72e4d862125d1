/**
 * What a schedule is: when it ticks, which job it queues then, and what it does with ticks that were missed or come too
 * early. The store keeps it as JSON text, and never reads it.
 */
import { createHash } from 'node:crypto'
import type { NewJob } from '../model/record.ts'
import type { Timing } from './instants.ts'

/** What becomes of ticks that are late by more than the grace. */
export const missedPolicies = ['skip', 'once', 'all'] as const
/**
 *   skip   they are recorded, and nothing runs for them
 *   once   one job runs for all of them, at the instant of the last
 *   all    each becomes a job, at most `MAX_MISSED`
 */
export type Missed = (typeof missedPolicies)[number]

/** What a tick does while the job of the tick before has not ended. */
export const overlapPolicies = ['allow', 'skip', 'queue', 'cancel'] as const
/**
 *   allow    its job is queued beside the other
 *   skip     it is recorded, and nothing runs for it
 *   queue    its job is queued, and begins when the others have ended
 *   cancel   the other job is cancelled, and its job begins when that has ended
 */
export type Overlap = (typeof overlapPolicies)[number]

export interface Definition {
  timing: Timing
  missed: Missed
  /** Milliseconds by which a tick may be late and still becomes a job. */
  grace: number
  overlap: Overlap
  /** Milliseconds: the ticks of the schedule are later by a part of this that its id decides. 0: none. */
  jitter: number
  /** After so many failed jobs in a row the schedule is paused; 0: never. */
  pauseAfterFailures: number
  /** After so many ticks it has ended; 0: never. */
  limit: number
  queue: string
  /** The job of each tick, without its id. */
  job: Omit<NewJob, 'id' | 'ownId'>
  /** The key of the job class that declares the schedule. Absent: `Jobs.schedules.set` made it. */
  ofClass?: string
}

/** 16 characters that tell definitions apart. */
export function hashOf(definition: Definition): string {
  return createHash('sha256').update(writeDefinition(definition)).digest('base64url').slice(0, 16)
}

/** The text of a definition. Two definitions that say the same have the same text, whatever the order of their fields. */
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
