/** Compares all ticks of a year with an independent calculation (`second-source.ts`). */
import { Cron } from 'croner'
import { expect, test } from 'vitest'
import { readCron } from '../../src/options/schedules/cron-text.ts'
import type { Timing } from '../../src/options/schedules/timing.ts'
import { clockChanges, unusualDays } from '../../src/schedule/explained-clock-changes.ts'
import { instantsAfter, instantsBetween, instantsUpTo } from '../../src/schedule/next-ticks.ts'
import { Random } from '../conformance/random.ts'
import { end, expected, localTimes, MINUTE, plans, start, YEAR, zones } from './second-source.ts'

const HOUR = 60 * MINUTE

/**
 * Returns the days around each clock change, and the first days of the year, but the whole year for the first
 * zone.
 */
function framesOf(timezone: string, times: ReadonlyMap<number, number>): [from: number, to: number][] {
  if (timezone === zones[0]) return [[start, end]]
  const offsets = [...times].map(([at, local]) => [at, local - at] as const)
  const changes = offsets.flatMap(([at, offset], i) => (i > 0 && offset !== offsets[i - 1]![1] ? at : []))
  const around = changes.map((at): [number, number] => [at - 48 * HOUR, at + 48 * HOUR])
  return [[start, start + 48 * HOUR], ...around]
}

// croner takes 80 µs for each tick, and a year has 20,000 ticks.
test.each(zones)('%s: the ticks of a year, or of the days of clock changes, are right', (timezone) => {
  const times = localTimes(timezone)
  const frames = framesOf(timezone, times)
  for (const plan of plans) {
    const found = frames.flatMap(([from, to]) => instantsBetween(plan.expression, timezone, from, to))
    const right = expected(plan, times).filter((at) => frames.some(([from, to]) => at >= from && at < to))
    expect({ [plan.expression]: iso(found) }).toEqual({ [plan.expression]: iso(right) })
  }
})

test.each(zones)('%s: a backward search finds the same instants as a forward search', (timezone) => {
  for (const expression of ['30 23 * * *', '0,30 0-3 * * *', '45 1 * * 6,0']) {
    const timing: Timing = { kind: 'cron', expression, timezone }
    const changes = clockChanges(timezone, YEAR)
    // The last ten instants before each change, from about a weekend.
    const all = changes.flatMap(({ at }) =>
      instantsBetween(expression, timezone, at - 36 * 24 * HOUR, at + 6 * HOUR),
    )
    for (const upTo of changes.flatMap(({ at }) => [at - 1, at, at + 1, at + 5 * HOUR])) {
      const found = instantsUpTo(timing, start, upTo, 9)
      expect(iso(found), `${expression} ${iso([upTo])}`).toEqual(
        iso(all.filter((at) => at <= upTo).slice(-10)),
      )
    }
  }
})

test('unusualDays() returns the days on which a clock change affects the ticks', () => {
  const paris = unusualDays('30 2 * * *', 'Europe/Paris', YEAR)
  expect(paris.map(({ named, ticks }) => [iso(named), iso(ticks)])).toEqual([
    [['2026-03-29T02:30:00.000Z'], ['2026-03-29T01:00:00.000Z']],
    [['2026-10-25T02:30:00.000Z'], ['2026-10-25T00:30:00.000Z']],
  ])
  expect(unusualDays('*/15 * * * *', 'Europe/Paris', YEAR)).toEqual([])
  expect(unusualDays('0 8 * * *', 'Europe/Paris', YEAR)).toEqual([])
  const [skipped, repeated] = unusualDays('*/30 2 * * *', 'Europe/Paris', YEAR)
  expect([skipped!.ticks.length, repeated!.ticks.length]).toEqual([0, 4])
  // In this zone, the clock changes by half an hour.
  expect(unusualDays('45 1 * * *', 'Australia/Lord_Howe', YEAR)).toHaveLength(1)
  expect(clockChanges('Asia/Kathmandu', YEAR)).toEqual([])
  // The expression ticks every hour, and the clock changes by half an hour.
  const [twice, gone] = unusualDays('45 * * * *', 'Australia/Lord_Howe', YEAR)
  expect([twice!.ticks.length, gone]).toEqual([2, undefined])
  expect(iso(unusualDays('0 * * * *', 'Australia/Lord_Howe', YEAR)[0]!.named)).toEqual([
    '2026-10-04T02:00:00.000Z',
  ])
  expect(unusualDays('*/30 * * * *', 'Australia/Lord_Howe', YEAR)).toEqual([])
  // The clock goes forward at midnight, so the day begins at 01:00.
  const [cairo] = unusualDays('0 0 * * *', 'Africa/Cairo', YEAR)
  expect(iso(cairo!.ticks)).toEqual(['2026-04-23T22:00:00.000Z'])
})

test('intervals are aligned to the clock, and bounded by from and until', () => {
  const at = Date.parse('2026-11-26T08:07:00Z')
  const every: Timing = { kind: 'every', ms: 15 * MINUTE }
  expect(iso(instantsAfter(every, at, 3))).toEqual([
    '2026-11-26T08:15:00.000Z',
    '2026-11-26T08:30:00.000Z',
    '2026-11-26T08:45:00.000Z',
  ])
  const [from, until] = [Date.parse('2026-12-01T09:00:00Z'), Date.parse('2026-12-02T09:00:00Z')]
  expect(instantsAfter({ ...every, until: at + 30 * MINUTE }, at, 9)).toHaveLength(2)
  expect(instantsAfter({ ...every, from }, at, 1)).toEqual([from])
  const daily: Timing = { kind: 'cron', expression: '0 9 * * *', from, until }
  expect(instantsAfter(daily, at, 5)).toEqual([from, until])
  expect(instantsAfter({ kind: 'cron', expression: '0 0 30 2 *' }, at, 1)).toEqual([])
})

test('croner can read each accepted expression, and finds the next tick quickly', () => {
  const random = new Random(7)
  const entries = [
    '*',
    '0',
    '5',
    '7',
    '12',
    '31',
    '1-5',
    '5-1',
    '*/5',
    '*/99',
    '0-59/9',
    '9/2',
    'L',
    'LW',
    '15W',
    '5#2',
    '5L',
    'MON',
    'jan',
    'JAN-MAR',
    'x',
    '',
    '1--9',
    '-1',
    '60',
    '1-5-9',
    '0#6',
    '1,2,3',
    '99999999',
  ]
  let taken = 0
  for (let n = 0; n < 20_000; n++) {
    const entry = () => (random.chance(2) ? '*' : random.pick(entries)!)
    const text = Array.from({ length: 4 + random.below(4) }, entry).join(' ')
    const read = readCron(text)
    if ('wrong' in read) continue
    taken++
    expect(
      () => new Cron(read.expression, { mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' }),
      text,
    ).not.toThrow()
  }
  expect(taken).toBeGreaterThan(300)
})

test.each([
  ['0 8 * *', 'five fields'],
  ['60 * * * *', "its minute, '60', must be made of numbers from 0 to 59"],
  ['0 0 1--100000000 * *', "its day of the month, '1--100000000'"],
  ['0 0 * * FRI-MON', 'has a range that ends before it begins'],
  ['5/15 * * * *', 'write 5-59/15'],
  ['@reboot', '@hourly'],
  ['\x1b[31m * * * *', "'\\x1B[31M'"],
  ['1,'.repeat(150), 'characters'],
])('%s is refused, and the message says what is allowed', (expression, part) => {
  expect(readCron(expression)).toEqual({ wrong: expect.stringContaining(part) })
})

function iso(instants: readonly number[]): string[] {
  return instants.map((at) => new Date(at).toISOString())
}
