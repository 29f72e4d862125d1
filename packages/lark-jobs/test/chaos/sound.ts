/** The evidence of a run without broken promises, and functions that make evidence. */
import type { Ask, Evidence, Fault, Hit, Kept, Run, StepEvent } from './evidence.ts'
import { soundFlows } from './sound-flows.ts'

const lease = 2_000

export function ask(n: string, at: number, more: Partial<Ask> = {}): Ask {
  return { n, at, by: 'd0.1', kind: 'instant', answer: { at: at + 5, what: 'accepted' }, ...more }
}

export function run(
  n: string,
  serial: string,
  at: number,
  end: Run['end'] | undefined,
  kind = 'instant',
): Run {
  const by = serial.split('#')[0]!
  return { n, id: `id-${n}`, serial, by, at, kind, ...(end !== undefined && { end }) }
}

export const ended = (at: number): Run['end'] => ({ at, what: 'ended' })
const failed = (at: number): Run['end'] => ({ at, what: 'failed' })
const parted = (at: number): Run['end'] => ({ at, what: 'parted' })

export function step(what: StepEvent['what'], name: string, serial: string, at: number): StepEvent {
  return { what, step: name, serial, at }
}

export function kept(n: string, finishedAt: number, more: Partial<Kept> = {}): Kept {
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  return { id: `id-${n}`, n, states: ['completed'], finishedAt, ...counters, errors: [], ...more }
}

export function fault(name: string, from: number, to: number, hits: Hit[]): Fault {
  return { name, from, to, hits, recovered: 100 }
}

/**
 *   a  ran once
 *   b  failed, and ran again
 *   c  its worker w0 was killed, and w1 ran it, with its second step again
 *   d  its worker w1 was stopped for longer than a lease, w2 ran it; w1 went on, and was told
 *   e  never works
 *   f  the server was away while it ran: it runs again, and no crash is counted
 *   u  uncertain, and arrived; r refused
 *   s  of a strict group; its worker w0 was killed, w1 ran it, and t came after it
 *   p  of a limiter with two permits, as q and v are, which began when it had ended
 *   z  a saga; its worker w0 was killed, w1 ran it with its second step again, it failed, and was undone
 *   flows: see `soundFlows`
 *   k  unique; l and m of its kind: l met it while it ran, m was queued after it had ended
 */
