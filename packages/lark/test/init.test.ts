/** `lark init` in real folders: what it detects, which files it writes, and which projects it refuses. */
import { once } from 'node:events'
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { compilerWishes } from '../src/init/compiler.ts'
import { withMembers } from '../src/init/json-text.ts'
import { writeAll } from '../src/init/write.ts'
import { testCommand } from '../src/testing.ts'
import { App, bin, finished } from './app.ts'

const LARK = { dependencies: { '@s18i/lark': '*' } }
const NOBODY = 65_534

afterEach(() => {
  vi.unstubAllEnvs()
})

/** Makes a project that has installed Lark. */
function project(files: Record<string, string> = {}, json: object = {}): App {
  return new App({ 'package.json': `${JSON.stringify({ ...LARK, ...json }, null, 2)}\n`, ...files })
}

/**
 * Makes a project with a package that adds a part to `lark init`. @param part the text of the module with the
 * part
 */
function withPart(part: string, files: Record<string, string> = {}, json: object = {}): App {
  const app = new App({
    'package.json': JSON.stringify({ dependencies: { '@s18i/lark': '*', plugin: '*' }, ...json }, null, 2),
    ...files,
    'node_modules/plugin/init.mjs': part,
    'node_modules/plugin/package.json': '{"name":"plugin","lark":{"config":"plugin","init":"./init.mjs"}}',
  })
  return app
}

const PART = `export const init = async (project) => ({
  example: {
    files: {
      'src/tasks/First': project.exporting('First') + ' {}\\n',
      [await project.folderOf('commands') + '/Start']:
        project.importingFile(['First'], 'src/tasks/First', await project.folderOf('commands') + '/Start') + '\\n',
    },
    firstIn: 'src/tasks',
    commands: ['start'],
    next: ['start'],
  },
  section: ['plugin: {},'],
  scripts: { start: 'lark start', dev: 'lark start --watch' },
  notes: ['The plugin is here'],
})`

const init = (app: App, words = '', answers: string[] = []) =>
  testCommand(`init ${words}`, { cwd: app.folder, answers })

/** Returns all files below the folder with their texts, without the files of packages. */
function filesOf(app: App): Record<string, string> {
  const names = readdirSync(app.folder, { recursive: true, withFileTypes: true })
    .filter((each) => !each.isDirectory())
    .map((each) => join(each.parentPath, each.name).slice(app.folder.length + 1))
  return Object.fromEntries(
    names.filter((name) => !name.startsWith('node_modules')).map((name) => [name, app.read(name)]),
  )
}

/** Expects that nothing has changed. Returns the error of the run. */
async function refused(app: App, words = '') {
  const before = filesOf(app)
  const { exitCode, error, output } = await init(app, words)
  expect(filesOf(app)).toEqual(before)
  expect(output).toBe('')
  const { code, message, hint } = error as { code: string; message: string; hint: string }
  return { exitCode, code, message: message.replaceAll(app.folder, 'APP'), hint }
}

describe('a project with Lark alone gets a command that runs', () => {
  test.each<[string, Record<string, string>, object, string, string]>([
    ['no code yet', { '.pnp.cjs': '', 'README.md': '' }, {}, 'src/commands/Hello.ts', 'export class Hello'],
    [
      'TypeScript',
      { 'src/index.ts': '', 'tsconfig.json': '{}' },
      {},
      'src/commands/Hello.ts',
      'readonly key',
    ],
    ['CommonJS', { 'index.js': '' }, {}, 'commands/Hello.js', 'exports.Hello = class'],
    ['ES modules', { 'src/index.js': '' }, { type: 'module' }, 'src/commands/Hello.js', 'import { arg'],
    [
      'a configured folder',
      { 'lark.config.mjs': 'export default { commands: "cli" }' },
      {},
      'cli/Hello.js',
      '',
    ],
  ])('%s', async (_, files, json, path, text) => {
    const app = project(files, json)
    const { exitCode, errorOutput, table } = await init(app)
    expect(exitCode).toBe(0)
    expect(errorOutput).toContain('Next:\n  npx lark hello Ada\n')
    expect(table[0]).toEqual({ STATE: 'new', FILE: path, NOTE: '' })
    expect(app.read(path)).toContain(text)
    const ran = await testCommand('hello Ada', { cwd: app.folder })
    expect(ran.errorOutput).toBe('i Hello, Ada\n✓ Done\n')
  })

  test('in ES modules if the project is new, and in JavaScript with --language', async () => {
    const app = project()
    await init(app, '--language=js')
    expect(app.read('src/commands/Hello.js')).toContain('import { arg')
    expect(app.read('package.json')).toBe(
      '{\n  "dependencies": {\n    "@s18i/lark": "*"\n  },\n  "type": "module"\n}\n',
    )
  })
})

