import { expect, test } from 'vitest'
import { App } from './app.ts'

const header = `const { Command } = require('@s18i/lark')\n`

test.each([
  [
    'module.exports = class',
    `${header}module.exports = class Greet extends Command { key = 'greet'; handle() { this.line('hi') } }`,
  ],
  [
    'exports.Name',
    `${header}exports.Greet = class Greet extends Command { key = 'greet'; handle() { this.line('hi') } }`,
  ],
  [
    'an object',
    `${header}class Greet extends Command { key = 'greet'; handle() { this.line('hi') } }\nmodule.exports = { Greet }`,
  ],
])('a CommonJS command exported as %s runs, both the first time and from the cache', async (_, text) => {
  const app = new App()
  app.write({ 'commands/Greet.js': text })
  for (let time = 0; time < 2; time++) {
    expect(await app.lark('greet')).toMatchObject({ code: 0, stdout: 'hi\n' })
  }
})

test('a command that is declared but not exported is reported', async () => {
  const app = new App()
  app.write({
    'commands/Greet.js': `${header}class Greet extends Command { key = 'greet'; handle() {} }`,
    'commands/words.js': `exports.greeting = 'hi'`,
  })
  const line = 'commands/Greet.js has a command and does not export it'
  expect((await app.lark('list')).stderr).toBe(`! ${line}\n`)
  expect(await app.lark('greet')).toMatchObject({ code: 2, stderr: `✗ Unknown command "greet"\n  ${line}\n` })
})

test('make:command writes the module format of the package', async () => {
  const app = new App()
  app.write({ 'package.json': JSON.stringify({ name: 'app', type: 'module' }) })
  await app.lark('make:command', 'greet')
  expect(app.read('commands/Greet.js')).toMatch(/^import .*\n\nexport class Greet extends Command \{/)
  expect(await app.lark('greet', 'Ann')).toMatchObject({ code: 0, stderr: 'i Hello, Ann\n✓ Done\n' })
})
