/**
 * How flows advance: tests of each rule, and thousands of random flows whose ends are compared with an
 * independent calculation.
 */
import { describe, expect, it } from 'vitest'
import {
  advance,
  begin,
  endNow,
  type FlowView,
  isLate,
  jobIndex,
  MAX_STARTS,
  type Step,
  startAgain,
} from '../../src/flow/advance.ts'
import type { FlowDefinition, NodeDefinition } from '../../src/model/flow.ts'
import type { EndedState } from '../../src/model/record.ts'
import type { Crowd, KeptEnd } from '../../src/store/contract/store.ts'
import { Random } from '../conformance/random.ts'

const HOUR = 3_600_000
const keep = { completed: HOUR, failed: 2 * HOUR, cancelled: HOUR }
const job = { partition: 'emails', job: { key: 'send', payload: '{}' } }

type Says = Partial<NodeDefinition> & { after?: number[] }

function workflow(nodes: Says[], more: Partial<FlowDefinition> = {}): FlowDefinition {
  return {
    kind: 'workflow',
    keep,
    nodes: nodes.map((says, i) => ({ name: `n${i}`, after: [], job, ...says })),
    ...more,
  }
}

/** A flow that a test advances step by step. */
class Driven {
  view: FlowView
  last!: Step
  started: string[] = []

  constructor(definition: FlowDefinition, crowd?: Partial<Crowd>, filling?: number) {
    const counts = { reserved: 0, completed: 0, failed: 0, ...crowd }
    const members = filling === undefined ? undefined : { fillsFor: filling - 1_000 }
    this.view = { definition, state: begin(definition, 1_000, members), crowd: counts, at: 1_000 }
    this.go()
  }

  get state() {
    return this.view.state
  }

  /** Takes steps until nothing is due now. */
  go(news: KeptEnd[] = []): this {
    this.last = advance(this.view, news)
    this.view = { ...this.view, state: this.last.state }
    if (this.last.size !== undefined) this.view.crowd = { ...this.view.crowd, size: this.last.size }
    this.started.push(
      ...this.last.starts.map((node) => `${node}.${this.last.state.generations?.[node] ?? 0}`),
    )
    if (this.last.next !== undefined && this.last.next <= this.view.at) this.go()
    return this
  }

  /** A node that has started ends. */
  ends(node: number, state: EndedState = 'completed', reason?: string): this {
    const index = jobIndex(this.state, node)
    return this.go([{ index, state, at: this.view.at, ...(reason !== undefined && { reason }) }])
  }

  wait(ms: number): this {
    this.view = { ...this.view, at: this.view.at + ms }
    return this.go()
  }
}

const chainOf = (n: number, more: Says[] = []) =>
  workflow([...Array.from({ length: n }, (_, i) => ({ after: i === 0 ? [] : [i - 1] })), ...more])

