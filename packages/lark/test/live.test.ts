/** Live screens, which are drawn again and again, in a real terminal and without a terminal. */
import { describe, expect, test } from 'vitest'
import { App, command } from './app.ts'
import { keys, Terminal } from './terminal.ts'

const app = new App({
  'package.json': '{"type":"module"}',
  'commands/watch.js': command(
    'Watch',
    'watch',
    `let [drawn, failed] = [0, 0]
     process.on('exit', () => process.stdout.write('[out]'))
     await this.live(() => {
       if (this.fails && drawn === 1) throw new Error('the store is away')
       if (this.leaves && drawn === 1) process.exit(7)
       if (this.outlasts && drawn === 1 && failed++ < 2) throw new Error('the store is away\\u001b[2J\\nsee there')
       this.table(['PID', 'DRAWN', 'NAME'], [[process.pid, ++drawn, 'a\\u001b[2Jb']])
       this.info('a remark')
       for (let line = 0; line < this.lines; line++) this.line('line ' + line)
     }, { every: this.every, ...(this.outlasts && { outlasts: (error) => error.message.includes('away') }) })
     this.line('after')`,
    "fails = flag.boolean(''); leaves = flag.boolean(''); outlasts = flag.boolean(''); lines = flag.number('', { default: 0 }); every = flag.number('', { default: 100 })",
  ),
})

const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

/** Expects that the terminal was restored exactly once. */
function expectRestored(raw: string) {
  expect(raw.split(ENTER)).toHaveLength(2)
  expect(raw.split(LEAVE)).toHaveLength(2)
  expect(raw.indexOf(ENTER)).toBeLessThan(raw.indexOf('PID'))
  expect(raw.slice(raw.indexOf(LEAVE))).not.toContain('DRAWN')
}

describe('a live screen in a terminal', { concurrent: true }, () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'is drawn in place until %s, and the terminal is restored',
    async (name) => {
      const terminal = new Terminal(app, ['watch'], { env: { NO_COLOR: '1' } })
      await terminal.answer('  1  a\\x1b[2Jb', '')
      await terminal.answer('  2  a\\x1b[2Jb', name === 'SIGINT' ? keys.interrupt : '')
      if (name === 'SIGTERM') process.kill(Number(/(\d+) +1 {2}a/.exec(terminal.screen)![1]), name)
      const { code } = await terminal.ended()
      expectRestored(terminal.raw)
      expect(terminal.raw).toMatch(/PID +DRAWN +NAME/)
      expect(terminal.raw).toContain('NAME\u001b[K\r\n')
      expect(terminal.raw.split('\u001b[H')).toHaveLength(terminal.raw.split('\u001b[J').length)
      expect(terminal.raw).toContain('i a remark\u001b[K\u001b[J')
      expect(terminal.raw.slice(terminal.raw.indexOf(LEAVE))).toBe(`${LEAVE}after\r\n[out]`)
      expect(code).toBe(0)
    },
  )

  test('is left before an error is printed, and also when the process ends', async () => {
    const failing = new Terminal(app, ['watch', '--fails'])
    const leaving = new Terminal(app, ['watch', '--leaves'])
    expect((await failing.ended()).code).toBe(1)
    expectRestored(failing.raw)
    expect(failing.raw.slice(failing.raw.indexOf(LEAVE))).toContain('the store is away')
    expect((await leaving.ended()).code).toBe(7)
    expectRestored(leaving.raw)
  })

  test('stays after a temporary error, shows the age of its data, and goes on', async () => {
    const terminal = new Terminal(app, ['watch', '--outlasts'], { env: { NO_COLOR: '1' } })
    await terminal.answer('  1  a\\x1b[2Jb', '')
    await terminal.answer(' s ago: the store is away\\x1b[2J\n', '')
    await terminal.answer('  1  a\\x1b[2Jb', '')
    await terminal.answer('  2  a\\x1b[2Jb', keys.interrupt)
    expect(await terminal.ended()).toMatchObject({ code: 0 })
    expectRestored(terminal.raw)
    expect(terminal.screen).not.toContain('see there')
    const last = terminal.raw.slice(terminal.raw.lastIndexOf('\u001b[H'))
    expect(last).not.toContain('This is from')
  })

  test('restores the terminal at Ctrl-Z, and is drawn again when the process goes on', async () => {
    // The next drawing is due when the process goes on, and must not come before the alternate screen.
    const terminal = new Terminal(app, ['watch', '--every=10'], { env: { NO_COLOR: '1' } })
    await terminal.answer('  1  a\\x1b[2Jb', '')
    const pid = Number(/(\d+) +1 {2}a/.exec(terminal.screen)![1])
    process.kill(pid, 'SIGTSTP')
    await terminal.suspended(pid)
    await terminal.goOn(pid, `${LEAVE}${ENTER}`)
    await terminal.answer('  a\\x1b[2Jb', keys.interrupt)
    expect(await terminal.ended()).toMatchObject({ code: 0 })
    expect(terminal.raw.split(LEAVE)).toHaveLength(3)
  })

  test('leaves out lines that do not fit, so that the terminal does not scroll', async () => {
    const terminal = new Terminal(app, ['watch', '--lines=40'])
    await terminal.answer('… 20 more lines: enlarge the terminal', keys.interrupt)
    await terminal.ended()
    expect(terminal.screen).toContain('line 19')
    expect(terminal.screen).not.toContain('line 20')
  })
})

test('a live screen is refused if the output is not a terminal', async () => {
  const { code, stderr, stdout } = await app.lark('watch')
  expect([code, stdout]).toEqual([2, '[out]'])
  expect(stderr).toContain('What is not a terminal cannot be redrawn in place')
})
