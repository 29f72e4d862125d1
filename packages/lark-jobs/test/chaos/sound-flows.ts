/**
 * The evidence of flows without broken promises.
 */
import type { Evidence, FlowAsk, Kept, KeptFlow, KeptNode, Run, Touch } from './evidence.ts'

const at = 40_000

/**
 *   x  a chain of two: the second step gets the result of the first
 *   y  a diamond: one side fails, one is a batch, and the bottom runs all the same
 *   z  a batch in which none may fail: its first member fails, and the third is cancelled
 *   w  a batch whose dispatcher was killed while it filled it: it was given up
 *   v  a chain that was refused
 *   q  a chain whose step failed; it was started again, completed, and got a step more
 *   p  a batch to which a member was added, and another was not, because it had ended
 *   o  a chain that was cancelled when its first step had completed
 */
export function soundFlows(): Pick<Evidence, 'flowAsks' | 'touches' | 'keptFlows' | 'runs' | 'kept'> {
  const chain = (id: string) => [
    { n: `${id}/0`, kind: 'mending', after: [], got: [] },
    { n: `${id}/1`, kind: 'instant', after: [`${id}/0`], got: [`${id}/0`] },
  ]
  return {
    touches: [
      touched({ flow: 'q', act: 'retry' }),
      touched({ flow: 'q', act: 'add', nodes: [{ n: 'q/more', kind: 'instant', after: [], got: [] }] }),
      touched({ flow: 'p', act: 'add', stem: 'p/more-', count: 1, bad: 0 }),
      {
        ...touched({ flow: 'p', act: 'add', stem: 'p/late-', count: 1, bad: 0 }),
        answer: { at: at + 45, what: 'nothing' },
      },
      touched({ flow: 'o', act: 'cancel' }),
    ],
    flowAsks: [
      asked({ flow: 'q', kind: 'chain', nodes: chain('q'), callbacks: callbacks('q'), mends: true }),
      asked({
        flow: 'p',
        kind: 'batch',
        stem: 'p/',
        count: 1,
        bad: 0,
        allowed: 0,
        callbacks: callbacks('p'),
      }),
      asked({ flow: 'o', kind: 'chain', nodes: chain('o'), callbacks: callbacks('o') }),
      asked({
        ...{ flow: 'x', kind: 'chain', callbacks: callbacks('x') },
        nodes: [
          { n: 'x/0', kind: 'instant', after: [], got: [] },
          { n: 'x/1', kind: 'instant', after: ['x/0'], got: ['x/0'] },
        ],
      }),
      asked({
        ...{ flow: 'y', kind: 'diamond', callbacks: callbacks('y') },
        nodes: [
          { n: 'y/top', kind: 'instant', after: [], got: [] },
          { n: 'y/bad', kind: 'hopeless', after: ['y/top'], got: ['y/top'] },
          { n: 'y/in', kind: 'batch', after: ['y/top'], got: [], stem: 'y/in-', count: 1, bad: 0 },
          { n: 'y/end', kind: 'instant', after: ['y/bad', 'y/in'], got: ['y/bad'], ifFailed: 'run' },
        ],
      }),
      asked({
        flow: 'z',
        kind: 'batch',
        stem: 'z/',
        count: 3,
        bad: 1,
        allowed: 0,
        callbacks: callbacks('z'),
      }),
      {
        ...{ at, by: 'd1.1' },
        plan: {
          flow: 'w',
          kind: 'batch',
          stem: 'w/',
          count: 9,
          bad: 0,
          allowed: 9,
          callbacks: callbacks('w'),
        },
      },
      {
        ...asked({ flow: 'v', kind: 'chain', nodes: [], callbacks: callbacks('v') }),
        answer: { at: at + 5, what: 'refused' },
      },
    ],
    keptFlows: [
      flow('x', 'completed', { total: 2, completed: 2 }, [
        node('x/0', [], 'c'),
        ...steps('x/0', 'x/1'),
        ...called('x', 'completed'),
      ]),
      flow('y', 'completed', { total: 4, completed: 3, failed: 1 }, [
        node('y/top', [], 'c'),
        node('y/bad', ['y/top'], 'f'),
        node('y/in', ['y/top'], 'c'),
        node('y/end', ['y/bad', 'y/in'], 'c'),
        ...called('y', 'completed'),
      ]),
      { ...flow('inner', 'completed', { total: 1, completed: 1 }, []), isNested: true },
      {
        ...flow('z', 'failed', { total: 3, completed: 1, failed: 2 }, called('z', 'failed')),
        reason: 'failed',
      },
      {
        ...flow('w', 'failed', { total: 2, completed: 1, failed: 1 }, called('w', 'failed')),
        reason: 'abandoned',
      },
      flow('q', 'completed', { total: 3, completed: 3 }, [
        node('q/0', [], 'c', { generation: 1 }),
        ...steps('q/0', 'q/1', 'q/more'),
        node('q/on-ended', [], 'c', { on: 'ended', generation: 1 }),
        node('q/on-completed', [], 'c', { on: 'completed' }),
        node('q/on-failed', [], '-', { on: 'failed', generation: 1 }),
      ]),
      flow('p', 'completed', { total: 2, completed: 2 }, called('p', 'completed')),
      {
        ...flow('o', 'cancelled', { total: 2, completed: 1, cancelled: 1 }, [
          node('o/0', [], 'c'),
          node('o/1', ['o/0'], 'x'),
          ...called('o', 'cancelled'),
        ]),
        reason: 'user',
      },
    ],
    runs: [
      failed('q/0', 5),
      read('q/on-failed', 'failed', { total: 2, failed: 1, skipped: 1 }),
      read('q/on-ended', 'failed', { total: 2, failed: 1, skipped: 1 }),
      run('q/0~1', 10),
      run('q/1', 20, { got: { 'q/0': 'w1.1#q/0~1' } }),
      run('q/more', 30),
      read('q/on-ended~1', 'completed', { total: 3, completed: 3 }),
      read('q/on-completed', 'completed', { total: 3, completed: 3 }),
      run('p/0', 10),
      run('p/more-0', 10),
      read('p/on-ended', 'completed', { total: 2, completed: 2 }),
      read('p/on-completed', 'completed', { total: 2, completed: 2 }),
      run('o/0', 10),
      read('o/on-ended', 'cancelled', { total: 2, completed: 1, cancelled: 1 }),
      run('x/0', 10),
      run('x/1', 20, { got: { 'x/0': 'w1.1#x/0' } }),
      read('x/on-ended', 'completed', { total: 2, completed: 2 }),
      read('x/on-completed', 'completed', { total: 2, completed: 2 }),
      run('y/top', 10),
      failed('y/bad', 20, { got: { 'y/top': 'w1.1#y/top' } }),
      run('y/in-0', 20),
      run('y/end', 30, { got: {} }),
      read('y/on-ended', 'completed', { total: 4, completed: 3, failed: 1 }),
      read('y/on-completed', 'completed', { total: 4, completed: 3, failed: 1 }),
      failed('z/0', 10),
      run('z/1', 10),
      read('z/on-ended', 'failed', { total: 3, completed: 1, failed: 2 }),
      read('z/on-failed', 'failed', { total: 3, completed: 1, failed: 2 }),
      run('w/0', 10),
      read('w/on-ended', 'failed', { total: 2, completed: 1, failed: 1 }),
      read('w/on-failed', 'failed', { total: 2, completed: 1, failed: 1 }),
    ],
    kept: [
      ...['x/0', 'y/top', 'z/1', 'w/0', 'q/0~1', 'p/0', 'p/more-0', 'o/0'].map((n) => kept(n, 15)),
      ...['x/1', 'y/in-0', 'q/1'].map((n) => kept(n, 25)),
      ...['y/end', 'q/more'].map((n) => kept(n, 35)),
      ...['q/on-failed', 'q/on-ended', 'q/on-ended~1', 'q/on-completed', 'o/on-ended'].map((n) =>
        kept(n, 55),
      ),
      { ...kept('q/0', 8), states: ['failed'], failures: 1 },
      { ...kept('y/bad', 25), states: ['failed'], failures: 1 },
      { ...kept('z/0', 15), states: ['failed'], failures: 1 },
      { ...kept('z/2', 20), states: ['cancelled'], runs: 0 },
      ...['x', 'y', 'p'].flatMap((id) => [kept(`${id}/on-ended`, 55), kept(`${id}/on-completed`, 55)]),
      ...['z', 'w'].flatMap((id) => [kept(`${id}/on-ended`, 55), kept(`${id}/on-failed`, 55)]),
    ],
  }
}

