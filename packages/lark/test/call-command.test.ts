/** Tests `callCommand` and `findCommands`, with which a program calls and finds commands. */
import { describe, expect, test } from 'vitest'
import {
  arg,
  Command,
  type CommandInput,
  callCommand,
  findCommands,
  flag,
  MemoryConsole,
  run,
} from '../src/index.ts'
import { App } from './app.ts'

class Greet extends Command {
  override readonly key = 'users:greet'
  email = arg.string('Whom')
  others = arg.strings('Whom else')
  times = flag.number('How often', { default: 1, wholeFrom: 1 })
  mode = flag.enum('How', ['loud', 'soft'])
  tags = flag.strings('Tags')
  dryRun = flag.boolean('Only say it')

  async handle() {
    const { email, others, times, mode, tags, dryRun } = this
    this.info('begins')
    this.success('done\nwell')
    this.warn('careful')
    this.error('broken')
    this.line(this.console.paint('red', 'data'))
    this.table(['A', 'B'], [[1, 2]])
    return { email, others, times, mode, tags, dryRun }
  }
}

class Fail extends Command {
  override readonly key = 'fail'
  how = arg.enum('How', ['code', 'throw', 'false', 'ask', 'wait'])

  async handle() {
    if (this.how === 'throw') throw new TypeError('no such user')
    if (this.how === 'ask') await this.confirm('Really?')
    if (this.how === 'wait')
      await new Promise((_, reject) => {
        this.signal.addEventListener('abort', () => reject(this.signal.reason))
      })
    return this.how === 'code' ? 7 : false
  }
}

function called(key: string, given: CommandInput, signal = new AbortController().signal) {
  const lines: string[] = []
  const log = (level: string, line: string) => void lines.push(`${level} ${line}`)
  return { lines, ended: callCommand(key, given, { commands: [Greet, Fail], log, signal }) }
}

