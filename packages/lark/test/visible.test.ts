import { expect, test } from 'vitest'
import { arg, Command, flag, LarkError, MemoryConsole, run } from '../src/index.ts'
import { visible, visibleInColor, visibleJson, visibleLines } from '../src/words/visible.ts'
import { hostileText, raw } from './hostile.ts'

test.each([
  ['plain, ünï, 日本, 👨‍👩‍👧', 'plain, ünï, 日本, 👨‍👩‍👧'],
  ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
  ['a\r\n\tb', 'a\\r\\n\\tb'],
  ['\u009b2J\u0085', '\\x9b2J\\x85'],
  ['abc\u202edef', 'abc\\u202edef'],
  ['\u2028', '\\u2028'],
  ['\u001b[31mred\u001b[0m', 'red'],
  // If a colour code inside of another code is removed, no colour code must be left.
  ['\u001b[\u001b[0m31m', '\\x1b[31m'],
  ['\u001b[2J', '\\x1b[2J'],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown)
})

test('line breaks and tabs stay, and a single carriage return does not overwrite a line', () => {
  expect(visibleLines('a\tb\r\nc\rd\n\u001b[1me')).toEqual(['a\tb', 'c\\rd', 'e'])
})

test('text that a command prints keeps its colours, but no other control characters', () => {
  expect(visibleInColor('\u001b[1;32mdone\u001b[0m\n\t\u001b[1A\u001b]8;;x\u0007')).toBe(
    '\u001b[1;32mdone\u001b[0m\n\t\\x1b[1A\\x1b]8;;x\\x07',
  )
})

test('JSON stays the same value', () => {
  for (let seed = 0; seed < 200; seed++) {
    const value = { [hostileText(seed)]: [hostileText(seed + 1_000), 1, null] }
    const json = visibleJson(value)!
    expect(json).not.toMatch(raw)
    expect(JSON.parse(json)).toEqual(value)
  }
})

/** Prints a text in every way that a command has. */
class Echo extends Command {
  readonly key = 'echo'
  text = arg.string('What', { default: '' })
  throws = flag.string('How to end')
  override description = hostileText(1)
  handle() {
    const { text } = this
    for (const print of [this.info, this.success, this.warn, this.error, this.line]) print.call(this, text)
    this.table(['name', text], [[text, { [text]: text }]])
    const progress = this.progress(2, { label: text })
    progress.advance()
    if (this.throws === 'lark') throw new LarkError('ECHOED', text, { hint: text })
    if (this.throws === 'error') throw new Error(text)
    if (this.throws === 'object') throw { [text]: text }
    progress.finish()
    return { text }
  }
}

/** The sequences that the console itself writes: to erase the status line, and for colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the console writes these
const OWN = /\r\u001b\[K|\u001b\[[\d;:]*m/g

test('only text and colours reach a terminal', async () => {
  const texts = Array.from({ length: 60 }, (_, seed) => hostileText(seed))
  for (const text of texts) {
    for (const words of [
      ['echo', '--', text],
      ['echo', '--throws=lark', '--', text],
      ['echo', '--throws=error', '--', text],
      ['echo', '--throws=object', '--', text],
      ['echo', '--json', '--', text],
      ['echo', `--${text}`],
      ['echo', `--throws=${text}`, text, text],
      [text],
      ['help', text],
      ['list', text],
      ['help', 'echo'],
      ['list'],
    ]) {
      const console = new MemoryConsole({ isTTY: true, color: false })
      await run(words, { commands: [Echo], console })
      const printed = (console.stdout + console.stderr).replace(OWN, '')
      expect(printed.replace(/[\n\t]/g, '')).not.toMatch(raw)
    }
  }
})

test('the text that an error quotes has no colours', async () => {
  const console = new MemoryConsole({ isTTY: true, color: false })
  await run(['\u001b[32m✓ all is well'], { commands: [Echo], console })
  expect(console.stderr).toMatch(/^✗ Unknown command "✓ all is well"\n/)
})

test('a cell of a table is printed as one line', () => {
  const console = new MemoryConsole({ isTTY: true })
  console.table(['a'], [['x\n✓ y\r'], ['\tz']])
  expect(console.stdout).toBe('a\nx ✓ y\n\\tz\n')
})

test('the styles of Lark stay around a text whose control characters are made visible', () => {
  const console = new MemoryConsole({ isTTY: true, color: true })
  console.line(console.paint('bold', visible('\u001b[2Jx')))
  expect(console.stdout).toBe('\u001b[1m\\x1b[2Jx\u001b[22m\n')
})

test('a line that a program reads stays unchanged', () => {
  const console = new MemoryConsole({ isTTY: false })
  console.line('a\rb\u200f')
  expect(console.stdout).toBe('a\rb\u200f\n')
})