describe('nodes', () => {
  it('start when all nodes that they wait for have completed', () => {
    const flow = new Driven(workflow([{}, {}, { after: [0, 1] }]))
    expect(flow.started).toEqual(['0.0', '1.0'])
    expect(flow.ends(1).started).toEqual(['0.0', '1.0'])
    expect(flow.ends(0).started).toEqual(['0.0', '1.0', '2.0'])
    expect(flow.ends(2).state).toMatchObject({ phase: 'ended', nodes: 'ccc', end: { state: 'completed' } })
  })

  it('are skipped when a node that they wait for fails, and name the first failed node', () => {
    const flow = new Driven(chainOf(3)).ends(0, 'failed')
    expect(flow.state).toMatchObject({
      nodes: 'fxx',
      reasons: { 1: 'skipped', 2: 'skipped' },
      causes: { 1: 0, 2: 0 },
      end: { state: 'failed', node: 0 },
    })
  })

  it('run or fail instead of being skipped, if their rule says so', () => {
    const flow = new Driven(workflow([{}, { after: [0], ifFailed: 'run' }, { after: [0], ifFailed: 'fail' }]))
    flow.ends(0, 'failed')
    expect(flow.state).toMatchObject({ nodes: 'fsf', causes: { 2: 0 } })
    expect(flow.ends(1).state.end).toMatchObject({ state: 'failed', node: 0 })
  })

  it('may have a different rule for each node that they wait for', () => {
    const rules = { 0: 'run', 1: 'fail', 2: 'now' } as const
    const nodes = [
      {},
      {},
      {},
      {},
      { after: [0, 1, 2, 3], rules },
      { after: [4], rules: { 4: 'run' } },
    ] satisfies Says[]
    const flow = new Driven(workflow(nodes)).ends(0, 'failed')
    expect(flow.state.nodes).toBe('fsssbb')
    // The node waits for no other node any more, and the ends of the other nodes do not matter.
    expect(flow.ends(2, 'failed').state.nodes).toBe('fsfssb')
    expect(flow.ends(4).ends(1, 'failed').state.nodes).toBe('fffscs')
    // No node has handled the failure of node 1, because the node that waits for it would have failed.
    expect(flow.ends(3).ends(5).state.end).toMatchObject({ state: 'failed', node: 1 })
    const failing = new Driven(workflow(nodes)).ends(1, 'failed')
    expect(failing.state).toMatchObject({ nodes: 'sfssfs', causes: { 4: 1 } })
  })

  it('may end before their flow starts them, and start only in a retry', () => {
    const ended = { state: 'completed', at: 1, result: '7' } as const
    const failed = { state: 'failed', at: 1, error: 'no' } as const
    const flow = new Driven(
      workflow([{ ended }, { ended: failed }, {}, { after: [0, 1, 2], rules: { 1: 'run' } }]),
    )
    expect(flow.state.nodes).toBe('cfsb')
    expect(flow.ends(2).ends(3).state.end).toMatchObject({ state: 'completed' })
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    expect(flow.go().started).toEqual(['2.0', '3.0', '1.1'])
  })

  it('handle a failure, if all nodes that wait for the failed node run anyway', () => {
    const flow = new Driven(workflow([{}, { after: [0], ifFailed: 'run' }])).ends(0, 'failed').ends(1)
    expect(flow.state.end).toEqual({ state: 'completed', at: 1_000 })
  })

  it.each(['rejected', 'expired', 'dropped', 'removed', 'lost'])(
    'fail the flow when a node ends as %s',
    (reason) => {
      const flow = new Driven(chainOf(2)).ends(0, 'cancelled', reason)
      expect(flow.state.end).toMatchObject({ state: 'failed', reason, node: 0 })
    },
  )

  it('cancel the flow when somebody cancels a node', () => {
    expect(new Driven(chainOf(2)).ends(0, 'cancelled', 'user').state.end).toMatchObject({
      state: 'cancelled',
      reason: 'user',
    })
  })

  it('count once, and an end from before a retry does not count', () => {
    const flow = new Driven(chainOf(2))
    const index = jobIndex(flow.state, 0)
    flow.ends(0).go([{ index, state: 'failed', at: 1 }])
    expect(flow.state.nodes).toBe('cs')
    flow.ends(1, 'failed')
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    flow.go([{ index: index + 1, state: 'completed', at: 1 }])
    expect(flow.state.nodes).toBe('cs')
  })

  it('may end before the flow knows that they have started (after a lost write)', () => {
    const flow = new Driven(chainOf(2))
    flow.view = { ...flow.view, state: begin(flow.view.definition, 1_000) }
    expect(flow.ends(0).state.nodes).toBe('cs')
  })

  it('start in steps of bounded size', () => {
    const many = workflow(Array.from({ length: MAX_STARTS + 1 }, () => ({})))
    const first = advance(
      { definition: many, state: begin(many, 1), crowd: new Driven(many).view.crowd, at: 1 },
      [],
    )
    expect(first.starts).toHaveLength(MAX_STARTS)
    expect(first.next).toBe(1)
    expect(new Driven(many).started).toHaveLength(MAX_STARTS + 1)
  })
})

