/**
 * Finds the folders of the project, from one folder upward. The project ends at the first folder that
 * contains `.git` or is the root of a workspace. If there is no such folder, the project ends at the nearest
 * package.json. Files above do not belong to the project: in a parent folder such as /tmp, files may belong
 * to any user.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** The fields of package.json that Lark reads. */
export interface PackageJson {
  name?: string
  version?: string
  type?: string
  packageManager?: unknown
  workspaces?: unknown
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  lark?: { commands?: string | string[]; config?: string | string[]; init?: string }
}

/** The package.json in `folder`, or undefined if there is no readable package.json. */
export function readPackage(folder: string): PackageJson | undefined {
  try {
    const json: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}

/** Yields `from` and the folders above it, up to the root of the disk. */
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
 * `from` and the folders above it that belong to the same project, including the outermost one. Without a
 * project, the list has only `from`.
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

/** The nearest folder, `from` or above it, that contains a package.json. */
export function packageRoot(from: string): string | undefined {
  for (const folder of foldersUpward(from)) {
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  return undefined
}

/**
 * Whether a folder is a package. A package.json that contains only `type` does not count, because builds
 * write such files.
 */
function isPackage(folder: string): boolean {
  return Object.keys(readPackage(folder) ?? {}).some((key) => key !== 'type')
}

function isProjectRoot(folder: string): boolean {
  const isMarked = ['.git', 'pnpm-workspace.yaml'].some((name) => existsSync(join(folder, name)))
  return isMarked || readPackage(folder)?.workspaces !== undefined
}
