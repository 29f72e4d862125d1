/**
 * Finds the packages that extend Lark. A package declares this in its own package.json, and the application
 * needs no wiring: `"lark": { "commands": "./dist/commands", "config": "jobs" }` adds a folder of commands
 * and a section of the configuration file. `"init"` names the module with the package's part of `lark init`.
 *
 * Only direct dependencies of the project are considered. Lark reads these dependencies from each
 * package.json between the current folder and the root of the workspace, and between the folder of the
 * configuration and that root. If the current folder is the root of the workspace, the dependencies of all
 * its packages are considered too. The search for a dependency begins at the package.json that names the
 * dependency, as in Node.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { refuseForeign } from './owner.ts'
import { foldersUpward, projectFolders, readPackage } from './project.ts'
import { workspaceFolders } from './workspace.ts'

export interface LarkPackage {
  name: string
  version: string
  /** The absolute paths of the package's folders of commands. */
  commands: string[]
  /** The top-level keys of the configuration file that the package reads. */
  config: string[]
  /** The absolute path of the module with the package's part of `lark init`. */
  init?: string
}

/**
 * The packages that extend Lark for the project around `folders`, sorted by name. The first folder is the
 * current one.
 *
 * @param isWhole whether to consider all packages of the workspace, no matter where the folders are
 * @throws CONFIG_FOREIGN if such a package, or a package.json that names such a package, belongs to another
 *   user
 */
export function larkPackages(folders: string[], isWhole = false): LarkPackage[] {
  const found = new Map<string, LarkPackage>()
  for (const home of homesOf(folders, isWhole)) {
    const { optionalDependencies, devDependencies, dependencies } = readPackage(home) ?? {}
    for (const name of Object.keys({ ...optionalDependencies, ...devDependencies, ...dependencies })) {
      if (found.has(name)) continue
      const root = installed(name, home)
      const json = root === undefined ? undefined : readPackage(root)
      if (!root || !json?.lark) continue
      for (const each of [home, root])
        refuseForeign(join(each, 'package.json'), `It adds commands to lark: ${name}`)
      found.set(name, {
        name,
        version: json.version ?? '',
        commands: list(json.lark.commands).map((path) => resolve(root, path)),
        config: list(json.lark.config),
        ...(json.lark.init !== undefined && { init: resolve(root, json.lark.init) }),
      })
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function homesOf(folders: string[], isWhole: boolean): Set<string> {
  const lines = folders.map(projectFolders)
  const roots = lines
    .filter((line, i) => isWhole || (i === 0 && line.length === 1))
    .map((line) => line.at(-1)!)
  return new Set([...lines.flat(), ...roots.flatMap(workspaceFolders)])
}

/**
 * The folder of a package that the package.json in `home` names, or undefined if the package is not
 * installed.
 */
export function installed(name: string, home: string): string | undefined {
  for (const folder of foldersUpward(home)) {
    const root = join(folder, 'node_modules', name)
    if (existsSync(join(root, 'package.json'))) return root
  }
  try {
    // No `node_modules` folder has the package. With Yarn's Plug'n'Play, this call finds it.
    return dirname(createRequire(join(home, 'package.json')).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** Makes a list of a configuration field that may be one value or several values. */
export function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat()
}
