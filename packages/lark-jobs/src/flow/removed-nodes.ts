/** Computes how a flow changes when a person removes some of its jobs. */
import type { FlowState, NodeDefinition, NodeState } from '../model/flow.ts'
import { copyOf, failureRule, jobIndex, reopen } from './advance.ts'
import type { FlowChange, KeptFlow } from './flow-records.ts'

/**
 * Ends nodes with the reason `removed`. No other node waits for a removed node any longer, and nodes that
 * were skipped because of a removed node wait again. A node that has already ended does not change, unless
 * other nodes were skipped because it did not complete.
 *
 * @returns undefined if nothing changes
 */
export function withoutNodes(found: KeptFlow, nodes: readonly number[]): FlowChange | undefined {
  const { definition, at } = found
  const letters = found.state.nodes
  const isBad = (node: number) => letters[node] === 'f' || letters[node] === 'x'
  const isOpen = (node: number) => letters[node] === 'b' || letters[node] === 's'
  const causeOf = (node: number) => found.state.causes?.[node]
  const named = new Set(nodes)
  const matters = (node: number) => named.has(causeOf(node) ?? -1) || isFollowed(definition.nodes, node)
  const gone = nodes.filter((node) => isOpen(node) || (isBad(node) && matters(node)))
  if (gone.length === 0) return undefined
  const removed = new Set(gone)
  const failed = gone.filter((node) => isBad(node) && !removed.has(causeOf(node) ?? -1))
  const state = withoutFailures(found, new Set(failed))
  const end = { state: 'cancelled', reason: 'removed', at } as const
  return {
    state,
    ends: gone
      .filter((node) => 'bs'.includes(state.nodes[node]!))
      .map((node) => ({ index: jobIndex(state, node), ...end })),
    definition: { ...definition, nodes: definition.nodes.map((node) => withoutRules(node, removed)) },
  }
}

/** Whether at least one other node is skipped if this node ends without completing. */
function isFollowed(nodes: readonly NodeDefinition[], node: number): boolean {
  return nodes.some((other) => other.after.includes(node) && failureRule(other, node) === 'skip')
}

function withoutFailures(
  { definition, state: before, at }: KeptFlow,
  removed: ReadonlySet<number>,
): FlowState {
  const state = copyOf(before)
  const letters = [...state.nodes] as NodeState[]
  let isAny = false
  for (const node of letters.keys()) {
    if (removed.has(node)) {
      letters[node] = 'x'
      state.reasons = { ...state.reasons, [node]: 'removed' }
    } else if (removed.has(state.causes?.[node] ?? -1)) {
      letters[node] = 'b'
      for (const notes of [state.reasons, state.causes]) delete notes?.[node]
      isAny = true
    }
  }
  if (isAny) reopen(state, definition, letters, at)
  state.nodes = letters.join('')
  return state
}

/** A copy of the node that starts no matter how the removed nodes have ended. */
function withoutRules(node: NodeDefinition, removed: ReadonlySet<number>): NodeDefinition {
  const gone = node.after.filter((each) => removed.has(each))
  if (gone.length === 0) return node
  return {
    ...node,
    rules: { ...node.rules, ...Object.fromEntries(gone.map((each) => [each, 'run' as const])) },
  }
}
