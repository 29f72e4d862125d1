import { readdirSync, utimesSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CommandCache } from '../src/catalog/cache.ts'
import { App, bin, command } from './app.ts'

const CACHE = 'node_modules/.cache/lark/commands.json'

/** Returns the source of a command whose file prints to stderr when it is imported. */
function loud(className: string, key: string, body?: string) {
  return `process.stderr.write('[${key}]')\n${command(className, key, body)}`
}

function twoCommands() {
  return new App({
    'package.json': '{"type":"module"}',
    'commands/a.js': loud('A', 'a'),
    'commands/b.js': loud('B', 'b'),
  })
}

test('the second `lark list` imports no file of the application', async () => {
  const app = twoCommands()
  const first = await app.lark('list')
  expect(first.stderr).toBe('[a][b]')
  const second = await app.lark('list')
  expect(second).toEqual({ ...first, stderr: '' })
  expect((await app.lark('help', 'a')).stderr).toBe('')
})

test('a command imports only its own file if the cache has it', async () => {
  const app = twoCommands()
  await app.lark('list')
  expect((await app.lark('b')).stderr).toBe('[b]')
})

test('a command file whose time or size has changed is read again, and a deleted file is removed from the cache', async () => {
  const app = twoCommands()
  await app.lark('list')
  app.write({ 'commands/a.js': loud('A', 'renamed') })
  expect((await app.lark('list')).stderr).toBe('[renamed]')
  utimesSync(app.path('commands/b.js'), 1, 1)
  expect((await app.lark('list')).stderr).toBe('[b]')
  app.write({ 'commands/b.js': 'export {}' })
  const { stdout } = await app.lark('list')
  expect(stdout).toContain('  renamed\n')
  expect(stdout).not.toContain('  b\n')
})

test('the cache is beside the nearest package.json', async () => {
  const app = new App({
    'package.json': '{"workspaces":["packages/*"]}',
    'packages/web/package.json': '{"type":"module"}',
    'packages/web/commands/a.js': command('A', 'a'),
  })
  await app.node([bin], { cwd: app.path('packages/web') })
  expect(app.has(`packages/web/${CACHE}`)).toBe(true)
  expect(app.has(CACHE)).toBe(false)
})

test('a cache that cannot be read, or is of another version, counts as empty', async () => {
  const app = twoCommands()
  await app.lark('list')
  app.write({ [CACHE]: app.read(CACHE).slice(0, 40) })
  expect((await app.lark('list')).stderr).toBe('[a][b]')
  app.write({ [CACHE]: app.read(CACHE).replace(/^/, '0') })
  expect((await app.lark('list')).stderr).toBe('[a][b]')
  expect((await app.lark('list')).stderr).toBe('')
})

test('a cache that is damaged, or that another program wrote, counts as empty and is written again', async () => {
  const app = twoCommands()
  const file = app.path('commands/a.js')
  const held = { commands: [], problem: { code: 'CODE', message: 'no' } }
  const write = async () => {
    const cache = CommandCache.open(app.folder, '1')
    const found = cache.get(file)
    cache.save(new Map([[file, held]]))
    return found
  }
  expect(await write()).toBeUndefined()
  expect(await write()).toMatchObject(held)
  const whole = app.read(CACHE)
  const wrong = [
    ...['', 'null', '[]', '\0'.repeat(100)],
    whole.slice(0, -1),
    `${whole} `,
    whole.replace('"message":"no"', '"message":"on"'),
    whole.slice(whole.indexOf('\n') + 1),
    whole.replace('\n', '\n\n'),
  ]
  for (const text of wrong) {
    app.write({ [CACHE]: text })
    expect(await write(), text).toBeUndefined()
    expect(app.read(CACHE), text).toBe(whole)
  }
})

test('a command also runs if the cache is damaged', async () => {
  const app = twoCommands()
  await app.lark('list')
  app.write({ [CACHE]: `${app.read(CACHE).split('\n')[0]}\nnull` })
  expect(await app.lark('a')).toMatchObject({ code: 0, stdout: '' })
})

test('lark list imports the configuration only if its file has changed, and a command imports it always', async () => {
  const config = (folder: string) =>
    `process.stderr.write('[config]')\nexport default { commands: ${JSON.stringify(folder)} }`
  const app = new App({
    'package.json': '{"type":"module"}',
    'lark.config.js': config('one'),
    'one/a.js': command('A', 'a'),
    'two/b.js': command('B', 'b'),
  })
  const stderrOf = async (...words: string[]) => (await app.lark(...words)).stderr
  expect(await stderrOf('list')).toBe('[config]')
  expect(await stderrOf('list')).toBe('')
  expect(await stderrOf('help', 'a')).toBe('')
  expect(await stderrOf('a')).toBe('[config]')
  app.write({ 'lark.config.js': `${config('two')} ` })
  const { stdout, stderr } = await app.lark('list')
  expect(stderr).toBe('[config]')
  expect(stdout).toMatch(/^ {2}b$/m)
  expect(stdout).not.toMatch(/^ {2}a$/m)
  app.write({ 'lark.config.js': 'throw new Error()' })
  expect((await app.lark('list')).code).toBe(1)
})

test('a command also runs if there is a folder instead of the cache file', async () => {
  const app = twoCommands()
  app.write({ [`${CACHE}/inside`]: '' })
  expect(await app.lark('a')).toMatchObject({ code: 0 })
  expect(readdirSync(app.path('node_modules/.cache/lark'))).toEqual(['commands.json'])
})

test('a cache that cannot be written stays as it is', async () => {
  const app = twoCommands()
  // There is a file instead of the folder, so even root cannot write there.
  app.write({ 'node_modules/.cache': '' })
  const { code, stderr } = await app.lark('list')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '[a][b]' })
  expect((await app.lark('a')).code).toBe(0)
})

test('no unfinished file is left beside the cache', async () => {
  const app = twoCommands()
  await Promise.all([app.lark('list'), app.lark('list'), app.lark('list')])
  expect(readdirSync(app.path('node_modules/.cache/lark'))).toEqual(['commands.json'])
})
