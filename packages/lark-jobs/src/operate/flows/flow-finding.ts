/** Finds a flow by its id, or by one of its jobs. */
import { defined } from '@s18i/lark/internal'
import { FlowRecords, type KeptFlow } from '../../flow/flow-records.ts'
import { memberOf } from '../../model/effect.ts'
import { JobsError } from '../../model/errors.ts'
import { nodeOf } from '../../model/flow.ts'
import { partitionWith, queueOf } from '../../model/partition.ts'
import { isFlowId } from '../../options/flow.ts'
import { flag, isObject, isText, type OptionsOf, refuse, voiceOf, whole } from '../../options/schema.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { askAll } from '../look/ask-all.ts'
import { checkFilter, conditions, queueName } from '../look/filter.ts'
import { partitionsToLookIn } from '../look/stored-jobs.ts'
import { type FlowInfo, infoOf, type OpenFlows } from './flow-info.ts'
import { type FlowRef, failuresOf, nodesOf } from './flow-parts.ts'

/** Names a flow: by its id, or by an object with its id and its home, such as a `FlowInfo`. */
export type FlowIdOrRef = string | FlowRef

export const placeEntries = {
  /**
   * The queue that keeps the flow. Default: every queue. Needed only if several queues have a flow with this
   * id.
   */
  queue: queueName,
}

const findConditions = conditions(placeEntries)

export interface FindFlowOptions extends OptionsOf<typeof findConditions.entries> {}

const getConditions = conditions({
  ...placeEntries,
  /** Whether to read the nodes of the flow, with their results. Default true. */
  nodes: flag(),
  /** For a batch: how many members that did not complete are read. Default 0. */
  failures: whole(0, 1_000_000),
})

export interface GetFlowOptions extends OptionsOf<typeof getConditions.entries> {}

/** The flow that a job belongs to, and which part of the flow the job is. */
export interface FlowOfJob extends Pick<FlowInfo, 'id' | 'home' | 'kind' | 'name' | 'state'> {
  /** The name of the job's node. */
  node?: string
  /** How often the node had been started again before this job. */
  retries?: number
  /** The index of the job as a member of a batch, from 0. */
  member?: number
}

/** @throws FLOW_INVALID, FILTER_INVALID */
export function checkFindFlow(id: unknown, options: unknown): void {
  checkNamed('find()', id)
  checkFilter('flows.find()', options, findConditions, { whole: 'the second argument' })
}

/** @throws FLOW_INVALID, FILTER_INVALID */
export function checkGetFlow(which: unknown, options: unknown): void {
  checkNamed('get()', which)
  checkFilter('flows.get()', options, getConditions, { whole: 'the second argument' })
}

/** Refuses a value that cannot name a flow. @throws FLOW_INVALID @param call the method that was called */
export function checkNamed(call: string, which: unknown): void {
  const id = isObject(which) && isText(which.home) ? which.id : which
  if (typeof id === 'string' && isFlowId(id)) return
  refuse(
    voiceOf('FLOW_INVALID', `flows.${call}`),
    'the id',
    which,
    'the id of a flow: letters, digits, - and _; or an object with its id and its home',
  )
}

/** @throws FLOW_ID_AMBIGUOUS, UNKNOWN_QUEUE, STORE_DAMAGED */
export async function getFlow(
  open: OpenFlows,
  which: FlowIdOrRef,
  { queue, nodes = true, failures = 0 }: GetFlowOptions,
): Promise<FlowInfo | undefined> {
  const found = await locateFlow(open, which, queue)
  if (found === undefined) return undefined
  return {
    ...infoOf(found),
    ...(nodes && { nodes: await nodesOf(open.store, found) }),
    ...(failures > 0 && { failures: await failuresOf(open.store, found, failures) }),
  }
}

/**
 * Finds a flow. Undefined if there is no such flow. @throws FLOW_ID_AMBIGUOUS, UNKNOWN_QUEUE, STORE_DAMAGED
 */
export async function locateFlow(
  { store, settings: { partitions } }: OpenFlows,
  which: FlowIdOrRef,
  queue?: string,
): Promise<KeptFlow | undefined> {
  const records = new FlowRecords(store)
  if (typeof which === 'object') return records.get({ flow: which.id, home: which.home })
  const open = { store, queues: partitions }
  const named = queue === undefined ? undefined : await partitionsToLookIn(open, queue)
  const own = [...partitions.keys()]
    .filter((each) => queue === undefined || each === queue)
    .map((each) => partitionWith(which, each, partitions))
  const found = await locateIn(records, which, own)
  if (found !== undefined) return found
  // The flow may be in another partition than its id suggests: its queue may have had another number of
  // partitions, its queue may not be configured in this process, or the flow may be a node of another flow.
  const others = (named ?? (await partitionsToLookIn(open))).filter((each) => !own.includes(each))
  return locateIn(records, which, others)
}

/** @throws FLOW_ID_AMBIGUOUS if several queues have such a flow */
async function locateIn(
  records: FlowRecords,
  id: string,
  homes: readonly string[],
): Promise<KeptFlow | undefined> {
  const flows = await askAll(homes, (home) => records.get({ flow: id, home }))
  const found = flows.filter((each) => each !== undefined)
  const queues = [...new Set(found.map(({ home }) => queueOf(home)))]
  if (queues.length > 1)
    throw new JobsError(
      'FLOW_ID_AMBIGUOUS',
      `There is a flow ${id} in each of the queues ${listed(queues)}`,
      {
        hint: `Say in which queue: ${queues[0]}, for example.`,
      },
    )
  return found[0]
}

export function flowNotFound(which: FlowIdOrRef): JobsError {
  const id = typeof which === 'string' ? which : which.id
  return new JobsError('FLOW_NOT_FOUND', `There is no flow ${shown(id)}`, {
    hint: 'Flows that have ended are kept for a while only.',
  })
}

/**
 * Finds the flow of a job. Undefined if the job belongs to no flow, or if the flow is no longer kept.
 *
 * @throws STORE_DAMAGED
 */
export async function flowOfJob({ store }: OpenFlows, jobId: string): Promise<FlowOfJob | undefined> {
  const member = memberOf(jobId)
  const found = member && (await new FlowRecords(store).get(member))
  if (found === undefined) return undefined
  const { id, home, kind, name, state } = infoOf(found)
  const part = nodeOf(member!.index)
  const retries = part?.generation || undefined
  return {
    ...{ id, home, kind, state },
    ...defined({ name, retries }),
    ...(part === undefined
      ? { member: member!.index }
      : defined({ node: found.definition.nodes[part.node]?.name })),
  }
}