describe('what a package adds', () => {
  test('is written in the format of the project, and nothing else changes', async () => {
    const json =
      '{\r\n\t"files": ["a", "b"],\r\n\t"scripts": {\r\n\t\t"start": "node ."\r\n\t},\r\n\t"dependencies": { "@s18i/lark": "*", "plugin": "*" }\r\n}'
    const app = withPart(PART, { 'package.json': json, 'index.js': '' })
    const { errorOutput, table } = await init(app)
    expect(errorOutput).toBe(
      `i ${app.folder}: JavaScript, CommonJS, npm\ni The plugin is here\n` +
        '✓ Wrote 3 files and changed package.json\ni Next:\n  npx lark start\n',
    )
    expect(table).toEqual([
      { STATE: 'new', FILE: 'src/tasks/First.js', NOTE: '' },
      { STATE: 'new', FILE: 'commands/Start.js', NOTE: '' },
      { STATE: 'new', FILE: 'lark.config.js', NOTE: '' },
      { STATE: 'changed', FILE: 'package.json', NOTE: 'the script dev' },
    ])
    expect(app.read('src/tasks/First.js')).toBe('exports.First = class First {}\n')
    expect(app.read('commands/Start.js')).toBe("const { First } = require('../src/tasks/First')\n")
    expect(app.read('lark.config.js')).toBe(
      "const { defineConfig } = require('plugin')\n\nmodule.exports = defineConfig({\n  plugin: {},\n})\n",
    )
    expect(app.read('package.json')).toBe(
      json.replace('"node ."', '"node .",\r\n\t\t"dev": "lark start --watch"'),
    )
  })

  test('is only shown with --dry-run, with texts under --verbose, and as JSON under --json', async () => {
    const app = withPart(PART, { 'index.js': '' })
    const before = filesOf(app)
    const shown = await init(app, '--dry-run --verbose')
    expect(shown.output).toMatch(
      /\n\npackage\.json\n\+ {3}},\n\+ {3}"scripts": \{\n\+ {5}"start": "lark start",\n/,
    )
    expect(shown.errorOutput).toContain('i Nothing is written, because of --dry-run\n')
    const { json } = await init(app, '--dry-run --json')
    expect(json).toMatchObject({
      folder: app.folder,
      language: 'js',
      isModule: false,
      manager: 'npm',
      dryRun: true,
      next: ['npx lark start'],
    })
    expect((json as { files: object[] }).files[0]).toEqual({
      path: 'src/tasks/First.js',
      state: 'new',
      note: '',
      text: 'exports.First = class First {}\n',
    })
    expect(filesOf(app)).toEqual(before)
  })

  test('is written only once', async () => {
    const app = withPart(PART, { 'index.js': '' })
    await init(app)
    app.write({ 'src/tasks/First.js': '// mine', 'lark.config.js': 'module.exports = {}' })
    const before = filesOf(app)
    const { errorOutput, table } = await init(app)
    expect(errorOutput).toContain('✓ There is nothing to write\n')
    expect(table).toEqual([
      { STATE: 'kept', FILE: 'src/tasks', NOTE: 'has 1 file already: no example' },
      { STATE: 'kept', FILE: 'lark.config.js', NOTE: 'exists already' },
      { STATE: 'kept', FILE: 'package.json', NOTE: 'has all that is needed' },
    ])
    expect(filesOf(app)).toEqual(before)
  })

  test.each<[string, Record<string, string>, string]>([
    ['the folder has files', { 'src/tasks/mine.js': '' }, 'has 1 file already: no example'],
    ['a file has the path', { 'commands/Start.js': '' }, 'exists already: no example'],
    [
      'the project has the command',
      {
        'commands/mine.js':
          "const { Command } = require('@s18i/lark')\nexports.A = class extends Command { key = 'start'; handle() {} }",
      },
      'the project has a command start already: no example',
    ],
  ])('has no example if %s', async (_, files, note) => {
    const app = withPart(PART, files)
    const { table } = await init(app)
    expect(table[0]).toMatchObject({ STATE: 'kept', NOTE: note })
    expect(filesOf(app)).toMatchObject(files)
    expect(table.slice(1).map(({ FILE }) => FILE)).toEqual(['lark.config.js', 'package.json'])
  })

  test('is undone as a whole if a file cannot be written', async () => {
    const app = withPart(PART, { 'index.js': '', commands: 'a file in the place of the folder' })
    const { code, message, exitCode } = await refused(app)
    expect({ code, exitCode }).toEqual({ code: 'FILE_NOT_WRITTEN', exitCode: 1 })
    expect(message).toMatch(/^APP\/commands\/Start\.js cannot be written: /)
    expect(app.has('src')).toBe(false)
  })
})

