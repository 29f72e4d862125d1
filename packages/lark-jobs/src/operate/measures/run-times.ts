/**
 * Data for charts: how long runs waited and how long they took within the last hour, three days or 90 days,
 * and when versions of Lark were first seen.
 */
import { RunCounts } from '../../model/run/run-counts.ts'
import { type OptionsOf, oneOf } from '../../options/schema.ts'
import {
  DAY,
  DAYS,
  firstBucket,
  firstSeen,
  HOUR,
  HOURS,
  MINUTE,
  MINUTES,
  runsWithin,
} from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, queueName } from '../look/filter.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import { type Quantiles, quantiles } from './figures.ts'

const units = {
  minutes: [MINUTE, MINUTES],
  hours: [HOUR, HOURS],
  days: [DAY, DAYS],
} as const

/** The length of the steps into which a history is divided. */
export type HistoryUnit = keyof typeof units

const timesConditions = conditions({
  /** The queue. Default: all queues together. */
  queue: queueName,
  /**
   * The steps of the history: `'minutes'` of the last hour (default), `'hours'` of the last three days, or
   * `'days'` of the last 90 days.
   */
  unit: oneOf<HistoryUnit>(['minutes', 'hours', 'days']),
})

export interface RunTimesFilter extends OptionsOf<typeof timesConditions.entries> {}

/** The times of the runs within a minute, an hour, or a day in UTC. */
export interface RunTimesWithin {
  /** When the minute, hour or day begins: milliseconds since 1970. */
  at: number
  /** How long jobs had been due when their runs began, in milliseconds. */
  wait: Quantiles
  /** The durations of the runs that ended, in milliseconds. */
  process: Quantiles
}

/** When workers with a version or release were first seen. */
export interface VersionFirstSeen {
  name: string
  /** When such workers were first seen: milliseconds since 1970. */
  at: number
}

export interface RunTimes {
  /** When the store was asked: milliseconds since 1970, by the store's clock. */
  at: number
  /** The steps in which a run began or ended, the oldest first. The last step may not be over yet. */
  steps: RunTimesWithin[]
  /**
   * The versions of Lark and the releases of the application that first appeared on a worker within the time
   * of this history. `at` is the end of the step in which the version or release first appeared.
   */
  versions: VersionFirstSeen[]
  releases: VersionFirstSeen[]
}

/** @throws FILTER_INVALID */
export function checkRunTimes(filter: unknown, flags?: Flags): void {
  checkFilter('operate().runTimes()', filter, timesConditions, { flags })
}

/** @throws UNKNOWN_QUEUE @param filter must be checked already */
export async function runTimes(
  open: OpenQueues,
  { queue, unit = 'minutes' }: RunTimesFilter,
): Promise<RunTimes> {
  const { store } = open
  if (queue !== undefined) await partitionsToLookIn(open, queue)
  const [length, count] = units[unit]
  const [kept, now] = await Promise.all([store.runHistory(length, count), store.workerRuns()])
  const steps = runsWithin(kept, now, length, count).flatMap(({ at, queues }) => {
    const counts = new RunCounts()
    for (const [name, each] of queues) if (queue === undefined || name === queue) counts.add(each)
    const [wait, process] = [quantiles(counts, 'wait'), quantiles(counts, 'process')]
    return wait.count + process.count === 0 ? [] : [{ at, wait, process }]
  })
  const from = firstBucket(now.at, length, count)
  const seen = (what: 'versions' | 'releases') => firstSeen(kept, what).filter(({ at }) => at >= from)
  return { at: now.at, steps, versions: seen('versions'), releases: seen('releases') }
}
