/**
 * The tables of the manual must have each command with its arguments and flags, and the fields of its JSON
 * output.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Command, MemoryConsole, run } from '@s18i/lark'
import { expect, test } from 'vitest'

type CommandClass = new () => Command
interface Parameter {
  name: string
  short?: string
}

const folder = new URL('../../src/commands/', import.meta.url)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
)
const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href)))
const commands = modules
  .flatMap((each) => Object.values<CommandClass>(each))
  .filter((each) => each.prototype instanceof Command && Object.hasOwn(new each(), 'key'))
const console = new MemoryConsole()
await run(['list', '--json'], { commands, console })
const all: { key: string; arguments: Parameter[]; flags: Parameter[] }[] = JSON.parse(console.stdout)
const keys = new Set(commands.map((each) => new each().key))
const own = all.filter(({ key }) => keys.has(key))

const page = readFileSync(new URL('../../../../docs/commands.md', import.meta.url), 'utf8')
const [typed = '', printed = ''] = page.split('What `--json` prints:')
const conditions = [
  '--id-prefix',
  '--job',
  '--queue',
  '--state',
  '--group',
  '--tag',
  '--kind',
  '--since',
  '--where',
  '--all',
]

test.each(own)(
  '$key: the table of the manual has the arguments and flags',
  ({ key, arguments: args, flags }) => {
    const row = typed.split('\n').find((line) => line.startsWith(`| \`lark ${key}\` `))
    const cell = row?.split(' | ')[1] ?? ''
    const words = [...cell.matchAll(/`\[?([\w-]+)…?\]?`/g)].map(([, word]) => word!)
    if (cell.includes('[conditions]')) words.push(...conditions)
    const names = flags.flatMap(({ name, short }) => (short === undefined ? [name] : [name, `-${short}`]))
    expect(words.sort()).toEqual([...args.map(({ name }) => name), ...names].sort())
  },
)

test.each(own)('$key: the table of the manual has the fields of the JSON output', ({ key }) => {
  const cells = printed
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(' | ')[0])
  expect(cells.some((cell) => cell?.includes(`\`lark ${key}\``))).toBe(true)
})