test('if LARK_CONFIG names a configuration in a subfolder, the files are written into this subfolder', async () => {
  const app = withPart(PART, { 'config/lark.mjs': 'export default {}' })
  const { table } = await testCommand('init', {
    cwd: app.folder,
    env: { LARK_CONFIG: 'config/lark.mjs' },
  })
  expect(table.map(({ STATE, FILE }) => `${STATE} ${FILE}`)).toEqual([
    'new src/tasks/First.js',
    'new commands/Start.js',
    'kept lark.mjs',
    'changed ../package.json',
  ])
  expect(app.has('config/commands/Start.js')).toBe(true)
  expect(app.read('package.json')).toContain('lark start')
})

describe('the package manager', () => {
  test.each<[Record<string, string>, object, string, string]>([
    [{ 'pnpm-lock.yaml': '' }, {}, 'yarn/4.0.0 npm/?', 'pnpm lark'],
    [{ 'yarn.lock': '' }, {}, '', 'yarn lark'],
    [{ 'bun.lock': '' }, {}, '', 'bunx lark'],
    [{ 'package-lock.json': '' }, { packageManager: 'pnpm@10.1.0' }, '', 'pnpm lark'],
    [{}, {}, 'yarn/4.0.0 npm/? node/v24', 'yarn lark'],
    [{}, { packageManager: 'vlt@1' }, 'cnpm/1', 'npx lark'],
  ])('%j %j %s: %s', async (files, json, agent, lark) => {
    vi.stubEnv('npm_config_user_agent', agent)
    const { json: said } = await init(project(files, json), '--dry-run')
    expect(said).toMatchObject({ next: [`${lark} hello Ada`] })
  })
})

