/**
 * Tables and wrapped text for a terminal, aligned by the width of the text in the terminal: colour codes have
 * no width, and East Asian characters and emoji are two columns wide. In this file, a `place` is one column
 * of the terminal.
 */
import { inItsStyle, visibleInColor, visibleJson, withoutColor } from '../words/visible.ts'

const WIDE =
  /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u
const NO_ROOM = /^[\p{Mark}\p{Format}]+$/u

/** The width of `text` in a terminal, in places. */
export function displayWidth(text: string): number {
  const plain = withoutColor(text)
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length
  let width = 0
  for (const character of charactersOf(plain)) width += placesOf(character)
  return width
}

/** @param character a visible character (a grapheme), which may consist of several code points */
function placesOf(character: string): number {
  return NO_ROOM.test(character) ? 0 : WIDE.test(character) ? 2 : 1
}

/** How many code units are segmented together. No character has so many code units. */
const STRETCH = 256

/**
 * Yields the visible characters (graphemes) of a text. The text is segmented in stretches, because each step
 * of a segmenter takes time in proportion to the length of the text: 50,000 characters took 2 s as one
 * stretch, and take 0.1 s in stretches of 256 code units (2 cores, shared, 2026-11-25).
 */
function* charactersOf(text: string): Generator<string> {
  const segmenter = new Intl.Segmenter()
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + STRETCH)
    // A stretch must not end between the halves of a surrogate pair.
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--
    const stretch = text.slice(at, end)
    const isLast = end === text.length
    for (const { segment, index } of segmenter.segment(stretch)) {
      // The character may continue in the next stretch.
      if (!isLast && index > 0 && index + segment.length === stretch.length) break
      yield segment
      at += segment.length
    }
  }
}

/**
 * Fills `text` with spaces up to `width` places.
 *
 * @param side the side of the field on which the text stands
 */
export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return side === 'left' ? text + spaces : spaces + text
}

/** Cuts a text to at most `width` places. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let taken = 0
  let short = ''
  for (const character of charactersOf(text)) {
    taken += placesOf(character)
    if (taken > width) break
    short += character
  }
  return short
}

/**
 * The minimum width of a description or of the last column of a table, in places. A narrower text is hard to
 * read.
 */
const NARROWEST = 30
/** The minimum width of any other column of a table, in places. */
const NARROWEST_INNER = 16
/** The indentation of a text that stands below its name or row, because there is no room beside it. */
const INDENT = '    '

/**
 * Breaks a text into lines of at most `width` places. Lines are broken between words, and inside a word only
 * if the word is longer than a line. A text that fits stays unchanged. In a text that is broken, several
 * spaces between words become one space.
 */
export function wrap(text: string, width: number): string[] {
  if (displayWidth(text) <= width) return [text]
  const lines: string[] = []
  let line = ''
  let taken = 0
  const next = () => {
    if (taken > 0) lines.push(line)
    line = ''
    taken = 0
  }
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const places = displayWidth(word)
    if (taken > 0 && taken + 1 + places > width) next()
    if (places <= width) {
      line += taken > 0 ? ` ${word}` : word
      taken += places + (taken > 0 ? 1 : 0)
      continue
    }
    for (const character of charactersOf(word)) {
      const one = placesOf(character)
      if (taken + one > width) next()
      line += character
      taken += one
    }
  }
  next()
  return lines
}

/**
 * Makes lines with names and their descriptions. A description stands beside its name, or below its name if
 * the names leave too little room.
 *
 * @param width the width of a line, in places
 */
export function describeAll(
  all: readonly (readonly [name: string, about: string])[],
  width: number,
): string[] {
  const column = all.reduce((most, [name]) => Math.max(most, displayWidth(name)), 0) + 2
  return all.flatMap(([name, about]) => (about === '' ? [name] : beside(name, about, column, width)))
}

/**
 * Puts a text beside a name, at a given column. The text is broken between words. If there is too little
 * room, the text stands below the name.
 */
function beside(name: string, text: string, column: number, width: number): string[] {
  if (width - column < NARROWEST)
    return [name, ...wrap(text, width - INDENT.length).map((line) => INDENT + line)]
  const [first = '', ...rest] = wrap(text, width - column)
  return [pad(name, column) + first, ...rest.map((line) => ' '.repeat(column) + line)]
}

/**
 * Formats rows as lines, with two spaces between columns. A column is aligned to the right if all its cells
 * except the head are numbers. Every cell without a break is one line, and keeps its colours.
 *
 * The lines have at most `width` places. If the table is wider, its texts are broken between words, and the
 * columns share the room. If the columns have too little room, the last column of text stands below its row.
 * A table of numbers is split into several blocks, and each block repeats the first column.
 *
 * @returns blocks, each with its head as the first line
 */
export function fitRows(head: string[], rows: unknown[][], width: number): string[][] {
  const table = measure(head, rows)
  if (widthOf(table.widths) <= width) return [lay(table)]
  const shared = shareRoom(table, width)
  if (shared) return [layRows(table, shared).flat()]
  if (table.numeric.at(-1) === false && table.widths.length > 1) {
    const before = pick(table, [...table.widths.keys()].slice(0, -1))
    const narrow = widthOf(before.widths) <= width ? before.widths : shareRoom(before, width)
    if (narrow) return [layLastBelow(table, before, narrow, width)]
  }
  return blocksOf(table.widths, width).map((columns) => {
    const block = pick(table, columns)
    return layRows(block, shareRoom(block, width, 1) ?? block.widths).flat()
  })
}

