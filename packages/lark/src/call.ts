/**
 * Calls a command, in these steps: load the configuration, read the catalogue, load the class, set the values
 * of its fields, run `handle()`, and turn its result into an exit code. The caller is a command line or a
 * program.
 */

import { dirname } from 'node:path'
import { CommandCache } from './catalog/cache.ts'
import { CATALOG, Catalog, type Entry, entriesOf, type Project } from './catalog/catalog.ts'
import { discover } from './catalog/discovery.ts'
import { type CallResult, CONTEXT, type CommandClass, type CommandInput } from './command/command.ts'
import { Interrupt } from './command/interrupt.ts'
import { readMetadata } from './command/metadata.ts'
import { answerFor, missingError, parseValues, parseWords, promptFor } from './command/parse.ts'
import { CompleteCommand } from './commands/complete.ts'
import { CompletionCommand } from './commands/completion.ts'
import { HelpCommand } from './commands/help.ts'
import { InitCommand } from './commands/init.ts'
import { ListCommand } from './commands/list.ts'
import { MakeCommand } from './commands/make-command.ts'
import { type ConfigOptions, findConfig, loadConfig } from './config.ts'
import type { Console } from './console/console.ts'
import { larkVersion } from './usage.ts'

/** The settings of a call. The words of the command line are separate. */
export interface Call extends ConfigOptions {
  console: Console
  env: Record<string, string | undefined>
  /** The commands to choose from. Default: the commands on disk. */
  commands?: CommandClass[]
  /**
   * A signal that is aborted when the command should end. Default: a signal that SIGINT and SIGTERM abort.
   */
  signal?: AbortSignal | undefined
  /** The time that the command gets as `this.scheduledFor`. */
  scheduledFor?: Date | undefined
}

/**
 * Calls the command with this key or alias, or the command whose key the name abbreviates. If the name is a
 * namespace or abbreviates a namespace, and no words follow, the commands of the namespace are listed.
 *
 * @throws UNKNOWN_COMMAND, USAGE, COMMAND_INVALID, COMMAND_FAILED_TO_LOAD, the errors of `loadConfig`, and
 *   the errors of the command itself
 */
export async function call(name: string, words: string[], options: Call): Promise<number> {
  const catalog = await openCatalog(name, options)
  const namespace = words.length === 0 && !catalog.find(name) ? catalog.namespace(name) : undefined
  if (namespace !== undefined) return call('list', [namespace], options)
  const interrupt = new Interrupt()
  try {
    const result = await invoke(catalog.meant(name, words[0]), words, catalog, interrupt, options)
    if (typeof result === 'object' && result !== null && options.console.isJson) options.console.json(result)
    return exitCodeOf(result)
  } catch (error) {
    if (!interrupt.caused(error)) throw error
    options.console.warn('Interrupted')
    return interrupt.exitCode ?? 1
  }
}

/**
 * Reads the catalogue of the commands on disk. Files that could not be imported the last time are imported
 * again.
 */
export function catalogFor(options: Omit<Call, 'console'>): Promise<Catalog> {
  return openCatalog('list', options)
}

/** Calls a command for a program. @throws the errors of `call`, and the reason of the signal */
export async function callFor(key: string, given: CommandInput, options: Call): Promise<CallResult> {
  const catalog = await openCatalog(key, options)
  return calledOf(await invoke(catalog.get(key), given, catalog, new Interrupt(options.signal), options))
}

/**
 * Reads the catalogue. Files that could not be imported the last time are imported again only for `list`, for
 * `help` and for an unknown name. Completion never imports such files, because a user who presses Tab would
 * have to wait.
 */
async function openCatalog(name: string, { commands, ...options }: Omit<Call, 'console'>) {
  const own = entriesOf([
    ListCommand,
    HelpCommand,
    InitCommand,
    MakeCommand,
    CompletionCommand,
    CompleteCommand,
  ])
  if (commands) {
    const project = { folder: options.cwd ?? process.cwd(), config: {} }
    return new Catalog(project, [...own, ...entriesOf(commands)])
  }
  const isListing = ['list', 'help', 'complete'].includes(name)
  const { project, cache } = await openProject(isListing, options)
  const read = async (retry: boolean) => {
    const { entries, problems } = await discover(project, { cwd: options.cwd ?? process.cwd(), retry, cache })
    return new Catalog(project, [...own, ...entries], problems)
  }
  const catalog = await read(isListing && name !== 'complete')
  return catalog.find(name) || catalog.problems.length === 0 ? catalog : read(true)
}

/**
 * Finds the project and its cache. For a list of commands, a configuration file is imported only if it has
 * changed since its last import, because the import would take longer than all other work (bench/README.md).
 */
async function openProject(
  isListing: boolean,
  options: ConfigOptions,
): Promise<{ project: Project; cache: CommandCache }> {
  const file = findConfig(options)
  if (file !== undefined && isListing) {
    const cache = CommandCache.open(dirname(file), larkVersion())
    const config = cache.foldersOf(file)
    if (config) return { project: { folder: dirname(file), config }, cache }
  }
  const project = await loadConfig(options)
  const cache = CommandCache.open(project.folder, larkVersion())
  if (project.file !== undefined) cache.setFolders(project.file, project.config)
  return { project, cache }
}

/**
 * Runs the command that the user or a program has called (not a command that another command calls).
 *
 * @returns the value that `handle()` returned
 */
async function invoke(
  entry: Entry,
  given: CommandInput,
  catalog: Catalog,
  interrupt: Interrupt,
  options: Call,
): Promise<unknown> {
  try {
    return await handle(entry, given, catalog, interrupt, options)
  } finally {
    interrupt.stop()
    options.console.status('')
  }
}

async function handle(
  entry: Entry,
  given: CommandInput,
  catalog: Catalog,
  interrupt: Interrupt,
  { console, env, scheduledFor }: Call,
): Promise<unknown> {
  const Class = await entry.load()
  const command = new Class()
  const metadata = readMetadata(command)
  const parameters = [...metadata.arguments, ...metadata.flags]
  const { values, missing } = isWords(given)
    ? parseWords(entry.key, parameters, [...given], env)
    : parseValues(entry.key, parameters, given, env)
  for (const parameter of missing) {
    if (!console.canAsk) throw missingError(entry.key, parameter)
    values.set(parameter.field, answerFor(parameter, await console.prompt(promptFor(parameter))))
  }
  const call = async (key: string, given: CommandInput) =>
    calledOf(await handle(catalog.get(key), given, catalog, interrupt, { console, env }))
  Object.assign(command, Object.fromEntries(values), {
    [CONTEXT]: { console, interrupt, scheduledFor, call },
    [CATALOG]: catalog,
  })
  interrupt.check()
  return command.handle()
}

function isWords(given: CommandInput): given is readonly string[] {
  return Array.isArray(given)
}

function calledOf(result: unknown): CallResult {
  const isData = typeof result === 'object' && result !== null
  return { exitCode: exitCodeOf(result), ...(isData && { result }) }
}

function exitCodeOf(result: unknown): number {
  if (typeof result === 'number') return Number.isInteger(result) && result >= 0 && result <= 255 ? result : 1
  return result === false ? 1 : 0
}
