/** The pure function that changes a flow when some of its jobs are removed. */
import { expect, test } from 'vitest'
import type { KeptFlow } from '../../src/flow/flow-records.ts'
import { withoutNodes } from '../../src/flow/removed-nodes.ts'
import { type FlowState, indexOf, type NodeDefinition } from '../../src/model/flow.ts'

function found(nodes: Partial<NodeDefinition>[], state: Partial<FlowState>): KeptFlow {
  return {
    ...{
      home: 'emails',
      id: 'flow',
      rev: 1,
      news: [],
      at: 9,
      crowd: { reserved: 0, completed: 0, failed: 0 },
    },
    definition: {
      kind: 'workflow',
      keep: { completed: 1, failed: 1, cancelled: 1 },
      nodes: nodes.map((node, i) => ({ name: String(i), after: [], ...node })),
    },
    state: { phase: 'open', at: 0, nodes: '', pause: 1, checkAt: 1, ...state },
  }
}

const removed = (node: number) => ({
  ...{ index: indexOf(node, 0), state: 'cancelled', reason: 'removed', at: 9 },
})

test('removed nodes that had not ended end as removed, and no other node waits for them', () => {
  const change = withoutNodes(found([{}, {}, { after: [0, 1] }], { nodes: 'bsb' }), [0, 1])!
  expect(change.ends).toEqual([removed(0), removed(1)])
  expect(change.definition!.nodes[2]!.rules).toEqual({ 0: 'run', 1: 'run' })
  expect(change.state.nodes).toBe('bsb')
})

test('if a failed node is removed, nodes that were skipped because of it wait again, and the flow is open', () => {
  const flow = found([{}, { after: [0] }, { after: [1] }], {
    ...{ phase: 'ended', nodes: 'fxx', reasons: { 1: 'skipped', 2: 'skipped' }, causes: { 1: 0, 2: 0 } },
    end: { state: 'failed', at: 5, node: 0 },
  })
  const change = withoutNodes(flow, [0])!
  expect(change.ends).toEqual([])
  expect(change.state).toMatchObject({ phase: 'open', nodes: 'xbb', reasons: { 0: 'removed' } })
  expect([change.state.end, change.state.causes]).toEqual([undefined, {}])
})

test('a node that was skipped because of a removed node can be removed with it', () => {
  const flow = found([{}, { after: [0] }, { after: [1] }], {
    ...{ nodes: 'fxx', reasons: { 1: 'skipped', 2: 'skipped' }, causes: { 1: 0, 2: 0 } },
  })
  const change = withoutNodes(flow, [0, 1])!
  expect(change.ends).toEqual([removed(1)])
  expect(change.definition!.nodes[2]!.rules).toEqual({ 1: 'run' })
})

test('the removal of nodes that completed, or whose failure other nodes have handled, changes nothing', () => {
  const rules: Partial<NodeDefinition>[] = [{}, {}, {}, { after: [0, 1, 2], rules: { 1: 'run', 2: 'fail' } }]
  expect(withoutNodes(found(rules, { nodes: 'cfff', causes: { 3: 2 } }), [0, 1, 2])).toBeUndefined()
})
