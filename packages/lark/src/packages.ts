/**
 * Packages that extend Lark. A package does so by a field of its own package.json, and the application needs no
 * wiring: `"lark": { "commands": "./dist/commands", "config": "jobs" }` adds a folder of commands and a section of
 * the configuration file.
 *
 * Asked are the packages that the project itself names as dependencies: in the package.json files from the current
 * folder and from that of the configuration up to the root of the workspace. Who stands in that root itself stands for
 * the whole workspace, and the packages of it are asked as well. Each is looked for from the package.json that names
 * it, as Node would.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { refuseForeign } from './owner.ts'
import { foldersUpward, type PackageJson, projectFolders, readPackage } from './project.ts'
import { workspaceFolders } from './workspace.ts'

export interface LarkPackage {
  name: string
  version: string
  /** Absolute folders of its commands. */
  commands: string[]
  /** The top-level keys that it reads of the configuration file. */
  config: string[]
}

/**
 * The packages that extend Lark for the project around `folders`, the first of which is the current one; sorted by name.
 *
 * @param isWhole whether to ask all packages of the workspace, wherever in it the folders are
 * @throws CONFIG_FOREIGN when one of them, or a package.json that names it, belongs to another user
 */
export function larkPackages(folders: string[], isWhole = false): LarkPackage[] {
  const found = new Map<string, LarkPackage>()
  for (const home of homesOf(folders, isWhole)) {
    for (const name of dependenciesOf(readPackage(home))) {
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
      })
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function dependenciesOf(json: PackageJson | undefined): string[] {
  if (!json) return []
  return Object.keys({ ...json.optionalDependencies, ...json.devDependencies, ...json.dependencies })
}

function homesOf(folders: string[], isWhole: boolean): Set<string> {
  const lines = folders.map(projectFolders)
  const roots = lines
    .filter((line, i) => isWhole || (i === 0 && line.length === 1))
    .map((line) => line.at(-1)!)
  return new Set([...lines.flat(), ...roots.flatMap(workspaceFolders)])
}

/** Where the package is that a package.json in `home` names. */
function installed(name: string, home: string): string | undefined {
  for (const folder of foldersUpward(home)) {
    const root = join(folder, 'node_modules', name)
    if (existsSync(join(root, 'package.json'))) return root
  }
  try {
    // In no such folder: Yarn's Plug'n'Play answers in the place of Node.
    return dirname(createRequire(join(home, 'package.json')).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** One or many, as a configuration field may be written. */
export function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat()
}
