/**
 * The accountant finds what is wrong: each test begins with a run in which all is well, and doctors the evidence.
 */
import { expect, test } from 'vitest'
import { account } from './accountant.ts'
import type { Ask, Evidence, Fault, Hit, Kept, Run } from './evidence.ts'
import { type Rule, rules } from './rules.ts'

const lease = 2_000

function ask(n: string, at: number, more: Partial<Ask> = {}): Ask {
  return { n, at, by: 'd0.1', kind: 'instant', answer: { at: at + 5, what: 'accepted' }, ...more }
}

function run(n: string, serial: string, at: number, end: Run['end'] | undefined, kind = 'instant'): Run {
  const by = serial.split('#')[0]!
  return { n, serial, by, at, kind, ...(end !== undefined && { end }) }
}

const ended = (at: number): Run['end'] => ({ at, what: 'ended' })
const failed = (at: number): Run['end'] => ({ at, what: 'failed' })

function kept(n: string, finishedAt: number, more: Partial<Kept> = {}): Kept {
  const counters = { runs: 1, failures: 0, crashes: 0, releases: 0 }
  return { id: `id-${n}`, n, states: ['completed'], finishedAt, ...counters, errors: [], ...more }
}

function fault(name: string, from: number, to: number, hits: Hit[]): Fault {
  return { name, from, to, hits, recovered: 100 }
}

/**
 *   a  ran once
 *   b  failed, and ran again
 *   c  its worker w0 was killed, and w1 ran it
 *   d  its worker w1 was stopped for longer than a lease, w2 ran it; w1 went on, and was told
 *   e  never works
 *   f  the server was away while it ran: it runs again, and no crash is counted
 *   u  uncertain, and arrived; r refused
 *   k  unique; l and m of its kind: l met it while it ran, m was queued after it had ended
 */
function sound(): Evidence {
  return {
    lease,
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
      run('f', 'w2.1#4', 20_100, ended(24_000)),
      run('f', 'w1.1#4', 25_800, ended(25_900)),
      run('u', 'w1.1#5', 23_500, ended(23_600)),
      run('k', 'w1.1#6', 30_010, ended(30_400)),
      run('m', 'w1.1#8', 30_510, ended(30_520)),
    ],
    kept: [
      kept('a', 21, { result: 'w0.1#1' }),
      kept('b', 141, { runs: 2, failures: 1, result: 'w1.1#1' }),
      kept('c', 3_401, { runs: 2, crashes: 1, result: 'w1.1#2' }),
      kept('d', 17_301, { runs: 2, crashes: 1, result: 'w2.1#1' }),
      kept('e', 141, { states: ['failed'], runs: 2, failures: 2, errors: [undefined, undefined] }),
      kept('f', 25_901, { runs: 2, result: 'w1.1#4' }),
      kept('u', 23_601, { result: 'w1.1#5' }),
      kept('k', 30_401, { result: 'w1.1#6' }),
      kept('m', 30_521, { result: 'w1.1#8' }),
    ],
    lives: [
      { name: 'w0.1', from: 0, to: 1_050, end: 'killed' },
      { name: 'w1.1', from: 0 },
      { name: 'w2.1', from: 0 },
      { name: 'd0.1', from: 0 },
    ],
    faults: [
      fault('kill', 1_050, 1_500, [{ what: 'killed', by: 'w0.1', from: 1_050, to: 1_050 }]),
      fault('stop', 10_500, 13_500, [{ what: 'held', by: 'w1.1', from: 10_500, to: 13_500 }]),
      fault('away', 20_400, 23_400, [{ what: 'outage', from: 20_400, to: 23_400 }]),
    ],
    standstills: [{ what: 'held', by: 'w1.1', from: 10_490, to: 13_510 }],
    dead: [],
  }
}

/** Evidence with one thing changed. */
function doctored(doctor: (evidence: Evidence) => void): Evidence {
  const evidence = structuredClone(sound())
  doctor(evidence)
  return evidence
}

/** Changes what is kept of a job. */
function change({ kept: records }: Evidence, n: string, more: Partial<Kept>): void {
  Object.assign(records.find((each) => each.n === n)!, more)
}

const record = ({ kept: records }: Evidence, n: string) => records.find((each) => each.n === n)!
const remove = <T extends { n: string }>(list: T[], n: string) => {
  const at = list.findIndex((each) => each.n === n)
  list.splice(at, 1)
}

