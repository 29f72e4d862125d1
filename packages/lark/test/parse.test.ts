import { describe, expect, test } from 'vitest'
import { arg, Command, flag, MemoryConsole, run } from '../src/index.ts'

class Process extends Command {
  readonly key = 'users:process'
  email = arg.string('Only this user', { optional: true })
  files = arg.strings('Files')
  limit = flag.number('How many', { default: 100, short: 'l' })
  mode = flag.enum('Speed', ['fast', 'safe'])
  queue = flag.strings('Queues', { short: 'Q' })
  where = flag.strings('Conditions', { splits: false })
  appName = flag.string('Name', { env: 'APP_NAME' })
  force = flag.boolean('Skip', { short: 'f' })
  cache = flag.boolean('Use the cache', { default: true, env: 'CACHE' })
  batch = flag.number('How many at a time', { wholeFrom: 1, env: 'BATCH' })

  handle() {
    const { email, files, limit, mode, queue, where, appName, force, cache, batch } = this
    this.console.json({ email, files, limit, mode, queue, where, appName, force, cache, batch })
  }
}

const defaults = { files: [], limit: 100, queue: [], where: [], force: false, cache: true }

async function values(words: string[], env: Record<string, string> = {}) {
  const console = new MemoryConsole()
  const code = await run(['users:process', ...words], { commands: [Process], console, env })
  expect(console.stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(console.stdout)
}

async function refusal(commands: (typeof Process | typeof Required)[], words: string[], env = {}) {
  const console = new MemoryConsole()
  const code = await run(words, { commands, console, env })
  expect(console.stdout).toBe('')
  return { code, stderr: console.stderr }
}

class Required extends Command {
  readonly key = 'mail'
  to = arg.string('To whom')
  times = arg.number('How often')
  size = arg.enum('How big', ['big', 'small'], { default: 'big' })
  subject = flag.string('What about', { required: true, env: 'SUBJECT' })
  handle() {
    this.console.json({ to: this.to, times: this.times, size: this.size, subject: this.subject })
  }
}

describe('given words', () => {
  test('without words, the defaults apply', async () => {
    expect(await values([])).toEqual(defaults)
  })

  test.each([
    [['--limit', '5'], { limit: 5 }],
    [['--limit=5'], { limit: 5 }],
    [['-l', '5'], { limit: 5 }],
    [['-l5'], { limit: 5 }],
    [['--batch=1'], { batch: 1 }],
    [['--limit', '-5'], { limit: -5 }],
    [['--limit', '1', '--limit', '2'], { limit: 2 }],
    [['--mode', 'safe'], { mode: 'safe' }],
    [['--queue', 'a,b', '--queue=c', '-Q', 'd'], { queue: ['a', 'b', 'c', 'd'] }],
    [['--where', 'a=1,b', '--where=', '--where=c'], { where: ['a=1,b', '', 'c'] }],
    [['--app-name', 'shop'], { appName: 'shop' }],
    [['--app-name=--odd'], { appName: '--odd' }],
    [['--app-name', '-'], { appName: '-' }],
    [['--app-name='], { appName: '' }],
    [['--force'], { force: true }],
    [['-fl', '3'], { force: true, limit: 3 }],
    [['--force', '--no-force'], { force: false }],
    [['--no-cache'], { cache: false }],
    [['ann@example.com'], { email: 'ann@example.com' }],
    [['ann', 'a.txt', '--force', 'b.txt'], { email: 'ann', files: ['a.txt', 'b.txt'], force: true }],
    [
      ['--force', '--', '--limit', '-x', '--json'],
      { force: true, email: '--limit', files: ['-x', '--json'] },
    ],
  ])('%j', async (words, expected) => {
    expect(await values(words)).toEqual({ ...defaults, ...expected })
  })
})

describe('the environment', () => {
  test('gives the value of a flag that is not given', async () => {
    expect(await values([], { APP_NAME: 'shop', CACHE: '0' })).toEqual({
      ...defaults,
      appName: 'shop',
      cache: false,
    })
  })

  test('does not replace a given flag, and an empty variable counts as absent', async () => {
    expect(await values(['--app-name', 'bar'], { APP_NAME: 'shop', CACHE: '' })).toEqual({
      ...defaults,
      appName: 'bar',
    })
  })

  test('may give a required flag', async () => {
    const console = new MemoryConsole()
    const code = await run(['mail', 'ann', '2'], { commands: [Required], console, env: { SUBJECT: 'Hi' } })
    expect(code).toBe(0)
    expect(JSON.parse(console.stdout)).toEqual({ to: 'ann', times: 2, size: 'big', subject: 'Hi' })
  })
})

describe('wrong words cause one line and a hint, with exit code 2', () => {
  const help = 'See lark help users:process'
  test.each([
    [['--limt', '5'], 'Unknown flag --limt', 'Did you mean --limit?'],
    [['--no-forse'], 'Unknown flag --no-forse', 'Did you mean --no-force?'],
    [['--jsno'], 'Unknown flag --jsno', 'Did you mean --json?'],
    [['--no-colour'], 'Unknown flag --no-colour', 'Did you mean --no-color?'],
    [['--no-limit'], 'Unknown flag --no-limit', help],
    [['--zzzzzzz'], 'Unknown flag --zzzzzzz', help],
    [['-x'], 'Unknown flag -x', help],
    [['-5'], 'Unknown flag -5', 'Negative numbers come after --'],
    [['--limit'], '--limit needs a value (NUMBER)', help],
    [['--queue='], '--queue needs a value (TEXT,…)', help],
    [['--queue=,'], '--queue needs a value (TEXT,…)', help],
    [['--where='], '--where needs a value (TEXT)', help],
    [
      ['--app-name', '--force'],
      '--app-name needs a value (TEXT)',
      'Write --app-name=--force if that is the value',
    ],
    [['--limit', 'ten'], '--limit must be a number, got "ten"', help],
    [['--limit='], '--limit must be a number, got ""', help],
    [['-l', 'Infinity'], '-l must be a number, got "Infinity"', help],
    [['--batch=0'], '--batch must be a whole number from 1, got "0"', help],
    [['--batch=1.5'], '--batch must be a whole number from 1, got "1.5"', help],
    [['--batch=many'], '--batch must be a whole number from 1, got "many"', help],
    [['--mode', 'fats'], '--mode must be one of fast, safe, got "fats"', 'Did you mean fast?'],
    [['--force=yes'], '--force takes no value, got "yes"', help],
  ])('%j', async (words, line, hint) => {
    expect(await refusal([Process], ['users:process', ...words])).toEqual({
      code: 2,
      stderr: `✗ ${line}\n  ${hint}\n`,
    })
  })

  test.each([
    [['mail'], {}, 'Missing argument TO (To whom)', 'See lark help mail'],
    [['mail', 'ann'], {}, 'Missing argument TIMES (How often)', 'See lark help mail'],
    [['mail', 'ann', 'x'], {}, 'TIMES must be a number, got "x"', 'See lark help mail'],
    [['mail', 'ann', '1'], {}, 'Missing flag --subject (What about)', 'Or set SUBJECT'],
    [['mail', 'ann', '1', 'bigg'], {}, 'SIZE must be one of big, small, got "bigg"', 'Did you mean big?'],
    [['mail', 'ann', '1', 'big', 'more'], {}, 'Unexpected argument "more"', 'See lark help mail'],
    [['users:process'], { CACHE: 'perhaps' }, 'CACHE must be true or false, got "perhaps"', help],
  ])('%j', async (words, env, line, hint) => {
    expect(await refusal([Process, Required], words, env)).toEqual({
      code: 2,
      stderr: `✗ ${line}\n  ${hint}\n`,
    })
  })
})
