/**
 * How many runs ended in the queues of a store, by minute for an hour, by hour for three days, and by day for
 * 90 days.
 */

import type { OptionsOf } from '../../options/schema.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { DAY, type History, HOUR, MAX_STANDINGS, MINUTE, sumsOf } from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, queueName } from '../look/filter.ts'
import { sinceCondition, sinceInstant } from '../look/since.ts'
import { everyPartition, type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import type { EndedCounts } from './measurement.ts'

/** The runs that ended within a minute, an hour, or a day in UTC. */
export interface EndedWithin extends EndedCounts {
  /** When the minute, hour or day begins: milliseconds since 1970. */
  at: number
}

/**
 * The history of a queue. The lists have only minutes, hours and days in which a run ended, the oldest first.
 * The last minute, hour or day may not be over yet.
 */
export interface QueueHistory {
  queue: string
  /** The last 60 minutes. */
  minutes: EndedWithin[]
  /** The last 72 hours. */
  hours: EndedWithin[]
  /** The last 90 days. */
  days: EndedWithin[]
}

export interface StoreHistory {
  /** When the store was asked: milliseconds since 1970, by the store's clock. */
  at: number
  /** The queues in the order of the configuration, followed by other queues in the store. */
  queues: QueueHistory[]
}

const historyConditions = conditions({
  /** Default: every queue. */
  queue: queueName,
  /**
   * Only minutes, hours and days that had not ended before this time: an instant, or how long ago. Default:
   * the whole stored history.
   */
  since: sinceCondition,
})

export interface HistoryFilter extends OptionsOf<typeof historyConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkHistory(filter: unknown, flags?: Flags): void {
  checkFilter('operate().history()', filter, historyConditions, { flags })
}

/** @throws UNKNOWN_QUEUE @param filter must be checked already */
export async function history(
  open: OpenQueues,
  { queue: named, since }: HistoryFilter,
): Promise<StoreHistory> {
  const { store } = open
  if (named !== undefined) await partitionsToLookIn(open, named)
  const [at, all] = await Promise.all([store.now(), everyPartition(open)])
  const chosen = [...all].filter(([queue]) => named === undefined || queue === named)
  const partitions = chosen.flatMap(([, list]) => list)
  const found: History[] = []
  for (const some of inLots(partitions, MAX_STANDINGS)) found.push(...(await store.history(some)))
  const from = sinceInstant(since, at)
  const queues = chosen.map(([queue, list]): QueueHistory => {
    const parts = found.splice(0, list.length)
    const merged = (unit: keyof History, length: number) =>
      sumsOf(
        parts.flatMap((part) => part[unit]),
        length,
      )
        .filter((bucket) => bucket.at + length > from)
        .sort((one, other) => one.at - other.at)
    return {
      queue,
      minutes: merged('minutes', MINUTE),
      hours: merged('hours', HOUR),
      days: merged('days', DAY),
    }
  })
  return { at, queues }
}
