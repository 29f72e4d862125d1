import { describe, expect, test } from 'vitest'
import { App } from './app.ts'

describe('the names', () => {
  test.each([
    ['users:process', 'users:process', 'UsersProcess'],
    ['ProcessUsers', 'process-users', 'ProcessUsers'],
    ['ProcessUsersCommand', 'process-users', 'ProcessUsersCommand'],
    ['SendSMSNow', 'send-sms-now', 'SendSMSNow'],
    ['cache:clear-all', 'cache:clear-all', 'CacheClearAll'],
    ['greet', 'greet', 'Greet'],
  ])(
    'of make:command %s: the key %s is in the class and the file %s, and the command runs',
    async (name, key, className) => {
      const app = new App()
      expect(await app.lark('make:command', name)).toEqual({
        code: 0,
        stdout: '',
        stderr: `✓ Wrote commands/${className}.js\ni Run it with: lark ${key}\n`,
      })
      expect(app.read(`commands/${className}.js`)).toContain(
        `exports.${className} = class ${className} extends Command {\n  key = '${key}'`,
      )
      expect(await app.lark(key, 'Ann', '--times', '2')).toEqual({
        code: 0,
        stdout: '',
        stderr: 'i Hello, Ann\ni Hello, Ann\n✓ Done\n',
      })
    },
  )

  test.each(['two words', '../escape', '9lives', 'users:', '.'])('%s is refused', async (name) => {
    const app = new App()
    const { code, stderr } = await app.lark('make:command', name)
    expect(code).toBe(2)
    expect(stderr).toContain(`✗ "${name}" is not a name for a command\n`)
    expect(app.has('commands')).toBe(false)
  })
})

describe('the place and the language', () => {
  test.each<[Record<string, string>, string]>([
    [{}, 'commands/Greet.js'],
    [{ 'src/index.js': '' }, 'src/commands/Greet.js'],
    [{ 'src/index.ts': '' }, 'src/commands/Greet.ts'],
    [{ 'tsconfig.json': '{}' }, 'commands/Greet.ts'],
    [{ 'src/index.js': '', 'commands/a.js': '' }, 'commands/Greet.js'],
    [{ 'lark.config.js': "export default { commands: ['cli', 'more'] }" }, 'cli/Greet.js'],
    [{ 'lark.config.js': "export default { commands: ['cli', 'more'] }", 'more/a.js': '' }, 'more/Greet.js'],
  ])('%j: %s', async (files, path) => {
    const app = new App(files)
    const { code, stdout } = await app.lark('make:command', 'greet', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ key: 'greet', path: app.path(path) })
    expect(app.has(path)).toBe(true)
    expect((await app.lark('greet')).stderr).toBe('i Hello, world\n✓ Done\n')
  })
})

test('a file is never overwritten', async () => {
  const app = new App({ 'commands/Greet.js': '// mine' })
  expect(await app.lark('make:command', 'greet')).toEqual({
    code: 1,
    stdout: '',
    stderr: `✗ ${app.path('commands/Greet.js')} exists already\n  Choose another name, or delete the file\n`,
  })
  expect(app.read('commands/Greet.js')).toBe('// mine')
})

test('a file instead of the folder causes an error of one line', async () => {
  const app = new App({ commands: '// mine' })
  const { code, stderr } = await app.lark('make:command', 'greet')
  const path = app.path('commands/Greet.js')
  expect(code).toBe(1)
  expect(stderr).toMatch(/^✗ .*\n$/)
  expect(stderr).toContain(`${path} cannot be written: E`)
  expect(app.read('commands')).toBe('// mine')
})

test('a key that exists already is refused', async () => {
  const app = new App()
  await app.lark('make:command', 'greet')
  const { code, stderr } = await app.lark('make:command', 'Greet')
  expect({ code, stderr }).toEqual({ code: 1, stderr: '✗ The key "greet" is taken by commands/Greet.js\n' })
})
