/**
 * The answers to `lark --help` and `lark --version`, and the flags that may stand before or after every
 * command. The answers need only this file and the console, and no configuration, command or catalogue. The
 * help of one command is in `commands/help.ts`.
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Console } from './console/console.ts'
import { describeAll } from './console/table.ts'
import { larkPackages } from './project/packages.ts'
import { readPackage } from './project/project.ts'
import { visible } from './words/visible.ts'

const GLOBAL_FLAGS = [
  { name: '--help', short: '-h', description: 'How a command, or the program, is used' },
  { name: '--json', description: 'Print JSON, and nothing else, to stdout' },
  { name: '--quiet', short: '-q', description: 'Leave out the talk; keep data, warnings and errors' },
  { name: '--verbose', short: '-v', description: 'Say more, and show the stacks of errors' },
  { name: '--no-interaction', description: 'Ask nothing: use defaults, and fail where there is none' },
  { name: '--no-color', description: 'No colours (also NO_COLOR=1)' },
]
const PROGRAM_FLAGS = [
  { name: '--version', short: '-V', description: 'The versions of Lark and its packages' },
]

/** The flags that every command accepts, and `--version` of the program. */
export const programFlags: readonly { name: string; description: string }[] = [
  ...GLOBAL_FLAGS,
  ...PROGRAM_FLAGS,
]

/**
 * Removes the flags that every command has from the words before `--`. The remaining words are the key of the
 * command and the words after the key, or flags of the program itself.
 */
export function readCommandLine(argv: string[]) {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  const own = argv.slice(0, end)
  const has = (...names: string[]) => names.some((name) => own.includes(name))
  const taken = [
    '--help',
    '-h',
    '--json',
    '--quiet',
    '-q',
    '--verbose',
    '-v',
    '--no-interaction',
    '--no-color',
  ]
  return {
    words: [...own.filter((word) => !taken.includes(word)), ...argv.slice(end)],
    help: has('--help', '-h'),
    json: has('--json'),
    quiet: has('--quiet', '-q'),
    verbose: has('--verbose', '-v'),
    noInteraction: has('--no-interaction'),
    noColor: has('--no-color'),
  }
}

/** The version of this copy of Lark. */
export function larkVersion(): string {
  return readPackage(join(dirname(fileURLToPath(import.meta.url)), '..'))?.version ?? ''
}

/** Prints `lark --help`. */
export function printUsage(console: Console): void {
  const flags = [...GLOBAL_FLAGS, ...PROGRAM_FLAGS]
  if (console.isJson) {
    console.json({ usage: USAGE, flags })
    return
  }
  console.line(`${console.paint('bold', 'Usage')}  ${USAGE}`)
  console.line()
  for (const line of flagLines(flags, console.width - 2)) console.line(`  ${line}`)
  console.line()
  console.line('lark list shows the commands, lark help KEY shows how one is used.')
}

/**
 * Prints `lark --version`: the versions of Lark and of the packages that extend it for the project around
 * `folder`.
 */
export function printVersions(console: Console, folder: string): void {
  const packages = larkPackages([folder]).filter(({ name }) => name !== '@s18i/lark')
  const versions = [{ name: '@s18i/lark', version: larkVersion() }, ...packages]
  if (console.isJson) console.json(Object.fromEntries(versions.map(({ name, version }) => [name, version])))
  else for (const { name, version } of versions) console.line(visible(`${name} ${version}`))
}

/** The form in which every command is called. */
export const USAGE = 'lark KEY [arguments] [flags]'

/**
 * Flags in two columns, with the names on the left and the descriptions on the right.
 *
 * @param width the width of both columns together, in terminal columns
 */
export function flagLines(
  flags: { name: string; short?: string; description: string }[],
  width: number,
): string[] {
  const named = flags.map(({ name, short, description }) => {
    return [visible(`${short ? `${short},` : '   '} ${name}`), visible(description)] as const
  })
  return describeAll(named, width)
}

/** The lines about the flags that every command has. */
export function globalFlagLines(width: number): string[] {
  return flagLines(GLOBAL_FLAGS, width)
}