describe('callbacks', () => {
  const on = (which: NodeDefinition['on']) => ({ on: which! })
  const all = [on('completed'), on('failed'), on('ended')]

  it('start when the flow has ended in their state', () => {
    expect(new Driven(chainOf(1, all)).ends(0).started).toEqual(['0.0', '1.0', '3.0'])
    expect(new Driven(chainOf(1, all)).ends(0, 'failed').started).toEqual(['0.0', '2.0', '3.0'])
    expect(new Driven(chainOf(1, all)).ends(0, 'cancelled', 'user').started).toEqual(['0.0', '3.0'])
  })

  it('start at once for a flow without nodes', () => {
    expect(new Driven(workflow(all)).started).toEqual(['0.0', '2.0'])
  })

  it('do not change how the flow has ended, and run again after a retry', () => {
    const flow = new Driven(chainOf(2, all))
      .ends(1 - 1)
      .ends(1, 'failed')
      .ends(3, 'failed')
      .ends(4)
    expect(flow.state.end).toMatchObject({ state: 'failed' })
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    flow.go().ends(1)
    expect(flow.state.end).toMatchObject({ state: 'completed' })
    expect(flow.started).toEqual(['0.0', '1.0', '3.0', '4.0', '1.1', '2.0', '4.1'])
  })
})

describe('a job that a person retries and that completes', () => {
  it('starts the nodes that were skipped because of it, also if another node has failed', () => {
    const flow = new Driven(workflow([{}, { after: [0] }, {}])).ends(2, 'failed').ends(0, 'failed')
    expect(flow.state).toMatchObject({ phase: 'ended', nodes: 'fxf' })
    flow.ends(0)
    expect(flow.state).toMatchObject({ phase: 'open', nodes: 'csf' })
    expect(flow.ends(1).state).toMatchObject({ phase: 'ended', nodes: 'ccf', end: { state: 'failed' } })
  })

  it('starts no callback again, if it is itself a callback', () => {
    const flow = new Driven(chainOf(1, [{ on: 'ended' }, { on: 'completed' }]))
      .ends(0)
      .ends(1, 'failed')
      .ends(2)
    expect(flow.ends(1).state).toMatchObject({ phase: 'ended', nodes: 'ccc', end: { state: 'completed' } })
    expect(flow.started).toEqual(['0.0', '1.0', '2.0'])
  })

  it('starts the callbacks again only when no failed node is left', () => {
    const flow = new Driven(workflow([{}, {}, { on: 'ended' }])).ends(0, 'failed').ends(1, 'failed').ends(2)
    expect(flow.ends(0).state).toMatchObject({ phase: 'ended', end: { state: 'failed', node: 1 } })
    expect(flow.started).toEqual(['0.0', '1.0', '2.0'])
    expect(flow.ends(1).state).toMatchObject({ end: { state: 'completed' }, nodes: 'ccs' })
    expect(flow.started).toEqual(['0.0', '1.0', '2.0', '2.1'])
  })
})

