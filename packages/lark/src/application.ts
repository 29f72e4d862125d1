/**
 * The application turns the words of a command line into an exit code. It answers `lark --help` and `lark
 * --version` itself. It imports `call.ts` only to call a command, so that `lark --help` stays quick. It
 * prints every error once.
 */
import type { Call } from './call.ts'
import type { CallResult, CommandClass, CommandInput } from './command/command.ts'
import type { ConfigOptions } from './config.ts'
import { Console } from './console/console.ts'
import { type Log, LogConsole } from './console/log-console.ts'
import { defined } from './defined.ts'
import { LarkError, usageError } from './errors.ts'
import { printUsage, printVersions, programFlags, readCommandLine } from './usage.ts'
import { excerpt } from './words/excerpt.ts'
import { nearest } from './words/nearest.ts'

export interface RunOptions extends ConfigOptions {
  /** Where output goes. Default: the process's own streams. */
  console?: Console
  /** The commands to run with, instead of those on disk. */
  commands?: CommandClass[]
}

/**
 * Runs a command as the program `lark` would, and resolves to the exit code. Never rejects, and never ends
 * the process.
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
  if (modes.verbose) console.isVerbose = true
  if (modes.noInteraction) console.isInteractive = false
  if (modes.noColor) console.color = false
  try {
    return await answer(words, help, { ...options, console, env: options.env ?? process.env })
  } catch (error) {
    // A user who leaves a question knows why the command ends.
    if (!LarkError.is(error) || error.code !== 'PROMPT_CANCELLED') console.failure(error)
    return LarkError.is(error) ? error.exit : 1
  }
}

export interface CallOptions extends ConfigOptions {
  /** Receives each line that the command prints, with its level: `info` for data. */
  log: Log
  /** `this.signal` of the command. SIGINT and SIGTERM stay with the process. */
  signal: AbortSignal
  /** The commands to choose from, instead of those on disk. */
  commands?: CommandClass[]
  /** `this.scheduledFor` of the command. */
  scheduledFor?: Date | undefined
}

/** A command that `lark` has found. */
export interface FoundCommand {
  key: string
  description: string
  /** The path of its file, relative to the project. It is undefined for a command of Lark itself. */
  file?: string
  /** The value of its field `schedule`, as JSON. */
  schedule?: unknown
}

/**
 * Calls a command inside another program, such as a server. The call handles no signals of the process,
 * prints nothing to its streams, and never ends it.
 *
 * @param given its arguments and flags, by the names of the fields or as the words of a command line
 * @throws UNKNOWN_COMMAND, USAGE (both have `exit` 2), COMMAND_INVALID, COMMAND_FAILED_TO_LOAD, the errors of
 *   the configuration, and what the command throws
 * @example
 * const { exitCode } = await callCommand('users:process', { limit: 5 }, {
 *   log: (level, line) => logger[level](line),
 *   signal: AbortSignal.timeout(60_000),
 * })
 */
export async function callCommand(
  key: string,
  given: CommandInput,
  { log, ...options }: CallOptions,
): Promise<CallResult> {
  const console = new LogConsole(log)
  const { callFor } = await import('./call.ts')
  const env = options.env ?? process.env
  if (!Array.isArray(given)) return callFor(key, given, { ...options, console, env })
  const { words, help, json, quiet, verbose } = readCommandLine([...given])
  console.isJson = json
  console.isQuiet = quiet
  console.isVerbose = verbose
  return help
    ? callFor('help', [key], { ...options, console, env })
    : callFor(key, words, { ...options, console, env })
}

/**
 * Finds the commands of the project, as `lark list` does. Only files that are new or have changed are
 * imported, in another process.
 *
 * @returns the commands, and the problems of wrong files and commands
 * @throws the errors of the configuration
 */
export async function findCommands(
  options: ConfigOptions = {},
): Promise<{ commands: FoundCommand[]; problems: LarkError[] }> {
  const { catalogFor } = await import('./call.ts')
  const { entries, problems } = await catalogFor({ ...options, env: options.env ?? process.env })
  const commands = entries.map(({ key, description, file, schedule }) => {
    return {
      key,
      description,
      ...defined({ file, schedule }),
    }
  })
  return { commands, problems }
}

function meantBy(flag: string): string {
  const near =
    flag.startsWith('--') &&
    nearest(
      flag.slice(2),
      programFlags.map(({ name }) => name.slice(2)),
    )
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
  if (name?.startsWith('-')) throw usageError(`Unknown flag ${excerpt(name)}`, meantBy(name))
  const { call } = await import('./call.ts')
  if (name === undefined) return call('list', [], options)
  return help ? call('help', [name], options) : call(name, rest, options)
}
