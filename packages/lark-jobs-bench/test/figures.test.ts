import { describe, expect, test } from 'vitest'
import { adviceOn } from '../src/advice.ts'
import { limitOf, percentile } from '../src/figure.ts'

describe('advice on a measured store', () => {
  const redis = { connection: 'redis://localhost', durability: 'normal' } as const

  test.each([
    [0.05, 0.12],
    [0, 0.9],
    [0.9, 1.8],
  ])('no advice is given if a round trip takes %d ms and a dispatch takes %d ms', (roundTrip, dispatch) => {
    expect(adviceOn(roundTrip, dispatch, redis)).toBeUndefined()
  })

  test.each([
    ['normal', 'redis://localhost', 'the server is busy, or waits for its disk (appendfsync always).'],
    ['normal', 'sqlite:/app/jobs.db', 'the disk is slow, or others use it.'],
    ['strict', 'redis://localhost', "it waits for the disk, as durability 'strict' says."],
    ['strict', 'sqlite:/app/jobs.db', "it waits for the disk, as durability 'strict' says."],
    ['replicated', 'redis://localhost', "it waits for a replica, as durability 'replicated' says."],
  ] as const)(
    'if a dispatch mostly waits for the write, the advice names the reason: durability %s on %s',
    (durability, connection, why) => {
      const advice = adviceOn(0.5, 12.34, { durability, connection })
      expect(advice).toContain("Of 12 ms a dispatch, 12 ms are the store's writing: ")
      expect(advice).toContain(why)
    },
  )

  test('after a long round trip, the advice says how far away the store is', () => {
    expect(adviceOn(4.26, 5, redis)).toMatch(/^The store is 4\.3 ms away: /)
  })
})

test('a figure says what limits it: this process, the round trip or the store', () => {
  expect(limitOf(true, 1, 1)).toBe('this process')
  expect(limitOf(false, 1, 0.5)).toBe('round trip')
  expect(limitOf(false, 1, 0.4)).toBe('the store')
  expect(limitOf(false)).toBe('the store')
})

test('percentiles', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n)
  expect([50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([50, 99, 100])
  expect(percentile([7], 50)).toBe(7)
  expect(percentile([], 50)).toBeUndefined()
})
