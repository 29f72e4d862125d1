import { describe, expect, test } from 'vitest'
import { App, bin, command, installPacked } from './app.ts'

/** Returns the keys that `lark list` shows, without the commands of Lark. */
async function keys(app: App) {
  const { stdout, stderr } = await app.lark('list', '--json')
  const own = ['completion', 'help', 'init', 'list', 'make:command']
  const listed: { key: string }[] = JSON.parse(stdout)
  return { keys: listed.map(({ key }) => key).filter((key) => !own.includes(key)), stderr }
}

describe('where commands are found', () => {
  test('without any commands, the error for an unknown command says where Lark has looked', async () => {
    const app = new App()
    const { code, stderr } = await app.lark('jobs:status')
    expect(code).toBe(2)
    expect(stderr).toBe(
      '✗ Unknown command "jobs:status"\n' +
        `  There are only Lark's own commands in ${app.folder}. Start lark in your project: ` +
        'a package adds commands (@s18i/lark-jobs has jobs:work) when the package.json there lists it\n',
    )
    app.write({ 'commands/one.js': command('One', 'one') })
    expect((await app.lark('jobs:status')).stderr).toBe('✗ Unknown command "jobs:status"\n  See lark list\n')
  })

  test('in commands/ and src/commands/, several commands in one file, exported by name or by default', async () => {
    const app = new App({
      'package.json': '{"type":"module"}',
      'commands/one.js': `${command('One', 'one')}export const notACommand = class {}\n`,
      'src/commands/deep/two.ts':
        command('Two', 'two') + command('Three', 'three').replace(/^import.*\n/, ''),
      'src/commands/four.js': command('Four', 'four').replace('export class', 'export default class'),
      'src/commands/_base.js': "throw new Error('never imported')",
      'src/commands/one.test.ts': "throw new Error('never imported')",
    })
    expect(await keys(app)).toEqual({ keys: ['four', 'one', 'three', 'two'], stderr: '' })
  })

  test('in CommonJS files', async () => {
    const app = new App({
      'commands/a.js': `const { Command } = require('@s18i/lark')
exports.A = class A extends Command { key = 'a'; handle() { return 3 } }`,
      'commands/b.cjs': `const { Command } = require('@s18i/lark')
module.exports = class extends Command { key = 'b'; handle() { return 4 } }`,
      'commands/c.js': `const { Command } = require('@s18i/lark')
const C = class extends Command { key = 'c'; handle() { return 5 } }
module.exports = Object.fromEntries([['C', C]])`,
    })
    expect(await keys(app)).toEqual({ keys: ['a', 'b', 'c'], stderr: '' })
    expect([(await app.lark('a')).code, (await app.lark('b')).code, (await app.lark('c')).code]).toEqual([
      3, 4, 5,
    ])
  })

  test('in the folders that the configuration names, relative to the configuration', async () => {
    const app = new App({
      'lark.config.js': "export default { commands: ['cli', 'more/cli'] }",
      'cli/a.js': command('A', 'a'),
      'more/cli/b.js': command('B', 'b'),
      'commands/c.js': command('C', 'c'),
    })
    expect((await keys(app)).keys).toEqual(['a', 'b'])
  })

  test('in the folder of the configuration, if lark is started in a folder below', async () => {
    const app = new App({
      'lark.config.js': 'export default {}',
      'commands/a.js': command('A', 'a', 'return 9'),
      'x/y/z': '',
    })
    expect((await app.node([bin, 'a'], { cwd: app.path('x/y') })).code).toBe(9)
  })

  test('in their built copies, if the sources do not exist', async () => {
    const app = new App({ 'dist/commands/a.js': command('A', 'a') })
    expect((await keys(app)).keys).toEqual(['a'])
    app.write({ 'src/commands/b.ts': command('B', 'b') })
    expect((await keys(app)).keys).toEqual(['b'])
  })

  test('in packages that the project, or its workspace, depends on', async () => {
    const app = new App({
      'package.json': '{"workspaces":["packages/*"],"devDependencies":{"at-root":"1"}}',
      'packages/web/package.json':
        '{"dependencies":{"direct":"1","silent":"1"},"optionalDependencies":{"absent":"1"}}',
      'packages/web/node_modules/direct/package.json': '{"type":"module","lark":{"commands":"./lib"}}',
      'packages/web/node_modules/direct/lib/a.js': command('A', 'direct:a', 'return 5'),
      'node_modules/at-root/package.json': '{"type":"module","lark":{"commands":["./one","./two"]}}',
      'node_modules/at-root/one/b.js': command('B', 'root:b'),
      'node_modules/at-root/two/c.js': command('C', 'root:c'),
      'node_modules/silent/package.json': '{}',
      'node_modules/silent/commands/d.js': command('D', 'silent:d'),
      'node_modules/unlisted/package.json': '{"lark":{"commands":"./commands"}}',
      'node_modules/unlisted/commands/e.js': command('E', 'unlisted:e'),
    })
    const cwd = app.path('packages/web')
    const { stdout } = await app.node([bin, 'list', '--json'], { cwd })
    const listed: { key: string }[] = JSON.parse(stdout)
    expect(listed.map(({ key }) => key)).toEqual([
      'completion',
      'direct:a',
      'help',
      'init',
      'list',
      'make:command',
      'root:b',
      'root:c',
    ])
    expect((await app.node([bin, 'direct:a'], { cwd })).code).toBe(5)
  })

  describe('in a workspace whose root has the configuration, and whose package has the dependency', () => {
    const files = {
      'lark.config.mjs': 'export default { jobs: {} }',
      'packages/web/package.json': '{"dependencies":{"app-jobs":"1"}}',
      'packages/web/node_modules/app-jobs/package.json':
        '{"type":"module","lark":{"commands":"./lib","config":"jobs"}}',
      'packages/web/node_modules/app-jobs/lib/work.js': command('Work', 'jobs:work'),
      'packages/other/package.json': '{}',
      'apps/left-out/package.json': '{"dependencies":{"away":"1"}}',
      'apps/left-out/node_modules/away/package.json': '{"lark":{"config":"away"}}',
    }

    test.each([
      ['workspaces', { 'package.json': '{"workspaces":["packages/*","apps/**","!apps/left-out"]}' }],
      [
        'workspaces of Yarn 1',
        { 'package.json': '{"workspaces":{"packages":["./packages/w*b","packages/other"]}}' },
      ],
      [
        'pnpm',
        {
          'pnpm-workspace.yaml':
            "# all\npackages:\n  - 'apps/*'\n  - '!apps/left-*' # no more\n\n  - packages/**\n",
        },
      ],
      ['pnpm, on one line', { 'pnpm-workspace.yaml': 'packages: ["packages/*"]\n' }],
    ])('%s', async (_, root) => {
      const app = new App({ ...files, ...root })
      const keysIn = async (folder: string) => {
        const { stdout, stderr } = await app.node([bin, 'list', '--json'], { cwd: app.path(folder) })
        expect(stderr).toBe('')
        return JSON.parse(stdout).map(({ key }: { key: string }) => key)
      }
      expect(await keysIn('packages/web')).toContain('jobs:work')
      expect(await keysIn('.')).toContain('jobs:work')
      expect(await keysIn('packages/other')).not.toContain('jobs:work')
      app.write({ 'lark.config.mjs': 'export default { away: {} }' })
      expect((await app.lark('list')).stderr).toContain('unknown key "away"')
    })
  })

  test("in a package that only the resolution of Node finds, as with Plug'n'Play", async () => {
    const app = new App({
      'package.json': '{"dependencies":{"app-jobs":"1"}}',
      'lark.config.mjs': 'export default { jobs: {} }',
      'cache/app-jobs/package.json': '{"type":"module","lark":{"commands":"./lib","config":"jobs"}}',
      'cache/app-jobs/lib/work.js': command('Work', 'jobs:work', 'return 5'),
      'pnp.cjs': `
        const Module = require('node:module')
        const original = Module._resolveFilename
        Module._resolveFilename = function (request, parent, ...rest) {
          if (!request.startsWith('app-jobs')) return original.call(this, request, parent, ...rest)
          if (parent.filename !== __dirname + '/package.json') throw new Error('asked from ' + parent.filename)
          return __dirname + '/cache/' + request
        }`,
    })
    const env = { NODE_OPTIONS: `--require=${app.path('pnp.cjs')}` }
    expect((await app.node([bin, 'jobs:work'], { env })).code).toBe(5)
  })
})

