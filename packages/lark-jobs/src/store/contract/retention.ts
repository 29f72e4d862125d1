/**
 * How many ended jobs a partition keeps, and for how long. The configuration of a queue may say other numbers than
 * those here (`config/keep.ts`). Every process uses the numbers of its own configuration.
 */
import { queueOf } from '../../model/partition.ts'

/** What is kept of one ended state: the newest jobs, and each for so many milliseconds. */
export interface Retention {
  count: number
  age: number
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
  failed: { count: 10_000, age: 30 * 86_400_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
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
