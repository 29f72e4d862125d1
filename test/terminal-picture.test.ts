/** The picture of a terminal on the first page shows the text of the manual, which is real output. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { file, picture, screen } from '../scripts/terminal-picture.js'

it('docs/images/terminal.svg shows the output of lark jobs:why from docs/terminal-screens.md', () => {
  expect(readFileSync(file, 'utf8'), 'node scripts/terminal-picture.js').toBe(picture(screen()))
})

it('every line of the screen is in the picture', () => {
  const drawn = [...picture(screen()).matchAll(/<text [^>]*>(.*)<\/text>/g)].map(([, text]) => text)
  const lines = screen()
    .split('\n')
    .map((line) => line.trim())
  expect(drawn).toEqual(lines.filter((line) => line !== ''))
})
