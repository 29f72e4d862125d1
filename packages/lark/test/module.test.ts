import { describe, expect, test } from 'vitest'
import { sourceFiles, sourceFolders } from '../src/internal.ts'
import { App, installPacked } from './app.ts'

/** Runs `script` in the application with Node, and returns the JSON that it prints. */
async function answer(app: App, script: string) {
  app.write({
    'probe.mjs': `import { importModule } from '@s18i/lark/internal'
const load = (name) => importModule(new URL(name, import.meta.url).pathname)
${script}`,
  })
  const { stdout, stderr } = await app.node(['probe.mjs'])
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

const app = {
  'commands/greet.ts': `import { Command } from '@s18i/lark'
import { shared } from '../shared'
export class Greet extends Command { readonly key: string = 'greet'; handle() {} }
export { Command, shared }
`,
  'shared.ts': `globalThis.evaluated = (globalThis.evaluated ?? 0) + 1
export const shared: object = {}
`,
}

describe.each(['linked', 'packed'])('with the package %s', (how) => {
  test('TypeScript files and the program use the same class Command, and each module runs once', async () => {
    const home = new App(app)
    if (how === 'packed') installPacked(home)
    const script = `import { Command } from '@s18i/lark'
const [shared, greet] = await Promise.all([load('shared.ts'), load('commands/greet.ts')])
const again = await load('shared.ts')
console.log(JSON.stringify({
  command: greet.Command === Command && new greet.Greet() instanceof Command,
  shared: shared.shared === greet.shared && again.shared === shared.shared,
  evaluated: globalThis.evaluated,
}))`
    expect(await answer(home, script)).toEqual({ command: true, shared: true, evaluated: 1 })
  })
})

test('all copies of the package share one loader', async () => {
  const home = new App(app)
  const other = new App()
  installPacked(other)
  const script = `const other = await import(${JSON.stringify(other.path('node_modules/@s18i/lark/dist/internal.js'))})
const first = await load('shared.ts')
const second = await other.importModule(new URL('shared.ts', import.meta.url).pathname)
console.log(JSON.stringify([first.shared === second.shared, globalThis.evaluated]))`
  expect(await answer(home, script)).toEqual([true, 1])
})

test('if Node itself runs TypeScript, a module that Node has imported is not evaluated again', async () => {
  const home = new App({
    'hook.mjs': `export const load = (url, context, next) =>
  next(url, url.endsWith('.ts') ? { ...context, format: 'module' } : context)`,
    'register.mjs': "import { register } from 'node:module'\nregister('./hook.mjs', import.meta.url)",
    'shared.ts': 'globalThis.evaluated = (globalThis.evaluated ?? 0) + 1\nexport const shared = {}',
    'main.ts': `import { importModule } from '@s18i/lark/internal'
import { shared } from './shared.ts'
const again = await importModule(new URL('shared.ts', import.meta.url).pathname)
console.log(JSON.stringify([again.shared === shared, globalThis.evaluated]))`,
  })
  const { stdout, stderr } = await home.node(['--import', './register.mjs', 'main.ts'])
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([true, 1])
})

describe('a module that Node refuses', () => {
  const esm = { 'b.js': "export const b = 'b'", 'folder/index.js': "export const c = 'c'" }
  test.each(['{"type":"module"}', '{"type":"commonjs"}', '{}'])(
    'is imported by jiti, in a package %s',
    async (json) => {
      const home = new App({
        'package.json': json,
        ...esm,
        'a.js': "import { b } from './b'\nimport { c } from './folder'\nexport const a = b + c",
        'typed.js': "import { t } from './typed.ts'\nexport const a = t",
        'typed.ts': "export const t: string = 't'",
      })
      const script =
        "console.log(JSON.stringify([(await load('a.js')).a, (await load('b.js')).b, (await load('typed.js')).a]))"
      expect(await answer(home, script)).toEqual(['bc', 'b', 't'])
    },
  )

  test('is an error if it does not exist, or throws', async () => {
    const home = new App({
      'package.json': '{"type":"module"}',
      'missing.js': "import './nowhere'",
      'package.js': "import 'no-such-package'",
      'throws.js': "globalThis.runs = (globalThis.runs ?? 0) + 1\nJSON.parse('{')",
      'throws.ts': "import './thrower'",
      'thrower.ts': "\ninterface A {}\nthrow new RangeError('mine', { cause: 'why' })",
    })
    const script = `const errors = []
for (const name of ['missing.js', 'package.js', 'throws.js', 'throws.ts']) {
  await load(name).catch(({ name, code, message, stack, cause }) => errors.push({ name, code, message, stack, cause }))
}
console.log(JSON.stringify({ errors, runs: globalThis.runs }))`
    const { errors, runs } = await answer(home, script)
    expect(errors[0]).toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' })
    expect(errors[1]).toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' })
    expect(errors[2]).toMatchObject({ name: 'SyntaxError' })
    expect(errors[3]).toMatchObject({ name: 'RangeError', message: 'mine', cause: 'why' })
    expect(errors[3].stack).toContain(`${home.path('thrower.ts')}:3:7`)
    expect(runs).toBe(1)
  })
})

test('a module that is being imported may import another module', async () => {
  const home = new App({
    'outer.ts': `import { importModule } from '@s18i/lark/internal'
const inner = await importModule(new URL('./inner.ts', import.meta.url).pathname)
export const value = inner.value + 1
`,
    'inner.ts': 'export const value: number = 1',
  })
  expect(await answer(home, "console.log((await load('outer.ts')).value)")).toBe(2)
})

test('CommonJS and ES modules of every extension', async () => {
  const home = new App({
    'a.cjs': 'exports.a = 1',
    'b.mjs': 'export const a = 2',
    'c.mts': 'export const a: number = 3',
    'd.cts': 'const n: number = 4; module.exports = { a: n }',
    'e.js': 'module.exports = { a: 5 }',
  })
  const script = `const all = await Promise.all(['a.cjs', 'b.mjs', 'c.mts', 'd.cts', 'e.js'].map(load))
console.log(JSON.stringify(all.map(({ a }) => a)))`
  expect(await answer(home, script)).toEqual([1, 2, 3, 4, 5])
})

describe('paths of tsconfig.json', () => {
  const aliased = {
    'src/name.ts': "export const name: string = 'app'",
    'src/jobs/a.ts': "import { name } from '@/name'\nexport const a = name",
  }
  const paths = '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } } // as bundlers follow them'

  test('count for each package separately, also if they are inherited, and a module of two packages is evaluated once', async () => {
    const home = new App({
      'shared.ts': app['shared.ts'],
      ...aliased,
      'src/jobs/a.ts': `${aliased['src/jobs/a.ts']}\nexport { shared } from '../../shared'`,
      'tsconfig.json': '{ "extends": "./generated/tsconfig.json" }',
      'generated/tsconfig.json': '{ "compilerOptions": { "paths": { "@/*": ["../src/*"] } } }',
      'other/package.json': '{ "name": "other" }',
      'other/tsconfig.json': paths,
      'other/src/name.ts': "export const name: string = 'other'",
      'other/src/jobs/b.ts':
        "import { name } from '@/name'\nexport { shared } from '../../../shared'\nexport const b = name",
    })
    const script = `const { a, shared } = await load('src/jobs/a.ts')
const other = await load('other/src/jobs/b.ts')
console.log(JSON.stringify([a, other.b, other.shared === shared, globalThis.evaluated]))`
    expect(await answer(home, script)).toEqual(['app', 'other', true, 1])
  })

  test('in a file that cannot be read are ignored, and the error for a missing module has the reason', async () => {
    const home = new App({
      ...aliased,
      'tsconfig.json': '{ "extends": "@tsconfig/not-shipped/tsconfig.json" }',
      'c.js': "import { name } from './src/name'\nexport const c = name",
    })
    const script = `console.log(JSON.stringify([
  (await load('src/name.ts')).name,
  (await load('c.js')).c,
  await load('src/jobs/a.ts').catch(({ code, message }) => ({ code, message })),
]))`
    expect(await answer(home, script)).toEqual([
      'app',
      'app',
      {
        code: 'MODULE_NOT_FOUND',
        message:
          "Cannot find module '@/name' (without the paths of tsconfig.json: File '@tsconfig/not-shipped/tsconfig.json' not found.)",
      },
    ])
  })

  test('in a folder above the project are ignored', async () => {
    const home = new App({ 'tsconfig.json': paths, 'src/name.ts': aliased['src/name.ts'] })
    home.write({ 'project/.git/HEAD': '', 'project/package.json': '{ "name": "project" }' })
    home.write({ 'project/a.ts': aliased['src/jobs/a.ts'] })
    const script = "await load('project/a.ts').catch(({ message }) => console.log(JSON.stringify(message)))"
    expect(await answer(home, script)).toMatch(/^Cannot find module '@\/name'\n/)
  })
})

describe('sourceFiles', () => {
  test('lists the importable files, sorted, one for each base name', async () => {
    const home = new App({
      'commands/b.ts': '',
      'commands/b.js': '',
      'commands/a.mjs': '',
      'commands/users/process.cts': '',
      'commands/users/x.test.ts': '',
      'commands/users/x.spec.js': '',
      'commands/types.d.ts': '',
      'commands/types.d.mts': '',
      'commands/_base.ts': '',
      'commands/.hidden.ts': '',
      'commands/_shared/x.ts': '',
      'commands/node_modules/x.js': '',
      'commands/readme.md': '',
      'more/z.js': '',
    })
    const files = await sourceFiles([
      home.path('more'),
      home.path('commands'),
      home.path('commands'),
      home.path('none'),
    ])
    expect(files.map((file) => file.slice(home.folder.length + 1))).toEqual([
      'commands/a.mjs',
      'commands/b.ts',
      'commands/users/process.cts',
      'more/z.js',
    ])
  })
})

describe('sourceFolders', () => {
  function folders(files: string[], configured?: string | string[], tsconfig?: string) {
    const home = new App(Object.fromEntries(files.map((file) => [file, ''])))
    if (tsconfig) home.write({ 'tsconfig.json': tsconfig })
    return sourceFolders('jobs', home.folder, configured).map((folder) =>
      folder.slice(home.folder.length + 1),
    )
  }

  test.each<[string[], string | string[] | undefined, string[]]>([
    [['jobs/a.js', 'src/jobs/b.js', 'dist/jobs/a.js'], undefined, ['jobs', 'src/jobs']],
    [['dist/jobs/a.js'], undefined, ['dist/jobs']],
    [['dist/src/jobs/a.js', 'build/jobs/a.js'], undefined, ['dist/src/jobs']],
    [['build/jobs/a.js'], undefined, ['build/jobs']],
    [['work/a.js', 'jobs/b.js'], 'work', ['work']],
    [
      ['one/a.js', 'two/b.js'],
      ['one', 'two', 'three'],
      ['one', 'two'],
    ],
    [['dist/app/work/a.js'], './src/app/work', ['dist/app/work']],
    [[], undefined, []],
  ])('%j, configured %j: %j', (files, configured, expected) => {
    expect(folders(files, configured)).toEqual(expected)
  })

  test('the outDir of a tsconfig.json that contains comments', () => {
    const tsconfig =
      '{\n  // "outDir": "wrong"\n  "compilerOptions": {\n    "outDir": "./out", // here\n  }\n}'
    expect(folders(['out/jobs/a.js', 'dist/jobs/a.js'], undefined, tsconfig)).toEqual(['out/jobs'])
  })
})