describe('what the compiler requires', () => {
  test.each<[Record<string, string>, string]>([
    [{}, ''],
    [{ 'tsconfig.json': '{ "compilerOptions": { "module": "NodeNext" } }' }, '.js'],
    [{ 'tsconfig.json': '{ "compilerOptions": { "module": "node20" } }' }, '.js'],
    [
      { 'tsconfig.json': '{ "compilerOptions": { "module": "preserve", "moduleResolution": "bundler" } }' },
      '',
    ],
    [
      { 'tsconfig.json': '{ "compilerOptions": { "module": "commonjs", "moduleResolution": "node10" } }' },
      '',
    ],
    [{ 'tsconfig.json': '{\n // "module": "nodenext"\n "compilerOptions": { "module": "commonjs" } }' }, ''],
    [
      {
        'tsconfig.json': '{ "extends": "./base" }',
        'base.json': '{ "compilerOptions": { "module": "node16" } }',
      },
      '.js',
    ],
    [
      {
        'tsconfig.json': '{ "extends": ["nothing/there", "@tsconfig/node22/tsconfig.json"] }',
        'node_modules/@tsconfig/node22/tsconfig.json': '{ "compilerOptions": { "module": "nodenext" } }',
      },
      '.js',
    ],
    [
      {
        'tsconfig.json':
          '{ "compilerOptions": { "module": "nodenext", "allowImportingTsExtensions": true } }',
      },
      '.ts',
    ],
  ])('%j: paths that end in "%s"', (files, ending) => {
    expect(compilerWishes(new App(files).folder)).toMatchObject({ ending, needsOverride: false })
  })

  test.each([
    [{ type: 'commonjs' }, true],
    [{ type: 'module' }, false],
    [{}, false], // `lark init` adds the type to package.json.
  ])('with the options %j, whether tsc would refuse import: %s', async (json, isSaid) => {
    const tsconfig = '{ "compilerOptions": { "module": "nodenext", "verbatimModuleSyntax": true } }'
    const { errorOutput } = await init(project({ 'tsconfig.json': tsconfig }, json), '--dry-run')
    expect(errorOutput.includes('npm pkg set type=module')).toBe(isSaid)
  })

  test('the word override', () => {
    const app = new App({ 'tsconfig.json': '{ "compilerOptions": { "noImplicitOverride": true } }' })
    expect(compilerWishes(app.folder).needsOverride).toBe(true)
  })
})

test.each([
  ['{}', undefined, '{\n  "b": {\n    "c": 1\n  }\n}'],
  ['{"a":1}\n', undefined, '{"a":1, "b": {"c":1}}\n'],
  ['{\n    "a": [1, 2]\n}', undefined, '{\n    "a": [1, 2],\n    "b": {\n        "c": 1\n    }\n}'],
  ['{\n  "a": {}\n}', 'a', '{\n  "a": {\n    "b": {\n      "c": 1\n    }\n  }\n}'],
  ['{\n\t"a": { "x": "}, {" },\n\t"z": 1\n}', 'a', '{\n\t"a": { "x": "}, {", "b": {"c":1} },\n\t"z": 1\n}'],
  [
    '{ "x": { "a": 1 }, "a": { "\\"a": [{}] } }',
    'a',
    '{ "x": { "a": 1 }, "a": { "\\"a": [{}], "b": {"c":1} } }',
  ],
])('%j gets a member in %s', (text, inside, expected) => {
  expect(withMembers(text, { b: { c: 1 } }, inside)).toBe(expected)
  expect(JSON.parse(expected)).toBeDefined()
})

