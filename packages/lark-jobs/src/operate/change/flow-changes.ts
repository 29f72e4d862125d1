/** The changes of flows by hand: cancel, retry, and purge. */
import { FlowBook } from '../../flow/flow-book.ts'
import { FlowPurge } from '../../flow/flow-purge.ts'
import type { FlowPlace } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import { duration, flag, type OptionsOf } from '../../options/schema.ts'
import type { Bound } from '../../store/contract/store.ts'
import { keptBecause } from '../../words/because.ts'
import { milliseconds } from '../../words/duration.ts'
import {
  checkNamed,
  type FlowIdOrRef,
  flowNotFound,
  locateFlow,
  placeEntries,
} from '../flows/flow-finding.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { because, checkFilter, conditions, type Flags } from '../look/filter.ts'
import type { Removed } from './changed.ts'

const cancelConditions = conditions({
  ...placeEntries,
  /** The reason, for people: its first 200 characters are kept with the flow and its jobs. */
  because,
})

export interface CancelFlowOptions extends OptionsOf<typeof cancelConditions.entries> {}

const retryConditions = conditions({
  ...placeEntries,
  /**
   * The time from now within which the flow must end. Default: the time of its dispatch. The option is
   * required if the flow failed because of its deadline.
   */
  within: duration(),
})

export interface RetryFlowOptions extends OptionsOf<typeof retryConditions.entries> {}

const purgeConditions = conditions({
  ...placeEntries,
  /** Only counts the jobs that would be purged now. Nothing is changed. */
  dryRun: flag(),
})

export interface PurgeFlowOptions extends OptionsOf<typeof purgeConditions.entries> {}

/** @throws FLOW_INVALID, FILTER_INVALID */
export function checkCancelFlow(which: unknown, options: unknown): void {
  checkNamed('cancel()', which)
  checkFilter('flows.cancel()', options, cancelConditions, { whole: 'the second argument' })
}

/** @throws FLOW_INVALID, FILTER_INVALID */
export function checkRetryFlow(which: unknown, options: unknown, flags?: Flags): void {
  checkNamed('retry()', which)
  checkFilter('flows.retry()', options, retryConditions, { whole: 'the second argument', flags })
}

/** @throws FLOW_INVALID, FILTER_INVALID */
export function checkPurgeFlow(which: unknown, options: unknown): void {
  checkNamed('purge()', which)
  checkFilter('flows.purge()', options, purgeConditions, { whole: 'the second argument' })
}

/** @throws FLOW_NOT_FOUND, FLOW_ID_AMBIGUOUS, UNKNOWN_QUEUE */
export async function cancelFlow(
  open: OpenFlows,
  which: FlowIdOrRef,
  { queue, because }: CancelFlowOptions,
): Promise<boolean> {
  const place = await placed(open, which, queue)
  const isChanged = await bookOf(open).cancel(place, 'user', keptBecause(because))
  if (isChanged === undefined) throw flowNotFound(which)
  return isChanged
}

/** @throws FLOW_NOT_FOUND, FLOW_ENDING, FLOW_LATE, FLOW_ID_AMBIGUOUS, UNKNOWN_QUEUE */
export async function retryFlow(
  open: OpenFlows,
  which: FlowIdOrRef,
  { queue, within }: RetryFlowOptions,
): Promise<boolean> {
  const isChanged = await bookOf(open).retry(await placed(open, which, queue), milliseconds(within))
  if (isChanged === undefined) throw flowNotFound(which)
  return isChanged
}

/** @throws FLOW_NOT_FOUND, FLOW_ID_AMBIGUOUS, UNKNOWN_QUEUE, STORE_DAMAGED */
export async function purgeFlow(
  open: OpenFlows,
  which: FlowIdOrRef,
  { queue, dryRun: isDry = false }: PurgeFlowOptions,
): Promise<Removed> {
  const flow = await placed(open, which, queue)
  const purging = new FlowPurge(open.store, bookOf(open), { listed: new Map(), flow }, { isDry })
  const around = await purging.outermost(flow)
  if (around === undefined) throw flowNotFound(which)
  await purging.visit(around)
  if (!isDry) await open.store.scrub?.()
  return { removed: purging.removed, running: purging.running.size }
}

async function placed(open: OpenFlows, which: FlowIdOrRef, queue?: string): Promise<FlowPlace> {
  if (typeof which === 'object') return { flow: which.id, home: which.home }
  const found = await locateFlow(open, which, queue)
  if (found === undefined) throw flowNotFound(which)
  return { flow: found.id, home: found.home }
}

export function bookOf({ store, settings }: OpenFlows): FlowBook {
  const boundOf = (partition: string): Bound | undefined => settings.bounds.get(queueOf(partition))
  return new FlowBook({ store, boundOf })
}
