/** Questions of commands: in a real terminal, where nobody can answer, and with the answers of a test. */
import { describe, expect, test } from 'vitest'
import { arg, Command, flag, MemoryConsole, run } from '../src/index.ts'
import { App, command } from './app.ts'
import { keys, Terminal } from './terminal.ts'

const app = new App({
  'package.json': '{"type":"module"}',
  'commands/order.js': command(
    'Order',
    'order',
    `const name = await this.ask('Name\\u001b[2J?', { default: 'ann' })
     const size = await this.choose('Size?', ['small', { value: 'big', label: 'Very big' }])
     const extras = await this.choose('Extras?', ['milk', 'sugar'], { many: true })
     const code = await this.secret('Code?', { validate: (it) => it.length < 3 ? 'Too short' : undefined })
     const sure = await this.confirm('Sure?')
     this.line(JSON.stringify({ name, size, extras, code, sure }))`,
  ),
  'commands/leave.js': command(
    'Leave',
    'leave',
    `if (this.listening) this.signal.addEventListener('abort', () => this.line('aborted'))
     try { await this.ask('Stay?') } finally { this.line('cleaned up') }`,
    "listening = flag.boolean('')",
  ),
  'commands/greet.js': command(
    'Greet',
    'greet',
    'this.line(JSON.stringify([this.name, this.times, this.how, this.others, this.token]))',
    `name = arg.string('Whom')
     times = arg.number('How often')
     how = arg.enum('How', ['loud', 'soft'])
     others = arg.strings('Who else', { required: true })
     token = flag.string('', { required: true })`,
  ),
})

describe('at a terminal', { concurrent: true }, () => {
  test('every kind of question can be answered', async () => {
    const terminal = new Terminal(app, ['order'])
    await terminal.answer('Name\\x1b[2J?', keys.enter)
    await terminal.answer('Size?', keys.down)
    await terminal.answer('● Very big', keys.enter)
    await terminal.answer('Extras?', keys.space + keys.down + keys.space + keys.enter)
    await terminal.answer('Code?', `ab${keys.enter}`)
    await terminal.answer('Too short', `c${keys.enter}`)
    await terminal.answer('Sure?', 'y')
    const { code, screen } = await terminal.ended()
    expect(screen).toContain(
      '{"name":"ann","size":"big","extras":["milk","sugar"],"code":"abc","sure":true}\n',
    )
    expect(screen).not.toMatch(/│ {2}abc?\n/)
    expect(code).toBe(0)
  })

  test.each([
    ['Ctrl-C', keys.interrupt, []],
    ['Ctrl-D', keys.end, []],
    ['Ctrl-C, if the command reads its signal', keys.interrupt, ['--listening']],
  ])('%s ends the command quietly with 130, after its `finally` block', async (_, key, words) => {
    const terminal = new Terminal(app, ['leave', ...words])
    await terminal.answer('Stay?', key)
    const { code, screen } = await terminal.ended()
    expect(screen.trimEnd().split('\n').at(-1)).toBe('cleaned up')
    expect(screen).not.toMatch(/[✗!] |Error|PROMPT/)
    expect(code).toBe(130)
  })

  test('a missing argument or flag is asked for, and wrong answers are refused', async () => {
    const terminal = new Terminal(app, ['greet', 'ann'], { env: { NO_COLOR: '1' } })
    await terminal.answer('How often (TIMES)', `x${keys.enter}`)
    await terminal.answer('TIMES must be a number, got "x"', `\u00082${keys.enter}`)
    await terminal.answer('How (HOW)', keys.down + keys.enter)
    await terminal.answer('Who else (OTHERS), several with spaces', `bob  cy,d${keys.enter}`)
    await terminal.answer('--token', `t${keys.enter}`)
    const { code, screen } = await terminal.ended()
    expect(screen).toContain('["ann",2,"soft",["bob","cy,d"],"t"]')
    expect(code).toBe(0)
  })

  test('--no-interaction asks nothing', async () => {
    const { code, screen } = await new Terminal(app, ['greet', '--no-interaction']).ended()
    expect(screen).toBe('✗ Missing argument NAME (Whom)\n  See lark help greet\n')
    expect(code).toBe(2)
  })
})

