/**
 * The accountant must find broken promises. Each test takes the evidence of a run without broken promises,
 * and changes the evidence.
 *
 * This folder has more than 25 files: the files are parts of one program. The roles and the faults have
 * folders of their own.
 */
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { account } from './accountant.ts'
import type { Evidence, Kept } from './evidence.ts'
import { Journals } from './journals.ts'
import { type Rule, rules } from './rules.ts'
import { ask, ended, fault, kept, run, sound, step } from './sound.ts'

/** Makes correct evidence with one change. */
function doctored(doctor: (evidence: Evidence) => void): Evidence {
  const evidence = structuredClone(sound())
  doctor(evidence)
  return evidence
}

/** Changes the record of a job. */
function change({ kept: records }: Evidence, n: string, more: Partial<Kept>): void {
  Object.assign(records.find((each) => each.n === n)!, more)
}

const record = ({ kept: records }: Evidence, n: string) => records.find((each) => each.n === n)!
const flow = ({ keptFlows }: Evidence, id: string) => keptFlows.find((each) => each.id === id)!
const flowAsk = ({ flowAsks }: Evidence, id: string) => flowAsks.find(({ plan }) => plan.flow === id)!
const runOf = ({ runs }: Evidence, n: string) => runs.find((each) => each.n === n)!
const remove = <T extends { n: string }>(list: T[], n: string) => {
  const at = list.findIndex((each) => each.n === n)
  list.splice(at, 1)
}

