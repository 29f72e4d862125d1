import { mkdirSync, symlinkSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { findConfig, loadConfig } from '../src/config.ts'
import { App, bin } from './app.ts'

const env = {}

describe('findConfig', () => {
  const app = new App({
    'package.json': '{"workspaces":["packages/*"]}',
    'lark.config.js': 'export default {}',
    'packages/web/package.json': '{}',
    'packages/web/src/server.js': '',
    'packages/api/lark.config.ts': 'export default {}',
    'packages/api/lark.config.js': 'export default {}',
    'packages/api/src/main.js': '',
    'packages/esm/lark.config.mjs': 'export default {}',
    'node_modules/tool/bin.js': '',
    'node_modules/tool/lark.config.js': '',
  })
  const root = app.path('lark.config.js')
  const api = app.path('packages/api/lark.config.ts')

  test('searches first upward from the folder of the started script', () => {
    const entry = app.path('packages/api/src/main.js')
    expect(findConfig({ env, entry, cwd: app.path('packages/esm') })).toBe(api)
  })

  test('searches then upward from the current folder, and prefers .ts to .js', () => {
    expect(findConfig({ env, entry: undefined, cwd: app.path('packages/api/src') })).toBe(api)
    expect(findConfig({ env, entry: undefined, cwd: app.path('packages/esm') })).toBe(
      app.path('packages/esm/lark.config.mjs'),
    )
  })

  test('searches up to the root of the workspace', () => {
    expect(findConfig({ env, entry: app.path('packages/web/src/server.js'), cwd: '/' })).toBe(root)
  })

  test('follows a linked script to its real folder', () => {
    const link = app.path('start.js')
    symlinkSync(app.path('packages/api/src/main.js'), link)
    expect(findConfig({ env, entry: link, cwd: '/' })).toBe(api)
  })

  test('ignores a started script in node_modules, and the program lark itself', () => {
    const cwd = app.path('packages/api')
    expect(findConfig({ env, entry: app.path('node_modules/tool/bin.js'), cwd })).toBe(api)
    expect(findConfig({ env, entry: bin, cwd })).toBe(api)
  })

  test.each(['.git', 'pnpm-workspace.yaml'])('ends the search at %s', (mark) => {
    const outer = new App({ 'lark.config.js': '', 'inner/src/x.js': '' })
    const options = { env, entry: undefined, cwd: outer.path('inner/src') }
    expect(findConfig(options)).toBe(outer.path('lark.config.js'))
    if (mark === '.git') mkdirSync(outer.path('inner/.git'))
    else outer.write({ [`inner/${mark}`]: '' })
    expect(findConfig(options)).toBeUndefined()
    outer.write({ 'inner/lark.config.mjs': '' })
    expect(findConfig(options)).toBe(outer.path('inner/lark.config.mjs'))
  })

  test('uses LARK_CONFIG first, relative to the current folder', () => {
    const options = { entry: app.path('packages/api/src/main.js'), cwd: app.path('packages') }
    expect(findConfig({ ...options, env: { LARK_CONFIG: '../lark.config.js' } })).toBe(root)
    expect(findConfig({ ...options, env: { LARK_CONFIG: root } })).toBe(root)
  })

  test('throws if LARK_CONFIG names no file', () => {
    const find = () => findConfig({ env: { LARK_CONFIG: 'none.js' }, cwd: app.folder })
    expect(find).toThrow(`LARK_CONFIG is "none.js", and there is no file ${app.path('none.js')}`)
    expect(find).toThrow(expect.objectContaining({ code: 'CONFIG_NOT_FOUND' }))
  })
})

// This program runs in its own process, because a test runner replaces the `import()` of Node, which is
// tested here.
const PROBE = `import { LarkError, loadConfig } from '@s18i/lark/config'
const sections = process.argv.slice(2)
const answer = await Promise.all([loadConfig({ sections }), loadConfig({ sections })]).then(
  ([first, second]) => ({ ...first, same: first.config === second.config, loads: globalThis.loads }),
  (error) => ({ code: LarkError.is(error) && error.code, message: error.message, hint: error.hint, cause: error.cause?.name }),
)
console.log(JSON.stringify(answer))
`

async function load(files: Record<string, string>, sections: string[] = []) {
  const app = new App({ ...files, 'src/probe.mjs': PROBE })
  const { stdout, stderr } = await app.node(['src/probe.mjs', ...sections])
  expect(stderr).toBe('')
  return JSON.parse(stdout.replaceAll(app.folder, '.'))
}

describe('loadConfig', () => {
  const types = ['{"type":"module"}', '{"type":"commonjs"}', '{}']
  const esm = "import { join } from 'node:path'\nexport default { commands: join('a', 'b') }"

  test.each(types)('loads lark.config.js with export default in a package %s', async (json) => {
    expect(await load({ 'package.json': json, 'lark.config.js': esm })).toEqual({
      config: { commands: 'a/b' },
      file: './lark.config.js',
      folder: '.',
      same: true,
    })
  })

  test.each(types)('loads lark.config.ts and .mjs in a package %s', async (json) => {
    const ts = "const commands: string = 'x'\nexport default { commands } satisfies object"
    expect(await load({ 'package.json': json, 'lark.config.ts': ts })).toMatchObject({
      config: { commands: 'x' },
    })
    expect(await load({ 'package.json': json, 'lark.config.mjs': esm })).toMatchObject({
      config: { commands: 'a/b' },
    })
  })

  test.each(types.slice(1))('loads module.exports in a package %s', async (json) => {
    const cjs = "const { join } = require('node:path')\nmodule.exports = { commands: join('a', 'b') }"
    expect(await load({ 'package.json': json, 'lark.config.js': cjs })).toMatchObject({
      config: { commands: 'a/b' },
    })
  })

  test('without a file, returns an empty configuration in the folder of the nearest package.json', async () => {
    const app = new App({ 'src/deep/main.js': '' })
    const options = { env, entry: app.path('src/deep/main.js'), cwd: '/' }
    const looked = ['src/deep', 'src', ''].map((name) => app.path(name).replace(/\/$/, ''))
    const none = { config: {}, file: undefined, folder: app.folder }
    expect(await loadConfig(options)).toEqual({ ...none, looked: [...looked, '/'] })
  })

  test.each(['js', 'ts', 'mjs'])(
    'runs lark.config.%s once if it is loaded twice at the same time',
    async (ext) => {
      const text = 'globalThis.loads = (globalThis.loads ?? 0) + 1; export default { commands: "x" }'
      expect(await load({ [`lark.config.${ext}`]: text })).toMatchObject({ same: true, loads: 1 })
    },
  )

  test.each(['js', 'ts', 'mjs'])(
    'for a lark.config.%s that throws, the error has the cause and the place',
    async (ext) => {
      const name = `lark.config.${ext}`
      expect(await load({ [name]: '\nnull.oops\nexport default {}' })).toEqual({
        code: 'CONFIG_FAILED',
        message: `./${name} failed to load: Cannot read properties of null (reading 'oops')`,
        hint: `At ./${name}:2:6`,
        cause: 'TypeError',
      })
    },
  )

  test('an error of the configuration makes lark print two lines and exit with 1', async () => {
    const app = new App({ 'lark.config.js': "\nthrow new Error('no database')" })
    expect(await app.lark('list')).toEqual({
      code: 1,
      stdout: '',
      stderr: `✗ ${app.path('lark.config.js')} failed to load: no database\n  At ${app.path('lark.config.js')}:2:7\n`,
    })
  })

  test.each(['js', 'ts', 'mjs'])(
    'for a lark.config.%s that cannot be parsed, the error has the place',
    async (ext) => {
      expect(await load({ [`lark.config.${ext}`]: 'export default { a: ; }' })).toMatchObject({
        code: 'CONFIG_FAILED',
        message: `./lark.config.${ext} failed to load: ParseError: Unexpected token`,
        hint: `At ./lark.config.${ext}:1:20`,
      })
    },
  )

  test.each([
    ['export const a = 1', 'not nothing'],
    ['export default 5', 'not a number'],
    ['export default null', 'not null'],
    ['export default []', 'not an array'],
    ['export default () => ({})', 'not a function'],
  ])('%s is refused', async (text, words) => {
    expect(await load({ 'lark.config.mjs': text })).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `./lark.config.mjs must export an object by default, ${words}`,
    })
  })

  describe('unknown keys', () => {
    const packages = {
      'package.json': '{"dependencies":{"app-jobs":"1"},"devDependencies":{"app-more":"1"}}',
      'node_modules/app-jobs/package.json': '{"lark":{"config":"jobs"}}',
      'node_modules/app-more/package.json': '{"lark":{"config":["mail","cache"]}}',
    }

    test('accepts the keys of installed packages', async () => {
      const text = 'export default { commands: [], jobs: {}, mail: {}, cache: {} }'
      expect(await load({ ...packages, 'lark.config.mjs': text })).toMatchObject({ config: { mail: {} } })
    })

    test('refuses other keys, and the error names the most similar known key', async () => {
      expect(await load({ ...packages, 'lark.config.mjs': 'export default { job: {} }' })).toMatchObject({
        code: 'CONFIG_INVALID',
        message: './lark.config.mjs has an unknown key "job"',
        hint: 'Did you mean jobs?',
      })
      expect(await load({ ...packages, 'lark.config.mjs': 'export default { zzzzzzzz: {} }' })).toMatchObject(
        {
          hint: expect.stringMatching(/^Known keys: commands, jobs, mail, cache\. A package adds its own /),
        },
      )
    })

    test('accepts keys that the caller reads, even without a package.json', async () => {
      const text = 'export default { queue: 1 }'
      expect(await load({ 'lark.config.mjs': text }, ['queue'])).toMatchObject({ config: { queue: 1 } })
      expect(await load({ 'lark.config.mjs': text })).toMatchObject({ code: 'CONFIG_INVALID' })
    })
  })
})
