import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { App, command, version } from './app.ts'

const app = new App({
  'commands/users.js': `import { Command, arg, flag } from '@s18i/lark'
export class ProcessUsers extends Command {
  key = 'users:process'
  description = 'Queue processing jobs for all users'
  aliases = ['up']
  email = arg.string('Only this user', { optional: true })
  size = arg.enum('How big', ['big', 'small'], { default: 'big' })
  files = arg.strings('Files')
  limit = flag.number('How many', { default: 100, short: 'l' })
  mode = flag.enum('Speed', ['fast', 'safe'])
  queue = flag.strings('Queues')
  appName = flag.string('Name', { env: 'APP_NAME', required: true })
  force = flag.boolean('Skip the question')
  handle() {}
}
export class Purge extends Command {
  key = 'users:purge'
  user = arg.string('Whom')
  handle() {}
}
`,
  'commands/deploy.js': command('Deploy', 'deploy', '', "description = 'Ship it'"),
  'commands/secret.js': command('Secret', 'users:secret', 'return 7', 'hidden = true'),
})

const list = `Usage  lark KEY [arguments] [flags]

  completion     Print a script with which a shell completes lark
  deploy         Ship it
  help           Show how a command is used
  init           Set up a project: a configuration, a first job, a first command
  list           List the commands, or those of one namespace

make
  make:command   Write a new command

users
  users:process  Queue processing jobs for all users
  users:purge
`

const usersOnly = `users
  users:process  Queue processing jobs for all users
  users:purge
`

const usage = `Usage  lark KEY [arguments] [flags]

  -h, --help            How a command, or the program, is used
      --json            Print JSON, and nothing else, to stdout
  -q, --quiet           Leave out the talk; keep data, warnings and errors
  -v, --verbose         Say more, and show the stacks of errors
      --no-interaction  Ask nothing: use defaults, and fail where there is none
      --no-color        No colours (also NO_COLOR=1)
  -V, --version         The versions of Lark and its packages

lark list shows the commands, lark help KEY shows how one is used.
`

const processHelp = `Queue processing jobs for all users

Usage  lark users:process [EMAIL] [SIZE] [FILES…] [flags]
Also   up

Arguments
  EMAIL  Only this user
  SIZE   How big (big|small, default big)
  FILES  Files

Flags
  -l, --limit NUMBER    How many (default 100)
      --mode fast|safe  Speed
      --queue TEXT,…    Queues
      --app-name TEXT   Name (required, or APP_NAME)
      --force           Skip the question

Flags of every command
  -h, --help            How a command, or the program, is used
      --json            Print JSON, and nothing else, to stdout
  -q, --quiet           Leave out the talk; keep data, warnings and errors
  -v, --verbose         Say more, and show the stacks of errors
      --no-interaction  Ask nothing: use defaults, and fail where there is none
      --no-color        No colours (also NO_COLOR=1)
`

const purgeHelp = `Usage  lark users:purge USER [flags]

Arguments
  USER  Whom

Flags of every command
  -h, --help            How a command, or the program, is used
      --json            Print JSON, and nothing else, to stdout
  -q, --quiet           Leave out the talk; keep data, warnings and errors
  -v, --verbose         Say more, and show the stacks of errors
      --no-interaction  Ask nothing: use defaults, and fail where there is none
      --no-color        No colours (also NO_COLOR=1)
`

test.each<[string[], string]>([
  [[], list],
  [['list'], list],
  [['--quiet'], list],
  [['users'], usersOnly],
  [['list', 'users'], usersOnly],
  [['--help'], usage],
  [['-h'], usage],
  [['help'], usage],
  [['help', 'users:process'], processHelp],
  [['users:process', '--help'], processHelp],
  [['up', 'some', '-h'], processHelp],
  [['help', 'users:purge'], purgeHelp],
])('lark %j', async (words, stdout) => {
  expect(await app.lark(...words)).toEqual({ code: 0, stdout, stderr: '' })
})

