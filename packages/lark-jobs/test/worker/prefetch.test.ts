import { describe, expect, test } from 'vitest'
import type { ClaimedJob } from '../../src/model/record.ts'
import { type Preset, paces } from '../../src/options/preset.ts'
import { Prefetch } from '../../src/worker/fetch/prefetch.ts'
import { Ledger } from '../../src/worker/lease/ledger.ts'

const noJobs: ClaimedJob[] = []

/**
 * Returns the prefetch of a worker with this preset, after 20 milliseconds in which `speed` jobs per
 * millisecond have ended.
 */
function prefetching(preset: Preset, speed: number): Prefetch {
  const one = new Prefetch(new Ledger(), 0, paces[preset])
  for (let now = 0; now < 20; now++) {
    one.push(now, noJobs, false, now, now)
    for (let n = 0; n < speed; n++) one.ended(0.1)
  }
  return one
}

describe('how many jobs are prefetched', () => {
  test.each<[Preset, number, number]>([
    ['balanced', 0, 0],
    ['balanced', 20, 200],
    ['balanced', 100, 800],
    ['throughput', 20, 500],
    ['throughput', 100, 1_000],
    ['spread', 20, 0],
    ['spread', 100, 0],
  ])('%s at %i jobs a millisecond: %i', (preset, speed, held) => {
    expect(prefetching(preset, speed)).toMatchObject({ target: held, want: held })
  })
})

describe('a preset', () => {
  test.each(Object.entries(paces))(
    '%s prefetches at most half of its window',
    (_preset, { window, horizon }) => {
      expect(horizon).toBeLessThanOrEqual(window / 2)
    },
  )

  test.each<[Preset, number]>([
    ['balanced', 20],
    ['throughput', 50],
  ])('%s gives jobs back that have not started after %i ms', (preset, window) => {
    const one = prefetching(preset, 20)
    const job = { id: 'a', token: 'me.1', runs: 1 } as ClaimedJob
    one.push(21, [job], false, 100, 1_000)
    expect(one.overdue(100 + window - 1)).toEqual([])
    expect(one.overdue(100 + window)).toEqual([job])
    expect(one.target).toBe(0)
  })

  test('when a prefetched job is given back, all later jobs are given back, too, so that no later job starts first', () => {
    const one = prefetching('balanced', 20)
    const [first, second, later] = ['a', 'b', 'c'].map((id) => ({ id, token: 'me.1', runs: 1 }) as ClaimedJob)
    one.push(21, [first!, second!], false, 100, 1_000)
    one.push(22, [later!], false, 115, 1_000)
    expect(one.take()!.job).toBe(first)
    expect(one.overdue(119)).toEqual([])
    expect(one.overdue(120)).toEqual([second, later])
    expect([one.size, one.take()]).toEqual([0, undefined])
  })
})
