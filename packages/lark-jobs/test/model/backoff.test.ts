import { describe, expect, test } from 'vitest'
import { exponential, normalBackoff, pauseAfter } from '../../src/model/backoff.ts'

const none = () => 0
const all = () => 1

describe('pauses', () => {
  test('a single duration is the pause before every retry', () => {
    expect([1, 2, 9].map((n) => pauseAfter(n, normalBackoff('10s')!))).toEqual([10_000, 10_000, 10_000])
  })

  test('a list has a pause for each retry, and its last pause repeats', () => {
    expect([1, 2, 3, 4].map((n) => pauseAfter(n, normalBackoff([0, '5s', '1m'])!))).toEqual([
      0, 5_000, 60_000, 60_000,
    ])
  })

  test('exponential pauses double up to the longest pause', () => {
    const backoff = exponential({ from: '1s', to: '10s' })
    expect([1, 2, 3, 4, 5, 60].map((n) => pauseAfter(n, backoff, none))).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ])
    expect(pauseAfter(4, backoff, all)).toBe(4_000)
  })

  test('by default, pauses grow from 1 s to 10 min, and half of each pause is random', () => {
    expect(exponential()).toEqual({ from: 1_000, to: 600_000, jitter: 0.5 })
  })
})

test.each([
  'soon',
  -1,
  1e21,
  [0, Number.POSITIVE_INFINITY],
  [],
  ['1s', 'x'],
  new Array(101).fill('1s'),
  exponential({ from: 'x' }),
  exponential({ from: '5s', to: '1s' }),
  exponential({ to: Number.POSITIVE_INFINITY }),
  exponential({ jitter: 2 }),
  null,
  true,
])('%o is not a backoff', (option) => expect(normalBackoff(option)).toBeUndefined())
