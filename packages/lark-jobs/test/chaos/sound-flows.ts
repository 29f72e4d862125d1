/**
 * The evidence of flows without broken promises.
 */
import type { Evidence, FlowAsk, Kept, KeptFlow, Run } from './evidence.ts'

const at = 40_000

/**
 *   x  a chain of two: the second step gets the result of the first
 *   y  a diamond: one side fails, one is a batch, and the bottom runs all the same
 *   z  a batch in which none may fail: its first member fails, and the third is cancelled
 *   w  a batch whose dispatcher was killed while it filled it: it was given up
 *   v  a chain that was refused
 */
export function soundFlows(): Pick<Evidence, 'flowAsks' | 'keptFlows' | 'runs' | 'kept'> {
  return {
    flowAsks: [
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
      flow('x', 'completed', { total: 2, completed: 2 }),
      flow('y', 'completed', { total: 4, completed: 3, failed: 1 }),
      { ...flow('inner', 'completed', { total: 1, completed: 1 }), isNested: true },
      { ...flow('z', 'failed', { total: 3, completed: 1, failed: 2 }), reason: 'failed' },
      { ...flow('w', 'failed', { total: 2, completed: 1, failed: 1 }), reason: 'abandoned' },
    ],
    runs: [
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
      ...['x/0', 'y/top', 'z/1', 'w/0'].map((n) => kept(n, 15)),
      ...['x/1', 'y/in-0'].map((n) => kept(n, 25)),
      kept('y/end', 35),
      { ...kept('y/bad', 25), states: ['failed'], failures: 1 },
      { ...kept('z/0', 15), states: ['failed'], failures: 1 },
      { ...kept('z/2', 20), states: ['cancelled'], runs: 0 },
      ...['x', 'y'].flatMap((id) => [kept(`${id}/on-ended`, 55), kept(`${id}/on-completed`, 55)]),
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

function flow(id: string, state: KeptFlow['state'], counts: Partial<KeptFlow['counts']>): KeptFlow {
  return { id, isNested: false, state, endedAt: at + 40, counts: countsOf(counts), runs: [] }
}

function run(n: string, after: number, more: Partial<Run> = {}): Run {
  const times = { at: at + after, end: { at: at + after + 1, what: 'ended' as const } }
  return { n, serial: `w1.1#${n}`, by: 'w1.1', kind: 'instant', ...times, ...more }
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