class Ask extends Command {
  readonly key = 'ask'
  kind = arg.enum('', ['ask', 'confirm', 'choose', 'many', 'secret', 'none'])
  fallback = flag.boolean('')

  async handle() {
    const { fallback } = this
    const asked = {
      ask: () => this.ask('Name\u001b[2J?', fallback ? { default: 'ann' } : {}),
      confirm: () => this.confirm('Sure?', fallback ? { default: true } : {}),
      choose: () =>
        this.choose(
          'Size?',
          ['small', { value: 'big', label: 'Very big' }],
          fallback ? { default: 'big' } : {},
        ),
      many: () =>
        this.choose('Sizes?', ['small', 'big'], { many: true, ...(fallback && { default: ['big'] }) }),
      secret: () => this.secret('Code?', { validate: (it) => (it.length < 3 ? 'Too short' : undefined) }),
      none: () => this.choose('Nothing?', []),
    }
    return { answer: await asked[this.kind]() }
  }
}

async function asked(words: string[], options: ConstructorParameters<typeof MemoryConsole>[0] = {}) {
  const console = new MemoryConsole(options)
  let result: unknown
  console.json = (value) => {
    result = value
  }
  class Kept extends Ask {
    override async handle() {
      const returned = await super.handle()
      result = returned.answer
      return returned
    }
  }
  const code = await run(['ask', ...words], { commands: [Kept], console })
  return { code, result, stderr: console.stderr }
}

describe('where nobody can answer', () => {
  test.each<[string[], unknown]>([
    [['ask'], 'ann'],
    [['confirm'], true],
    [['choose'], 'big'],
    [['many'], ['big']],
  ])('%j is its default', async (words, answer) => {
    expect(await asked([...words, '--fallback'])).toEqual({ code: 0, result: answer, stderr: '' })
    const refused = await asked([...words, '--fallback', '--no-interaction'], { answers: ['x'] })
    expect(refused).toMatchObject({ code: 0, result: answer })
  })

  test.each([
    ['ask', 'Name\\x1b[2J?'],
    ['confirm', 'Sure?'],
    ['choose', 'Size?'],
    ['many', 'Sizes?'],
    ['secret', 'Code?'],
  ])('%s without a default is refused with one line', async (kind, question) => {
    const stderr = `✗ There is no terminal to ask on: ${question}\n`
    expect(await asked([kind])).toMatchObject({ code: 2, stderr })
    expect(await asked([kind, '--no-interaction'], { answers: ['x'] })).toMatchObject({
      code: 2,
      stderr: `✗ --no-interaction forbids to ask: ${question}\n`,
    })
    expect(await asked([kind, '--json'], { answers: ['x'] })).toMatchObject({ code: 2 })
  })
})

describe('with the answers of a test', () => {
  test.each<[string, string | boolean | string[], unknown]>([
    ['ask', 'bob', 'bob'],
    ['confirm', 'YES', true],
    ['confirm', false, false],
    ['confirm', '', false],
    ['choose', 'Very big', 'big'],
    ['choose', 'small', 'small'],
    ['many', 'big, small', ['big', 'small']],
    ['many', ['big'], ['big']],
    ['many', '', []],
    ['secret', 'abcd', 'abcd'],
  ])('%s: %j', async (kind, answer, result) => {
    expect(await asked([kind], { answers: [answer] })).toMatchObject({ code: 0, result })
  })

  test.each([
    ['confirm', 'yesterday', '"yesterday" does not answer "Sure?": the answer is \'yes\' or \'no\''],
    ['choose', 'huge', '"huge" does not answer "Size?": the choices are small, big'],
    ['choose', '', '"" does not answer "Size?": the choices are small, big'],
    ['ask', '', 'An answer is needed'],
    ['secret', 'ab', 'Too short'],
  ])('%s does not take %j', async (kind, answer, message) => {
    const { code, stderr } = await asked([kind], { answers: [answer] })
    expect(stderr).toContain(message)
    expect(code).toBe(1)
  })

  test('a question for which the test has no answer fails', async () => {
    const { code, stderr } = await asked(['confirm'], { answers: [] })
    expect(stderr).toContain('✗ No answer is left for the question "Sure?"\n')
    expect(code).toBe(1)
    expect((await asked(['none'], { answers: [''] })).stderr).toContain('has no choices')
  })
})
