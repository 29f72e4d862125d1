/**
 * For each test runner, the test in docs/testing.md must be the same as the file of the fixture that the
 * matrix runs.
 */
import { expect, it } from 'vitest'
import { blocksOf } from './markdown.ts'
import { read } from './source.ts'

const fixtures: Record<string, string> = {
  vitest: 'vitest',
  Jest: 'jest',
  '`node:test`': 'plain',
  Bun: 'runtimes',
}

const sections = read('docs/testing.md')
  .split(/^## /m)
  .find((part) => part.startsWith('Test Runners\n'))!
  .split(/^### /m)
  .slice(1)

it('docs/testing.md shows a test for each test runner', () => {
  expect(sections.map((section) => section.slice(0, section.indexOf('\n')))).toEqual(Object.keys(fixtures))
})

it.each(sections.map((section) => [section.slice(0, section.indexOf('\n')), section]))(
  'docs/testing.md, %s: as in its fixture',
  (name, section) => {
    const [block, ...others] = blocksOf(section)
    expect(others).toEqual([])
    expect(block!.text).toBe(read(`matrix/fixtures/${fixtures[name]}/sign-up/${block!.title}`))
  },
)
