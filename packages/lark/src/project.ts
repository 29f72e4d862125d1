/**
 * Where the project is: the folders from one place upward, as far as the project reaches. It ends at the first
 * folder that holds `.git` or is the root of a workspace; without either, at the nearest package.json. Nothing above
 * belongs to it: what lies in a parent folder such as /tmp may be anybody's.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** What Lark reads of a package.json. */
export interface PackageJson {
  name?: string
  version?: string
  type?: string
  workspaces?: unknown
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  lark?: { commands?: string | string[]; config?: string | string[] }
}

/** The package.json in `folder`, or undefined when there is none that can be read. */
export function readPackage(folder: string): PackageJson | undefined {
  try {
    const json: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}

/** `from` and the folders above it, to the root of the disk. */
export function* foldersUpward(from: string): Generator<string> {
  let folder = resolve(from)
  while (true) {
    yield folder
    const parent = dirname(folder)
    if (parent === folder) return
    folder = parent
  }
}

/**
 * `from` and the folders above it that belong to the same project, its outermost folder included. Without any mark of a
 * project it is `from` alone.
 */
export function projectFolders(from: string): string[] {
  const folders: string[] = []
  let count = 0
  for (const folder of foldersUpward(from)) {
    folders.push(folder)
    if (isProjectRoot(folder)) return folders
    if (count === 0 && isPackage(folder)) count = folders.length
  }
  return folders.slice(0, count || 1)
}

/** The nearest folder at or above `from` that holds a package.json. */
export function packageRoot(from: string): string | undefined {
  for (const folder of foldersUpward(from)) {
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return undefined
}

/** Builds write a package.json that says nothing but the type of their files. */
function isPackage(folder: string): boolean {
  return Object.keys(readPackage(folder) ?? {}).some((key) => key !== 'type')
}

function isProjectRoot(folder: string): boolean {
  return (
    existsSync(join(folder, '.git')) ||
    existsSync(join(folder, 'pnpm-workspace.yaml')) ||
    readPackage(folder)?.workspaces !== undefined
  )
}