test('in TypeScript files whose imports have no extensions, in packages with and without `type`', async () => {
  for (const json of ['{"type":"module"}', '{}']) {
    const app = new App({
      'package.json': json,
      'src/commands/greet.ts': `import { Command, arg } from '@s18i/lark'
import { greeting } from '../greeting'
import { mark } from '../marks/index'
export class Greet extends Command {
  readonly key = 'greet'
  private who: string = arg.string('Whom')
  async handle(): Promise<boolean> { this.line(greeting(this.who) + mark); return true }
}`,
      'src/greeting.ts':
        "import { word } from './word'\nexport const greeting = (who: string) => word.concat(', ', who)",
      'src/word.ts': "export const word: string = 'Hello'",
      'src/marks/index.ts': "export const mark = '!' as const",
    })
    expect(await app.lark('greet', 'Ann')).toEqual({ code: 0, stdout: 'Hello, Ann!\n', stderr: '' })
  }
})

describe('a file that cannot be imported', () => {
  test('causes one line in the list, and all other commands run', async () => {
    const app = new App({
      'commands/good.js': command('Good', 'good', "this.line('ran')"),
      'commands/bad.js': `throw new Error('no database')\n${command('Bad', 'bad')}`,
    })
    expect(await keys(app)).toEqual({
      keys: ['good'],
      stderr: '! commands/bad.js failed to load: no database\n',
    })
    expect(await app.lark('good')).toEqual({ code: 0, stdout: 'ran\n', stderr: '' })
    expect(await app.lark('bad')).toEqual({
      code: 2,
      stdout: '',
      stderr: '✗ Unknown command "bad"\n  commands/bad.js failed to load: no database\n',
    })
  })

  test('is imported again after a module that it imports was corrected', async () => {
    const app = new App({
      'commands/a.js': `import './broken.mjs'\n${command('A', 'a', 'return 6')}`.replace(
        './broken.mjs',
        '../broken.mjs',
      ),
      'broken.mjs': "throw new Error('not yet')",
    })
    expect((await app.lark('a')).code).toBe(2)
    app.write({ 'broken.mjs': '' })
    expect((await app.lark('a')).code).toBe(6)
  })

  test('but could be imported before: its command says why and where, and exits with 1', async () => {
    const app = new App({
      'commands/a.js': `import '../dependency.mjs'\n${command('A', 'a')}`,
      'dependency.mjs': '',
    })
    expect((await app.lark('a')).code).toBe(0)
    app.write({ 'dependency.mjs': "\nthrow new Error('no database')" })
    expect(await app.lark('a')).toEqual({
      code: 1,
      stdout: '',
      stderr: `✗ commands/a.js failed to load: no database\n  At ${app.path('dependency.mjs')}:2:7\n`,
    })
  })
})

