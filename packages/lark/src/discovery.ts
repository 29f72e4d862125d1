/**
 * Finds commands on disk: in the folders of the application, and of the packages that add commands. If a file cannot be
 * imported, or a command is declared wrongly, this becomes a problem that `lark list` shows, and all other commands
 * work.
 */
import { relative } from 'node:path'
import { CommandCache, type HeldCommands } from './cache.ts'
import type { Entry, Project } from './catalog.ts'
import { LarkError } from './errors.ts'
import { loadClass } from './holding.ts'
import { larkPackages } from './packages.ts'
import { larkVersion } from './program.ts'
import { type ScanRequest, scan } from './scanner.ts'
import { sourceFiles, sourceFolders } from './sources.ts'

/**
 * Finds the commands of the project's folders and of the packages that `cwd` and the project's folder depend on. Files
 * that are not in the cache are imported. Files that could not be imported the last time are imported again only with
 * `retry`.
 */
export async function discover(
  { folder, config }: Project,
  { cwd, retry }: { cwd: string; retry: boolean },
): Promise<{ entries: Entry[]; problems: LarkError[] }> {
  const folders = larkPackages([cwd, folder]).flatMap(({ commands }) => commands)
  const files = await sourceFiles([...folders, ...sourceFolders('commands', folder, config.commands)])
  const cache = await CommandCache.open(folder, larkVersion())
  const entries: Entry[] = []
  const problems: LarkError[] = []
  const held = new Map<string, HeldCommands>()
  const unread: ScanRequest[] = []
  for (const path of files) {
    const known = await cache.get(path)
    if (known && !(known.problem && retry)) held.set(path, known)
    else unread.push({ path, file: relative(folder, path) })
  }
  for (const [path, found] of await scan(unread)) held.set(path, found)
  for (const path of files) {
    const file = relative(folder, path)
    const { commands, problem } = held.get(path)!
    for (const each of commands) entries.push({ ...each, file, load: () => loadClass(path, file, each.key) })
    if (problem) problems.push(new LarkError(problem.code, problem.message, problem))
  }
  await cache.save(held)
  return { entries, problems }
}