test('the accountant finds nothing in correct evidence, and counts the cost of each fault', () => {
  const { findings, asked, kept, flows, arrived, lost, limits, rows } = account(sound())
  expect(findings).toEqual([])
  expect(asked).toEqual({ accepted: 14, met: 1, refused: 1, uncertain: 1, unanswered: 0 })
  expect({ kept, arrived, lost }).toEqual({
    kept: { completed: 13, failed: 2, left: 0 },
    arrived: 1,
    lost: 0,
  })
  expect(flows).toEqual({
    asked: { accepted: 6, refused: 1, uncertain: 0, unanswered: 1 },
    kept: { completed: 4, failed: 2, cancelled: 1, left: 0 },
    touched: { cancel: 1, retry: 1, add: 2 },
    ...{ lost: 0, jobs: 17, callbacks: 15, doubled: 0, deviations: [] },
  })
  expect(limits).toEqual([{ queue: 'narrow', most: 3, highest: 3, looks: 900 }])
  expect(rows).toMatchObject([
    { fault: 'kill', times: 1, inFlight: 4, again: { killed: 2 } },
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
    ['a flow that nobody asked for', (evidence) => evidence.flowAsks.shift()],
  ],
  'refused-but-queued': [
    ['a refused job that is kept', ({ kept: records }) => records.push(kept('r', 30_000))],
    [
      'a refused flow that ended',
      (evidence) => Object.assign(flowAsk(evidence, 'x').answer!, { what: 'refused' }),
    ],
    [
      'a member that was not added',
      (evidence) => evidence.kept.push({ ...record(evidence, 'p/0'), id: 'late', n: 'p/late-0' }),
    ],
    [
      'a step that was not added',
      (evidence) => Object.assign(evidence.touches[1]!.answer!, { what: 'refused' }),
    ],
    ['a refused job that ran', ({ runs }) => runs.push(run('r', 'w2.1#9', 24_000, ended(24_001)))],
    [
      'a job that met another of its kind, and ran',
      ({ runs }) => runs.push(run('l', 'w2.1#9', 30_110, ended(30_115))),
    ],
  ],
  'queued-twice': [
    [
      'a callback with two ids',
      (evidence) => evidence.kept.push({ ...record(evidence, 'x/on-ended'), id: 'other' }),
    ],
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
  'step-again': [
    [
      'a step that was known before the run began',
      ({ steppings }) => steppings[0]!.events.push(step('begun', 'one', 'w1.1#2', 3_310)),
    ],
  ],
  'not-undone': [
    ['a failed job with a step that is as it was', ({ steppings }) => void steppings[1]!.events.pop()],
    [
      'a step that began again after it was undone',
      ({ steppings }) => steppings[1]!.events.push(step('begun', 'seat', 'w1.1#16', 3_352)),
    ],
  ],
  'undone-early': [
    [
      'a step that was undone before the one after it',
      ({ steppings }) => Object.assign(steppings[1]!.events[8]!, { at: 3_341 }),
    ],
    ['a step of a job that completed', (evidence) => change(evidence, 'z', { states: ['completed'] })],
  ],
  'undone-late': [
    ['a job that ended before it was undone', (evidence) => change(evidence, 'z', { finishedAt: 3_345 })],
  ],
  'undone-again': [
    [
      'an undo that was recorded when the run began',
      ({ steppings, runs }) => {
        runs.push(run('z', 'w1.1#17', 3_351, { at: 3_351, what: 'parted' }, 'saga'))
        steppings[1]!.events.push(step('undo begun', 'meal', 'w1.1#17', 3_352))
      },
    ],
  ],
  'signal-lost': [
    [
      'a wait that ended without the signal that was kept',
      ({ steppings }) => Object.assign(steppings[0]!, { missedAt: 9_000 }),
    ],
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
    ['a cancellation without an answer', (evidence) => delete evidence.touches.at(-1)!.answer],
    ['a flow without an answer', (evidence) => delete flowAsk(evidence, 'x').answer],
    ['a dispatch without an answer', (evidence) => delete evidence.asks.find(({ n }) => n === 'r')!.answer],
  ],
  'second-of-kind': [
    ['two at a time', (evidence) => change(evidence, 'k', { finishedAt: 30_600 })],
    ['beside one that never ends', (evidence) => delete record(evidence, 'k').finishedAt],
    [
      'uncertain, and begun before the first had ended',
      (evidence) => {
        Object.assign(evidence.asks.find(({ n }) => n === 'm')!.answer!, { what: 'uncertain' })
        change(evidence, 'k', { finishedAt: 30_600 })
      },
    ],
  ],
  'left-behind': [
    ['in the way after it ended', (evidence) => change(evidence, 'k', { finishedAt: 30_050 })],
    ['in the way, and not there', ({ asks }) => Object.assign(asks[9]!.answer!, { other: 'nobody' })],
  ],
  'over-limit': [
    ['one lease too many, for a moment', ({ limits }) => limits[0]!.active.push({ at: 4_000, count: 4 })],
  ],
  'out-of-turn': [
    ['begun while the one before it ran', (evidence) => change(evidence, 's', { finishedAt: 3_400 })],
    [
      'begun while it waited to be run again',
      ({ runs }) => Object.assign(runs.find(({ n }) => n === 't')!, { at: 2_000 }),
    ],
  ],
  'over-permits': [
    [
      'one more than there are permits',
      ({ runs }) => Object.assign(runs.find(({ n }) => n === 'v')!, { at: 31_050 }),
    ],
  ],
  'flow-lost': [
    ['an accepted flow that is not there', ({ keptFlows }) => keptFlows.splice(0, 1)],
    [
      'an unanswered one whose jobs ran',
      ({ keptFlows }) =>
        keptFlows.splice(
          keptFlows.findIndex(({ id }) => id === 'w'),
          1,
        ),
    ],
  ],
  'flow-open': [
    [
      'it waits for a job that has ended',
      (evidence) => Object.assign(flow(evidence, 'x'), { state: 'open' }),
    ],
    ['its callback is never heard of', (evidence) => flow(evidence, 'x').runs.push('CallbackJob')],
    [
      'a flow in a flow does not end',
      (evidence) => Object.assign(flow(evidence, 'inner'), { state: 'open' }),
    ],
    [
      'a batch fills, and its dispatcher died long ago',
      (evidence) => Object.assign(flow(evidence, 'w'), { state: 'filling' }),
    ],
  ],
  'flow-wrong-end': [
    [
      'failed, though all of its jobs completed',
      (evidence) => Object.assign(flow(evidence, 'x'), { state: 'failed' }),
    ],
    [
      'completed, though a job failed',
      (evidence) => Object.assign(flow(evidence, 'z'), { state: 'completed', reason: undefined }),
    ],
    [
      'failed, though no member of it did',
      (evidence) => change(evidence, 'z/0', { states: ['cancelled'], failures: 0 }),
    ],
    [
      'the failure of a side was not taken care of',
      (evidence) => delete flowAsk(evidence, 'y').plan.nodes![3]!.ifFailed,
    ],
    ['a job that is not in the store', (evidence) => remove(evidence.kept, 'x/0')],
    ['cancelled by nobody', (evidence) => evidence.touches.pop()],
    [
      'completed, though it was cancelled',
      ({ touches }) => touches.push({ ...touches.at(-1)!, flow: 'x', at: 40_012 }),
    ],
    [
      'given up, though its dispatcher lives',
      (evidence) => Object.assign(flowAsk(evidence, 'w'), { answer: { at: 40_100, what: 'accepted' } }),
    ],
  ],
  'flow-wrong-count': [
    ['a member counted twice', (evidence) => flow(evidence, 'z').counts.completed++],
    [
      'a failure that was none',
      (evidence) => Object.assign(flow(evidence, 'y').counts, { completed: 4, failed: 0 }),
    ],
    [
      'more members than were asked for',
      (evidence) => Object.assign(flow(evidence, 'w').counts, { total: 10, failed: 9 }),
    ],
  ],
  'flow-wrong-nodes': [
    ['a node that nobody added', (evidence) => evidence.touches.splice(1, 1)],
    [
      'a step after another than the last',
      (evidence) => Object.assign(flow(evidence, 'q').nodes[2]!, { after: ['q/0'] }),
    ],
    ['a node that is gone', (evidence) => flow(evidence, 'x').nodes.splice(1, 1)],
    ['started again by nobody', (evidence) => evidence.touches.splice(0, 1)],
  ],
  'not-added': [
    [
      'a step',
      (evidence) => {
        flow(evidence, 'q').nodes.splice(2, 1)
        remove(evidence.kept, 'q/more')
      },
    ],
    [
      'a member',
      (evidence) => {
        remove(evidence.kept, 'p/more-0')
        remove(evidence.runs, 'p/more-0')
      },
    ],
  ],
  'flow-too-early': [
    ['a step before the one before it', (evidence) => Object.assign(runOf(evidence, 'x/1'), { at: 40_005 })],
    [
      'a node before the batch that it waits for',
      (evidence) => Object.assign(runOf(evidence, 'y/end'), { at: 40_015 }),
    ],
    ['a callback before the end', (evidence) => Object.assign(runOf(evidence, 'z/on-ended'), { at: 40_030 })],
  ],
  'no-callback': [
    ['one of the end before it was started again', (evidence) => remove(evidence.kept, 'q/on-ended')],
    [
      'a callback that was never queued',
      ({ kept: records, runs }) => {
        remove(records, 'x/on-ended')
        remove(runs, 'x/on-ended')
      },
    ],
  ],
  'wrong-callback': [
    ['one for another end', ({ kept: records }) => records.push(kept('x/on-failed', 40_055))],
    [
      'one that read another state',
      (evidence) => Object.assign(runOf(evidence, 'x/on-ended').read!, { state: 'open' }),
    ],
    [
      'one more than it has ended',
      (evidence) => Object.assign(flow(evidence, 'q').nodes[3]!, { generation: 2 }),
    ],
    ['one that read other counts', (evidence) => runOf(evidence, 'z/on-failed').read!.counts.failed--],
  ],
  'wrong-result': [
    [
      'the result of a run that did not count',
      (evidence) => Object.assign(runOf(evidence, 'x/1'), { got: { 'x/0': 'w0.1#9' } }),
    ],
    ['no result', (evidence) => delete runOf(evidence, 'x/1').got],
    [
      'a result of a job that failed',
      (evidence) => Object.assign(runOf(evidence, 'y/end'), { got: { 'y/bad': 'w1.1#y/bad' } }),
    ],
  ],
  'odd-error': [
    [
      'a TypeError of an addition',
      (evidence) => Object.assign(evidence.touches[1]!.answer!, { what: 'odd', message: 'TypeError' }),
    ],
    [
      'a flow that was not new',
      (evidence) => Object.assign(flowAsk(evidence, 'x'), { answer: { at: 40_005, what: 'odd' } }),
    ],
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

test('a failover may lose only jobs that were accepted just before the failover, and no job that a replica had confirmed', () => {
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

test('if a failover loses the start of an inner flow, the inner flow starts again, and its jobs run again with other ids', () => {
  const evidence = doctored(({ runs, steppings, faults }) => {
    const [lost, again] = [
      run('y/in-0', 'w2.1#90', 40_012, ended(40_013)),
      runOf({ runs } as Evidence, 'y/in-0'),
    ]
    runs.push({ ...lost, id: 'lost' })
    const events = [lost, again].flatMap(({ serial, at }) => [
      step('begun', 'one', serial, at),
      step('known', 'one', serial, at),
    ])
    steppings.push({ n: 'y/in-0', events })
    faults.push(fault('failover', 40_001, 40_004, [{ what: 'rewound', from: 40_001, to: 40_004 }]))
  })
  expect(account(evidence).findings).toEqual([])
  for (const each of evidence.runs) if (each.id === 'lost') each.id = 'id-y/in-0'
  expect(account(evidence).findings).toMatchObject([{ rule: 'step-again', who: 'y/in-0' }])
})

test('a job that ran to its end and is not kept is found also if its number is kept with another id', () => {
  const evidence = doctored(({ runs }) => runs.push({ ...run('a', 'w2.1#9', 5, ended(6)), id: 'gone' }))
  expect(account(evidence).findings).toMatchObject([{ rule: 'vanished', who: 'a' }])
})

test('a unique job that the new primary refused as a duplicate may have run on the old primary, and may be missing in the store', () => {
  const evidence = doctored(({ runs, faults }) => {
    runs.push(run('l', 'w2.1#9', 30_102, ended(30_103)))
    faults.push(fault('node frozen', 30_090, 30_104, [{ what: 'rewound', from: 30_090, to: 30_104 }]))
  })
  expect(account(evidence).findings).toEqual([])
  evidence.kept.push(kept('l', 30_103))
  expect(account(evidence).findings).toContainEqual(
    expect.objectContaining({ rule: 'refused-but-queued', who: 'l' }),
  )
})

test('an uncertain unique job may have arrived after the job that was its duplicate when it was dispatched', () => {
  const evidence = doctored(({ asks }) => {
    const late = { at: 30_100, answer: { at: 30_200, what: 'uncertain' as const } }
    Object.assign(asks.find(({ n }) => n === 'm')!, late)
  })
  expect(account(evidence).findings).toEqual([])
})

test('a dispatch whose process was killed may have no answer', () => {
  const evidence = doctored(({ asks, lives }) => {
    delete asks.find(({ n }) => n === 'r')!.answer
    Object.assign(lives.at(-1)!, { to: 21_000, end: 'killed' })
  })
  expect(account(evidence)).toMatchObject({ findings: [], asked: { unanswered: 1 } })
})

test('when a stopped worker goes on, it may begin a handler although the lease of the job was taken back meanwhile', () => {
  const evidence = doctored(({ asks, runs, kept: records }) => {
    asks.push(ask('l', 10_400))
    runs.push(run('l', 'w2.1#7', 12_900, ended(12_910)), run('l', 'w1.1#7', 13_502, ended(13_503)))
    records.push(kept('l', 12_911, { runs: 2, crashes: 1, result: 'w2.1#7' }))
  })
  expect(account(evidence).findings).toEqual([])
})

test('a failover may lose a flow that was accepted just before the failover, and may set other flows back, which are counted separately', () => {
  const evidence = doctored((evidence) => {
    evidence.keptFlows.shift()
    for (const n of ['x/0', 'x/1', 'x/on-ended', 'x/on-completed']) remove(evidence.kept, n)
    flow(evidence, 'y').counts.completed++
    evidence.runs.push({ ...runOf(evidence, 'z/on-ended'), serial: 'w2.1#99', at: 40_060 })
    evidence.faults.push(fault('failover', 39_990, 40_500, [{ what: 'rewound', from: 39_990, to: 40_500 }]))
  })
  const { findings, flows } = account(evidence)
  expect(findings).toEqual([])
  expect(flows).toMatchObject({ lost: 1, doubled: 1 })
  expect(flows.deviations.map(({ rule }) => rule)).toEqual([
    'flow-wrong-count',
    'wrong-callback',
    'wrong-callback',
  ])
  flow(evidence, 'y').state = 'open'
  expect(account(evidence).findings).toMatchObject([{ rule: 'flow-open', who: 'y' }])
})

test('a batch whose members completed may be cancelled only if its flow was cancelled', () => {
  const evidence = doctored((evidence) => {
    const counts = { ...flow(evidence, 'y').counts, completed: 2, cancelled: 1 }
    Object.assign(flow(evidence, 'y'), { state: 'cancelled', reason: 'user', counts })
    flow(evidence, 'y').nodes[2]!.state = 'x'
    flow(evidence, 'y').nodes.find(({ on }) => on === 'completed')!.state = '-'
    remove(evidence.kept, 'y/on-completed')
    remove(evidence.runs, 'y/on-completed')
    runOf(evidence, 'y/on-ended').read = { state: 'cancelled', counts }
    evidence.touches.push({ ...evidence.touches.at(-1)!, flow: 'y' })
  })
  expect(account(evidence).findings).toEqual([])
  evidence.touches.pop()
  expect(account(evidence).findings.map(({ rule }) => rule)).toContain('flow-wrong-count')
})

test('a batch that was cancelled while members were added may count members that were never queued', () => {
  const evidence = doctored((evidence) => {
    const counts = { ...flow(evidence, 'z').counts, completed: 0, failed: 0, cancelled: 3 }
    Object.assign(flow(evidence, 'z'), { state: 'cancelled', reason: 'user', counts })
    flow(evidence, 'z').nodes.find(({ on }) => on === 'failed')!.state = '-'
    const isLeft = ({ n }: { n: string }) => !['z/0', 'z/1', 'z/2', 'z/on-failed'].includes(n)
    evidence.kept = evidence.kept.filter(isLeft)
    evidence.runs = evidence.runs.filter(isLeft)
    runOf(evidence, 'z/on-ended').read = { state: 'cancelled', counts }
    evidence.touches.push({ ...evidence.touches.at(-1)!, flow: 'z', at: flowAsk(evidence, 'z').at })
  })
  expect(account(evidence).findings).toEqual([])
  evidence.touches.at(-1)!.at = flowAsk(evidence, 'z').answer!.at
  expect(account(evidence).findings.map(({ rule }) => rule)).toContain('flow-wrong-count')
})

test('a batch that was given up cancels its waiting members, and may be unfinished if a part of the store was away until the end of the run', () => {
  const left = (away: number) =>
    doctored((evidence) => {
      const counts = { ...flow(evidence, 'w').counts, cancelled: 1, failed: 0 }
      Object.assign(flow(evidence, 'w'), { state: 'ending', counts })
      Object.assign(evidence.kept.find(({ n }) => n === 'w/0')!, { states: ['cancelled'], runs: 0 })
      for (const n of ['w/on-ended', 'w/on-failed']) {
        remove(evidence.kept, n)
        remove(evidence.runs, n)
      }
      remove(evidence.runs, 'w/0')
      evidence.faults.push(fault('slot moved', 40_000, away, [{ what: 'outage', from: 40_000, to: away }]))
    })
  expect(account(left(140_000))).toMatchObject({ findings: [], flows: { kept: { left: 1 } } })
  expect(account(left(100_000)).findings).toMatchObject([{ rule: 'flow-open', who: 'w' }])
})

test('a batch of a dead dispatcher may be in the phase of filling until it is given up', () => {
  const evidence = doctored((evidence) => {
    Object.assign(flow(evidence, 'w'), { state: 'filling' })
    for (const n of ['w/on-ended', 'w/on-failed']) {
      remove(evidence.kept, n)
      remove(evidence.runs, n)
    }
    evidence.readAt = 60_000
  })
  expect(account(evidence)).toMatchObject({ findings: [], flows: { kept: { left: 1 } } })
})

test('each line of a journal counts once, even if several callers read the journals at the same time', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-journals-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const journals = new Journals(folder)
  await appendFile(
    journals.pathOf('w0.1'),
    `${JSON.stringify({ at: 2, by: 'w0.1', what: 'stood', from: 1 })}\n`,
  )
  const readings = await Promise.all([journals.read(), journals.read()])
  expect(readings[0].standstills).toEqual([{ what: 'held', by: 'w0.1', from: 1, to: 2 }])
})
