import { afterEach, describe, expect, test, vi } from 'vitest'
import { describeAll, displayWidth, fitRows, wrap } from '../src/console/table.ts'
import { arg, Command, Console, flag, LarkError, MemoryConsole, run } from '../src/index.ts'

/** Returns the lines of a table that has enough width. */
const alignRows = (head: string[], rows: unknown[][]) => fitRows(head, rows, Number.POSITIVE_INFINITY)[0]

class Report extends Command {
  readonly key = 'report'
  name = arg.string('Who', { default: 'ann' })
  long = flag.boolean('More')
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

test('messages go to stderr, data goes to stdout', async () => {
  expect(await report()).toEqual({
    stdout: 'for ann\nid  name\n 1  Ann\n20\n',
    stderr: 'i begins\n  in two lines\n! careful\n✗ wrong\n✓ false false\n',
  })
})

test('--quiet omits info and success', async () => {
  expect(await report('--quiet')).toEqual({
    stdout: 'for ann\nid  name\n 1  Ann\n20\n',
    stderr: '! careful\n✗ wrong\n',
  })
})

test('--json prints only lines of JSON to stdout, and line() becomes a message on stderr', async () => {
  expect(await report('--json')).toEqual({
    stdout: '[{"id":1,"name":"Ann"},{"id":20,"name":null}]\n{"users":2}\n',
    stderr: 'i begins\n  in two lines\nfor ann\n! careful\n✗ wrong\n✓ true false\n',
  })
})

test('--json --quiet also omits line()', async () => {
  expect((await report('--json', '-q')).stderr).toBe('! careful\n✗ wrong\n')
})

test('--verbose prints more, including the stack of an expected error and of its cause', async () => {
  class Talk extends Command {
    readonly key = 'talk'
    fails = flag.boolean('')
    handle() {
      this.verbose('more')
      const cause = new TypeError('it is broken')
      if (this.fails) throw new LarkError('NO_SUCH_USER', 'No user', { cause })
    }
  }
  const talk = async (...words: string[]) => {
    const console = new MemoryConsole()
    await run(['talk', ...words], { commands: [Talk], console })
    return console.stderr
  }
  expect(await talk()).toBe('')
  expect(await talk('-v')).toBe('· more\n')
  expect(await talk('--verbose', '-q')).toBe('')
  expect(await talk('--fails')).toBe('✗ No user\n')
  expect(await talk('--fails', '--verbose')).toMatch(
    /^· more\n✗ No user\n {2}LarkError: No user\n[\s\S]*console\.test\.ts[\s\S]*TypeError: it is broken\n/,
  )
})

test('the flags of every command may be before the key', async () => {
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
  ])('%o takes %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width)
  })

  test('a text that is measured in several parts is not cut within a character', () => {
    for (const [before, character, width] of [
      ['', '日', 2],
      ['x', '👨‍👩‍👧', 2],
      ['xx', '🇩🇪', 2],
      ['', 'e\u0301', 1],
      ['xyz', '\u0301', 0],
    ] as const) {
      const text = before + character.repeat(50_000)
      expect(displayWidth(text)).toBe(before.length + width * 50_000)
    }
  })

  test('columns are aligned, and columns of numbers to the right', () => {
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

  test('many rows of cells with only white space are printed quickly', () => {
    const cell = `${' '.repeat(50_000)}x${' '.repeat(50_000)}\n\n${' '.repeat(50_000)}`
    expect(alignRows(['a'], [[cell]])).toEqual(['a', 'x'])
    expect(
      alignRows(
        ['a'],
        Array.from({ length: 200_000 }, () => [1]),
      ),
    ).toHaveLength(200_001)
  })

  test('a table without rows prints its head', () => {
    expect(alignRows(['a', 'bc'], [])).toEqual(['a  bc'])
  })
})

test('a command that is called without an application prints to the streams of the process', () => {
  const written: string[] = []
  const writer = { write: (text: string) => written.push(text) }
  const console = new Console({ stdout: writer, stderr: writer, color: false })
  console.line('data')
  console.info('talk')
  expect(written).toEqual(['data\n', 'i talk\n'])
})

