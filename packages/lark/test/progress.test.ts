import { expect, test } from 'vitest'
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

test('in a log there is a line for each tenth', async () => {
  const { code, stderr } = await talk(['greet'])
  expect(code).toBe(0)
  expect(stderr.split('\n')).toEqual([
    ...[4, 8, 12, 16, 20, 24, 28, 32, 36, 40].map((done) => `i ${done}/40 users`),
    '',
  ])
})

test('with an unknown total there is a line for each power of ten', async () => {
  expect((await talk(['stream'])).stderr).toBe('i 10\ni 100\n')
})

test.each(['--json', '--quiet'])('nothing is shown under %s', async (flag) => {
  expect(await talk(['greet', flag], { isTTY: true })).toEqual({ code: 0, stderr: '' })
  expect(await talk(['greet', flag])).toEqual({ code: 0, stderr: '' })
})

test('on a terminal there is one line, which is removed before other messages and at the end', async () => {
  const { stderr } = await talk(['manual'], { isTTY: true })
  const erase = '\r\u001b[K'
  const empty = `${erase}${'─'.repeat(24)} 0/10 files`
  expect(stderr.startsWith(empty)).toBe(true)
  expect(stderr).toContain(`${erase}i half way\n`)
  expect(stderr.endsWith(erase)).toBe(true)
})

test('a narrow terminal cuts the line', async () => {
  const { stderr } = await talk(['manual'], { isTTY: true, columns: 10 })
  expect(stderr.startsWith(`\r\u001b[K${'─'.repeat(9)}\r`)).toBe(true)
  const unknown = await talk(['manual'], { isTTY: true, columns: 0 })
  expect(unknown.stderr).toContain('─ 0/10 files')
})

test('an error in one item ends the progress and removes the bar', async () => {
  const { code, stderr } = await talk(['fails'], { isTTY: true })
  expect(code).toBe(1)
  expect(stderr).toContain('\r\u001b[K✗ Error: on the first')
})