describe('a retry', () => {
  const nested = { flow: { home: 'emails', definition: chainOf(1) }, job: undefined } as unknown as Says

  it('starts a callback that is a flow as a new flow, and remembers the earlier flow', () => {
    const flow = new Driven(chainOf(1, [{ ...nested, on: 'ended' }])).ends(0, 'failed')
    flow.view = { ...flow.view, state: { ...flow.state, flows: { 1: 'first' } } }
    flow.view = { ...flow.view, state: startAgain(flow.ends(1).view)! }
    expect(flow.go().ends(0).state).toMatchObject({ nodes: 'cs', flows: {}, former: [[1, 'first']] })
    expect(flow.started).toEqual(['0.0', '1.0', '0.1', '1.1'])
  })

  it('keeps the inner flow of a node', () => {
    const flow = new Driven(workflow([nested])).ends(0, 'failed')
    flow.view = { ...flow.view, state: { ...flow.state, flows: { 0: 'first' } } }
    expect(startAgain(flow.view)).toMatchObject({ flows: { 0: 'first' } })
  })

  it('of a batch changes nothing while its members are started again, or if no member can be started again', () => {
    const flow = new Driven(workflow([], { kind: 'batch', allowed: 0 }), { reserved: 2, size: 2, failed: 2 })
    expect(startAgain(flow.view, { members: false })).toBeUndefined()
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    expect(flow.state.retriesAfter).toBe(-1)
    expect(startAgain(flow.view)).toBeUndefined()
  })

  it('gives the flow its time limit again, or a new time limit', () => {
    const flow = new Driven({ ...chainOf(1), within: 5_000 }).wait(1_000).ends(0, 'failed').wait(9_000)
    expect(isLate(flow.view)).toBe(false)
    expect(startAgain(flow.view)).toMatchObject({ deadline: 11_000 + 5_000 })
    expect(startAgain(flow.view, { members: false }, 7_000)).toMatchObject({ deadline: 11_000 + 7_000 })
    const ending = new Driven({ ...chainOf(1), within: 5_000 }).wait(5_000)
    expect(isLate(ending.view)).toBe(true)
    expect(isLate(ending.ends(0, 'cancelled', 'expired').view)).toBe(true)
  })

  it('starts failed nodes again, and nodes that were skipped because of them, and keeps the rest', () => {
    const flow = new Driven(workflow([{}, {}, { after: [1] }, { after: [0] }]))
      .ends(0)
      .ends(3)
      .ends(1, 'failed')
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    expect(flow.go().state).toMatchObject({ phase: 'open', nodes: 'csbc', generations: { 1: 1 } })
    expect(flow.ends(1).ends(2).state.end).toMatchObject({ state: 'completed' })
  })

  it('of one node continues with the nodes after this node', () => {
    const flow = new Driven(chainOf(3)).ends(0, 'failed')
    expect(flow.ends(0, 'completed').state).toMatchObject({ phase: 'open', nodes: 'csb' })
  })

  it('changes nothing in a flow without failures', () => {
    expect(startAgain(new Driven(chainOf(1)).view)).toBeUndefined()
    expect(startAgain(new Driven(chainOf(1)).ends(0).view)).toBeUndefined()
  })

  it('of purged nodes does not start them, and the nodes that wait for them follow their own rules', () => {
    const purged = { purged: true } as const
    const flow = new Driven(
      workflow([
        purged,
        { after: [0] },
        { after: [0], ifFailed: 'run' },
        { after: [0], ifFailed: 'fail' },
        { after: [2], ...purged },
        { after: [0], ...purged },
        { on: 'ended', ...purged },
        { on: 'ended' },
      ]),
    )
    // The purged node that still waits for others ends at once. The last callback starts at the end.
    expect(flow.state.nodes).toBe('xxsfxxxb')
    expect(flow.state.reasons).toMatchObject({ 0: 'removed', 1: 'skipped', 4: 'removed', 5: 'skipped' })
    flow.ends(2).ends(7)
    expect([flow.state.nodes, flow.state.end!.state]).toEqual(['xxcfxxxc', 'failed'])
    expect(startAgain(flow.view)).toBeUndefined()
    expect(flow.started).toEqual(['2.0', '7.0'])
  })

  it('of nodes that had started before they were purged lets them end, and their results are purged, too', () => {
    const flow = new Driven(chainOf(3))
    const [first, second, third] = flow.view.definition.nodes
    const nodes = [first!, ...[second!, third!].map((each) => ({ ...each, purged: true as const }))]
    flow.view = { ...flow.view, definition: { ...flow.view.definition, nodes } }
    flow.go()
    expect(flow.state.nodes).toBe('sxx')
    flow.go([{ index: jobIndex(flow.state, 1), state: 'completed', at: 1 }])
    expect(flow.last.purges).toEqual([jobIndex(flow.state, 1)])
    expect(flow.ends(0).state).toMatchObject({ nodes: 'ccx', phase: 'ended' })
    expect(startAgain(flow.view)).toBeUndefined()
  })
})

