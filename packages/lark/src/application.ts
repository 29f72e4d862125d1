/**
 * The application: from the words of a command line to an exit code. It answers `lark --help` and `lark --version`
 * itself. Only to call a command does it import `call.ts`, so that `lark --help` stays quick. It prints every error,
 * once.
 */
import type { Call } from './call.ts'
import type { CommandClass } from './command.ts'
import type { ConfigOptions } from './config.ts'
import { Console } from './console.ts'
import { LarkError, usageError } from './errors.ts'
import { nearest } from './nearest.ts'
import { globalFlags, printUsage, printVersions, readCommandLine } from './program.ts'

export interface RunOptions extends ConfigOptions {
  /** Where output goes. Default: the process's own streams. */
  console?: Console
  /** The commands to run with, instead of those on disk. */
  commands?: CommandClass[]
}

/**
 * Runs a command as the program `lark` would, and resolves to the exit code. Never rejects, and never ends the
 * process.
 *
 * ```ts
 * process.exitCode = await run(['users:process', '--limit=5'])
 * ```
 */
export async function run(argv: string[], options: RunOptions = {}): Promise<number> {
  const { words, help, ...modes } = readCommandLine(argv)
  const console = options.console ?? new Console()
  if (modes.json) console.isJson = true
  if (modes.quiet) console.isQuiet = true
  if (modes.noColor) console.color = false
  try {
    return await answer(words, help, { ...options, console, env: options.env ?? process.env })
  } catch (error) {
    console.failure(error)
    return LarkError.is(error) ? error.exit : 1
  }
}

function meantBy(flag: string): string {
  const near = flag.startsWith('--') && nearest(flag.slice(2), globalFlags)
  return near ? `Did you mean --${near}?` : 'See lark --help'
}

async function answer(words: string[], help: boolean, options: Call): Promise<number> {
  const [name, ...rest] = words
  if (name === undefined && help) {
    printUsage(options.console)
    return 0
  }
  if (name === '--version' || name === '-V') {
    printVersions(options.console, options.cwd ?? process.cwd())
    return 0
  }
  if (name?.startsWith('-')) throw usageError(`Unknown flag ${name}`, meantBy(name))
  const { call } = await import('./call.ts')
  if (name === undefined) return call('list', [], options)
  return help ? call('help', [name], options) : call(name, rest, options)
}
