import { expect, test } from 'vitest'
import { milliseconds, readable } from '../../src/words/duration.ts'

test.each([
  [0, 0],
  [1_500, 1_500],
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['1.5s', 1_500],
  [' 5 m ', 300_000],
  ['36525d', 3_155_760_000_000],
])('%o is %i ms', (value, ms) => expect(milliseconds(value)).toBe(ms))

test.each([
  'soon',
  '',
  '5',
  '-1s',
  '5 weeks',
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  1e21,
  '36526d',
  null,
  undefined,
  {},
  10n,
])('%o is not a duration', (value) => expect(milliseconds(value)).toBeUndefined())

test.each([
  [0.44, '0.4 ms'],
  [12.7, '13 ms'],
  [3_240, '3.2 s'],
  [60_000, '1 min'],
  [250_000, '4 min 10 s'],
  [7_500_000, '2 h 5 min'],
  [3 * 86_400_000, '3 d'],
])('%d ms is printed as %s', (ms, text) => expect(readable(ms)).toBe(text))
