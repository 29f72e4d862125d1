/**
 * Finds the application's folders of one kind (`commands`, `jobs`), and the modules in them: the sources, or
 * their built copies.
 */
import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { list } from './packages.ts'

/**
 * The extensions of modules. If a module exists with several extensions, the first of them in this list is
 * used.
 */
const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']
const DECLARATION = /\.d\.[cm]?ts$/
const TEST = /\.(test|spec)\.[cm]?[jt]s$/

/**
 * Every importable file in the folders and their subfolders, sorted by path. Declarations (`.d.ts`), tests
 * (`.test.*`, `.spec.*`) and names that begin with `_` or `.` are omitted. If TypeScript and JavaScript of
 * one name are in the same folder, the TypeScript file is used. A folder that does not exist counts as empty.
 */
export async function sourceFiles(folders: string[]): Promise<string[]> {
  const perFolder = await Promise.all(folders.map((folder) => filesIn(resolve(folder))))
  return [...new Set(perFolder.flat())].sort()
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  const subfolders: string[] = []
  const modules = new Map<string, string>()
  for (const entry of entries) {
    const { name } = entry
    if (name.startsWith('_') || name.startsWith('.')) continue
    if (entry.isDirectory()) {
      if (name !== 'node_modules') subfolders.push(join(folder, name))
      continue
    }
    const extension = EXTENSIONS.find((candidate) => name.endsWith(candidate))
    if (!extension || DECLARATION.test(name) || TEST.test(name)) continue
    const base = name.slice(0, -extension.length)
    const rival = modules.get(base)
    if (!rival || EXTENSIONS.indexOf(extension) < EXTENSIONS.indexOf(rival)) modules.set(base, extension)
  }
  const own = [...modules].map(([base, extension]) => join(folder, base + extension))
  const below = await Promise.all(subfolders.map(filesIn))
  return [...own, ...below.flat()]
}

/** The names of folders whose files are not written by hand. */
const MADE = new Set(['node_modules', 'dist', 'build', 'out', 'coverage'])
const CODE = /\.[cm]?[jt]sx?$/

/**
 * Every file of code in a folder and its subfolders, including tests, sorted by path. Files of packages and
 * builds are left out.
 */
export async function codeFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries.filter(
    (entry) => entry.isFile() && CODE.test(entry.name) && !DECLARATION.test(entry.name),
  )
  const folders = entries.filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith('.') && !MADE.has(entry.name),
  )
  const below = await Promise.all(folders.map(({ name }) => codeFiles(join(folder, name))))
  return [...files.map(({ name }) => join(folder, name)), ...below.flat()].sort()
}

/**
 * The application's folders of one kind: those that the configuration names, or `KIND/` and `src/KIND/`
 * beside the configuration. Built copies of these folders (under the `outDir` of tsconfig.json, under `dist/`
 * or `build/`) are used if the sources do not exist, or if the started script is itself a built file. The
 * reason is that a built script imports built copies itself, and no class may be loaded twice.
 *
 * ```ts
 * const { config, folder } = await loadConfig()
 * const files = await sourceFiles(sourceFolders('commands', folder, config.commands))
 * ```
 */
export function sourceFolders(
  kind: string,
  folder: string,
  configured?: string | string[],
  entry: string | undefined = process.argv[1],
): string[] {
  const named = configured === undefined ? [kind, `src/${kind}`] : list(configured)
  const sources = named.map((path) => resolve(folder, path))
  const outputs = [...new Set([compilerOutput(folder) ?? 'dist', 'dist', 'build'])].map((path) =>
    resolve(folder, path),
  )
  const built = outputs.map((output) => ({ output, folders: builtCopies(sources, folder, output) }))
  const running = built.find(({ output }) => entry !== undefined && resolve(entry).startsWith(output + sep))
  const candidates = [...(running ? [running.folders] : []), sources, ...built.map(({ folders }) => folders)]
  return candidates.map(existing).find((folders) => folders.length > 0) ?? []
}

/** The paths where a compiler may put the built copies: with `src/` or without. */
function builtCopies(sources: string[], folder: string, output: string): string[] {
  return sources.flatMap((source) => {
    const inside = relative(folder, source)
    return [join(output, inside), join(output, inside.replace(/^src[\\/]/, ''))]
  })
}

function existing(folders: string[]): string[] {
  return [...new Set(folders)].filter((folder) => existsSync(folder))
}

/** The `outDir` of tsconfig.json. The file is read as text, because it may contain comments. */
function compilerOutput(folder: string): string | undefined {
  try {
    return /^\s*"outDir"\s*:\s*"([^"]+)"/m.exec(readFileSync(join(folder, 'tsconfig.json'), 'utf8'))?.[1]
  } catch {
    return undefined
  }
}