describe('a flow that ends early', () => {
  it('starts no more nodes, asks the running jobs to end, and waits for them', () => {
    const flow = new Driven(workflow([{}, { after: [0] }]))
    flow.view = { ...flow.view, state: endNow(flow.view, 'user', 'sold out')! }
    expect(flow.go().last).toMatchObject({ asks: true, state: { nodes: 'sx', phase: 'open' } })
    expect(flow.ends(0, 'cancelled', 'user').state.end).toMatchObject({
      state: 'cancelled',
      because: 'sold out',
    })
    expect(endNow(flow.view, 'user')).toBeUndefined()
  })

  it('fails at its deadline', () => {
    const flow = new Driven({ ...chainOf(2), within: 5_000 })
    expect(flow.wait(5_000).last.asks).toBe(true)
    expect(flow.ends(0, 'cancelled', 'expired').state.end).toMatchObject({
      state: 'failed',
      reason: 'deadline',
    })
  })
})

describe('a batch', () => {
  const batch = (more: Partial<FlowDefinition> = {}) =>
    workflow([{ on: 'ended' }], { kind: 'batch', ...more })

  it('ends when all of its members have ended, and not before it is sealed', () => {
    const flow = new Driven(batch(), { reserved: 3, completed: 3 }, 10_000)
    expect(flow.state.phase).toBe('filling')
    flow.view = {
      ...flow.view,
      state: { ...flow.state, phase: 'open' },
      crowd: { ...flow.view.crowd, size: 3 },
    }
    expect(flow.go().state).toMatchObject({ phase: 'ended', end: { state: 'completed' } })
  })

  it('ends early with one failure more than allowed', () => {
    const flow = new Driven(batch({ allowed: 1 }), { reserved: 5, size: 5, failed: 1 })
    expect(flow.last.asks).toBe(false)
    flow.view.crowd = { ...flow.view.crowd, failed: 2 }
    expect(flow.go().last.asks).toBe(true)
    flow.view.crowd = { ...flow.view.crowd, failed: 5 }
    expect(flow.go().state.end).toMatchObject({ state: 'failed' })
  })

  it('is given up when its dispatcher no longer reports', () => {
    const flow = new Driven(batch(), { reserved: 3, completed: 1 }, 10_000)
    expect(flow.wait(9_000).view.crowd.size).toBe(3)
    expect(flow.last.asks).toBe(true)
    flow.view.crowd = { ...flow.view.crowd, failed: 2 }
    expect(flow.go().state.end).toMatchObject({ state: 'failed', reason: 'abandoned' })
  })

  it('ends cancelled if it was cancelled before its dispatcher died', () => {
    const flow = new Driven(batch(), { reserved: 3 }, 10_000)
    flow.view = { ...flow.view, state: endNow(flow.view, 'user', 'not needed')! }
    flow.wait(9_000)
    flow.view.crowd = { ...flow.view.crowd, failed: 3 }
    expect(flow.go().state.end).toMatchObject({ state: 'cancelled', reason: 'user', because: 'not needed' })
  })

  it('ends again when failed members have completed and no more failures than allowed are left', () => {
    const flow = new Driven(batch({ allowed: 1 }), { reserved: 3, size: 3, failed: 3 })
    flow.ends(0)
    expect(flow.state.end).toMatchObject({ state: 'failed', reason: 'failed' })
    flow.view.crowd = { ...flow.view.crowd, completed: 1, failed: 2 }
    expect(flow.go().state.end).toMatchObject({ state: 'failed' })
    flow.view.crowd = { ...flow.view.crowd, completed: 2, failed: 1 }
    expect(flow.go().state).toMatchObject({ end: { state: 'completed' }, nodes: 's', generations: { 0: 1 } })
  })

  it('is checked only while no ends arrive', () => {
    const flow = new Driven(batch(), { reserved: 9, size: 9 })
    flow.wait(1_000)
    for (let i = 1; i < 5; i++) {
      flow.view.crowd = { ...flow.view.crowd, completed: i }
      expect(flow.wait(5_000).last.checks).toBe(false)
    }
    expect(flow.wait(5_000).last.checks).toBe(true)
  })
})

