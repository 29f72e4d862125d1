import { afterEach, describe, expect, test, vi } from 'vitest'
import { Progress } from '../src/console/progress.ts'
import { Command, MemoryConsole, run } from '../src/index.ts'

class Greet extends Command {
  readonly key = 'greet'
  seen: number[] = []
  async handle() {
    const items = Array.from({ length: 40 }, (_, index) => index)
    await this.progress(items, async (item, index) => expect(item).toBe(index), { label: 'users' })
  }
}

async function* numbers(count: number) {
  for (let number = 0; number < count; number++) yield number
}

class Stream extends Command {
  readonly key = 'stream'
  async handle() {
    await this.progress(numbers(120), () => {})
  }
}

class Manual extends Command {
  readonly key = 'manual'
  handle() {
    const progress = this.progress(10, { label: 'files' })
    progress.advance(4)
    this.info('half way')
    progress.advance(6)
    progress.finish()
  }
}

class Fails extends Command {
  readonly key = 'fails'
  async handle() {
    await this.progress([1], () => {
      throw new Error('on the first')
    })
  }
}

const commands = [Greet, Stream, Manual, Fails]

async function talk(words: string[], options: { isTTY?: boolean; columns?: number } = {}) {
  const console = new MemoryConsole(options)
  const code = await run(words, { commands, console })
  expect(console.stdout).toBe('')
  return { code, stderr: console.stderr }
}

afterEach(() => vi.useRealTimers())

describe('in a log', () => {
  test('a short command is quiet', async () => {
    expect(await talk(['greet'])).toEqual({ code: 0, stderr: '' })
    expect(await talk(['stream'])).toEqual({ code: 0, stderr: '' })
  })

  test('a long command prints a line a minute', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const console = new MemoryConsole()
    const known = new Progress(console, 400, { label: 'users' })
    const unknown = new Progress(console, undefined)
    for (let second = 0; second < 121; second++) {
      vi.advanceTimersByTime(1_000)
      known.advance(2)
      unknown.advance()
    }
    expect(console.stderr).toBe(
      [
        'i 120/400 users  30%  2.0/s  3 min left',
        'i 60  1.0/s',
        'i 240/400 users  60%  2.0/s  2 min left',
        'i 120  1.0/s',
        '',
      ].join('\n'),
    )
  })
})

test('the bar has the count, the recent rate and the time that is left', () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
  const console = new MemoryConsole({ isTTY: true })
  const progress = new Progress(console, 1_000)
  const shown = () => console.stderr.split('\r\u001b[K').at(-1)
  vi.advanceTimersByTime(10_000)
  progress.advance(100)
  expect(shown()).toBe(`${'─'.repeat(24)} 0/1000  0%`)
  vi.advanceTimersByTime(80)
  expect(shown()).toBe(`━━${'─'.repeat(22)} 100/1000  10%  9.9/s  91 s left`.replace('91 s', '2 min'))
  // The items take longer now, and the shown rate follows.
  vi.advanceTimersByTime(60_000)
  progress.advance(1)
  vi.advanceTimersByTime(600)
  expect(shown()).toMatch(/101\/1000 {2}10% {2}0\.\d\/s {2}\d+ (min|h \d+ min) left$/)
  progress.finish()
  const end = console.stderr
  vi.advanceTimersByTime(1_000)
  expect(console.stderr).toBe(end)
})

test.each(['--json', '--quiet'])('progress is not shown under %s', async (flag) => {
  expect(await talk(['greet', flag], { isTTY: true })).toEqual({ code: 0, stderr: '' })
  expect(await talk(['greet', flag])).toEqual({ code: 0, stderr: '' })
})

test('on a terminal, progress has one line, which is removed before other messages and at the end', async () => {
  const { stderr } = await talk(['manual'], { isTTY: true })
  const erase = '\r\u001b[K'
  const empty = `${erase}${'─'.repeat(24)} 0/10 files  0%`
  expect(stderr.startsWith(empty)).toBe(true)
  expect(stderr).toContain(`${erase}i half way\n`)
  expect(stderr.endsWith(erase)).toBe(true)
})

test('the line of progress is cut to a narrow terminal', async () => {
  const { stderr } = await talk(['manual'], { isTTY: true, columns: 10 })
  expect(stderr.startsWith(`\r\u001b[K${'─'.repeat(9)}\r`)).toBe(true)
  const unknown = await talk(['manual'], { isTTY: true, columns: 0 })
  expect(unknown.stderr).toContain('─ 0/10 files')
})

class Spin extends Command {
  readonly key = 'spin'
  async handle() {
    const answer = await this.spinner('Uploading\u001b[2J', async (spinner) => {
      spinner.text = 'nearly'
      await new Promise((resolve) => setTimeout(resolve, 100))
      this.info('one line')
      return 42
    })
    this.info(String(answer))
    this.spinner('forgotten')
  }
}

test('a spinner is on the last line while it works, and only on a terminal', async () => {
  const spin = async (words: string[], isTTY: boolean) => {
    const console = new MemoryConsole({ isTTY })
    expect(await run(['spin', ...words], { commands: [Spin], console })).toBe(0)
    return console.stderr
  }
  const erase = '\r\u001b[K'
  const shown = await spin([], true)
  expect(shown.startsWith(`${erase}⠋ Uploading\\x1b[2J${erase}⠙ nearly`)).toBe(true)
  expect(shown.endsWith(`${erase}i one line\n⠙ nearly${erase}i 42\n${erase}⠋ forgotten${erase}`)).toBe(true)
  expect(await spin([], false)).toBe('i one line\ni 42\n')
  expect(await spin(['--quiet'], true)).toBe('')
})

test('an error in one item ends the progress and removes the bar', async () => {
  const { code, stderr } = await talk(['fails'], { isTTY: true })
  expect(code).toBe(1)
  expect(stderr).toContain('\r\u001b[K✗ Error: on the first')
})
