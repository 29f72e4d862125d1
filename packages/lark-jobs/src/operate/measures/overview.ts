/**
 * The view of a store that a dashboard refreshes every second: the status and the figures of every queue,
 * from one measurement of the store.
 */

import type { WorkerRecord } from '../../model/record.ts'
import { flag, type OptionsOf } from '../../options/schema.ts'
import { checkFilter, conditions } from '../look/filter.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { figuresOf, type QueueMeasures } from './figures.ts'
import { measure } from './measurement.ts'
import { LOOK, type QueueStatus, statusesOf } from './status.ts'

const overviewOptions = conditions({
  /**
   * Whether to look for keys that no worker knows. This search is the most expensive part of the call. If
   * false, no queue has `unknownKeys`. Default true.
   */
  keys: flag(),
})

export interface OverviewOptions extends OptionsOf<typeof overviewOptions.entries> {}

export interface QueueOverview extends QueueStatus, QueueMeasures {}

export interface Overview {
  store: string
  /** When the store was asked: milliseconds since 1970, by the store's clock. */
  at: number
  /** The queues in the order of the configuration, followed by other queues in the store. */
  queues: QueueOverview[]
  workers: WorkerRecord[]
}

/** @throws FILTER_INVALID */
export function checkOverview(options: unknown): void {
  checkFilter('operate().overview()', options, overviewOptions, { whole: 'the argument' })
}

export async function overview(
  open: OpenQueues,
  targets: ReadonlyMap<string, number>,
  { keys = true }: OverviewOptions,
): Promise<Overview> {
  const measured = await measure(open, undefined, keys ? LOOK : 0)
  const statuses = await statusesOf(open, measured, targets)
  const measures = figuresOf(measured, targets)
  const queues = statuses.map((each, i) => ({ ...each, ...measures[i]! }))
  return { store: open.store.name, at: measured.at, queues, workers: measured.workers }
}
