/**
 * Stories of flows. A story has the actions of people and dispatchers, one after the other, and the end that
 * the flow must have whichever process dies.
 */
import { memberId } from '../../src/model/effect.ts'
import type {
  FlowDefinition,
  FlowJob,
  FlowPlace,
  NodeDefinition,
  Path,
  Reference,
} from '../../src/model/flow.ts'
import type { EndedState } from '../../src/model/record.ts'
import type { FlowWorker } from './flow-worker.ts'
import { AWAY, HOME, PLACES, type World } from './flow-world.ts'

const DAY = 86_400_000
/** Within this many milliseconds, a dispatcher must report again that it still fills the batch. */
const FILLING = 30_000

/** The action of a step. If its process dies, another process may repeat the action. */
type Step = (worker: FlowWorker, place: FlowPlace, world: World) => Promise<unknown>

export interface Story {
  name: string
  home: string
  fails?: readonly string[]
  hangs?: readonly string[]
  steps: readonly Step[]
  /** How the flow ends. */
  ends: {
    state: EndedState
    reason?: string
    /** The states of the nodes, as letters. Default: any states. */
    nodes?: RegExp
    completed?: number
    failed?: number
  }
  /**
   * How often each node and member was settled. Names that are missing here were never settled. Default: each
   * name at most once.
   */
  runs?: Readonly<Record<string, number>>
}

/** Makes a job whose payload contains the name of the job. */
export function job(name: string, partition = HOME, more: object = {}): FlowJob {
  return {
    partition,
    job: { key: 'step', payload: JSON.stringify({ name, ...more }), options: { maxCrashes: 1_000 } },
  }
}

export function node(
  name: string,
  after: number[] = [],
  more: Partial<NodeDefinition> & { at?: string } = {},
): NodeDefinition {
  const { at, ...rest } = more
  return { name, after, ...(rest.flow === undefined && { job: job(name, at) }), ...rest }
}

/** Makes a job whose payload contains the result of another node in the field `from`. */
export function using(name: string, of: number, at?: string): NodeDefinition {
  const refs: Reference[] = [{ at: ['from'] as Path, node: of, path: [] }]
  return { ...node(name, [of]), job: job(name, at, { from: null }), refs }
}

export function callbacks(): NodeDefinition[] {
  return [
    node('onCompleted', [], { on: 'completed' }),
    node('onFailed', [], { on: 'failed', at: AWAY }),
    node('onEnded', [], { on: 'ended' }),
  ]
}

export function flow(
  kind: FlowDefinition['kind'],
  nodes: NodeDefinition[],
  more: Partial<FlowDefinition> = {},
): FlowDefinition {
  return { kind, keep: { completed: DAY, failed: DAY, cancelled: DAY }, nodes, ...more }
}

function start(definition: FlowDefinition): Step {
  return (worker, place) => worker.book.start(place, definition)
}

/** Begins to dispatch a batch. */
function fill(definition: FlowDefinition, count: number): Step[] {
  return [
    (worker, place) => worker.book.start(place, definition, { fillsFor: FILLING }),
    (worker, place) => worker.lots(place).queue(members(count), { ms: FILLING, lot: 1 }),
  ]
}

const seal: Step = (worker, place) => worker.book.seal(place)

/** Makes members m0, m1, …, some of them in the other partition. */
export function members(count: number): FlowJob[] {
  return Array.from({ length: count }, (_, n) => job(`m${n}`, n % 3 === 1 ? AWAY : HOME))
}

/** Works until nothing is left to do for the flow. */
const work: Step = (worker) => worker.work()

/** Works until a node or member has begun. */
function until(name: string): Step {
  return (worker, _, world) => worker.work(() => world.begun.has(name))
}

