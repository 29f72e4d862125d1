/**
 * Completion: the output of `lark complete`, and the completion scripts in those shells that are installed.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { arg, Command, flag, MemoryConsole, run } from '../src/index.ts'
import { App, command, packageFolder } from './app.ts'
import { keys, Terminal } from './terminal.ts'

class Greet extends Command {
  override readonly key = 'users:greet'
  override description = 'Greet a user'
  who = arg.string('Whom')
  how = arg.enum('How', ['loudly', 'softly'], { optional: true })
  others = arg.strings('Who else')
  region = flag.string('Where', { short: 'r' })
  mode = flag.enum('Which', ['fast', 'safe'])
  queue = flag.strings('Queues')
  force = flag.boolean('Now')
  cache = flag.boolean('Cached', { default: true })

  override complete(field: string, typed: string) {
    if (field === 'who') return Promise.resolve(['ann', 'bob', `typed-${typed}`, 'evil\u001b[2J$(x)'])
    if (field === 'others') return ['cy', 'dan']
    if (field === 'region') throw new TypeError('no regions')
    return field === 'queue' ? ['default', 'emails'] : []
  }
  handle() {}
}
class Purge extends Command {
  override readonly key = 'users:purge'
  who = arg.string('Whom')
  handle() {}
}
class Secret extends Command {
  override readonly key = 'users:secret'
  override hidden = true
  handle() {}
}

async function completed(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(['complete', '--', ...words], { commands: [Greet, Purge, Secret], console })
  return { code, lines: console.stdout.split('\n').slice(0, -1), stderr: console.stderr }
}

const globals = ['--help', '--json', '--quiet', '--verbose', '--no-interaction', '--no-color', '--version']

describe('lark complete', () => {
  test.each<[string[], string[]]>([
    [['users:'], ['users:greet', 'users:purge']],
    [['--quiet', 'users:g'], ['users:greet']],
    [['x'], []],
    [['--'], globals],
    [
      ['users:greet', '--'],
      ['--region', '--mode', '--queue', '--force', '--no-cache', ...globals],
    ],
    [['u:g', '--f'], ['--force']],
    [
      ['users:greet', '--mode=fast', '--force', '--queue=a', '--'],
      ['--region', '--queue', '--no-cache', ...globals],
    ],
    [
      ['users:greet', '--mode', ''],
      ['fast', 'safe'],
    ],
    [['users:greet', '--mode=s'], ['--mode=safe']],
    [['users:greet', '--queue=default,e'], ['--queue=default,emails']],
    [['users:greet', '--queue', 'd'], ['default']],
    [['users:greet', 'a'], ['ann']],
    [['users:greet', 'typed'], ['typed-typed']],
    [['users:greet', 'e'], ['evil\\x1b[2J$(x)']],
    [
      ['users:greet', '--mode', 'fast', '-r', 'eu', '--force', 'ann', ''],
      ['loudly', 'softly'],
    ],
    [
      ['users:greet', 'ann', 'loudly', ''],
      ['cy', 'dan'],
    ],
    [['users:greet', 'ann', 'loudly', 'cy', 'd'], ['dan']],
    [
      ['users:greet', '--', '--mode', ''],
      ['loudly', 'softly'],
    ],
    [['users:purge', ''], []],
    [['users:purge', 'a', ''], []],
    [['users:', ''], []],
    [['nothing', ''], []],
    [['help', 'users:p'], ['users:purge']],
    [
      ['list', ''],
      ['make', 'users'],
    ],
    [['completion', 'z'], ['zsh']],
  ])('%j', async (words, expected) => {
    const { code, lines, stderr } = await completed(...words)
    expect(lines.map((line) => line.split('\t')[0])).toEqual(expected)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('words have their descriptions', async () => {
    expect((await completed('users:g')).lines).toEqual(['users:greet\tGreet a user'])
    expect((await completed('users:greet', '--m')).lines).toEqual(['--mode\tWhich'])
  })

  test('an error of `lark complete` is shown to a person who calls it', async () => {
    const { code, lines, stderr } = await completed('users:greet', '-r', '')
    expect({ code, lines }).toEqual({ code: 1, lines: [] })
    expect(stderr).toContain('TypeError: no regions')
  })
})

const app = new App({
  'package.json': '{"type":"module"}',
  'commands/greet.js': command(
    'Greet',
    'users:greet',
    '',
    "description = 'Greet a user'; who = arg.string(''); mode = flag.enum('', ['fast', 'safe']); complete() { return ['ann', '$(touch evil)', 'two words'] }",
  ),
  'commands/grow.js': `process.stderr.write('imported')\n${command('Grow', 'users:grow')}`,
  'commands/one.js': command('One', 'one'),
})

beforeAll(async () => {
  app.link('.bin/lark', join(packageFolder, 'bin/lark.js'))
  // Fill the cache with all commands, so that a completion imports nothing.
  await app.lark('list')
  for (const shell of ['bash', 'zsh', 'fish']) {
    app.write({ [`lark.${shell}`]: (await app.lark('completion', shell)).stdout })
  }
})

test('commands that are not in the line are not imported', async () => {
  expect((await app.lark('complete', '--', 'users:')).stderr).toBe('')
  expect((await app.lark('complete', '--', 'users:greet', '--')).stderr).toBe('')
})

const has = (shell: string) => spawnSync('which', [shell]).status === 0
const shells = [
  ['bash', ['bash', '--norc', '--noprofile', '-i'], 'source ./lark.bash'],
  ['zsh', ['zsh', '-f', '-i'], 'autoload -Uz compinit && compinit -D -u && source ./lark.zsh'],
] as const

describe.each(shells.filter(([shell]) => has(shell)))('%s', (_, program, install) => {
  test('Tab completes keys, flags and values', async () => {
    const env = { PS1: 'ready> ', PROMPT_EOL_MARK: '' }
    const terminal = new Terminal(app, [], { program: [...program], env, columns: 120 })
    await terminal.answer('ready> ', `PS1='re''ady: '; ${install}; lark() { :; }\r`)
    await terminal.answer('ready: ', `lark on${keys.tab}`)
    await terminal.answer('lark one ', keys.enter)
    await terminal.answer('ready: ', `lark users:gree${keys.tab}`)
    await terminal.answer('users:greet ', `--mo${keys.tab}`)
    await terminal.answer('--mode ', `sa${keys.tab}`)
    await terminal.answer('safe ', `an${keys.tab}`)
    await terminal.answer('ann ', keys.enter)
    await terminal.answer('ready: ', `lark users:greet --mode=f${keys.tab}`)
    await terminal.answer('--mode=fast ', keys.enter)
    await terminal.answer('ready: ', `lark users:greet two${keys.tab}`)
    await terminal.answer('two\\ words ', keys.enter)
    await terminal.answer('ready: ', `lark users:greet \\$${keys.tab}`)
    await terminal.answer('touch\\ evil', keys.enter)
    await terminal.answer('ready: ', `exit\r`)
    await terminal.ended()
    expect(app.has('evil')).toBe(false)
  })
})

describe.each(['fish'].filter(has))('%s', () => {
  test('completes keys, flags and values', async () => {
    const lines = ['lark users:gr', 'lark users:greet --mode=', 'lark users:greet ']
    const asked = lines.map((line) => `complete -C '${line}'`).join('; ')
    const result = spawnSync('fish', ['--no-config', '-c', `source lark.fish; ${asked}`], {
      cwd: app.folder,
      encoding: 'utf8',
    })
    expect(result.stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      ...['users:greet\tGreet a user', 'users:grow', '--mode=fast', '--mode=safe'],
      ...['$(touch evil)', 'ann', 'two words', ''],
    ])
    expect(app.has('evil')).toBe(false)
  })
})