export function sound(): Evidence {
  const flows = soundFlows()
  return {
    leaseMs: lease,
    durability: 'normal',
    asks: [
      ask('a', 0),
      ask('b', 0, { kind: 'shaky' }),
      ask('c', 900),
      ask('d', 9_900, { kind: 'deaf' }),
      ask('e', 0, { kind: 'hopeless' }),
      ask('f', 20_000),
      ask('u', 20_500, { answer: { at: 23_000, what: 'uncertain' } }),
      ask('r', 20_600, { answer: { at: 23_100, what: 'refused' } }),
      ask('k', 30_000, { lock: 'ada' }),
      ask('l', 30_100, { lock: 'ada', answer: { at: 30_105, what: 'met', other: 'id-k' } }),
      ask('m', 30_500, { lock: 'ada' }),
      ask('s', 900, { group: 'bob', kind: 'strict' }),
      ask('t', 910, { group: 'bob', kind: 'strict' }),
      ask('p', 31_000, { kind: 'metered' }),
      ask('q', 31_000, { kind: 'metered' }),
      ask('v', 31_000, { kind: 'metered' }),
      ask('z', 900, { kind: 'saga' }),
    ],
    runs: [
      run('a', 'w0.1#1', 10, ended(20)),
      run('b', 'w0.1#2', 10, failed(20), 'shaky'),
      run('b', 'w1.1#1', 130, ended(140), 'shaky'),
      run('c', 'w0.1#3', 1_000, undefined),
      run('c', 'w1.1#2', 3_300, ended(3_400)),
      {
        ...run('d', 'w1.1#3', 10_000, ended(15_000), 'deaf'),
        told: { at: 13_800, code: 'LEASE_LOST' },
      },
      run('d', 'w2.1#1', 12_300, ended(17_300), 'deaf'),
      run('e', 'w2.1#2', 10, failed(20), 'hopeless'),
      run('e', 'w2.1#3', 130, failed(140), 'hopeless'),
      run('z', 'w0.1#4', 1_000, parted(1_000), 'saga'),
      run('z', 'w1.1#15', 3_300, failed(3_320), 'saga'),
      run('z', 'w1.1#16', 3_335, parted(3_335), 'saga'),
      run('f', 'w2.1#4', 20_100, ended(24_000)),
      run('f', 'w1.1#4', 25_800, ended(25_900)),
      run('u', 'w1.1#5', 23_500, ended(23_600)),
      run('k', 'w1.1#6', 30_010, ended(30_400)),
      run('m', 'w1.1#8', 30_510, ended(30_520)),
      run('s', 'w0.1#11', 1_010, undefined, 'strict'),
      run('s', 'w1.1#11', 3_310, ended(3_320), 'strict'),
      run('t', 'w1.1#12', 3_325, ended(3_335), 'strict'),
      run('p', 'w1.1#13', 31_010, ended(31_100), 'metered'),
      run('q', 'w2.1#13', 31_010, ended(31_200), 'metered'),
      run('v', 'w2.1#14', 31_105, ended(31_150), 'metered'),
      ...flows.runs,
    ],
    steppings: [
      {
        ...{ n: 'c', keptAt: 3_350 },
        events: [
          step('begun', 'one', 'w0.1#3', 1_010),
          step('known', 'one', 'w0.1#3', 1_020),
          step('begun', 'two', 'w0.1#3', 1_030),
          step('begun', 'two', 'w1.1#2', 3_320),
          step('known', 'two', 'w1.1#2', 3_330),
        ],
      },
      {
        n: 'z',
        events: [
          step('begun', 'seat', 'w0.1#4', 1_010),
          step('known', 'seat', 'w0.1#4', 1_020),
          step('begun', 'meal', 'w0.1#4', 1_040),
          step('begun', 'meal', 'w1.1#15', 3_310),
          step('known', 'meal', 'w1.1#15', 3_315),
          step('undo begun', 'meal', 'w1.1#16', 3_340),
          step('undo begun', 'meal', 'w1.1#16', 3_345),
          step('undone', 'meal', 'w1.1#16', 3_345),
          step('undo begun', 'seat', 'w1.1#16', 3_345),
          step('undone', 'seat', 'w1.1#16', 3_351),
        ],
      },
    ],
    kept: [
      kept('a', 21, { result: 'w0.1#1' }),
      kept('b', 141, { runs: 2, failures: 1, result: 'w1.1#1' }),
      kept('c', 3_401, { runs: 2, crashes: 1, result: 'w1.1#2' }),
      kept('d', 17_301, { runs: 2, crashes: 1, result: 'w2.1#1' }),
      kept('e', 141, { states: ['failed'], runs: 2, failures: 2, errors: [undefined, undefined] }),
      kept('z', 3_352, { states: ['failed'], runs: 3, failures: 1, crashes: 1, errors: [undefined] }),
      kept('f', 25_901, { runs: 2, result: 'w1.1#4' }),
      kept('u', 23_601, { result: 'w1.1#5' }),
      kept('k', 30_401, { result: 'w1.1#6' }),
      kept('m', 30_521, { result: 'w1.1#8' }),
      kept('s', 3_321, { runs: 2, crashes: 1, result: 'w1.1#11' }),
      kept('t', 3_336, { result: 'w1.1#12' }),
      kept('p', 31_101, { result: 'w1.1#13' }),
      kept('q', 31_201, { result: 'w2.1#13' }),
      kept('v', 31_151, { result: 'w2.1#14' }),
      ...flows.kept,
    ],
    ...{ flowAsks: flows.flowAsks, touches: flows.touches, keptFlows: flows.keptFlows, readAt: 200_000 },
    lives: [
      { name: 'w0.1', from: 0, to: 1_050, end: 'killed' },
      { name: 'w1.1', from: 0 },
      { name: 'w2.1', from: 0 },
      { name: 'd1.1', from: 0, to: 40_010, end: 'killed' },
      { name: 'd0.1', from: 0 },
    ],
    faults: [
      fault('kill', 1_050, 1_500, [{ what: 'killed', by: 'w0.1', from: 1_050, to: 1_050 }]),
      fault('stop', 10_500, 13_500, [{ what: 'held', by: 'w1.1', from: 10_500, to: 13_500 }]),
      fault('away', 20_400, 23_400, [{ what: 'outage', from: 20_400, to: 23_400 }]),
    ],
    limits: [
      { queue: 'narrow', most: 3, looks: 900, active: [0, 2, 3, 1].map((count, at) => ({ at, count })) },
    ],
    limiter: { kind: 'metered', most: 2 },
    standstills: [{ what: 'held', by: 'w1.1', from: 10_490, to: 13_510 }],
    dead: [],
  }
}
