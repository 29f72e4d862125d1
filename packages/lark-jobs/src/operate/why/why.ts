/**
 * Finds out why a job does not run. The reasons come from the place of the job in the store
 * (`store/contract/stand.ts`), the state of the store itself, the live workers, the permits of the job's
 * limiter, the open circuits, and the flow of the job. The call changes nothing and reads no payload.
 */
import { defined } from '@s18i/lark/internal'
import { FlowRecords } from '../../flow/flow-records.ts'
import { memberOf } from '../../model/effect.ts'
import { nodeOf } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import type { JobRecord, State } from '../../model/record.ts'
import type { OptionsOf } from '../../options/schema.ts'
import type { Store } from '../../store/contract/store.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { nodesOf } from '../flows/flow-parts.ts'
import { checkFilter, conditions, queueName } from '../look/filter.ts'
import { seenState } from '../look/seen-state.ts'
import { locate, partitionsToLookIn } from '../look/stored-jobs.ts'
import type { Reason } from './reason.ts'
import { endedReasons, heldReason, nodeReasons, undoingReason } from './reasons-of-state.ts'
import { storeReasons } from './reasons-of-store.ts'
import { delayedReasons, type Facts, waitingReasons } from './reasons-to-wait.ts'

/** A job, and why it does not run. */
export interface JobWhy {
  id: string
  state: State
  /** The key of the job's class. Absent for a node that is a flow. */
  key?: string
  queue: string
  /** When the store was asked: milliseconds since 1970. */
  at: number
  /** The reasons, at least one. The most important reason comes first. */
  reasons: Reason[]
}

const whyConditions = conditions({
  /** The queue of the job. Default: every queue. Needed only if several queues have a job with this id. */
  queue: queueName,
})

export interface WhyOptions extends OptionsOf<typeof whyConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkWhy(options: unknown): void {
  checkFilter('operate().why()', options, whyConditions, { whole: 'the second argument' })
}

/**
 * @returns undefined if there is no such job, or if it was removed
 * @throws JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE, STORE_DAMAGED
 */
export async function why(open: OpenFlows, id: string, { queue }: WhyOptions): Promise<JobWhy | undefined> {
  const { store, settings } = open
  const queues = { store, queues: settings.partitions }
  const partitions = await partitionsToLookIn(queues, queue)
  const place = await locate(queues, partitions, id, true)
  if (place === undefined) return whyNode(open, id)
  const [workers, faults] = await Promise.all([store.workers(), faultsOf(store)])
  const factsOf = async (partition: string, id: string): Promise<Facts | undefined> => {
    const queue = queueOf(partition)
    const asked = defined({ limits: settings.limits.get(queue), aging: settings.agings.get(queue) })
    const stand = await store.stand(partition, id, asked)
    return stand && { open, stand, queue, workers }
  }
  const facts = await factsOf(place.partition, id)
  if (facts === undefined) return undefined
  const { job, at } = facts.stand
  const reasonOf = async ({ partition, id }: JobRecord) => {
    const its = await factsOf(partition, id)
    return its && (await reasonsOf(its))[0]
  }
  const own = await reasonsOf({ ...facts, reasonOf })
  // Problems of the store do not concern a job that has ended.
  const reasons = own[0]?.kind === 'ended' ? own : [...own, ...faults]
  return { id, state: seenState(job), key: job.key, queue: facts.queue, at, reasons }
}

async function faultsOf(store: Pick<Store, 'inspect'>): Promise<Reason[]> {
  return storeReasons(await store.inspect(true))
}

async function reasonsOf(facts: Facts): Promise<Reason[]> {
  const { stand, open } = facts
  const reasons = await reasonsOfState(facts)
  return stand.job.undoing ? [await undoingReason(stand.job, open.store), ...reasons] : reasons
}

function reasonsOfState(facts: Facts): Reason[] | Promise<Reason[]> {
  const { stand } = facts
  if (stand.job.state === 'waiting') return waitingReasons(facts)
  if (stand.job.state === 'delayed') return delayedReasons(facts)
  return stand.job.state === 'active' ? heldReasons(facts) : endedReasons(stand, facts.open.store)
}

async function heldReasons({ stand, workers, open }: Facts): Promise<Reason[]> {
  const isHeard = workers.some(({ id }) => id === stand.job.holder)
  return [heldReason(stand, workers, 'it', isHeard ? [] : await open.store.lostWorkers())]
}

/**
 * The answer for a node of a flow that has no job: the node has not started, it never starts, or its job is
 * no longer kept.
 */
async function whyNode(open: OpenFlows, id: string): Promise<JobWhy | undefined> {
  const member = memberOf(id)
  const part = member && nodeOf(member.index)
  const found = part && (await new FlowRecords(open.store).get(member))
  if (found === undefined) return undefined
  const nodes = await nodesOf(open.store, found)
  const node = nodes[part!.node]
  const isThis = (found.state.generations?.[part!.node] ?? 0) === part!.generation
  if (node === undefined || !isThis) return undefined
  const reasons = nodeReasons(found, node, nodes)
  if (reasons.length === 0) return undefined
  const all = reasons[0]?.kind === 'ended' ? reasons : [...reasons, ...(await faultsOf(open.store))]
  const isState = node.state === 'blocked' || node.state === 'completed' || node.state === 'failed'
  const state = isState ? (node.state as State) : 'cancelled'
  return { id, state, ...defined({ key: node.key }), queue: node.queue, at: found.at, reasons: all }
}
