/**
 * The configuration file, `lark.config.{ts,js,mjs,mts,cjs}`: finding it, importing it, and refusing what it should not
 * hold. This is an entry of the package by itself, because a program that dispatches a job needs nothing else of
 * Lark; it loads Node's own modules and a few small files.
 *
 * A package adds its section to the type, and declares the key in its package.json (see packages.ts):
 *
 * ```ts
 * declare module '@s18i/lark/config' {
 *   interface LarkConfig { jobs?: JobsConfig }
 * }
 * ```
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { larkError, placeOf, reasonOf } from './errors.ts'
import { importModule } from './module.ts'
import { nearest } from './nearest.ts'
import { refuseForeign, warnOfOpen } from './owner.ts'
import { larkPackages } from './packages.ts'
import { packageRoot, projectFolders, readPackage } from './project.ts'

export { branded } from './brand.ts'
export { LarkError, placeOf } from './errors.ts'
export { declaresClass, exportedValues, importModule } from './module.ts'
export { nearest } from './nearest.ts'
export { packageRoot } from './project.ts'
export { sourceFiles, sourceFolders } from './sources.ts'
export { visible, visibleLines } from './visible.ts'

/** What `lark.config` exports. Packages add their sections. */
export interface LarkConfig {
  /** Folders of commands, relative to this file; default `commands` and `src/commands`. */
  commands?: string | string[]
}

/** Where the search for the configuration begins. Each default is what the process itself says. */
export interface ConfigOptions {
  /** Default `process.env`. */
  env?: Record<string, string | undefined>
  /** The script that was started; default `process.argv[1]`. */
  entry?: string | undefined
  /** Default `process.cwd()`. */
  cwd?: string
}

export interface LoadOptions extends ConfigOptions {
  /** Top-level keys that the caller itself reads, known even where its package.json cannot be found (bundles). */
  sections?: string[]
}

export interface LoadedConfig {
  config: LarkConfig
  /** The file it came from; undefined when there is none, and `config` is empty. */
  file: string | undefined
  /** What paths are relative to: the file's folder, else that of the nearest package.json, else the current one. */
  folder: string
  /** The folders that were searched in vain, where there is no file. */
  looked?: readonly string[]
}

const FILES = ['ts', 'js', 'mjs', 'mts', 'cjs'].map((extension) => `lark.config.${extension}`)

/** Gives a configuration its type. Returns it as it is. */
export function defineConfig(config: LarkConfig): LarkConfig {
  return config
}

/**
 * The path of the configuration file: what the variable `LARK_CONFIG` names, else the first `lark.config.*` from
 * the started script's folder upward, else from the current folder upward, each as far as the project reaches.
 *
 * @throws CONFIG_NOT_FOUND when `LARK_CONFIG` names a file that does not exist; CONFIG_FOREIGN when the search finds one
 * that belongs to another user
 */
export function findConfig(options: ConfigOptions = {}): string | undefined {
  const { env = process.env, cwd = process.cwd() } = options
  if (env.LARK_CONFIG) {
    const file = resolve(cwd, env.LARK_CONFIG)
    if (existsSync(file)) return file
    throw larkError('CONFIG_NOT_FOUND', `LARK_CONFIG is "${env.LARK_CONFIG}", and there is no file ${file}`)
  }
  for (const start of startFolders(options)) {
    for (const folder of projectFolders(start)) {
      const name = FILES.find((candidate) => existsSync(join(folder, candidate)))
      if (name === undefined) continue
      const file = join(folder, name)
      refuseForeign(file, `To run it all the same, name it: LARK_CONFIG=${file}`)
      return file
    }
  }
  return undefined
}

/**
 * Finds, imports and checks the configuration. Without a file it is empty. May be called often: the file is
 * imported once.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FOREIGN, CONFIG_FAILED (it threw while it was imported), CONFIG_INVALID (not an object, or an
 * unknown key).
 */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const file = findConfig(options)
  if (file === undefined) {
    const looked = [...new Set(startFolders(options).flatMap(projectFolders))]
    return { config: {}, file, folder: homeFolder(options), looked }
  }
  const folder = dirname(file)
  warnOfOpen(file)
  const module = await importModule(file).catch((error: unknown) => {
    const place = placeOf(error)
    throw larkError('CONFIG_FAILED', `${file} failed to load: ${reasonOf(error)}`, {
      cause: error,
      hint: place && `At ${place}`,
    })
  })
  const config: unknown = module.default
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw larkError('CONFIG_INVALID', `${file} must export an object by default, not ${nameOf(config)}`)
  }
  refuseUnknownKeys(file, [...startFolders(options), folder], Object.keys(config), options.sections ?? [])
  return { config, file, folder }
}

/** The script's folder, then the current one. */
function startFolders({ entry = process.argv[1], cwd = process.cwd() }: ConfigOptions): string[] {
  const script = entry && scriptFolder(resolve(cwd, entry))
  return script ? [script, cwd] : [cwd]
}

/**
 * The folder of the script that was started, or undefined when that script is a tool and not the application's
 * own: the program `lark` (perhaps linked from a checkout of its source), or anything else in node_modules.
 */
function scriptFolder(entry: string): string | undefined {
  let path: string
  try {
    path = realpathSync(entry)
  } catch {
    return undefined // `node -e`, or a script that a bundle or a loader has made up
  }
  if (path.includes(`${sep}node_modules${sep}`)) return undefined
  const folder = dirname(path)
  const root = packageRoot(folder)
  return root && readPackage(root)?.name === '@s18i/lark' ? undefined : folder
}

/**
 * What relative paths are relative to: the folder of the configuration file, else that of the nearest package.json
 * in the project of the started script or the current folder. Where there is none, the script's own folder.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FOREIGN
 */
export function homeFolder(options: ConfigOptions = {}): string {
  const file = findConfig(options)
  if (file !== undefined) return dirname(file)
  const starts = startFolders(options)
  for (const start of starts) {
    const root = projectFolders(start).find((folder) => existsSync(join(folder, 'package.json')))
    if (root === undefined) continue
    refuseForeign(join(root, 'package.json'), 'Lark runs the jobs and commands beside it')
    return root
  }
  return starts[0]!
}

function refuseUnknownKeys(file: string, folders: string[], keys: string[], sections: string[]): void {
  let known = ['commands', ...sections]
  const stranger = () => keys.find((key) => !known.includes(key))
  // Only as far as need be: reading the package.json of every dependency is not for each start of every program.
  for (const isWhole of [false, true]) {
    if (stranger() === undefined) return
    known = [...new Set([...known, ...larkPackages(folders, isWhole).flatMap((each) => each.config)])]
  }
  const unknown = stranger()
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw larkError('CONFIG_INVALID', `${file} has an unknown key "${unknown}"`, {
    hint: near
      ? `Did you mean ${near}?`
      : `Known keys: ${known.join(', ')}. A package adds its own (@s18i/lark-jobs has jobs) where a package.json of the project lists it`,
  })
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
