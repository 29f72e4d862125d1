/** Finds the package manager of a project, and says how it adds packages and starts programs. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { projectFolders, readPackage } from '../project/project.ts'

export type PackageManager = 'npm' | 'pnpm' | 'yarn' | 'bun'

/** The words of the command lines that add packages and that start the program `lark`. */
export const managerWords: Readonly<Record<PackageManager, { add: readonly string[]; lark: string }>> = {
  npm: { add: ['npm', 'install'], lark: 'npx lark' },
  pnpm: { add: ['pnpm', 'add'], lark: 'pnpm lark' },
  yarn: { add: ['yarn', 'add'], lark: 'yarn lark' },
  bun: { add: ['bun', 'add'], lark: 'bunx lark' },
}

const lockfiles: Readonly<Record<string, PackageManager>> = {
  'package-lock.json': 'npm',
  'npm-shrinkwrap.json': 'npm',
  'pnpm-lock.yaml': 'pnpm',
  'yarn.lock': 'yarn',
  'bun.lock': 'bun',
  'bun.lockb': 'bun',
}

/**
 * The package manager of a project. The field `packageManager` in a package.json decides first, then a
 * lockfile in the project, then the package manager that has started this process.
 */
export function packageManagerOf(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
): PackageManager {
  for (const each of projectFolders(folder)) {
    const { packageManager } = readPackage(each) ?? {}
    const named = typeof packageManager === 'string' ? known(packageManager) : undefined
    if (named !== undefined) return named
    const lockfile = Object.keys(lockfiles).find((name) => existsSync(join(each, name)))
    if (lockfile !== undefined) return lockfiles[lockfile]!
  }
  return known(env.npm_config_user_agent ?? '') ?? 'npm'
}

/**
 * The name of the package manager at the beginning of texts such as `pnpm@10.1.0` and `pnpm/10.1.0 npm/?
 * node/v24.0.0`.
 */
function known(text: string): PackageManager | undefined {
  const name = /^\w+/.exec(text)?.[0] ?? ''
  return Object.hasOwn(managerWords, name) ? (name as PackageManager) : undefined
}