test('where all is well, it finds nothing, and counts what each fault cost', () => {
  const { findings, asked, kept, arrived, lost, rows } = account(sound())
  expect(findings).toEqual([])
  expect(asked).toEqual({ accepted: 8, met: 1, refused: 1, uncertain: 1, unanswered: 0 })
  expect({ kept, arrived, lost }).toEqual({ kept: { completed: 8, failed: 1, left: 0 }, arrived: 1, lost: 0 })
  expect(rows).toMatchObject([
    { fault: 'kill', times: 1, inFlight: 1, again: { killed: 1 } },
    { fault: 'stop', times: 1, inFlight: 1, again: { held: 1 } },
    { fault: 'away', inFlight: 1, refused: 1, uncertain: 1, again: { outage: 1 } },
  ])
})

const cases: Record<Rule, [string, (evidence: Evidence) => void][]> = {
  lost: [
    [
      'an accepted job that is nowhere',
      ({ kept: records, runs }) => {
        remove(records, 'a')
        remove(runs, 'a')
      },
    ],
    [
      'one that began, and is nowhere',
      (evidence) => {
        remove(evidence.kept, 'c')
        evidence.runs = evidence.runs.filter(({ serial }) => serial !== 'w1.1#2')
      },
    ],
  ],
  vanished: [['a job that ran, and of which nothing is kept', ({ kept: records }) => remove(records, 'a')]],
  phantom: [
    [
      'a job that nobody asked for',
      ({ kept: records }) => records.push(kept('x', 50, { states: ['waiting'] })),
    ],
  ],
  'refused-but-queued': [
    ['a refused job that is kept', ({ kept: records }) => records.push(kept('r', 30_000))],
    ['a refused job that ran', ({ runs }) => runs.push(run('r', 'w2.1#9', 24_000, ended(24_001)))],
  ],
  'queued-twice': [
    ['one dispatch, two ids', (evidence) => evidence.kept.push({ ...record(evidence, 'a'), id: 'other' })],
  ],
  'two-states': [
    ['completed and waiting', (evidence) => change(evidence, 'a', { states: ['waiting', 'completed'] })],
  ],
  undrained: [
    [
      'still active',
      (evidence) => {
        const { finishedAt, result, ...rest } = record(evidence, 'a')
        evidence.kept = evidence.kept.map((each) => (each.n === 'a' ? { ...rest, states: ['active'] } : each))
      },
    ],
  ],
  'second-run': [
    ['a run twice without a fault', ({ runs }) => runs.push(run('a', 'w2.1#9', 5, undefined))],
    ['a retry beyond the failures that were counted', (evidence) => change(evidence, 'b', { failures: 0 })],
    [
      'a stop that was too short to cost a lease',
      ({ faults, standstills }) => {
        faults[1]!.hits[0]!.from = 13_200
        standstills.length = 0
      },
    ],
    [
      'a handler that blocked its event loop',
      (evidence) => {
        evidence.faults.shift()
        evidence.asks.push(ask('g', 1, { kind: 'blocking' }))
        evidence.runs.push(
          run('g', 'w0.1#9', 15, ended(3_000), 'blocking'),
          run('a', 'w2.1#9', 4_000, undefined),
        )
        evidence.kept.push(kept('g', 3_001))
        evidence.standstills.push({ what: 'held', by: 'w0.1', from: 15, to: 3_000 })
      },
    ],
    ['a kill of another worker', (evidence) => Object.assign(evidence.faults[0]!.hits[0]!, { by: 'w2.1' })],
  ],
  'late-settle': [
    ['completed by the run whose lease was lost', (evidence) => change(evidence, 'd', { result: 'w1.1#3' })],
  ],
  'false-crash': [
    ['a crash where no worker died', (evidence) => change(evidence, 'a', { crashes: 1 })],
    ['a crash after an outage', (evidence) => change(evidence, 'f', { crashes: 1 })],
    ['two crashes of one death', (evidence) => change(evidence, 'c', { crashes: 2 })],
  ],
  'wrong-end': [
    ['failed, and should not', (evidence) => change(evidence, 'a', { states: ['failed'] })],
    ['cancelled by nobody', (evidence) => change(evidence, 'a', { states: ['cancelled'] })],
    ['a failure that none was', (evidence) => change(evidence, 'c', { failures: 1 })],
    ['completed, and never run', ({ runs }) => remove(runs, 'a')],
    ['completed, and cannot be', (evidence) => change(evidence, 'e', { states: ['completed'] })],
    [
      'failed by crashes that were too few',
      (evidence) => change(evidence, 'c', { states: ['failed'], errors: ['WORKER_DIED'] }),
    ],
  ],
  'not-told': [
    [
      'a handler that went on with a lost lease',
      ({ runs }) => {
        const one = runs.find(({ serial }) => serial === 'w1.1#3')!
        delete one.told
        one.end!.at = 16_000
      },
    ],
  ],
  'not-alive': [['a worker that does nothing', ({ dead }) => dead.push({ by: 'w1.1', fault: 'away' })]],
  exited: [
    [
      'a process that ended',
      ({ lives }) => Object.assign(lives[1]!, { to: 5_000, end: 'by itself', words: 'TypeError' }),
    ],
  ],
  stuck: [
    ['a worker that hears no SIGTERM', ({ lives }) => Object.assign(lives[1]!, { to: 60_000, end: 'stuck' })],
  ],
  hung: [
    ['a dispatch without an answer', (evidence) => delete evidence.asks.find(({ n }) => n === 'r')!.answer],
  ],
  'second-of-kind': [
    ['two at a time', (evidence) => change(evidence, 'k', { finishedAt: 30_600 })],
    ['beside one that never ends', (evidence) => delete record(evidence, 'k').finishedAt],
  ],
  'left-behind': [
    ['in the way after it ended', (evidence) => change(evidence, 'k', { finishedAt: 30_050 })],
    ['in the way, and not there', ({ asks }) => Object.assign(asks[9]!.answer!, { other: 'nobody' })],
  ],
  'odd-error': [
    [
      'a TypeError of dispatch',
      ({ asks }) =>
        Object.assign(asks.find(({ n }) => n === 'r')!, {
          answer: { at: 21_000, what: 'odd', message: 'TypeError' },
        }),
    ],
  ],
}

