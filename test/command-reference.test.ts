/** docs/command-reference.md must be the same as the output of `npm run reference`. */
import { expect, it } from 'vitest'
import { reference } from '../scripts/command-reference.js'
import { read } from './source.ts'

it('docs/command-reference.md has each command, argument and flag', () => {
  const text = reference()
  expect(text).toContain('### lark jobs:work\n')
  expect(read('docs/command-reference.md'), 'npm run reference').toBe(text)
})
