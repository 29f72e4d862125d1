/**
 * The plan for due ticks has the jobs, the recorded ticks, and the time at which the schedule is due again.
 * The tests check the plan for each policy.
 */
import { describe, expect, test } from 'vitest'
import type { ScheduleRun } from '../../src/model/tick.ts'
import type { Definition } from '../../src/schedule/definition.ts'
import {
  begin,
  dueAt,
  failuresInARow,
  LEAD,
  leadOf,
  offsetOf,
  planAhead,
  planResume,
  planTicks,
} from '../../src/schedule/plan.ts'
import { KEEP_ENDED, MAX_MISSED, type ScheduleState } from '../../src/schedule/state.ts'

const MINUTE = 60_000
const start = Date.UTC(2026, 0, 1)

function definition(changes: Partial<Definition> = {}): Definition {
  return {
    timing: { kind: 'every', ms: 10 * MINUTE },
    ...{ missed: 'skip', grace: MINUTE, overlap: 'allow', jitter: 0, pauseAfterFailures: 0, limit: 0 },
    queue: 'default',
    job: { key: 'report', payload: '{}' },
    ...changes,
  }
}

function schedule(
  changes: Partial<Definition> = {},
  state: Partial<ScheduleState> = {},
  runs: ScheduleRun[] = [],
) {
  const defined = definition(changes)
  return { id: 'report', definition: defined, state: { ...begin(defined, start), ...state }, runs }
}

/** Instants in minutes after the start. */
const minutes = (...instants: number[]) => instants.map((at) => (at - start) / MINUTE)
const at = (minute: number) => start + minute * MINUTE

test('a tick becomes one job, and the schedule is due at the next tick', () => {
  const plan = planTicks(schedule(), at(10))
  expect(minutes(...plan.ticks)).toEqual([10])
  expect(plan.state).toMatchObject({ next: at(20), last: at(10), ticks: 1, skipped: [] })
  expect(dueAt({ ...schedule(), state: plan.state })).toBe(at(20) - LEAD)
  expect(planTicks({ ...schedule(), state: plan.state }, at(19)).ticks).toEqual([])
})

test('a tick whose job depends on nothing but the definition is handled before its instant', () => {
  expect(leadOf(definition())).toBe(LEAD)
  expect(leadOf(definition({ overlap: 'queue', missed: 'all', limit: 3, pauseAfterFailures: 2 }))).toBe(LEAD)
  const lock = { name: 'one', until: 'done' } as const
  const job = { key: 'report', payload: '{}', lock }
  const late: Partial<Definition>[] = [{ overlap: 'skip' }, { overlap: 'cancel' }, { jitter: 1 }, { job }]
  for (const changes of late) {
    expect(leadOf(definition(changes))).toBe(0)
    expect(dueAt(schedule({ jitter: 0, ...changes }))).toBe(at(10) + offsetOf('report', changes.jitter ?? 0))
  }
  const early = at(10) - LEAD
  expect(dueAt(schedule())).toBe(early)
  expect(planTicks(schedule(), early).ticks).toEqual([])
  expect(planTicks(schedule(), early - 1, { lead: LEAD }).ticks).toEqual([])
  const plan = planTicks(schedule(), early, { lead: LEAD })
  expect(plan).toMatchObject({ ticks: [at(10)], skipped: 0, state: { last: at(10), next: at(20) } })
  // Whether a tick is late depends on the clock, and not on how early ticks are handled.
  expect(planTicks(schedule({ grace: 100 }), at(10) + 100, { lead: LEAD }).ticks).toEqual([at(10)])
  expect(planTicks(schedule({ grace: 100 }), at(10) + 101, { lead: LEAD }).skipped).toBe(1)
  const last = schedule({ limit: 1 })
  expect(planTicks(last, early, { lead: LEAD }).state.ended).toEqual({ at: early, why: 'limit' })
})

test('instants that were computed in advance count, even if the expression would have other instants now', () => {
  const state = { next: at(7), ahead: [at(9), at(13)] }
  const plan = planTicks(schedule({}, state), at(9))
  expect(minutes(...plan.ticks)).toEqual([7, 9].filter((minute) => 9 - minute <= 1))
  expect(plan.state.next).toBe(at(13))
  expect(minutes(...plan.state.ahead).slice(0, 2)).toEqual([20, 30])
})