for (const rule of Object.keys(rules) as Rule[]) {
  test.each(cases[rule])(`${rule}: %s`, (_, doctor) => {
    const { findings } = account(doctored(doctor))
    expect(findings.map((finding) => finding.rule)).toContain(rule)
  })
}

test('a failover may lose what was accepted just before it, and only that; nothing that a replica was to have', () => {
  const evidence = doctored(({ kept: records, runs, faults }) => {
    remove(records, 'a')
    remove(runs, 'a')
    faults.push(fault('failover', 4, 500, [{ what: 'rewound', from: 4, to: 500 }]))
  })
  const { findings, lost, rows } = account(evidence)
  expect(findings).toEqual([])
  expect(lost).toBe(1)
  expect(rows.find((row) => row.fault === 'failover')!.lost).toBe(1)
  evidence.durability = 'replicated'
  expect(account(evidence).findings).toMatchObject([{ rule: 'lost', who: 'a' }])
  evidence.asks[0]!.answer!.what = 'uncertain'
  expect(account(evidence).findings).toEqual([])
  evidence.asks[0]!.answer!.what = 'accepted'
  evidence.durability = 'normal'
  evidence.faults.at(-1)!.hits[0]!.from = 400
  expect(account(evidence).findings).toMatchObject([{ rule: 'lost', who: 'a' }])
})

test('a dispatch whose process was killed may have no answer', () => {
  const evidence = doctored(({ asks, lives }) => {
    delete asks.find(({ n }) => n === 'r')!.answer
    Object.assign(lives.at(-1)!, { to: 21_000, end: 'killed' })
  })
  expect(account(evidence)).toMatchObject({ findings: [], asked: { unanswered: 1 } })
})

test('a handler that begins when its worker wakes up, with a lease that was taken back meanwhile, is no broken promise', () => {
  const evidence = doctored(({ asks, runs, kept: records }) => {
    asks.push(ask('l', 10_400))
    runs.push(run('l', 'w2.1#7', 12_900, ended(12_910)), run('l', 'w1.1#7', 13_502, ended(13_503)))
    records.push(kept('l', 12_911, { runs: 2, crashes: 1, result: 'w2.1#7' }))
  })
  expect(account(evidence).findings).toEqual([])
})
