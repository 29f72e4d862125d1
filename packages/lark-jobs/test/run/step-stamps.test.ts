import { expect, test } from 'vitest'
import { seeSteps } from '../../src/step/look.ts'
import { Stamps, stampless, stampOf } from '../../src/step/stamp.ts'

const NOON = Date.UTC(2026, 10, 30, 12)

test('the journal has the full time once a second, and only a few bytes for other entries', () => {
  const stamps = new Stamps()
  const texts = [0, 5, 999, 1_000, 1_400].map((ms) => stamps.of(NOON + ms, ms === 5 ? 1_300 : 3))
  expect(texts).toEqual([
    `+3@${NOON.toString(36)} `,
    '+104 ',
    '+3 ',
    `+3@${(NOON + 1_000).toString(36)} `,
    '+3 ',
  ])
  expect(stamps.of(NOON + 1_500)).toBe('')
  expect(texts.map(stampOf)).toEqual([
    { took: 3, at: NOON },
    { took: 1_300 },
    { took: 3 },
    { took: 3, at: NOON + 1_000 },
    { took: 3 },
  ])
  expect(texts.map((text) => stampless(`${text}"a b"`))).toEqual(texts.map(() => '"a b"'))
  expect(['"+1 "', '-1', '', '{"a":"+1 "}'].map((value) => [stampless(value), stampOf(value)])).toEqual(
    ['"+1 "', '-1', '', '{"a":"+1 "}'].map((value) => [value, {}]),
  )
})

test('an entry without a time was recorded within a second after the previous entry, and the end of a sleep is always recorded', () => {
  const at = (ms: number) => (NOON + ms).toString(36)
  const entries = [
    `rone\n+2@${at(0)} 1`,
    `rtwo\n+2s `,
    `wnap\n${at(60_000)}`,
    'onap\n',
    `gapproved\n+@${at(61_000)} 0`,
    'eno\n+1 {"name":"Error","message":"no"}',
  ]
  const { steps } = seeSteps({ entries, signals: [{ name: 'yes', text: '' }] })
  expect(steps.map(({ name, at, took }) => [name, at! - NOON, took])).toEqual([
    ['one', 0, 2],
    ['two', 0, 100],
    ['nap', 60_000, undefined],
    ['approved', 61_000, undefined],
    ['no', 61_000, 1],
  ])
  expect(steps[3]!.signal).toBe('yes')
})