describe('lark init is refused with one line, and writes nothing,', () => {
  test('in a project that has another package called lark', async () => {
    expect(await refused(project({}, { dependencies: { ...LARK.dependencies, lark: '^2.0.0' } }))).toEqual({
      exitCode: 1,
      code: 'PROGRAM_TAKEN',
      message:
        'The package.json of APP lists "lark", which is another package with a program of the same name',
      hint: 'Lark is @s18i/lark. If the other one is there by mistake: npm uninstall lark',
    })
    const alias = project({}, { dependencies: { ...LARK.dependencies, lark: 'npm:@s18i/lark@1' } })
    expect((await init(alias, '--dry-run')).exitCode).toBe(0)
  })

  test.each([
    ['{ "name": ', /^APP\/package\.json cannot be read: /],
    ['[]', /^APP\/package\.json is not an object$/],
    ['{ "scripts": "none" }', /^APP\/package\.json has "scripts" that is not an object$/],
    ['{ "dependencies": ["@s18i/lark"] }', /^APP\/package\.json has "dependencies" that is not an object$/],
  ])('with the package.json %s', async (text, message) => {
    const said = await refused(new App({ 'package.json': text }))
    expect(said).toMatchObject({ exitCode: 1, code: 'PACKAGE_INVALID' })
    expect(said.message).toMatch(message)
  })

  test('in the root of a workspace, unless the root itself has Lark', async () => {
    const packages = Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((name) => [`packages/${name}/package.json`, `{"name":"${name}"}`]),
    )
    const root = { 'package.json': '{"workspaces":["packages/*"]}', ...packages }
    expect(await refused(new App(root))).toEqual({
      exitCode: 1,
      code: 'PROJECT_UNCLEAR',
      message: 'APP is the root of a workspace (packages/a, packages/b, packages/c and 1 more)',
      hint:
        'Call lark init in one of its packages: cd packages/a. ' +
        'If the jobs belong to the root, add @s18i/lark-jobs to its package.json first',
    })
    const own = project(packages, { workspaces: ['packages/*'] })
    expect((await init(own, '--dry-run')).exitCode).toBe(0)
  })

  test('in a folder with files of another kind', async () => {
    const app = new App({ 'photo.png': '' })
    rmSync(app.path('package.json'))
    expect(await refused(app, '--install')).toEqual({
      exitCode: 1,
      code: 'PROJECT_UNCLEAR',
      message: 'APP has no package.json, and is not empty: it has photo.png',
      hint: 'If it is the folder of your application, call npm init -y first',
    })
  })

  test('if Lark is not installed, and the user does not want to install it', async () => {
    const app = new App({ 'README.md': '' })
    rmSync(app.path('package.json'))
    const expected = {
      exitCode: 1,
      code: 'NOT_INSTALLED',
      message: 'APP does not have @s18i/lark and @s18i/lark-jobs',
      hint: 'Run npm install @s18i/lark @s18i/lark-jobs, or lark init --install',
    }
    expect(await refused(app, '--no-interaction')).toEqual(expected)
    const asked = await init(app, '', ['no'])
    expect(asked.questions).toEqual(['Run npm install @s18i/lark @s18i/lark-jobs?'])
    expect(asked.error).toMatchObject({ code: 'NOT_INSTALLED' })
    const shown = await init(app, '--dry-run')
    expect(shown.exitCode).toBe(0)
    expect(shown.errorOutput).toContain('may add to this list: npm install @s18i/lark @s18i/lark-jobs\n')
    expect(shown.table.map(({ FILE }) => FILE)).toEqual(['src/commands/Hello.ts', 'package.json'])
    expect(readdirSync(app.folder).sort()).toEqual(['.git', 'README.md', 'node_modules'])
  })

  test('if the packages are in package.json but not installed', async () => {
    const app = project({}, { devDependencies: { '@s18i/lark-jobs': '*' } })
    expect(await refused(app, '--no-interaction')).toMatchObject({
      code: 'NOT_INSTALLED',
      message: 'APP does not have @s18i/lark-jobs',
    })
  })

  test('if the package manager fails or is missing', async () => {
    const app = new App({ 'README.md': '' })
    rmSync(app.path('package.json'))
    vi.stubEnv('npm_config_registry', 'http://127.0.0.1:1')
    vi.stubEnv('npm_config_fetch_retries', '0')
    vi.stubEnv('npm_config_loglevel', 'silent')
    vi.stubEnv('npm_config_cache', app.path('.cache'))
    vi.stubEnv('npm_config_user_agent', '')
    const failed = await init(app, '--install')
    expect(failed.error).toMatchObject({
      code: 'INSTALL_FAILED',
      message: 'npm install @s18i/lark @s18i/lark-jobs ended with exit code 1',
    })
    expect(app.has('package.json')).toBe(false)
    vi.stubEnv('npm_config_user_agent', 'bun/1.0.0')
    vi.stubEnv('PATH', app.folder)
    const missing = await init(app, '--install')
    expect(missing.error).toMatchObject({
      code: 'INSTALL_FAILED',
      message: 'bun add @s18i/lark @s18i/lark-jobs cannot be started',
    })
    expect(app.has('package.json')).toBe(false)
  })

  test('if it is interrupted while the package manager works', async () => {
    const app = new App({ 'README.md': '' })
    rmSync(app.path('package.json'))
    const silent = createServer()
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const { port } = silent.address() as AddressInfo
    const child = app.start([bin, 'init', '--install'], {
      env: {
        npm_config_registry: `http://127.0.0.1:${port}`,
        npm_config_cache: app.path('.cache'),
        npm_config_user_agent: '',
      },
    })
    const result = finished(child)
    const [socket] = (await once(silent, 'connection')) as [Socket]
    expect(app.has('package.json')).toBe(true)
    child.kill('SIGINT')
    const { code, stdout, stderr } = await result
    socket.destroy()
    silent.close()
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr).toContain('! Interrupted\n')
    expect(app.has('package.json')).toBe(false)
  })

  test('without write permission', async () => {
    const app = project()
    chmodSync(app.folder, 0o555)
    chmodSync(dirname(app.folder), 0o711)
    const isRoot = process.getuid?.() === 0
    const { code, stdout, stderr } = await app.node([bin, 'init'], isRoot ? { uid: NOBODY, gid: NOBODY } : {})
    chmodSync(app.folder, 0o755)
    const path = app.path('src/commands/Hello.ts')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `✗ ${path} cannot be written: EACCES: permission denied, mkdir '${app.path('src')}'\n  Nothing is changed\n`,
    )
    expect(readdirSync(app.folder).sort()).toEqual(['.git', 'node_modules', 'package.json'])
  })
})

