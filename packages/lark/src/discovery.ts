/**
 * Finding commands on disk: in the folders of the packages that add some, and in the application's own. A file that
 * cannot be imported, or a command declared wrongly, spoils nothing but itself: it becomes a problem, which
 * `lark list` shows.
 */
import { relative } from 'node:path'
import { CommandCache, type HeldCommands } from './cache.ts'
import type { Entry, Project } from './catalog.ts'
import { type CommandClass, isCommandClass } from './command.ts'
import { LarkError, larkError, placeOf, reasonOf } from './errors.ts'
import { readMetadata } from './metadata.ts'
import { importModule } from './module.ts'
import { larkPackages } from './packages.ts'
import { larkVersion } from './program.ts'
import { sourceFiles, sourceFolders } from './sources.ts'

/**
 * What the project's packages and folders hold. Files not in the cache are imported; those that could not be
 * imported last time are tried again only if `retry` says so.
 */
export async function discover(
  { folder, config }: Project,
  { retry }: { retry: boolean },
): Promise<{ entries: Entry[]; problems: LarkError[] }> {
  const folders = larkPackages(folder).flatMap(({ commands }) => commands)
  const files = await sourceFiles([...folders, ...sourceFolders('commands', folder, config.commands)])
  const cache = await CommandCache.open(folder, larkVersion())
  const entries: Entry[] = []
  const problems: LarkError[] = []
  for (const path of files) {
    const file = relative(folder, path)
    let held = await cache.get(path)
    if (!held || (held.problem && retry)) {
      held = await readFile(path, file)
      await cache.set(path, held)
    }
    for (const each of held.commands) {
      entries.push({ ...each, file, load: () => loadClass(path, file, each.key) })
    }
    if (held.problem) problems.push(new LarkError(held.problem.code, held.problem.message, held.problem))
  }
  cache.keepOnly(files)
  await cache.save()
  return { entries, problems }
}

async function readFile(path: string, file: string): Promise<HeldCommands> {
  const held: HeldCommands = { commands: [] }
  const attempt = async (work: () => void | Promise<void>) => {
    try {
      await work()
    } catch (error) {
      const { code, message, hint } = LarkError.is(error) ? error : failedToLoad(file, error)
      held.problem ??= { code, message: message.includes(file) ? message : `${message} (${file})`, hint }
    }
  }
  await attempt(async () => {
    for (const each of await commandClasses(path, file)) {
      await attempt(() => void held.commands.push(readMetadata(new each())))
    }
  })
  return held
}

async function loadClass(path: string, file: string, key: string): Promise<CommandClass> {
  const found = (await commandClasses(path, file)).find((each) => new each().key === key)
  if (found) return found
  throw larkError('COMMAND_INVALID', `${file} no longer has a command with the key "${key}"`, {
    hint: 'Save the file again: its key seems to come from elsewhere',
  })
}

/** The command classes that a file exports: by name, by default, or as the properties of `module.exports`. */
async function commandClasses(path: string, file: string): Promise<CommandClass[]> {
  const module = await importModule(path).catch((error: unknown) => {
    throw failedToLoad(file, error)
  })
  const exported = Object.values(module).concat(isPlain(module.default) ? Object.values(module.default) : [])
  return [...new Set(exported)].filter(isCommandClass)
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function failedToLoad(file: string, error: unknown): LarkError {
  const place = placeOf(error)
  return larkError('COMMAND_FAILED_TO_LOAD', `${file} failed to load: ${reasonOf(error)}`, {
    cause: error,
    hint: place && `At ${place}`,
  })
}