function asked(plan: FlowAsk['plan']): FlowAsk {
  return { at, by: 'd0.1', plan, answer: { at: at + 5, what: 'accepted' } }
}

function callbacks(flow: string): FlowAsk['plan']['callbacks'] {
  return (['ended', 'completed', 'failed'] as const).map((on) => ({ n: `${flow}/on-${on}`, on }))
}

function countsOf(counts: Partial<KeptFlow['counts']>): KeptFlow['counts'] {
  return { total: 0, completed: 0, failed: 0, cancelled: 0, skipped: 0, running: 0, blocked: 0, ...counts }
}

function touched(touch: Pick<Touch, 'flow' | 'act'> & Partial<Touch>): Touch {
  return { at: at + 8, by: 'd0.1', answer: { at: at + 9, what: 'done' }, ...touch }
}

function flow(
  id: string,
  state: KeptFlow['state'],
  counts: Partial<KeptFlow['counts']>,
  nodes: KeptNode[],
): KeptFlow {
  return { id, isNested: false, state, endedAt: at + 40, counts: countsOf(counts), runs: [], nodes }
}

function node(n: string, after: string[], state: KeptNode['state'], more: Partial<KeptNode> = {}): KeptNode {
  return { n, after, state, generation: 0, ...more }
}

/** Makes completed steps of a chain. */
function steps(first: string, ...others: string[]): KeptNode[] {
  return others.map((n, i) => node(n, [i === 0 ? first : others[i - 1]!], 'c'))
}

/** Makes the callbacks of a flow that has ended once. */
function called(id: string, state: KeptFlow['state']): KeptNode[] {
  return callbacks(id).map(({ n, on }) => node(n, [], on === 'ended' || on === state ? 'c' : '-', { on }))
}

function run(n: string, after: number, more: Partial<Run> = {}): Run {
  const times = { at: at + after, end: { at: at + after + 1, what: 'ended' as const } }
  return { n, id: `id-${n}`, serial: `w1.1#${n}`, by: 'w1.1', kind: 'instant', ...times, ...more }
}

function failed(n: string, after: number, more: Partial<Run> = {}): Run {
  return run(n, after, { kind: 'hopeless', end: { at: at + after + 1, what: 'failed' }, ...more })
}

function read(n: string, state: KeptFlow['state'], counts: Partial<KeptFlow['counts']>): Run {
  return run(n, 50, { kind: 'callback', read: { state, counts: countsOf(counts) } })
}

function kept(n: string, after: number): Kept {
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  const result = `w1.1#${n}`
  return { id: `id-${n}`, n, states: ['completed'], finishedAt: at + after, ...counters, errors: [], result }
}
