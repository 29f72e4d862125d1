/**
 * Finds commands on disk, in the folders of the application and of the packages that add commands. A file
 * that cannot be imported, or a command that is declared wrongly, becomes a problem that `lark list` shows.
 * All other commands still work.
 */
import { relative } from 'node:path'
import { LarkError } from '../errors.ts'
import { larkPackages } from '../project/packages.ts'
import { sourceFiles, sourceFolders } from '../project/sources.ts'
import type { CommandCache, HeldCommands } from './cache.ts'
import type { Entry, Project } from './catalog.ts'
import type { ScanRequest } from './scanner.ts'

/**
 * Finds the commands of the project's folders and of the packages that `cwd` and the project's folder depend
 * on. Files that are not in the cache are imported. Files that could not be imported the last time are
 * imported again only if `retry` is set. The code that imports files is loaded only if there is such a file,
 * so that `lark list` stays quick.
 */
export async function discover(
  { folder, config }: Project,
  { cwd, retry, cache }: { cwd: string; retry: boolean; cache: CommandCache },
): Promise<{ entries: Entry[]; problems: LarkError[] }> {
  const folders = larkPackages([cwd, folder]).flatMap(({ commands }) => commands)
  const files = await sourceFiles([...folders, ...sourceFolders('commands', folder, config.commands)])
  const entries: Entry[] = []
  const problems: LarkError[] = []
  const held = new Map<string, HeldCommands>()
  const unread: ScanRequest[] = []
  for (const path of files) {
    const known = cache.get(path)
    if (known && !(known.problem && retry)) held.set(path, known)
    else unread.push({ path, file: relative(folder, path) })
  }
  if (unread.length > 0) {
    const { scan } = await import('./scanner.ts')
    for (const [path, found] of await scan(unread)) held.set(path, found)
  }
  for (const path of files) {
    const file = relative(folder, path)
    const { commands, problem } = held.get(path)!
    for (const each of commands) {
      const load = async () => (await import('./holding.ts')).loadClass(path, file, each.key)
      entries.push({ ...each, file, load })
    }
    if (problem) problems.push(new LarkError(problem.code, problem.message, problem))
  }
  cache.save(held)
  return { entries, problems }
}
