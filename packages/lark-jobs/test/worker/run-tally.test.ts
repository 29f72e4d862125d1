/** How a worker counts its runs, in bounded counts that can be added up. */
import { expect, test } from 'vitest'
import { BOUNDS, quantile, RunCounts, runEnds, TOLD_BOUNDS } from '../../src/model/run/run-counts.ts'
import { MAX_PAIRS, RunTally } from '../../src/worker/run-tally.ts'

const MINUTE = 60_000

test('a value is counted in the first bucket whose bound it does not exceed', () => {
  const counts = new RunCounts()
  for (const ms of [-3, 0, 0.5, 0.9, 1_000, 86_400_001]) counts.observe('wait', ms)
  const { buckets, sum, count } = counts.histogram('wait')
  expect(buckets.map((each, i) => [BOUNDS[i] ?? Infinity, each]).filter(([, each]) => each !== 0)).toEqual([
    [0.5, 3],
    [1, 1],
    [1_000, 1],
    [Infinity, 1],
  ])
  expect(count).toBe(6)
  expect(sum).toBeCloseTo(86_401_002.4)
  expect(counts.histogram('process').count).toBe(0)
})

test('counts that are stored as text are read unchanged, and a text that no version wrote counts as empty', () => {
  const counts = new RunCounts()
  counts.observe('process', 30)
  for (const [i, end] of runEnds.entries()) counts.ended(end, i + 1)
  const read = RunCounts.read(counts.pack())
  expect(read.pack()).toBe(counts.pack())
  expect(runEnds.map((end) => read.ends(end))).toEqual([1, 2, 3, 4, 5, 6, 7])
  for (const text of [undefined, 7, '', 'x', '1:3', '=', '=1:', '=-1:3', '=zzz:3', '=2:-2', '=0:7', '=3 2:'])
    expect(RunCounts.read(text).pack(), String(text)).toBe('')
  expect(RunCounts.read('=2:3 zz:1').pack()).toBe('=2:3')
})

test('sums of long waits of many jobs are stored as text and read unchanged', () => {
  const counts = new RunCounts()
  const day = 86_400_000
  for (let i = 0; i < 20_000; i++) counts.observe('wait', day)
  expect(RunCounts.read(counts.pack()).histogram('wait').sum).toBe(20_000 * day)
  expect(RunCounts.read(`=${'9'.repeat(30)}`).pack()).toBe('')
})

test('counts can be added up, and can be subtracted from later counts', () => {
  const [one, other] = [RunCounts.read('=3 5:1'), RunCounts.read('=4 6:2')]
  expect(new RunCounts().add(one).add(other).pack()).toBe('=7 5:1 2')
  expect(RunCounts.read('=7 6:2').since(one).pack()).toBe('=4 6:2')
})

test('a quantile lies within its bucket, which is at most 20 % wide', () => {
  for (const [i, bound] of BOUNDS.entries())
    if (i > 0) expect(bound / BOUNDS[i - 1]!).toBeLessThanOrEqual(1.2)
  expect([BOUNDS[0], BOUNDS.at(-1)]).toEqual([0.5, 86_400_000])
  expect(BOUNDS).toEqual(expect.arrayContaining([...TOLD_BOUNDS]))
  const counts = new RunCounts()
  for (let i = 0; i < 200; i++) counts.observe('wait', 65_000)
  for (const share of [0.01, 0.5, 0.99]) {
    const found = quantile(counts.histogram('wait'), share)!
    expect(Math.abs(found / 65_000 - 1)).toBeLessThan(0.2)
  }
  for (let i = 0; i < 800; i++) counts.observe('wait', 90_000_000)
  expect(quantile(counts.histogram('wait'), 1)).toBe(86_400_000)
  expect(quantile(new RunCounts().histogram('wait'), 0.5)).toBeUndefined()
})

test('if there are too many queues and keys, all further ones are counted under one name', () => {
  const tally = new RunTally()
  for (let i = 0; i < MAX_PAIRS + 7; i++) tally.began('emails', `k${i}`, 0, 1).ended('completed')
  tally.crashed('emails', 2)
  tally.crashed('emails', 0)
  const { all } = tally.record(0, 0)!
  expect(Object.keys(all)).toHaveLength(MAX_PAIRS + 1)
  const others = RunCounts.read(all['(others) (others)'])
  expect([others.ends('completed'), others.ends('crashed')]).toEqual([7, 2])
})

test('recent counts cover the last minutes', () => {
  const tally = new RunTally()
  expect(tally.record(0, 0)).toBeUndefined()
  const lately = (now: number) => RunCounts.read(tally.record(now, now)!.lately.emails).ends('completed')
  let done = 0
  const run = () => tally.began('emails', `k${done++ % 3}`, 0, 1).ended('completed')
  // There is one run a minute, and the counts are read every five seconds.
  const seen: number[] = []
  for (let now = 1; now <= 9 * MINUTE; now += 5_000) {
    if ((now - 1) % MINUTE === 0) run()
    seen.push(lately(now))
  }
  expect(seen[0]).toBe(1)
  expect(Math.max(...seen)).toBeLessThanOrEqual(7)
  expect(seen.at(-1)).toBeGreaterThanOrEqual(5)
  for (let now = 9 * MINUTE; now <= 20 * MINUTE; now += 5_000) lately(now)
  expect(lately(20 * MINUTE)).toBe(0)
})

test('runs are counted in the minute in which they became due', () => {
  const tally = new RunTally()
  const arrived = () => tally.record(0, 0)!.arrived.emails!.split(' ').sort()
  for (const at of [10, 10.5, 11]) tally.began('emails', 'a', at * MINUTE, 11 * MINUTE)
  expect(arrived()).toEqual(['10:2', '11:1'])
  // A later minute has taken the place of this minute.
  tally.began('emails', 'a', 6 * MINUTE, 11 * MINUTE)
  tally.began('emails', 'b', 15 * MINUTE, 15 * MINUTE)
  expect(arrived()).toEqual(['11:1', '15:1'])
})

test('the three slowest runs of the last day are kept of each class', () => {
  const tally = new RunTally()
  tally.slow('emails', 'mail', 'never-began', 900, 0)
  tally.began('emails', 'mail', 0, 0)
  expect(tally.record(0, 0)!.slow).toBeUndefined()
  for (const [i, took] of [300, 100, 900.6, 200, 500].entries())
    tally.slow('emails', 'mail', `j${i}`, took, i)
  expect(tally.record(5, 5)!.slow).toEqual({
    'emails mail': [
      ['j2', 901, 2],
      ['j4', 500, 4],
      ['j0', 300, 0],
    ],
  })
  const later = 1_440 * MINUTE + 3
  expect(tally.record(later, later)!.slow).toEqual({ 'emails mail': [['j4', 500, 4]] })
  tally.slow('emails', 'mail', 'j6', 110, later)
  expect(tally.record(later, later)!.slow!['emails mail']!.map(([id]) => id)).toEqual(['j4', 'j6'])
})