interface Table {
  /** The texts of all cells, row by row. The first row is the head. */
  texts: string[][]
  widths: number[]
  numeric: boolean[]
}

function measure(head: string[], rows: unknown[][]): Table {
  const texts = [head, ...rows].map((row) => row.map(cellText))
  const widths: number[] = []
  for (const row of texts) {
    for (const [column, text] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, displayWidth(text))
  }
  const numeric = widths.map((_, column) => {
    return rows.length > 0 && rows.every((row) => typeof row[column] === 'number')
  })
  return { texts, widths, numeric }
}

function lay({ texts, widths, numeric }: Table): string[] {
  return texts.map((row) =>
    widths
      .map((width, column) => pad(row[column] ?? '', width, numeric[column] ? 'right' : 'left'))
      .join('  ')
      .trimEnd(),
  )
}

/**
 * Finds the widths of the columns for a table of `width` places. Columns of text become narrower, the widest
 * first. A column stays as wide as its longest word, unless this word is very long, so that people can copy
 * ids. Returns undefined if a column has too little room.
 *
 * @param narrowest the minimum width of a column of text, even if its words are longer. Default: the minimum
 *   width that is readable
 */
function shareRoom(
  { texts, widths, numeric }: Table,
  width: number,
  narrowest?: number,
): number[] | undefined {
  const least = widths.map((natural, column) => {
    if (numeric[column]) return natural
    if (narrowest !== undefined) return Math.min(natural, narrowest)
    const longest = texts.reduce((most, row) => Math.max(most, longestWord(row[column] ?? '')), 0)
    const isLast = column === widths.length - 1
    return Math.min(natural, Math.max(Math.min(longest, NARROWEST), isLast ? NARROWEST : NARROWEST_INNER))
  })
  let over = widthOf(widths) - width
  if (widthOf(least) > width) return undefined
  const shared = [...widths]
  while (over > 0) {
    const room = shared.map((each, column) => (each > least[column]! ? each : 0))
    const most = Math.max(...room)
    const widest = room.indexOf(most)
    // The widest column shrinks to the width of the second widest column, or to its own minimum width.
    const next = Math.max(least[widest]!, ...room.filter((each) => each < most))
    const step = Math.min(over, Math.max(1, most - next))
    shared[widest] = most - step
    over -= step
  }
  return shared
}

/** Makes the lines of each row, with the texts of its cells broken to the given widths. */
function layRows({ texts, numeric }: Table, widths: readonly number[]): string[][] {
  return texts.map((row) => {
    const cells = widths.map((width, column) => wrapColored(row[column] ?? '', width))
    const height = Math.max(1, ...cells.map((lines) => lines.length))
    return Array.from({ length: height }, (_, line) =>
      widths
        .map((width, column) => pad(cells[column]![line] ?? '', width, numeric[column] ? 'right' : 'left'))
        .join('  ')
        .trimEnd(),
    )
  })
}

function longestWord(text: string): number {
  return text.split(' ').reduce((most, word) => Math.max(most, displayWidth(word)), 0)
}

/** @param widths the widths of the columns before the last column (`before`) */
function layLastBelow({ texts }: Table, before: Table, widths: readonly number[], width: number): string[] {
  return layRows(before, widths).flatMap((lines, row) => {
    const text = texts[row]!.at(-1) ?? ''
    // The head of the last column stands beside the other heads if there is room, because it is short and
    // never broken.
    if (row === 0) {
      const head = pad(lines.at(-1)!, widthOf(widths) + 2) + text
      return displayWidth(head) <= width ? [...lines.slice(0, -1), head] : [...lines, INDENT + text]
    }
    return text === ''
      ? lines
      : [...lines, ...wrapColored(text, width - INDENT.length).map((line) => INDENT + line)]
  })
}

function wrapColored(text: string, width: number): string[] {
  return displayWidth(text) <= width ? [text] : inItsStyle(text, (plain) => wrap(plain, width))
}

/** Divides the columns into as few blocks as possible, of about the same width. */
function blocksOf(widths: readonly number[], width: number): number[][] {
  const [first = 0, ...others] = widths
  const room = Math.max(1, width - first)
  const total = others.reduce((sum, each) => sum + each + 2, 0)
  const share = total / Math.ceil(total / room)
  const blocks: number[][] = []
  let taken = Number.POSITIVE_INFINITY
  for (const [i, each] of others.entries()) {
    if (taken >= share || taken + each + 2 > room) {
      blocks.push([0])
      taken = 0
    }
    blocks.at(-1)!.push(i + 1)
    taken += each + 2
  }
  return blocks.length > 0 ? blocks : [[0]]
}

function pick({ texts, widths, numeric }: Table, columns: readonly number[]): Table {
  const of = <T>(all: readonly T[]) => columns.map((column) => all[column]!)
  return { texts: texts.map(of), widths: of(widths), numeric: of(numeric) }
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + 2, -2)
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'object' ? visibleJson(value) : String(value)
  if (text === undefined) return ''
  // The lines are trimmed one by one, because a single expression with white space on both sides took 3.1 s
  // for 50,000 spaces.
  const lines = text.split('\n')
  const line = lines.length === 1 ? text : lines.map((each) => each.trim()).join(' ')
  return visibleInColor(line).replaceAll('\t', '\\t')
}
