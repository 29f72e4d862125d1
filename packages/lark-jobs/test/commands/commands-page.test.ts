/**
 * The manual says of each command what it is for and what it prints with `--json`. A script writes its
 * arguments and flags: see test/command-reference.test.ts.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Command } from '@s18i/lark'
import { expect, test } from 'vitest'

type CommandClass = new () => Command

const folder = new URL('../../src/commands/', import.meta.url)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
)
const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href)))
const keys = modules
  .flatMap((each) => Object.values<CommandClass>(each))
  .filter((each) => each.prototype instanceof Command && Object.hasOwn(new each(), 'key'))
  .map((each) => new each().key)

const rowsOf = (page: string) =>
  readFileSync(new URL(`../../../../docs/${page}.md`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))

test.each(keys)('%s: the manual says what it is for', (key) => {
  const row = rowsOf('terminal').find((line) => line.startsWith(`| \`lark ${key}\` `))
  expect(row?.split(' | ')[1]).toMatch(/\w/)
})

test.each(keys)('%s: the manual says what it prints with --json', (key) => {
  const cells = rowsOf('command-json').map((line) => line.split(' | ')[0])
  expect(cells.some((cell) => cell?.includes(`\`lark ${key}\``))).toBe(true)
})
