/**
 * Finds, imports and checks the configuration file, `lark.config.{ts,js,mjs,mts,cjs}`. This file is an entry
 * of the package, because a program that dispatches jobs needs only this part of the package. The entry loads
 * only Node's own modules and a few small files.
 *
 * A package adds its section to the type, and declares the key in its package.json (see `packages.ts`):
 *
 * ```ts
 * declare module '@s18i/lark/config' {
 *   interface LarkConfig { jobs?: JobsConfig }
 * }
 * ```
 *
 * @module @s18i/lark/config
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { failedToLoad, larkError } from './errors.ts'
import { importModule } from './project/module.ts'
import { refuseForeign, warnOfOpen } from './project/owner.ts'
import { larkPackages } from './project/packages.ts'
import { packageRoot, projectFolders, readPackage } from './project/project.ts'
import { excerpt } from './words/excerpt.ts'
import { nearest } from './words/nearest.ts'

export { LarkError, type LarkErrorOptions } from './errors.ts'

/** The default export of `lark.config`. Packages add their sections. */
export interface LarkConfig {
  /** The folders of commands, relative to the configuration file. Default: `commands` and `src/commands`. */
  commands?: string | string[]
}

/** The places where the search for the configuration begins. The defaults come from the process. */
export interface ConfigOptions {
  /** The environment variables. Default: `process.env`. */
  env?: Record<string, string | undefined>
  /** The script that was started. Default: `process.argv[1]`. */
  entry?: string | undefined
  /** The current folder. Default: `process.cwd()`. */
  cwd?: string
}

export interface LoadOptions extends ConfigOptions {
  /**
   * The top-level keys that the caller itself reads. These keys are allowed even if Lark does not find the
   * caller's package.json, for example because the caller is in a bundle.
   */
  sections?: string[]
}

export interface LoadedConfig {
  config: LarkConfig
  /** The path of the configuration file; undefined if there is no file. Without a file, `config` is empty. */
  file: string | undefined
  /**
   * The folder for relative paths: the folder of the configuration file. Without a file, it is the folder of
   * the nearest package.json, or else the current folder.
   */
  folder: string
  /** The folders that were searched, if there is no file. */
  looked?: readonly string[]
}

const FILES = ['ts', 'js', 'mjs', 'mts', 'cjs'].map((extension) => `lark.config.${extension}`)

/** Gives a configuration its type, and returns it unchanged. */
export function defineConfig(config: LarkConfig): LarkConfig {
  return config
}

/**
 * The path of the configuration file. The search has this order:
 *
 * 1. the file that the variable `LARK_CONFIG` names;
 * 2. the first `lark.config.*` from the folder of the started script upward;
 * 3. the first `lark.config.*` from the current folder upward.
 *
 * The searches upward end where the project ends.
 *
 * @throws CONFIG_NOT_FOUND if `LARK_CONFIG` names a file that does not exist; CONFIG_FOREIGN if the search
 *   finds a file that belongs to another user
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
 * Finds, imports and checks the configuration. Without a file, the configuration is empty. Repeated calls
 * import the file only once.
 *
 * @throws CONFIG_NOT_FOUND, CONFIG_FOREIGN, CONFIG_FAILED (the file threw while it was imported),
 *   CONFIG_INVALID (the file does not export an object, or the object has an unknown key)
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
    throw failedToLoad('CONFIG_FAILED', file, error)
  })
  const config: unknown = module.default
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw larkError('CONFIG_INVALID', `${file} must export an object by default, not ${nameOf(config)}`)
  }
  refuseUnknownKeys(file, [...startFolders(options), folder], Object.keys(config), options.sections ?? [])
  return { config, file, folder }
}

/** The folders where the search begins: the folder of the script, then the current folder. */
function startFolders({ entry = process.argv[1], cwd = process.cwd() }: ConfigOptions): string[] {
  const script = entry && scriptFolder(resolve(cwd, entry))
  return script ? [script, cwd] : [cwd]
}

/**
 * The folder of the script that was started; undefined if the script is not part of the application. The
 * program `lark` is such a script, even if it is linked from a checkout of its source, and so is any other
 * program in node_modules.
 */
function scriptFolder(entry: string): string | undefined {
  let path: string
  try {
    path = realpathSync(entry)
  } catch {
    return undefined // The script is not a file (`node -e`), or a bundler or loader has invented its name.
  }
  if (path.includes(`${sep}node_modules${sep}`)) return undefined
  const folder = dirname(path)
  const root = packageRoot(folder)
  return root && readPackage(root)?.name === '@s18i/lark' ? undefined : folder
}

/**
 * The folder for relative paths: the folder of the configuration file. Without a file, it is the folder of
 * the nearest package.json in the project of the started script or of the current folder, or else the folder
 * of the script.
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
  // The whole workspace is read only if a key is still unknown, because reading the package.json of every
  // dependency takes long.
  for (const isWhole of [false, true]) {
    if (stranger() === undefined) return
    known = [...new Set([...known, ...larkPackages(folders, isWhole).flatMap((each) => each.config)])]
  }
  const unknown = stranger()
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw larkError('CONFIG_INVALID', `${file} has an unknown key "${excerpt(unknown)}"`, {
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
