/**
 * Writes docs/images/terminal.svg, the picture of a terminal on the first page of the manual. Its text is the
 * output of `lark jobs:why` on docs/terminal-screens.md, which a test compares with the real output.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './steps.js'

/** The size of a cell of the terminal, and the space around the text, in pixels. */
const [CELL, LINE, SPACE] = [8.4, 20, 24]

/** The path of the picture. */
export const file = join(root, 'docs/images/terminal.svg')

/** Returns the screen that the picture shows: a command line, and what it prints. */
export function screen() {
  const page = readFileSync(join(root, 'docs/terminal-screens.md'), 'utf8')
  const [, text] = /```text\n(\$ lark jobs:why\n.*?)\n```/s.exec(page) ?? []
  if (text === undefined) throw new Error('docs/terminal-screens.md has no output of `lark jobs:why`')
  return text
}

/** Returns the picture of a screen as SVG. Every text has its width, so columns stay aligned in any font. */
export function picture(/** @type {string} */ text) {
  const lines = text.split('\n')
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * CELL + 2 * SPACE)
  const height = lines.length * LINE + 2 * SPACE
  const drawn = lines.flatMap((line, i) => {
    const start = line.length - line.trimStart().length
    const words = line.trim()
    if (words === '') return []
    const [x, y] = [SPACE + start * CELL, SPACE + i * LINE + 15].map((each) => Math.round(each * 10) / 10)
    const length = Math.round(words.length * CELL * 10) / 10
    const kept = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    return [`  <text x="${x}" y="${y}" textLength="${length}" fill="${colourOf(line)}">${kept}</text>`]
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="The output of lark jobs:why">
  <style>text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre }</style>
  <rect width="${width}" height="${height}" rx="10" fill="#16181d"/>
${drawn.join('\n')}
</svg>
`
}

/** The colours are those of a terminal: a command is bright, a remedy is green, and a heading is grey. */
function colourOf(/** @type {string} */ line) {
  if (line.startsWith('$')) return '#ffffff'
  if (line.trimStart().startsWith('→')) return '#7ee2a8'
  if (/^[A-Z]+ /.test(line)) return '#8b93a1'
  return '#d5d9e0'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, picture(screen()))
