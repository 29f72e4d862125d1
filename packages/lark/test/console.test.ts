import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { arg, Command, Console, flag, MemoryConsole, run } from '../src/index.ts'
import { alignRows, displayWidth } from '../src/table.ts'

class Report extends Command {
  readonly key = 'report'
  name = arg.string('Who', { default: 'ann' })
  verbose = flag.boolean('More')
  async handle() {
    this.info('begins\nin two lines')
    this.line(`for ${this.name}`)
    this.table(
      ['id', 'name'],
      [
        [1, 'Ann'],
        [20, undefined],
      ],
    )
    this.warn('careful')
    this.error('wrong')
    this.success(`${this.json} ${this.quiet}`)
    return { users: 2 }
  }
}

async function report(...words: string[]) {
  const console = new MemoryConsole()
  expect(await run(['report', ...words], { commands: [Report], console })).toBe(0)
  return { stdout: console.stdout, stderr: console.stderr }
}

test('talk goes to stderr, data to stdout', async () => {
  expect(await report()).toEqual({
    stdout: 'for ann\nid  name\n 1  Ann\n20\n',
    stderr: 'i begins\n  in two lines\n! careful\n✗ wrong\n✓ false false\n',
  })
})

test('--quiet leaves out info and success', async () => {
  expect(await report('--quiet')).toEqual({
    stdout: 'for ann\nid  name\n 1  Ann\n20\n',
    stderr: '! careful\n✗ wrong\n',
  })
})

test('--json puts JSON lines only on stdout; a line becomes talk', async () => {
  expect(await report('--json')).toEqual({
    stdout: '[{"id":1,"name":"Ann"},{"id":20,"name":null}]\n{"users":2}\n',
    stderr: 'i begins\n  in two lines\nfor ann\n! careful\n✗ wrong\n✓ true false\n',
  })
})

test('--json --quiet: the line goes too', async () => {
  expect((await report('--json', '-q')).stderr).toBe('! careful\n✗ wrong\n')
})

test('the flags may stand before the key', async () => {
  const console = new MemoryConsole()
  await run(['--json', '-q', 'report'], { commands: [Report], console })
  expect(console.stderr).toBe('! careful\n✗ wrong\n')
})

describe('colour', () => {
  afterEach(() => vi.unstubAllEnvs())

  function painted(options: { isTTY: boolean; env: Record<string, string>; color?: boolean }) {
    vi.stubEnv('NO_COLOR', undefined)
    vi.stubEnv('FORCE_COLOR', undefined)
    vi.stubEnv('TERM', 'xterm')
    for (const [name, value] of Object.entries(options.env)) vi.stubEnv(name, value)
    const console = new MemoryConsole({ isTTY: options.isTTY })
    console.color = options.color
    console.success('done')
    return console.stderr
  }

  const green = '\u001b[32m✓\u001b[39m done\n'
  const plain = '✓ done\n'
  test.each([
    ['a terminal', { isTTY: true, env: {} }, green],
    ['a pipe', { isTTY: false, env: {} }, plain],
    ['NO_COLOR', { isTTY: true, env: { NO_COLOR: '1' } }, plain],
    ['an empty NO_COLOR', { isTTY: true, env: { NO_COLOR: '' } }, green],
    ['FORCE_COLOR', { isTTY: false, env: { FORCE_COLOR: '1' } }, green],
    ['FORCE_COLOR=0', { isTTY: true, env: { FORCE_COLOR: '0' } }, plain],
    ['a dumb terminal', { isTTY: true, env: { TERM: 'dumb' } }, plain],
    ['--no-color', { isTTY: true, env: { FORCE_COLOR: '1' }, color: false }, plain],
  ])('%s', (_, options, expected) => {
    expect(painted(options)).toBe(expected)
  })

  test('--no-color turns it off', async () => {
    const console = new MemoryConsole({ color: true })
    await run(['report', '--no-color'], { commands: [Report], console })
    expect(console.stderr + console.stdout).not.toContain('\u001b')
  })
})

describe('tables', () => {
  test.each([
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['한국', 4],
    ['🚀', 2],
    ['👨‍👩‍👧', 2],
    ['\u001b[31mred\u001b[39m', 3],
    ['', 0],
  ])('%o takes %i places', (text, width) => {
    expect(displayWidth(text)).toBe(width)
  })

  test('columns line up; columns of numbers stand right', () => {
    const rows = [
      ['日本', 1, { a: 1 }],
      ['x', 1000, 'two\nlines'],
    ]
    expect(alignRows(['name', 'n', 'what'], rows)).toEqual([
      'name     n  what',
      '日本     1  {"a":1}',
      'x     1000  two lines',
    ])
  })

  test('a cell of nothing but white space, and many rows', () => {
    const cell = `${' '.repeat(50_000)}x${' '.repeat(50_000)}\n\n${' '.repeat(50_000)}`
    expect(alignRows(['a'], [[cell]])).toEqual(['a', 'x'])
    expect(
      alignRows(
        ['a'],
        Array.from({ length: 200_000 }, () => [1]),
      ),
    ).toHaveLength(200_001)
  })

  test('no rows leave the head', () => {
    expect(alignRows(['a', 'bc'], [])).toEqual(['a  bc'])
  })
})

test('a command called without an application talks to the given streams of the process', () => {
  const written: string[] = []
  const writer = { write: (text: string) => written.push(text) }
  const console = new Console({ stdout: writer, stderr: writer, color: false })
  console.line('data')
  console.info('talk')
  expect(written).toEqual(['data\n', 'i talk\n'])
})

describe('questions', () => {
  function asked(input: string | undefined, terminals: { stdin?: boolean; stderr?: boolean } = {}) {
    const { stdin = true, stderr = true } = terminals
    const reader = Object.assign(new PassThrough(), { isTTY: stdin })
    let written = ''
    const write = (text: string) => {
      written += text
    }
    const console = new Console({ stdin: reader, stderr: { write, isTTY: stderr }, color: false })
    const answer = console.confirm('Delete\u001b[2J 12?')
    reader.end(input)
    return answer.then((yes) => ({ yes, written }))
  }

  test.each([
    ['y\n', true],
    [' YES \r\n', true],
    ['n\n', false],
    ['\n', false],
    ['yellow\n', false],
    ['', false],
    [undefined, false],
  ])('%j is %s', async (input, yes) => {
    expect(await asked(input)).toEqual({ yes, written: '? Delete\\x1b[2J 12? [y/N] ' })
  })

  test('nobody is asked who cannot see it or answer', async () => {
    for (const terminals of [{ stdin: false }, { stderr: false }])
      await expect(asked('y\n', terminals)).rejects.toMatchObject({ code: 'USAGE', exit: 2 })
  })
})