test('a command that is declared wrongly causes one line with its file in the list', async () => {
  const app = new App({ 'commands/a.js': command('A', 'two words'), 'commands/b.js': command('B', 'b') })
  expect(await keys(app)).toEqual({
    keys: ['b'],
    stderr: '! Command A has the key or alias "two words": not words like users:process (commands/a.js)\n',
  })
})

describe('two commands under one key', () => {
  const app = new App({
    'commands/a.js': command('A', 'same'),
    'commands/b.js': command('B', 'same'),
    'commands/c.js': command('C', 'other', '', "aliases = ['third']"),
    'commands/d.js': command('D', 'third'),
    'commands/e.js': command('E', 'fine', '', "aliases = ['fine', 'good']"),
  })
  const both = 'Two commands are called "same": commands/a.js and commands/b.js'

  test('are refused, and the error names both files', async () => {
    const { code, stderr } = await app.lark('same')
    expect(code).toBe(1)
    expect(stderr.split('\n')[0]).toBe(`✗ ${both}`)
  })

  test('cause one line in the list, and an alias counts as a key', async () => {
    expect(await keys(app)).toEqual({
      keys: ['fine', 'other', 'third'],
      stderr: `! ${both}\n! Two commands are called "third": commands/d.js and commands/c.js\n`,
    })
  })
})

test('a program and an application with different copies of the package work together', async () => {
  const app = new App({
    'commands/a.ts': command(
      'A',
      'a',
      'this.line(this.who); await this.progress([1], () => {}); return this.signal.aborted ? 1 : 8',
      "who = arg.string('Whom')",
    ),
  })
  installPacked(app)
  expect(await app.lark('a', 'Ann')).toEqual({ code: 8, stdout: 'Ann\n', stderr: '' })
})

describe('a command file whose import has side effects', () => {
  const quiet = `import { Command } from '@s18i/lark'
    export class Quiet extends Command { key = 'quiet'; handle() { this.line('done') } }`
  const noisy = (text: string) => `import { Command } from '@s18i/lark'
    ${text}
    export class Noisy extends Command { key = 'noisy'; handle() { process.exit() } }`

  test('may leave a handle open, and the process ends all the same', async () => {
    const app = new App({
      'commands/Quiet.js': quiet,
      'commands/Noisy.js': noisy('setInterval(() => {}, 1_000)'),
    })
    expect(await app.lark('quiet')).toEqual({ code: 0, stdout: 'done\n', stderr: '' })
    expect((await app.lark('list')).stdout).toContain('noisy')
  })

  test('may print, and stdout contains only the output of the command', async () => {
    const app = new App({ 'commands/Quiet.js': quiet, 'commands/Noisy.js': noisy(`console.log('noise')`) })
    expect((await app.lark('quiet')).stdout).toBe('done\n')
  })

  test('may end the process, which is reported, and all other commands are found', async () => {
    const app = new App({ 'commands/Ender.js': noisy('process.exit(3)'), 'commands/Quiet.js': quiet })
    const { code, stdout, stderr } = await app.lark('list')
    expect(code).toBe(0)
    expect(stdout).toContain('quiet')
    expect(stderr).toBe('! commands/Ender.js ended the process while it was imported\n')
  })
})
