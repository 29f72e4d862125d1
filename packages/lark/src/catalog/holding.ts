/**
 * Reads one command file: its classes, and their metadata. If the file cannot be imported, or a command is
 * declared wrongly, the result has a `problem` in addition to the valid commands.
 */
import { readFile } from 'node:fs/promises'
import { type CommandClass, isCommandClass } from '../command/command.ts'
import { readMetadata } from '../command/metadata.ts'
import { failedToLoad, LarkError, larkError } from '../errors.ts'
import { declaresClass, exportedValues, importModule } from '../project/module.ts'
import type { HeldCommands } from './cache.ts'

/** @param file the path for messages, relative to the project */
export async function readCommands(path: string, file: string): Promise<HeldCommands> {
  const held: HeldCommands = { commands: [] }
  const attempt = async (work: () => void | Promise<void>) => {
    try {
      await work()
    } catch (error) {
      const { code, message, hint } = LarkError.is(error)
        ? error
        : failedToLoad('COMMAND_FAILED_TO_LOAD', file, error)
      held.problem ??= { code, message: message.includes(file) ? message : `${message} (${file})`, hint }
    }
  }
  await attempt(async () => {
    const classes = await commandClasses(path, file)
    if (classes.length === 0 && declaresClass(await readFile(path, 'utf8'), 'Command')) {
      throw larkError('COMMAND_INVALID', `${file} has a command and does not export it`, {
        hint: 'Write export before class',
      })
    }
    for (const each of classes) {
      await attempt(() => void held.commands.push(readMetadata(new each())))
    }
  })
  return held
}

/**
 * Loads the class of a command that the file contained when it was last read.
 *
 * @throws COMMAND_FAILED_TO_LOAD; COMMAND_INVALID if the file no longer contains the command
 */
export async function loadClass(path: string, file: string, key: string): Promise<CommandClass> {
  const found = (await commandClasses(path, file)).find((each) => new each().key === key)
  if (found) return found
  throw larkError('COMMAND_INVALID', `${file} no longer has a command with the key "${key}"`, {
    hint: 'Save the file again: its key seems to come from elsewhere',
  })
}

async function commandClasses(path: string, file: string): Promise<CommandClass[]> {
  const module = await importModule(path).catch((error: unknown) => {
    throw failedToLoad('COMMAND_FAILED_TO_LOAD', file, error)
  })
  return [...exportedValues(module)].filter(isCommandClass)
}
