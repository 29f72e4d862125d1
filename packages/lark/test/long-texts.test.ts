/**
 * Texts of users that are far too long: they must not be compared letter by letter, and messages must not
 * repeat them.
 */
import { expect, test } from 'vitest'
import { arg, Command, flag, LarkError, MemoryConsole, run } from '../src/index.ts'
import { nearest } from '../src/words/nearest.ts'

class Send extends Command {
  readonly key = 'mail:send'
  to = arg.strings('Whom')
  how = flag.enum('How', ['fast', 'safe'])
  times = flag.number('How often')
  urgent = flag.boolean('At once')
  handle() {}
}

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  return { code: await run(words, { commands: [Send], console }), said: console.stdout + console.stderr }
}

test('a word that is too long to be a typing error has no similar word', () => {
  const key = 'a'.repeat(64)
  expect(nearest(key, [`${key}b`])).toBe(`${key}b`)
  expect(nearest(`${key}c`, [`${key}b`])).toBeUndefined()
  expect(nearest('x'.repeat(2_000_000), ['x'.repeat(2_000_000)])).toBeUndefined()
})

test.each([
  ['a command', (text: string) => [text]],
  ['an abbreviation', (text: string) => [`mail:${text}`]],
  ['a namespace', (text: string) => ['list', text]],
  ['a command to explain', (text: string) => ['help', text]],
  ['a flag of the program', (text: string) => [`--${text}`]],
  ['a flag', (text: string) => ['mail:send', `--${text}`]],
  ['short flags', (text: string) => ['mail:send', `-${text}`]],
  ['an enum', (text: string) => ['mail:send', `--how=${text}`]],
  ['a number', (text: string) => ['mail:send', `--times=${text}`]],
  ['true or false', (text: string) => ['mail:send', `--urgent=${text}`]],
  ['a name to make', (text: string) => ['make:command', text]],
  ['words', (text: string) => ['mail:send', ...text]],
])('%s', async (_, words) => {
  for (const part of ['x', 'x1:', 'A日'])
    for (const { code, said } of [await lark(...words(part.repeat(100_000 / part.length)))]) {
      expect(code).toBe(2)
      expect(said.length).toBeLessThan(500)
    }
})

test('a long word after -- does not count as a flag', async () => {
  expect(await lark('mail:send', '--', `-${'x'.repeat(100_000)}`)).toMatchObject({ code: 0 })
})

test('an error shows the beginning and the end of a message that is far too long', () => {
  const { message, hint } = new LarkError('X', `begins ${'x'.repeat(2_000_000)} ends`, {
    hint: 'y'.repeat(20_000),
  })
  expect(message).toMatch(/^begins x+ … \(2000012 characters\) … x+ ends$/)
  expect(message.length).toBeLessThan(10_000)
  expect(hint!.length).toBeLessThan(10_000)
})
