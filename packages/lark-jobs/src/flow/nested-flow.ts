/**
 * A flow that is a node of another flow. When the inner flow starts, the results of the outer flow that its
 * nodes and members use are filled in.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import type { FlowJob, NodeDefinition, Reference } from '../model/flow.ts'
import type { FlowRecords, KeptFlow } from './flow-records.ts'
import { payloadOf } from './reference.ts'

type NestedFlow = NonNullable<NodeDefinition['flow']>
type Results = ReadonlyMap<number, string | undefined>

/**
 * The definition of a node that is a flow, with the results that it uses filled in.
 *
 * @param found the flow that contains the node
 * @throws PAYLOAD_TOO_LARGE, RESULT_DROPPED
 */
export async function nestedFlow(records: FlowRecords, found: KeptFlow, node: number): Promise<NestedFlow> {
  const { flow, refs = [] } = found.definition.nodes[node]!
  if (refs.length === 0) return flow!
  const ends = await records.ends(found, [...new Set(refs.map((ref) => ref.node))])
  return filled(flow!, refs, new Map(ends.map((end) => [end.node, end.result])))
}

function filled(flow: NestedFlow, refs: readonly Reference[], results: Results): NestedFlow {
  const { definition, members } = flow
  const parts = byPart(refs)
  const membersParts = byPart(parts.get('members') ?? [])
  const nodes = definition.nodes.map((node, i): NodeDefinition => {
    const own = parts.get(i)
    if (own === undefined || node.purged) return node
    if (node.flow !== undefined) return { ...node, flow: filled(node.flow, own, results) }
    return { ...node, job: filledJob(node.job!, own, results) }
  })
  const all = members?.map((member, i) => filledJob(member, membersParts.get(i), results))
  return { ...flow, definition: { ...definition, nodes }, ...defined({ members: all }) }
}

/** References, grouped by the first part of their path, which is left out. */
function byPart(refs: readonly Reference[]): Map<string | number, Reference[]> {
  const parts = new Map<string | number, Reference[]>()
  for (const { at, ...ref } of refs) {
    const [part, ...rest] = at
    const own = parts.get(part!) ?? []
    own.push({ ...ref, at: rest })
    parts.set(part!, own)
  }
  return parts
}

function filledJob(given: FlowJob, refs: readonly Reference[] | undefined, results: Results): FlowJob {
  const { partition, job, purged } = given
  if (refs === undefined || purged) return given
  const payload = payloadOf(job.payload, refs, results)
  if (payload instanceof JobsError) throw payload
  return { partition, job: { ...job, payload } }
}
