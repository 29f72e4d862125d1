import { expect, test } from 'vitest'
import { EXCERPT, jsonExcerpt } from '../../../src/commands/words/json-excerpt.ts'

test.each([
  [{}],
  [[]],
  ['text'],
  [1],
  [null],
  [{ a: 1, b: [1, 2, { c: 'x, y: {z}' }], d: {}, e: [], f: 'quote " and \\ and \n', g: [[[]]], h: -1.5e21 }],
  [[[[[{ deep: [true, false, null] }]]]]],
])('a small value is printed as JSON.stringify would indent it: %j', (value) => {
  expect(jsonExcerpt(JSON.stringify(value))).toEqual({
    lines: JSON.stringify(value, null, 2).split('\n'),
    isCut: false,
  })
})

test('of a large value, only the beginning is printed', () => {
  for (const json of [
    JSON.stringify(Array.from({ length: 100_000 }, (_, n) => n)),
    JSON.stringify('x'.repeat(400_000)),
    JSON.stringify({ text: 'some words. '.repeat(40_000) }),
    '['.repeat(200_000) + ']'.repeat(200_000),
    `${'{"a":'.repeat(80_000)}1${'}'.repeat(80_000)}`,
    '\\'.repeat(400_000),
    '"'.repeat(400_001),
    ']'.repeat(400_000),
  ]) {
    const { lines, isCut } = jsonExcerpt(json)
    expect(isCut).toBe(true)
    expect(lines.length).toBeLessThanOrEqual(200)
    // Each line may be indented by at most 20 levels.
    expect(lines.join('\n').length).toBeLessThanOrEqual(EXCERPT + 200 * 41)
  }
  expect(jsonExcerpt(JSON.stringify('some words. '.repeat(40_000))).lines[0]).toMatch(/^"(some words. )+/)
})

test('a text that is not valid JSON is printed unchanged', () => {
  expect(jsonExcerpt('{"a":tru')).toEqual({ lines: ['{', '  "a": tru'], isCut: false })
  expect(jsonExcerpt('not JSON')).toEqual({ lines: ['not JSON'], isCut: false })
})