describe('an ended flow', () => {
  it('that was cancelled although all its nodes completed ends as completed when it is retried', () => {
    const flow = new Driven(chainOf(1, [{ on: 'completed' }]))
    flow.view = { ...flow.view, state: endNow(flow.view, 'user')! }
    expect(flow.ends(0).state.end).toMatchObject({ state: 'cancelled' })
    flow.view = { ...flow.view, state: startAgain(flow.view)! }
    expect(flow.go().state).toMatchObject({ end: { state: 'completed' }, nodes: 'cs' })
    expect(startAgain(flow.view)).toBeUndefined()
  })

  it('is forgotten when it was kept for long enough, but not before its callbacks have ended', () => {
    const flow = new Driven(chainOf(1, [{ on: 'ended' }])).ends(0)
    expect(flow.wait(HOUR).last.forgets).toBe(false)
    expect(flow.ends(1).last.forgets).toBe(true)
  })

  it('reports its end to its parent flow before it is forgotten', () => {
    const flow = new Driven({ ...chainOf(1), parent: { flow: 'p', home: 'h', index: 1 } }).ends(0)
    expect(flow.last).toMatchObject({ tells: true, forgets: false })
    flow.view = { ...flow.view, state: { ...flow.state, isTold: true } }
    expect(flow.go().last).toMatchObject({ tells: false, next: 1_000 + HOUR })
  })
})

it('an open flow doubles the pause before each check without new ends, up to five minutes', () => {
  const flow = new Driven(chainOf(2))
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    const ms = flow.last.next! - flow.view.at
    flow.wait(flow.state.checkAt - flow.view.at)
    waits.push(flow.state.pause)
    expect(ms).toBeGreaterThan(0)
    expect(flow.last.checks).toBe(true)
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300].map((s) => s * 1_000))
})

describe('random flows', () => {
  /**
   * Calculates from the ends of the started jobs how each node of a flow ends, in one pass and not step by
   * step.
   */
  function fates(nodes: readonly NodeDefinition[], happens: readonly EndedState[]): string {
    const letters: string[] = []
    for (const [i, { after, ifFailed, rules }] of nodes.entries()) {
      const isBad = after.some((each) => letters[each] !== 'c' && rules?.[each] === undefined)
      if (isBad && ifFailed === 'fail') letters.push('f')
      else if (isBad && ifFailed === undefined) letters.push('x')
      else letters.push({ completed: 'c', failed: 'f', cancelled: 'x' }[happens[i]!])
    }
    return letters.join('')
  }

  it.each(Array.from({ length: 20 }, (_, i) => i + 1))('end as their rules say: seed %i', (seed) => {
    const chance = new Random(seed)
    for (let round = 0; round < 50; round++) {
      const size = 1 + chance.below(12)
      const nodes = Array.from({ length: size }, (_, i): Says => {
        const after = Array.from({ length: i }, (_, each) => each).filter(() => chance.below(3) === 0)
        const ifFailed = ([undefined, 'run', 'fail'] as const)[chance.below(3)]
        const spared = after.filter(() => chance.below(4) === 0).map((each) => [each, 'run'] as const)
        return { after, ...(ifFailed !== undefined && { ifFailed }), rules: Object.fromEntries(spared) }
      })
      const definition = workflow(nodes)
      const happens = nodes.map(
        () => (['completed', 'completed', 'failed', 'cancelled'] as const)[chance.below(4)]!,
      )
      const flow = new Driven(definition)
      while (flow.state.phase !== 'ended') {
        const running = [...flow.state.nodes].flatMap((letter, node) => (letter === 's' ? [node] : []))
        expect(running.length).toBeGreaterThan(0)
        const node = running[chance.below(running.length)]!
        flow.ends(node, happens[node]!)
      }
      expect(flow.state.nodes).toBe(fates(definition.nodes, happens))
      // No node starts twice.
      expect(new Set(flow.started).size).toBe(flow.started.length)
      // If everything is retried until it completes, the flow completes.
      for (let again = 0; startAgain(flow.view) !== undefined; again++) {
        expect(again).toBeLessThan(5)
        flow.view = { ...flow.view, state: startAgain(flow.view)! }
        flow.go()
        while (flow.state.phase !== 'ended') flow.ends(flow.state.nodes.indexOf('s'))
      }
      expect(flow.state.end!.state).toBe('completed')
    }
  })
})