describe('links', () => {
  test('a package.json that is a symbolic link stays a link, and keeps its mode', async () => {
    const app = withPart(PART, { 'index.js': '' })
    app.write({ 'real/package.json': app.read('package.json') })
    chmodSync(app.path('real/package.json'), 0o664)
    rmSync(app.path('package.json'))
    symlinkSync('real/package.json', app.path('package.json'))
    expect((await init(app)).exitCode).toBe(0)
    expect(lstatSync(app.path('package.json')).isSymbolicLink()).toBe(true)
    expect(app.read('real/package.json')).toContain('"start": "lark start"')
    expect(statSync(app.path('real/package.json')).mode & 0o777).toBe(0o664)
    expect(readdirSync(app.path('real'))).toEqual(['package.json'])
  })

  test('a folder that is a symbolic link out of the project gets no files', async () => {
    const app = withPart(PART, { 'index.js': '' })
    const outside = new App()
    symlinkSync(outside.folder, app.path('src'))
    const { error } = await init(app)
    expect(error).toMatchObject({
      code: 'FILE_NOT_WRITTEN',
      message: `${app.path('src/tasks/First.js')} cannot be written: ${app.path('src')} is outside of ${app.folder}`,
    })
    expect(outside.has('tasks')).toBe(false)
    expect(app.has('commands')).toBe(false)
  })

  test('a symbolic link without a target counts as a file', async () => {
    const app = withPart(PART, { 'index.js': '' })
    mkdirSync(app.path('commands'))
    symlinkSync('nowhere', app.path('commands/Start.js'))
    symlinkSync('nowhere', app.path('lark.config.js'))
    const { table } = await init(app)
    expect(table.map(({ STATE, FILE }) => `${STATE} ${FILE}`)).toEqual([
      'kept commands/Start.js',
      'kept lark.config.js',
      'changed package.json',
    ])
  })
})

test('if a file has appeared or changed since the plan was made, all changes are undone', () => {
  const app = project({ 'later.js': 'mine' })
  const before = filesOf(app)
  const first = { path: 'src/a/first.js', state: 'new', note: '', text: 'x' } as const
  const write = (file: object) => () => writeAll(app.folder, [first, file as typeof first])
  expect(write({ path: 'later.js', state: 'new', text: 'y' })).toThrow(
    `${app.path('later.js')} exists already`,
  )
  expect(write({ path: 'package.json', state: 'changed', before: '{}', text: '{ }' })).toThrow(
    `${app.path('package.json')} cannot be written: it has changed in the meantime`,
  )
  expect(filesOf(app)).toEqual(before)
  expect(app.has('src')).toBe(false)
})