describe('text in a limited width', () => {
  test.each<[string, number, string[]]>([
    ['two  words', 10, ['two  words']],
    ['one two  three', 8, ['one two', 'three']],
    ['a longerword b', 6, ['a', 'longer', 'word b']],
    ['日本語のテキスト ab', 6, ['日本語', 'のテキ', 'スト', 'ab']],
    ['exactly five', 7, ['exactly', 'five']],
    [' '.repeat(100), 10, []],
    ['', 10, ['']],
  ])('%j in %i', (text, width, lines) => {
    expect(wrap(text, width)).toEqual(lines)
  })

  test('in a long text, no word that fits is broken, and nothing is lost', () => {
    const words = Array.from({ length: 5_000 }, (_, n) => 'x'.repeat(n % 17) + n)
    for (const width of [21, 80, 200]) {
      const lines = wrap(words.join(' '), width)
      expect(lines.join(' ').split(' ')).toEqual(words)
      expect(lines.filter((line) => line.length > width)).toEqual([])
    }
  })

  test('a word that is longer than a line is broken', () => {
    expect(wrap('x'.repeat(80_000), 80)).toHaveLength(1_000)
    expect(wrap('日'.repeat(40_000), 80)).toHaveLength(1_000)
  })

  test('descriptions are printed beside their names, or below long names', () => {
    const all = [
      ['a', 'words that are more than will go into one line of it'],
      ['bc', ''],
    ] as const
    expect(describeAll(all, 40)).toEqual([
      'a   words that are more than will go',
      '    into one line of it',
      'bc',
    ])
    expect(describeAll([['x'.repeat(30), 'what it is']], 40)).toEqual(['x'.repeat(30), '    what it is'])
  })

  const rows = [['id1', 5, 'an error with a good many words in it, which go on and on']]
  test('the last column of text is broken between words, or printed below its row', () => {
    expect(fitRows(['ID', 'RUNS', 'ERROR'], rows, 200)).toEqual([alignRows(['ID', 'RUNS', 'ERROR'], rows)])
    expect(fitRows(['ID', 'RUNS', 'ERROR'], rows, 50)).toEqual([
      [
        'ID   RUNS  ERROR',
        'id1     5  an error with a good many words in it,',
        '           which go on and on',
      ],
    ])
    expect(fitRows(['ID', 'RUNS', 'ERROR'], rows, 30)).toEqual([
      [
        'ID   RUNS  ERROR',
        'id1     5',
        '    an error with a good many',
        '    words in it, which go on',
        '    and on',
      ],
    ])
  })

  test('a table of numbers is split into blocks, each with the first column', () => {
    const head = ['QUEUE', 'ONE', 'TWO', 'THREE']
    expect(fitRows(head, [['default', 1, 2, 3]], 18)).toEqual([
      ['QUEUE    ONE  TWO', 'default    1    2'],
      ['QUEUE    THREE', 'default      3'],
    ])
    expect(fitRows(head, [['default', 1, 2, 3]], 3)).toHaveLength(3)
  })

  describe('a table of texts', () => {
    const head = ['ID', 'KEY', 'ERROR', 'N', 'NOTE']
    const many = [
      [
        '0VQ6n2Kx8aB1c',
        'send-email',
        'The server did not answer within 30 seconds, so the job was put back',
        12,
        'メールサーバーが応答しませんでした 再試行します',
      ],
      ['0VQ6n2Kx8aB1d', 'b', 'short', 3, ''],
    ]

    test('is not broken at 200 columns', () => {
      expect(fitRows(head, many, 200)).toEqual([alignRows(head, many)])
    })

    test('shares 80 columns between its columns, and breaks texts between words', () => {
      expect(fitRows(head, many, 80)).toEqual([
        [
          'ID             KEY         ERROR              N  NOTE',
          '0VQ6n2Kx8aB1c  send-email  The server did    12  メールサーバーが応答しませんでした',
          '                           not answer            再試行します',
          '                           within 30',
          '                           seconds, so the',
          '                           job was put back',
          '0VQ6n2Kx8aB1d  b           short              3',
        ],
      ])
    })

    test('has its last column below the row at 40 columns', () => {
      const narrow = [['0VQ6n2Kx8aB1c', 'send-email', 'The server did not answer']]
      expect(fitRows(['ID', 'KEY', 'ERROR'], narrow, 40)).toEqual([
        ['ID             KEY         ERROR', '0VQ6n2Kx8aB1c  send-email', '    The server did not answer'],
      ])
    })

    test.each([40, 80, 120, 200])('has no line wider than %i columns, and loses no word', (width) => {
      for (const rows of [many, many.map((row) => row.slice(0, 3)), many.map((row) => [...row, ...row])]) {
        const names = [...head, ...head].slice(0, rows[0]!.length)
        const lines = fitRows(names, rows, width).flat()
        expect(lines.filter((line) => displayWidth(line) > width)).toEqual([])
        for (const word of ['seconds,', 'server', 'put', '0VQ6n2Kx8aB1d'])
          expect(lines.join('\n')).toContain(word)
      }
    })

    test('keeps the style of a broken text in each of its lines, and does not colour other cells', () => {
      const red = '\u001b[31mone two three four five six seven\u001b[39m'
      const [lines] = fitRows(['A', 'B', 'C'], [[red, 'x', 'y '.repeat(20).trim()]], 51)
      expect(lines![1]).toContain('\u001b[31mone two three\u001b[39m')
      expect(lines![2]).toContain('\u001b[31mfour five six\u001b[39m')
    })
  })

  test('a console fits tables into its terminal, and does not change them without a terminal', () => {
    const terminal = new MemoryConsole({ isTTY: true, columns: 30 })
    terminal.table(['ID', 'RUNS', 'ERROR'], rows)
    expect(terminal.stdout).toContain('\n    words in it, which go on\n')
    const pipe = new MemoryConsole({ columns: 30 })
    pipe.table(['ID', 'RUNS', 'ERROR'], rows)
    expect(pipe.stdout.split('\n')[1]).toMatch(/and on$/)
  })

  test('lark list and lark help use the width of the terminal, and break no words', async () => {
    const about =
      'What it does, in words that are so many that they do not go into the eighty places of a terminal'
    class Long extends Command {
      readonly key = 'long'
      override description = about
      count = flag.number(about)
      what = arg.string(about)
      handle() {}
    }
    for (const [columns, most] of [
      [80, 80],
      [200, 130],
    ] as const) {
      for (const words of [['list'], ['help', 'long'], ['--help']]) {
        const console = new MemoryConsole({ isTTY: true, columns })
        await run(words, { commands: [Long], console })
        const lines = console.stdout.split('\n')
        expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(most)
        // When the lines are joined again, no word is broken.
        if (words[0] !== '--help') expect(lines.map((line) => line.trim()).join(' ')).toContain(about)
      }
    }
  })
})