test('more instants are computed in advance when few are left, and no instant is lost or repeated', () => {
  const cron = schedule({ timing: { kind: 'cron', expression: '*/10 * * * *' } })
  const ticks: number[] = []
  let { state } = cron
  for (let minute = 0; minute < 600; minute++) {
    const plan = planTicks({ ...cron, state }, at(minute))
    ticks.push(...plan.ticks)
    state = planAhead({ ...cron, state: plan.state }) ?? plan.state
    expect(state.ahead.length).toBeGreaterThan(1)
  }
  expect(minutes(...ticks)).toEqual(Array.from({ length: 59 }, (_, i) => 10 * (i + 1)))
})

describe('ticks that were missed', () => {
  const late = (missed: Definition['missed']) => planTicks(schedule({ missed }), at(50.5))

  test('skip: ticks that are late by more than the grace are recorded', () => {
    const { ticks, state } = late('skip')
    expect(minutes(...ticks)).toEqual([50])
    expect(state.skipped).toEqual([{ from: at(10), to: at(40), count: 4, why: 'missed' }])
    expect(state.next).toBe(at(60))
  })

  test('once: all missed ticks become one job', () => {
    const { ticks, state } = late('once')
    expect(minutes(...ticks)).toEqual([40, 50])
    expect(state.skipped).toEqual([{ from: at(10), to: at(30), count: 3, why: 'missed' }])
  })

  test('all: each missed tick becomes a job', () => {
    const { ticks, state } = late('all')
    expect(minutes(...ticks)).toEqual([10, 20, 30, 40, 50])
    expect(state.skipped).toEqual([])
  })

  test('of more than a thousand missed ticks, the last thousand count', () => {
    const end = at(10 * 5_000)
    const all = planTicks(schedule({ missed: 'all' }), end, { most: 5_000 })
    expect(all.ticks).toHaveLength(MAX_MISSED)
    expect(all.ticks.at(-1)).toBe(end)
    expect(all.state.skipped[0]).toMatchObject({ from: at(10), why: 'missed' })
    expect(all.state.next).toBe(end + 10 * MINUTE)
    const cron = schedule({ missed: 'once', timing: { kind: 'cron', expression: '* * * * *' } })
    const once = planTicks(cron, at(100_000.5))
    expect(minutes(...once.ticks)).toEqual([99_999, 100_000])
  })

  test('a call makes at most a hundred jobs, and the schedule is due at once for the other ticks', () => {
    const first = planTicks(schedule({ missed: 'all' }), at(1_500))
    expect(first.ticks).toHaveLength(100)
    const half = { ...schedule({ missed: 'all' }), state: first.state }
    expect(dueAt(half)).toBe(at(1_010) - LEAD)
    const second = planTicks(half, at(1_500))
    expect(minutes(...second.ticks)).toEqual(Array.from({ length: 50 }, (_, i) => 1_010 + 10 * i))
    expect(second.state).toMatchObject({ ticks: 150, next: at(1_510) })
  })

  test('each tick within the grace becomes a job', () => {
    const { ticks } = planTicks(schedule({ timing: { kind: 'every', ms: 10_000 } }), at(10))
    expect(ticks).toHaveLength(7)
  })
})

describe('overlap', () => {
  const three = { missed: 'all' } as const

  test('skip: no job runs at the same time as the previous job', () => {
    const one = planTicks(schedule({ ...three, overlap: 'skip' }), at(30))
    expect(minutes(...one.ticks)).toEqual([10])
    expect(one.state.skipped).toEqual([{ from: at(20), to: at(30), count: 2, why: 'overlap' }])
    const none = planTicks(schedule({ ...three, overlap: 'skip' }), at(30), { isRunning: true })
    expect(none.ticks).toEqual([])
    expect(none.state).toMatchObject({ next: at(40), ticks: 0, skipped: [{ count: 3, why: 'overlap' }] })
  })

  test('cancel: only the last of several ticks becomes a job', () => {
    const { ticks } = planTicks(schedule({ ...three, overlap: 'cancel' }), at(30), { isRunning: true })
    expect(minutes(...ticks)).toEqual([30])
  })

  test.each(['allow', 'queue'] as const)('%s: each tick becomes a job', (overlap) => {
    const { ticks } = planTicks(schedule({ ...three, overlap }), at(30), { isRunning: true })
    expect(ticks).toHaveLength(3)
  })
})

