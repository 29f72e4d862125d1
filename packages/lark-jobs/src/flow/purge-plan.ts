/** What a purge removes from a flow, and what remains of its definition. */
import { defined } from '@s18i/lark/internal'
import type { FlowDefinition, FlowJob, FlowPlace, NodeDefinition } from '../model/flow.ts'
import { type MemberEnd, RESULT_PURGED } from '../store/contract/store.ts'
import { failureRule } from './advance.ts'
import { inRuns } from './flow-members.ts'
import type { KeptFlow } from './flow-records.ts'

/** A flow to purge. If it is a node that has not started, only its definition exists. */
export interface Level extends FlowPlace {
  found: KeptFlow | undefined
  definition: FlowDefinition
  /** For a batch in another flow: the jobs of its members, by index. */
  members: readonly FlowJob[]
}

/** The parts of a flow that are to be purged. */
export interface PurgePlan {
  level: Level
  isAll: boolean
  /** The state of each node, as a letter. */
  letters: string[]
  nodes: Set<number>
  members: Set<number>
  /** The plans of the nodes that are flows, by node. */
  flows: Map<number, PurgePlan>
  /** The ends of started nodes that have not been reported yet. */
  ends: MemberEnd[]
}

/** Whether a node uses the result of a purged node, or can never start because of a purged node. */
export function goesAlong(plan: PurgePlan, node: number): boolean {
  const { level, letters, nodes } = plan
  const definition = level.definition.nodes[node]!
  const { after, refs = [] } = definition
  if (refs.some((ref) => isLost(plan, ref.node))) return true
  const isDead = letters[node] === 'b' || level.found?.state.causes?.[node] !== undefined
  const stops = (each: number) => {
    const rule = failureRule(definition, each)
    return nodes.has(each) && letters[each] !== 'c' && (rule === 'skip' || rule === 'fail')
  }
  return isDead && after.some(stops)
}

/** Whether the result of a node is purged, or contains purged results. */
function isLost({ letters, nodes, flows }: PurgePlan, node: number): boolean {
  const flow = flows.get(node)
  return letters[node] === 'c' && (nodes.has(node) || (flow !== undefined && hasLost(flow)))
}

/** Whether the result of a flow contains purged results. */
export function hasLost(plan: PurgePlan): boolean {
  const { kind, nodes } = plan.level.definition
  const steps = nodes.flatMap(({ on }, node) => (on === undefined ? [node] : []))
  if (kind === 'batch') return false
  return (kind === 'chain' ? steps.slice(-1) : steps).some((node) => isLost(plan, node))
}

/** Whether a definition still contains something to be purged. */
export function isFresh({ level, nodes, members, flows }: PurgePlan): boolean {
  return (
    [...nodes].some((node) => !level.definition.nodes[node]!.purged) ||
    [...members].some(
      (index) => level.members[index]?.purged === undefined && index < level.members.length,
    ) ||
    [...flows.values()].some(isFresh)
  )
}

/** Whether a purge removes at least one job of a flow. */
function hasTaken({ nodes, members, flows }: PurgePlan): boolean {
  return nodes.size + members.size > 0 || [...flows.values()].some(hasTaken)
}

/** Whether a purge removes the last jobs of a flow. */
export function isEmptied(plan: PurgePlan): boolean {
  return hasTaken(plan) && isEmpty(plan)
}

function isEmpty({ level, nodes, members, flows }: PurgePlan): boolean {
  const { found, definition } = level
  const count = definition.kind === 'batch' ? (found?.crowd.reserved ?? level.members.length) : 0
  const isGone = ({ purged }: NodeDefinition, node: number) => {
    const inner = flows.get(node)
    return inner === undefined ? purged === true || nodes.has(node) : isEmpty(inner)
  }
  return members.size >= count && definition.nodes.every(isGone)
}

/** The definition without the purged parts. */
export function purgedOf(definition: FlowDefinition, plan: PurgePlan): FlowDefinition {
  const left = without(definition, plan)
  if (!isEmptied(plan)) return left
  const { name: _, tags: __, ...unnamed } = left
  const nodes = left.nodes.map((node, i) => {
    const what = node.job?.job.key ?? node.flow?.definition.kind
    return { ...node, name: `${what} ${i + 1}` }
  })
  return { ...unnamed, nodes }
}

function without(definition: FlowDefinition, plan: PurgePlan): FlowDefinition {
  const nodes = definition.nodes.map((node, i): NodeDefinition => {
    const { name, after, ifFailed, rules, on, ended, job, flow } = node
    const inner = plan.flows.get(i)
    const its = flow && inner ? { flow: flowWithout(flow, inner) } : defined({ flow })
    if (!plan.nodes.has(i)) return { ...node, ...its }
    return {
      ...{ name, after, purged: true },
      ...defined({ ifFailed, rules, on }),
      ...(ended !== undefined && { ended: { state: ended.state, at: ended.at, result: RESULT_PURGED } }),
      ...(job !== undefined && { job: bare(job) }),
      ...its,
    }
  })
  return { ...definition, nodes }
}

function flowWithout(
  { home, definition, members }: NonNullable<NodeDefinition['flow']>,
  plan: PurgePlan,
): NonNullable<NodeDefinition['flow']> {
  // Members are numbered in the order of their partitions.
  const numbers = members && new Map(inRuns(members).members.map((member, index) => [member, index]))
  const left = members?.map((member) =>
    plan.members.has(numbers!.get(member)!) ? { ...bare(member), purged: true as const } : member,
  )
  return { home, definition: purgedOf(definition, plan), ...defined({ members: left }) }
}

/** What remains of a purged job: the partition to which it would go, and its key. */
function bare({ partition, job: { key } }: FlowJob): FlowJob {
  return { partition, job: { key, payload: '' } }
}
