/**
 * The figures of a queue: how long its jobs wait and run, how many jobs become due and how many end, and how
 * long the oldest job has waited. Workers announce these numbers every five seconds, so the figures are at
 * most five seconds old.
 */
import { defined } from '@s18i/lark/internal'
import { type Histogram, type Measured, quantile, RunCounts } from '../../model/run/run-counts.ts'
import type { WorkerRuns } from '../../model/run/worker-runs.ts'
import { type FleetRuns, MINUTE, type Minute, type Standing } from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, queueName } from '../look/filter.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import { type Measurement, measure, oldestOf } from './measurement.ts'
import { withinLastMinute } from './status.ts'

/** The period that workers count as "lately" (`worker/run-tally.ts`), in milliseconds. */
const LATELY = 5 * MINUTE

/** How long something takes, in milliseconds. The quantiles are absent if no duration was measured. */
export interface Quantiles {
  count: number
  p50?: number
  p95?: number
  p99?: number
}

export interface QueueMeasures {
  queue: string
  /**
   * How long jobs had been due when their runs began. This covers the runs that ended in the last five
   * minutes and the runs that are still going on.
   */
  wait: Quantiles
  /** How long runs took. This covers the runs that ended in the last five minutes. */
  process: Quantiles
  /** How many runs became due within the last minute: runs of new jobs, runs of delayed jobs, and retries. */
  in: number
  /**
   * How many runs ended within the last minute, no matter whether they completed, failed for good, or will be
   * retried.
   */
  out: number
  /** How many milliseconds ago the first of the waiting jobs became due. Absent if no job waits. */
  oldest?: number
  /**
   * How long the oldest job may wait according to the configuration of this process, in milliseconds. Absent
   * if no target is configured.
   */
  target?: number
}

/** The figures of the queues of a store. */
export interface StoreFigures {
  /** The queues in the order of the configuration, followed by other queues in the store. */
  queues: QueueMeasures[]
}

const figureConditions = conditions({
  /** Default: every queue. */
  queue: queueName,
})

export interface FigureFilter {
  /** Default: every queue. */
  queue?: string
}

/** @throws FILTER_INVALID */
export function checkFigures(filter: unknown, flags?: Flags): void {
  checkFilter('operate().figures()', filter, figureConditions, { flags })
}

/** @throws UNKNOWN_QUEUE */
export async function figures(
  open: OpenQueues,
  targets: ReadonlyMap<string, number>,
  { queue: named }: FigureFilter,
): Promise<StoreFigures> {
  if (named !== undefined) await partitionsToLookIn(open, named)
  return { queues: figuresOf(await measure(open, named), targets) }
}

export function figuresOf(
  { at, queues, runs }: Measurement,
  targets: ReadonlyMap<string, number>,
): QueueMeasures[] {
  return queues.map(({ queue, standings }) => {
    const lately = latelyOf(queue, runs)
    const oldest = oldestOf(standings)
    return {
      queue,
      wait: quantiles(lately, 'wait'),
      process: quantiles(lately, 'process'),
      in: Math.round(came(queue, runs) + sum(standings.map(({ arrived }) => arrived))),
      out: Math.round(ended(standings, at)),
      ...defined({ oldest: oldest && Math.max(0, at - oldest), target: targets.get(queue) }),
    }
  })
}

/** The runs of the last minutes, including runs of workers that have stopped since. */
function latelyOf(queue: string, { at, workers }: FleetRuns): RunCounts {
  const counts = new RunCounts()
  for (const { lately, endedAt = at } of workers)
    if (endedAt > at - LATELY && lately[queue] !== undefined) counts.add(RunCounts.read(lately[queue]))
  return counts
}

export function quantiles(counts: RunCounts, measured: Measured): Quantiles {
  const histogram: Histogram = counts.histogram(measured)
  const at = (share: number) => quantile(histogram, share)
  return { count: histogram.count, ...defined({ p50: at(0.5), p95: at(0.95), p99: at(0.99) }) }
}

/** The known quantiles, by their share, such as `0.95`. */
export function byQuantile({ p50, p95, p99 }: Quantiles): Record<string, number> {
  const all = Object.entries({ 0.5: p50, 0.95: p95, 0.99: p99 })
  return Object.fromEntries(all.flatMap(([share, ms]) => (ms === undefined ? [] : [[share, ms]])))
}

/** How many of the runs that have already begun became due within the last minute. */
function came(queue: string, { at, workers }: FleetRuns): number {
  return sum(workers.map(({ arrived }) => cameAt(arrived, queue, at)))
}

function cameAt(arrived: WorkerRuns['arrived'], queue: string, at: number): number {
  const parts = [...(arrived[queue] ?? '').matchAll(/(\d+):(\d+)/g)]
  return sum(parts.map(([, minute, count]) => Number(count) * withinLastMinute(Number(minute) * MINUTE, at)))
}

function ended(standings: readonly Standing[], at: number): number {
  const all = ({ completed, failed, retried }: Minute) => completed + failed + retried
  return sum(
    standings.flatMap(({ minutes }) => minutes.map((each) => all(each) * withinLastMinute(each.at, at))),
  )
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0)
}