test('jitter: the id of the schedule determines by how much all its ticks are delayed', () => {
  const jitter = 5 * MINUTE
  const offset = offsetOf('report', jitter)
  expect(offset).toBeGreaterThan(0)
  expect(offset).toBeLessThanOrEqual(jitter)
  const late = schedule({ jitter })
  expect(dueAt(late)).toBe(at(10) + offset)
  expect(planTicks(late, at(10) + offset - 1).ticks).toEqual([])
  expect(planTicks(late, at(10) + offset).ticks).toEqual([at(10)])
  const offsets = new Set(Array.from({ length: 100 }, (_, n) => offsetOf(`report-${n}`, jitter)))
  expect(offsets.size).toBeGreaterThan(95)
})

describe('the end of a schedule', () => {
  test('a schedule ends after its limit of ticks', () => {
    const plan = planTicks(schedule({ limit: 2, missed: 'all' }), at(50))
    expect(minutes(...plan.ticks)).toEqual([10, 20])
    expect(plan.state).toMatchObject({ ended: { at: at(50), why: 'limit' }, ahead: [] })
    expect(plan.state.next).toBeUndefined()
    expect(dueAt({ ...schedule(), state: plan.state })).toBe(at(50) + KEEP_ENDED)
  })

  test('a schedule ends when no instant is left', () => {
    const until = at(15)
    const plan = planTicks(schedule({ timing: { kind: 'every', ms: 10 * MINUTE, until } }), at(10))
    expect(minutes(...plan.ticks)).toEqual([10])
    expect(plan.state.ended).toEqual({ at: at(10), why: 'over' })
    expect(
      begin(definition({ timing: { kind: 'cron', expression: '0 0 30 2 *' } }), start).ended,
    ).toBeDefined()
  })
})

describe('failures', () => {
  const run = (state: ScheduleRun['state'], minute: number): ScheduleRun => ({
    tick: at(minute),
    state,
    at: at(minute),
  })

  test('after the configured number of failures in a row, the schedule is paused before its next tick', () => {
    const runs = [
      run('failed', 1),
      run('completed', 2),
      run('failed', 3),
      run('cancelled', 4),
      run('failed', 5),
    ]
    const two = schedule({ pauseAfterFailures: 2 }, {}, runs)
    expect(failuresInARow(two.state, runs)).toBe(2)
    const plan = planTicks(two, at(10))
    expect(plan.ticks).toEqual([])
    expect(plan.state.paused).toEqual({ at: at(10), because: '2 runs failed in a row' })
    expect(dueAt({ ...two, state: plan.state })).toBeUndefined()
    expect(planTicks(schedule({ pauseAfterFailures: 3 }, {}, runs), at(10)).ticks).toHaveLength(1)
  })

  test('failures before the last resume of the schedule do not count', () => {
    const runs = [run('failed', 1), run('failed', 2)]
    const resumed = schedule({ pauseAfterFailures: 2 }, { resumedAt: at(3) }, runs)
    expect(planTicks(resumed, at(10)).ticks).toHaveLength(1)
  })
})

describe('the end of a pause', () => {
  const paused = schedule({ grace: 100 * MINUTE, missed: 'all' }, { paused: { at: at(5) } })

  test.each([
    ['skip', [], 4],
    ['once', [40], 3],
    ['all', [10, 20, 30, 40], 0],
  ] as const)('%s', (missed, expected, skipped) => {
    const plan = planResume(paused, at(45), missed)
    expect(minutes(...plan.ticks)).toEqual(expected)
    expect(plan.state.skipped.map(({ count, why }) => ({ count, why }))).toEqual(
      skipped === 0 ? [] : [{ count: skipped, why: 'paused' }],
    )
    expect(plan.state).toMatchObject({ next: at(50), resumedAt: at(45) })
    expect(plan.state.paused).toBeUndefined()
  })

  test('if ticks do not fit in one call, the earliest ones are skipped', () => {
    const plan = planResume(paused, at(45), 'all', { most: 3 })
    expect(minutes(...plan.ticks)).toEqual([20, 30, 40])
    expect(plan.state.skipped).toEqual([{ from: at(10), to: at(10), count: 1, why: 'paused' }])
  })
})

test('a new definition starts from the present time, and the schedule keeps its history', () => {
  const { state } = planTicks(schedule({ missed: 'skip' }), at(40))
  const paused = { ...state, paused: { at: at(41), because: 'why' } }
  const hourly = definition({ timing: { kind: 'every', ms: 60 * MINUTE } })
  expect(begin(hourly, at(45), paused)).toMatchObject({
    ...{ next: at(60), ticks: 0, since: at(45), last: at(40) },
    skipped: state.skipped,
    paused: { because: 'why' },
  })
})
