/**
 * Packages that extend Lark. A package does so by a field of its own package.json, and the application needs no
 * wiring: `"lark": { "commands": "./dist/commands", "config": "jobs" }` adds a folder of commands and a section of
 * the configuration file.
 *
 * Asked are the packages that the project itself names as dependencies, in the package.json files from a folder
 * up to the root of its workspace. They are looked for as Node would, in the `node_modules` folders upward.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { refuseForeign } from './owner.ts'
import { foldersUpward, type PackageJson, projectFolders, readPackage } from './project.ts'

export interface LarkPackage {
  name: string
  version: string
  /** Absolute folders of its commands. */
  commands: string[]
  /** The top-level keys that it reads of the configuration file. */
  config: string[]
}

/**
 * The packages that extend Lark for the project around `folder`, sorted by name.
 *
 * @throws CONFIG_FOREIGN when one of them, or a package.json that names it, belongs to another user
 */
export function larkPackages(folder: string): LarkPackage[] {
  const found = new Map<string, LarkPackage>()
  for (const home of projectFolders(folder)) {
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

function installed(name: string, from: string): string | undefined {
  for (const folder of foldersUpward(from)) {
    const root = join(folder, 'node_modules', name)
    if (existsSync(join(root, 'package.json'))) return root
  }
  return undefined
}

/** One or many, as a configuration field may be written. */
export function list(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : [value].flat()
}