test.each<[string[], string]>([
  [['list', 'user'], '✗ There are no commands under "user"\n  Did you mean users?\n'],
  [['help', 'users:prge'], '✗ Unknown command "users:prge"\n  Did you mean users:purge?\n'],
  [['purge'], '✗ Unknown command "purge"\n  Did you mean users:purge?\n'],
  [['purgge'], '✗ Unknown command "purgge"\n  Did you mean users:purge?\n'],
  [['users', 'purg'], '✗ Unknown command "users"\n  Did you mean users:purge?\n'],
  [['users', 'other'], '✗ Unknown command "users"\n  See lark list users\n'],
  [['help', 'users'], '✗ Unknown command "users"\n  See lark list users\n'],
  [['users', 'more'], '✗ Unknown command "users"\n  See lark list users\n'],
  [['jobs:dashbord'], '✗ Unknown command "jobs:dashbord"\n  Did you mean jobs:dashboard?\n'],
  [['nothing-like-it'], '✗ Unknown command "nothing-like-it"\n  See lark list\n'],
  [['--halp'], '✗ Unknown flag --halp\n  Did you mean --help?\n'],
  [['--zzzzzz'], '✗ Unknown flag --zzzzzz\n  See lark --help\n'],
])('lark %j: exit code 2', async (words, stderr) => {
  expect(await app.lark(...words)).toEqual({ code: 2, stdout: '', stderr })
})

test('each command of a package that is not installed names its package', async () => {
  const packages = new URL('../../', import.meta.url)
  const others = readdirSync(packages).filter((name) => !['lark', 'lark-jobs'].includes(name))
  const commands = others.flatMap((name) => {
    const folder = new URL(`${name}/src/commands/`, packages)
    const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
    return texts.flatMap((text) =>
      [...text.matchAll(/readonly key = '(.+)'/g)].map(([, key]) => [key!, name]),
    )
  })
  expect(commands.length).toBeGreaterThanOrEqual(4)
  for (const [key, name] of commands as [string, string][]) {
    const dev = name === 'lark-jobs-bench' ? '--save-dev ' : ''
    const hint = `It has a package of its own: npm install ${dev}@s18i/${name}`
    const stderr = `✗ Unknown command "${key}"\n  ${hint}\n`
    expect(await app.lark(key)).toEqual({ code: 2, stdout: '', stderr })
  }
})

test('a hidden command runs, but is not listed', async () => {
  expect((await app.lark('users:secret')).code).toBe(7)
})

test('--version names Lark and the packages that extend it', async () => {
  const other = new App({
    'package.json': '{"dependencies":{"app-jobs":"1","plain":"1"}}',
    'node_modules/app-jobs/package.json': '{"version":"1.2.3","lark":{"commands":"./commands"}}',
    'node_modules/plain/package.json': '{"version":"9.9.9"}',
  })
  expect(await other.lark('--version')).toEqual({
    code: 0,
    stdout: `@s18i/lark ${version}\napp-jobs 1.2.3\n`,
    stderr: '',
  })
  const { stdout } = await other.lark('-V', '--json')
  expect(JSON.parse(stdout)).toEqual({ '@s18i/lark': version, 'app-jobs': '1.2.3' })
})

test('list --json prints the metadata', async () => {
  const { stdout, stderr } = await app.lark('list', '--json')
  const commands: { key: string; file?: string }[] = JSON.parse(stdout)
  expect(stderr).toBe('')
  expect(commands.map(({ key, file }) => [key, file])).toEqual([
    ['completion', undefined],
    ['deploy', 'commands/deploy.js'],
    ['help', undefined],
    ['init', undefined],
    ['list', undefined],
    ['make:command', undefined],
    ['users:process', 'commands/users.js'],
    ['users:purge', 'commands/users.js'],
  ])
})

test('help KEY --json prints the metadata', async () => {
  const { stdout } = await app.lark('help', 'users:process', '--json')
  const { flags, ...command } = JSON.parse(stdout)
  expect(command).toMatchObject({
    key: 'users:process',
    aliases: ['up'],
    file: 'commands/users.js',
    arguments: [
      { name: 'EMAIL', type: 'string', required: false, many: false },
      { name: 'SIZE', type: 'enum', values: ['big', 'small'], default: 'big' },
      { name: 'FILES', many: true },
    ],
  })
  expect(flags[0]).toEqual({
    kind: 'flag',
    type: 'number',
    description: 'How many',
    many: false,
    required: false,
    default: 100,
    short: 'l',
    field: 'limit',
    name: '--limit',
  })
})

test('--help --json', async () => {
  const { stdout } = await app.lark('--help', '--json')
  expect(JSON.parse(stdout).flags).toContainEqual({
    name: '--version',
    short: '-V',
    description: 'The versions of Lark and its packages',
  })
})