describe('callCommand', () => {
  test('the command gets the values, its output goes to the log, and the object that it prints is the result', async () => {
    const email = 'a@example.com'
    const given = { email, others: ['b', 'c,d'], times: '2', mode: 'loud', tags: ['x,y'], dryRun: true }
    const { lines, ended } = called('users:greet', given)
    expect(await ended).toEqual({ exitCode: 0, result: { ...given, times: 2 } })
    expect(lines).toEqual([
      'info begins',
      'success done',
      'success well',
      'warn careful',
      'error broken',
      'info data',
      expect.stringMatching(/^info A +B$/),
      expect.stringMatching(/^info 1 +2$/),
    ])
  })

  test('words are read like a command line, including the flags that every command has', async () => {
    const { lines, ended } = called('users:greet', [
      'a',
      '--times=3',
      '--tags=x,y',
      '--quiet',
      '--',
      '--json',
    ])
    const result = {
      email: 'a',
      others: ['--json'],
      times: 3,
      mode: undefined,
      tags: ['x', 'y'],
      dryRun: false,
    }
    expect(await ended).toEqual({ exitCode: 0, result })
    expect(lines[0]).toBe('warn careful')
    const help = called('users:greet', ['--help'])
    expect(await help.ended).toEqual({ exitCode: 0 })
    expect(help.lines.join('\n')).toContain('users:greet EMAIL')
  })

  test.each([
    [{}, 'Missing argument EMAIL (Whom)', 'See lark help users:greet'],
    [{ email: 'a', tmes: 1 }, 'users:greet takes no "tmes"', 'Did you mean times?'],
    [{ email: 'a', times: 0 }, 'times must be a whole number from 1, got "0"', 'See lark help users:greet'],
    [{ email: { to: 1 } }, 'email must be a text, a number, true or false, got {"to":1}', expect.anything()],
    [{ email: 'a', mode: 'lout' }, 'mode must be one of loud, soft, got "lout"', 'Did you mean loud?'],
  ])('a call with %j is refused', async (given, message, hint) => {
    const { ended } = called('users:greet', given as CommandInput)
    await expect(ended).rejects.toMatchObject({ code: 'USAGE', exit: 2, message, hint })
  })

  test('an unknown command is refused with the most similar names, and a namespace is not a command', async () => {
    const { ended } = called('users:greeet', {})
    const hint = 'Did you mean users:greet?'
    await expect(ended).rejects.toMatchObject({ code: 'UNKNOWN_COMMAND', exit: 2, hint })
    await expect(called('users', []).ended).rejects.toMatchObject({ code: 'UNKNOWN_COMMAND' })
  })

  test('callCommand() returns the exit code of the command, and throws the error that the command throws', async () => {
    expect(await called('fail', { how: 'code' }).ended).toEqual({ exitCode: 7 })
    expect(await called('fail', ['false']).ended).toEqual({ exitCode: 1 })
    await expect(called('fail', ['throw']).ended).rejects.toThrow(new TypeError('no such user'))
    await expect(called('fail', ['ask']).ended).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('the command gets the signal of the caller, and does not handle SIGINT and SIGTERM of the process', async () => {
    const before = process.listenerCount('SIGINT')
    const stop = new AbortController()
    const { ended } = called('fail', ['wait'], stop.signal)
    await new Promise(setImmediate)
    expect(process.listenerCount('SIGINT')).toBe(before)
    stop.abort(new Error('time is over'))
    await expect(ended).rejects.toThrow('time is over')
    await expect(called('fail', ['wait'], stop.signal).ended).rejects.toThrow('time is over')
  })
})

class Outer extends Command {
  override readonly key = 'outer'
  inner = arg.strings('The key of the inner command, and its words')

  async handle() {
    const [key = '', ...words] = this.inner
    this.signal.addEventListener('abort', () => this.line('outer: aborted'))
    const spinner = this.spinner('outer')
    const called = await this.call(key, words)
    spinner.stop()
    const listening = process.listenerCount('SIGTERM')
    return { called, listening, at: this.scheduledFor }
  }
}

describe('this.call', () => {
  async function outer(...words: string[]) {
    const console = new MemoryConsole({ json: words.includes('--json') })
    const before = process.listenerCount('SIGTERM')
    const code = await run(['outer', ...words], { commands: [Outer, Greet, Fail], console })
    expect(process.listenerCount('SIGTERM')).toBe(before)
    return { code, stdout: console.stdout, stderr: console.stderr, before }
  }

  test('this.call() runs a command with the same console, and returns the object of the command without printing it', async () => {
    const { code, stdout, stderr, before } = await outer('--json', '--', 'users:greet', 'a', '--times=3')
    expect(code).toBe(0)
    const [table, result, end] = stdout.split('\n')
    expect(JSON.parse(table!)).toEqual([{ A: 1, B: 2 }])
    expect(JSON.parse(result!)).toEqual({
      called: { exitCode: 0, result: expect.objectContaining({ email: 'a', times: 3 }) },
      // The called command has ended, and the calling command still gets SIGTERM.
      listening: before + 1,
    })
    expect(end).toBe('')
    expect(stderr).toContain('✓ done')
  })

  test.each([
    [['fail', 'code'], { code: 0 }, ''],
    [['fail', 'throw'], { code: 1 }, 'TypeError: no such user'],
    [['fail', 'ask'], { code: 2 }, 'There is no terminal to ask on: Really?'],
    [['fail'], { code: 2 }, 'Missing argument HOW'],
    [['fai', 'code'], { code: 2 }, 'Did you mean fail?'],
  ])('%j', async (words, expected, stderr) => {
    const ended = await outer('--', ...words)
    expect(ended).toMatchObject(expected)
    expect(ended.stderr).toContain(stderr)
  })

  test('this.call() returns the exit code, and both commands have the same signal', async () => {
    const stop = new AbortController()
    const lines: string[] = []
    const log = (_: string, line: string) => void lines.push(line)
    const options = { commands: [Outer, Fail], log, signal: stop.signal }
    expect(await callCommand('outer', ['fail', 'code'], options)).toMatchObject({
      result: { called: { exitCode: 7 } },
    })
    const ended = callCommand('outer', ['fail', 'wait'], options)
    await new Promise(setImmediate)
    stop.abort(new Error('time is over'))
    await expect(ended).rejects.toThrow('time is over')
    expect(lines).toContain('outer: aborted')
  })

  test('a command object that nobody runs cannot call another command', async () => {
    await expect(new Outer().call('x')).rejects.toMatchObject({ code: 'UNKNOWN_COMMAND' })
  })
})

test('findCommands() returns the schedule that a command declares, also from the cache, and ignores a flag called schedule', async () => {
  const app = new App({
    'package.json': '{"type":"module"}',
    'commands/a.js': `
      import { Command, flag } from '@s18i/lark'
      console.log('imported')
      export class A extends Command { key = 'a'; schedule = { at: '08:00', by: () => 1, none: undefined } }
      export class B extends Command { key = 'b'; description = 'The other'; schedule = flag.string('When') }
      export class C extends Command { key = 'c'; schedule = 5n }`,
    'commands/b.js': 'export const none =',
  })
  for (const _ of ['imported', 'cached']) {
    const { commands, problems } = await findCommands({ cwd: app.folder, entry: undefined, env: {} })
    expect(commands.filter(({ file }) => file !== undefined)).toEqual([
      { key: 'a', description: '', file: 'commands/a.js', schedule: { at: '08:00', by: 'a function' } },
      { key: 'b', description: 'The other', file: 'commands/a.js' },
      { key: 'c', description: '', file: 'commands/a.js' },
    ])
    expect(problems).toMatchObject([{ code: 'COMMAND_FAILED_TO_LOAD' }])
  }
})
