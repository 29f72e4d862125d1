/**
 * Calling a command. In order: the configuration, the catalogue, the class, the values of its fields, `handle()`,
 * and what its result means as an exit code.
 */
import { CATALOG, Catalog, type Entry, entriesOf } from './catalog.ts'
import { CONTEXT, type CommandClass } from './command.ts'
import { HelpCommand } from './commands/help.ts'
import { ListCommand } from './commands/list.ts'
import { MakeCommand } from './commands/make-command.ts'
import { type ConfigOptions, loadConfig } from './config.ts'
import type { Console } from './console.ts'
import { discover } from './discovery.ts'
import { Interrupt } from './interrupt.ts'
import { readMetadata } from './metadata.ts'
import { parseWords } from './parse.ts'

/** What a command is called with, beside its words. */
export interface Call extends ConfigOptions {
  console: Console
  env: Record<string, string | undefined>
  /** Calls one of these instead of looking for commands on disk. */
  commands?: CommandClass[]
}

/**
 * Calls the command with this key or alias; a namespace alone lists what is in it.
 *
 * @throws UNKNOWN_COMMAND, USAGE, COMMAND_INVALID, COMMAND_FAILED_TO_LOAD, those of `loadConfig`, and what the command
 * itself throws
 */
export async function call(name: string, words: string[], options: Call): Promise<number> {
  const catalog = await openCatalog(name, options)
  const entry = catalog.find(name)
  const isNamespace = !entry && words.length === 0 && catalog.inNamespace(name).length > 0
  if (isNamespace) return call('list', [name], options)
  return invoke(entry ?? catalog.get(name, words[0]), words, catalog, options)
}

/** Files that were broken last time are tried again only where it matters: by `list`, `help` or an unknown word. */
async function openCatalog(name: string, { commands, ...options }: Call) {
  const own = entriesOf([ListCommand, HelpCommand, MakeCommand])
  if (commands) {
    const project = { folder: options.cwd ?? process.cwd(), config: {} }
    return new Catalog(project, [...own, ...entriesOf(commands)])
  }
  const project = await loadConfig(options)
  const read = async (retry: boolean) => {
    const { entries, problems } = await discover(project, { cwd: options.cwd ?? process.cwd(), retry })
    return new Catalog(project, [...own, ...entries], problems)
  }
  const catalog = await read(name === 'list' || name === 'help')
  return catalog.find(name) || catalog.problems.length === 0 ? catalog : read(true)
}

async function invoke(entry: Entry, words: string[], catalog: Catalog, options: Call): Promise<number> {
  const { console, env } = options
  const Class = await entry.load()
  const command = new Class()
  const metadata = readMetadata(command)
  const values = parseWords(entry.key, [...metadata.arguments, ...metadata.flags], words, env)
  const interrupt = new Interrupt()
  Object.assign(command, Object.fromEntries(values), {
    [CONTEXT]: { console, interrupt },
    [CATALOG]: catalog,
  })
  try {
    return exitCodeOf(await command.handle(), console)
  } catch (error) {
    if (!interrupt.caused(error)) throw error
    console.warn('Interrupted')
    return interrupt.exitCode ?? 1
  } finally {
    interrupt.stop()
    console.status('')
  }
}

function exitCodeOf(result: unknown, console: Console): number {
  if (typeof result === 'number') return Number.isInteger(result) && result >= 0 && result <= 255 ? result : 1
  if (typeof result === 'object' && result !== null && console.isJson) console.json(result)
  return result === false ? 1 : 0
}