/** Lets the jobs end that have not ended by themselves. */
const goOn: Step = async (_, __, { hangs }) => hangs.clear()
const mended: Step = async (_, __, { fails }) => fails.clear()
const retry: Step = (worker, place) => worker.book.retry(place)
/** Retries the failed members, and the members that were cancelled because of them. */
const retryByHand: Step = async (_, { flow, home }, { store }) => {
  const failed = await store.flows.failed(home, flow, -1, 10)
  const ids = failed.map((index) => memberId({ flow, home, index }))
  for (const partition of PLACES) await store.alter(partition, ids, { kind: 'retry' })
}
const cancel: Step = (worker, place) => worker.book.cancel(place, 'user', 'not needed')

const all = { onCompleted: 1, onEnded: 1 }

export const stories: readonly Story[] = [
  {
    name: 'a chain over two partitions hands results on',
    home: HOME,
    steps: [
      start(
        flow('chain', [node('a'), using('b', 0, AWAY), using('c', 1), using('d', 1, AWAY), ...callbacks()]),
      ),
      work,
    ],
    ends: { state: 'completed', nodes: /^ccccc-c$/ },
    runs: { a: 1, b: 1, c: 1, d: 1, ...all },
  },
  {
    name: 'a diamond, one side of which fails: one runs anyway, one fails, one is skipped',
    home: AWAY,
    fails: ['b'],
    steps: [
      start(
        flow('workflow', [
          node('a'),
          node('b', [0], { at: AWAY }),
          node('c', [0]),
          node('run', [1, 2], { ifFailed: 'run' }),
          node('fail', [1, 2], { ifFailed: 'fail' }),
          node('skip', [1, 2]),
          node('last', [5]),
          ...callbacks(),
        ]),
      ),
      work,
    ],
    ends: { state: 'failed', nodes: /^cfccfxx-cc$/ },
    runs: { a: 1, b: 1, c: 1, run: 1, onFailed: 1, onEnded: 1 },
  },
  {
    name: 'a batch, of which one may fail',
    home: HOME,
    fails: ['m1'],
    steps: [...fill(flow('batch', callbacks(), { allowed: 1 }), 5), seal, work],
    ends: { state: 'completed', completed: 4, failed: 1, nodes: /^c-c$/ },
    runs: { m0: 1, m1: 1, m2: 1, m3: 1, m4: 1, ...all },
  },
  {
    name: 'a batch, too many of which fail',
    home: AWAY,
    fails: ['m0', 'm1', 'm2'],
    steps: [...fill(flow('batch', callbacks(), { allowed: 1 }), 5), seal, work],
    ends: { state: 'failed', nodes: /^-cc$/ },
  },
  {
    name: 'a chain and a batch in a workflow',
    home: HOME,
    steps: [
      start(
        flow('workflow', [
          node('a'),
          node('chain', [0], {
            flow: { home: AWAY, definition: flow('chain', [node('x'), using('y', 0, AWAY)]) },
          }),
          node('batch', [0], {
            flow: { home: AWAY, definition: flow('batch', callbacks()), members: members(4) },
          }),
          { ...using('z', 1), after: [1, 2] },
        ]),
      ),
      work,
    ],
    ends: { state: 'completed', nodes: /^cccc$/ },
    runs: { a: 1, x: 1, y: 1, m0: 1, m1: 1, m2: 1, m3: 1, z: 1, ...all },
  },
  {
    name: 'a chain is cancelled in the middle',
    home: HOME,
    hangs: ['b'],
    steps: [
      start(flow('chain', [node('a'), node('b', [0], { at: AWAY }), node('c', [1]), ...callbacks()])),
      until('b'),
      cancel,
      goOn,
      work,
    ],
    ends: { state: 'cancelled', nodes: /^c[cx]x--c$/ },
  },
  {
    name: 'a workflow with a batch in it is cancelled',
    home: AWAY,
    hangs: ['m0', 'm1', 'b'],
    steps: [
      start(
        flow('workflow', [
          node('batch', [], { flow: { home: HOME, definition: flow('batch', []), members: members(3) } }),
          node('b'),
          node('c', [0, 1], { ifFailed: 'run' }),
          ...callbacks(),
        ]),
      ),
      until('b'),
      cancel,
      goOn,
      work,
    ],
    ends: { state: 'cancelled', nodes: /^[cx][cx]x--c$/ },
  },
  {
    name: 'a workflow has a deadline',
    home: HOME,
    hangs: ['b'],
    steps: [
      start(
        flow('workflow', [node('a'), node('b', [0]), node('c', [1]), ...callbacks()], { within: 20_000 }),
      ),
      until('b'),
      async (_, __, world) => world.advance(20_000),
      (worker, _, world) => worker.work(() => world.begun.has('onFailed') || world.now > 0),
      goOn,
      work,
    ],
    ends: { state: 'failed', reason: 'deadline', nodes: /^c[cx]x-cc$/ },
  },
  {
    name: 'a failed workflow is retried twice',
    home: HOME,
    fails: ['b', 'y', 'm1'],
    steps: [
      start(
        flow('workflow', [
          node('a'),
          node('b', [0], { at: AWAY }),
          node('c', [1]),
          node('chain', [], {
            flow: { home: AWAY, definition: flow('chain', [node('x'), using('y', 0), using('z', 1)]) },
          }),
          node('batch', [], {
            flow: { home: AWAY, definition: flow('batch', [], { allowed: 0 }), members: members(2) },
          }),
          ...callbacks(),
        ]),
      ),
      work,
      async (_, __, { fails }) => fails.delete('m1'),
      retry,
      work,
      mended,
      retry,
      work,
    ],
    ends: { state: 'completed', nodes: /^cccccc-c$/ },
    // A retried member is the same job. The other members may or may not have been cancelled before.
    runs: { a: 1, b: 3, c: 1, x: 1, y: 3, z: 1, m0: 1, m1: 2, onFailed: 2, onCompleted: 1, onEnded: 3 },
  },
  {
    name: 'a failed batch is retried twice',
    home: HOME,
    fails: ['m1', 'm3'],
    steps: [
      ...fill(flow('batch', callbacks(), { allowed: 1 }), 4),
      seal,
      work,
      retry,
      work,
      mended,
      retry,
      work,
    ],
    ends: { state: 'completed', completed: 4, failed: 0 },
  },
  {
    name: 'a node is retried by hand',
    home: HOME,
    fails: ['b'],
    steps: [
      start(flow('chain', [node('a'), using('b', 0, AWAY), using('c', 1), ...callbacks()])),
      work,
      mended,
      (_, { flow, home }, { store }) =>
        store.alter(AWAY, [memberId({ flow, home, index: 90_000_001 })], { kind: 'retry' }),
      work,
    ],
    ends: { state: 'completed', nodes: /^cccc-c$/ },
    runs: { a: 1, b: 2, c: 1, onFailed: 1, onCompleted: 1, onEnded: 2 },
  },
  {
    name: 'members are retried by hand',
    home: HOME,
    fails: ['m1'],
    steps: [...fill(flow('batch', callbacks(), { allowed: 0 }), 2), seal, work, mended, retryByHand, work],
    ends: { state: 'completed', completed: 2, failed: 0, nodes: /^c[cx-]c$/ },
  },
  {
    name: 'a node and a member are added while their flows run',
    home: AWAY,
    hangs: ['b'],
    steps: [
      start(flow('chain', [node('a'), node('b', [0]), ...callbacks()])),
      until('b'),
      (worker, place) =>
        worker.book.add(place, ({ definition: { nodes } }) =>
          nodes.some(({ name }) => name === 'added') ? [] : [using('added', 1)],
        ),
      goOn,
      work,
    ],
    ends: { state: 'completed', nodes: /^ccc-cc$/ },
    runs: { a: 1, b: 1, added: 1, ...all },
  },
  {
    name: 'the process dies that fills a batch',
    home: HOME,
    steps: [...fill(flow('batch', callbacks()), 3), work],
    ends: { state: 'failed', reason: 'abandoned', nodes: /^-cc$/ },
  },
  {
    name: 'a batch is cancelled while it is filled, and the process dies that fills it',
    home: HOME,
    hangs: ['m0'],
    steps: [...fill(flow('batch', callbacks()), 3), cancel, goOn, work],
    ends: { state: 'cancelled', reason: 'user', nodes: /^--c$/ },
  },
]
