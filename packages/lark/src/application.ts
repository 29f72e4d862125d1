/**
 * Runs the words of a command line, and returns an exit code. `lark --help` and `lark --version` are answered
 * without `call.ts`, which is imported only to call a command, so that `lark --help` stays quick. Every error
 * is printed once.
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
  /** The console for output. Default: a console on the streams of the process. */
  console?: Console
  /** The commands that exist in this run. Default: the commands on disk. */
  commands?: CommandClass[]
}

/**
 * Runs a command in the same way as the program `lark`, and resolves with the exit code. The promise never
 * rejects, and the call never ends the process.
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
    // A user who cancels a question knows why the command ends, so no error is printed.
    if (!LarkError.is(error) || error.code !== 'PROMPT_CANCELLED') console.failure(error)
    return LarkError.is(error) ? error.exit : 1
  }
}

export interface CallOptions extends ConfigOptions {
  /**
   * A function that receives each line that the command prints, with the level of the line. Data has the
   * level `info`.
   */
  log: Log
  /**
   * The signal that the command gets as `this.signal`. The command installs no handlers for SIGINT and
   * SIGTERM.
   */
  signal: AbortSignal
  /** The commands to choose from. Default: the commands on disk. */
  commands?: CommandClass[]
  /** The time that the command gets as `this.scheduledFor`. */
  scheduledFor?: Date | undefined
}

/** A command that `lark` has found. */
export interface FoundCommand {
  key: string
  description: string
  /** The path of the file of the command, relative to the project; undefined for a command of Lark itself. */
  file?: string
  /** The value of the field `schedule` of the command, as JSON. */
  schedule?: unknown
}

/**
 * Calls a command inside another program, such as a server. The call handles no signals of the process,
 * prints nothing to the streams of the process, and never ends the process.
 *
 * @param given the arguments and flags, by the names of the fields or as the words of a command line
 * @throws UNKNOWN_COMMAND, USAGE (both have `exit` 2), COMMAND_INVALID, COMMAND_FAILED_TO_LOAD, the errors of
 *   the configuration, and the errors of the command
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
 * Finds the commands of the project in the same way as `lark list`. Only new and changed files are imported,
 * in another process.
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
