/**
 * How many ended jobs a partition keeps, and for how long. The configuration of a queue may say other numbers than
 * those here (`config/keep.ts`). Every process uses the numbers of its own configuration.
 */

import { queueOf } from '../../../model/partition.ts'
import { LONGEST } from '../../../words/duration.ts'

/** What is kept of one ended state: the newest jobs, and each for so many milliseconds. */
export interface Retention {
  count: number
  age: number
  /**
   * Only of failed jobs of which nobody has said how many are kept: the bytes of their payloads and errors. Then the
   * newest
   * `ofKind` of each kind go last, those beyond the newest `whole` keep only their last error, and jobs that are removed
   * before their age are counted (`Standing.dropped`).
   */
  bytes?: number
  whole?: number
  ofKind?: number
}

/** What a queue keeps of each ended state. */
export type QueueRetention = Readonly<Record<'completed' | 'failed' | 'cancelled', Retention>>

/** What a store keeps: plain data, since threads are told it too. */
export interface Retentions {
  retention: QueueRetention
  /** By queue, where a queue keeps something else. */
  retentions?: Readonly<Record<string, QueueRetention>>
}

/** What is kept unless the configuration says something else. */
export const RETENTION: QueueRetention = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 100_000, age: 30 * 86_400_000, bytes: 268_435_456, whole: 10_000, ofKind: 1_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
}

const all: Retention = { count: Number.MAX_SAFE_INTEGER, age: LONGEST }
/** What fails is noted all the same, for those that remove. */
const allFailed: Retention = { ...RETENTION.failed, ...all, bytes: all.count, whole: all.count }
const keepsAll: Retentions = { retention: { completed: all, failed: allFailed, cancelled: all } }

/**
 * What a process keeps. A supervisor outlives the configuration that it was started with, so it removes nothing: it
 * leaves that to the workers.
 */
export function keptBy(isSupervisor: boolean, { retention, retentions }: Retentions): Retentions {
  return isSupervisor ? keepsAll : { retention, ...(retentions && { retentions }) }
}

/**
 * A member of a flow that failed is kept for at least so many milliseconds, whatever its class and queue say, or until its
 * flow is forgotten (`Change`, `unpin`): while the flow is kept, a retry of it starts the member again.
 */
export const PINNED = 365 * 86_400_000
/** A member is kept so while a partition has fewer failed jobs than this that are kept for an age of their own. */
export const MAX_PINNED = 10_000

export function retentionOf({ retention, retentions }: Retentions, partition: string): QueueRetention {
  return retentions?.[queueOf(partition)] ?? retention
}
