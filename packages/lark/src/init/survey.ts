/**
 * The survey that `lark init` makes before its plan: whether it may write into this folder, the language and
 * module format of the project, its package manager, and whether Lark is installed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { Project } from '../catalog/catalog.ts'
import type { LarkConfig } from '../config.ts'
import { type LarkError, larkError, reasonOf } from '../errors.ts'
import { installed, list } from '../project/packages.ts'
import { type PackageJson, projectFolders, readPackage } from '../project/project.ts'
import { codeFiles } from '../project/sources.ts'
import { stubPlace } from '../project/stub.ts'
import { workspaceFolders } from '../project/workspace.ts'
import { type CompilerWishes, compilerWishes } from './compiler.ts'
import { type PackageManager, packageManagerOf } from './package-manager.ts'
import type { InitProject } from './part.ts'

/** The packages that a new project needs. */
export const wanted = ['@s18i/lark', '@s18i/lark-jobs'] as const

export interface Survey {
  folder: string
  /**
   * The path of the project's package.json, relative to `folder`. The file may be in another folder, because
   * the configuration that LARK_CONFIG names may be in a subfolder.
   */
  packageFile: string
  /** The text of the package.json; undefined if there is no such file. */
  text: string | undefined
  json: PackageJson & { scripts?: Record<string, unknown> }
  /** The name of the configuration file, which is in `folder`. */
  configFile: string | undefined
  manager: PackageManager
  /** Whether the project has no code yet. */
  isNew: boolean
  /**
   * The packages of `wanted` that are not installed yet and must be installed before the program can be
   * started.
   */
  missing: readonly string[]
  project: InitProject
  /** Problems of the project, each with advice. */
  notes: readonly string[]
}

/**
 * @param language the language of new files. Default: the language of the project, or TypeScript if the
 *   project has no code yet
 * @throws PACKAGE_INVALID, PROGRAM_TAKEN, PROJECT_UNCLEAR
 */
export async function survey(
  { folder, config, file: configFile }: Project,
  { env, language }: { env: InitProject['env']; language?: 'ts' | 'js' | undefined },
): Promise<Survey> {
  const root = projectFolders(folder).find((each) => existsSync(join(each, 'package.json'))) ?? folder
  const { text, json } = packageIn(root)
  const listed = Object.assign(
    {},
    ...projectFolders(folder).map((each) => dependenciesOf(readPackage(each) ?? {})),
  ) as Record<string, unknown>
  const isForeign = listed.lark !== undefined && !String(listed.lark).startsWith('npm:@s18i/lark@')
  if (isForeign) throw programTaken(folder, packageManagerOf(folder, env))
  const inside = workspaceFolders(folder).map((each) => relative(folder, each))
  const isOwn = wanted.some((name) => Object.hasOwn(dependenciesOf(json), name))
  if (inside.length > 0 && !isOwn && configFile === undefined) throw workspaceRoot(folder, inside)
  if (text === undefined) refuseUnknown(folder)
  const isNew = !(await hasCode(folder))
  const place = await stubPlace('commands', folder, config.commands)
  const isTypeScript = language === undefined ? isNew || place.extension === 'ts' : language === 'ts'
  const isModule = isTypeScript || json.type === 'module' || (isNew && json.type === undefined)
  const wishes = isTypeScript ? compilerWishes(folder) : forJavaScript(isModule)
  return {
    folder,
    packageFile: relative(folder, join(root, 'package.json')).replaceAll(sep, '/'),
    text,
    json,
    configFile,
    manager: packageManagerOf(folder, env),
    isNew,
    missing: wanted.filter((name) => {
      if (!Object.hasOwn(listed, name)) return !Object.hasOwn(listed, '@s18i/lark')
      return projectFolders(folder).every((each) => installed(name, each) === undefined)
    }),
    project: projectOf(folder, config, { env, isNew, isTypeScript, isModule, wishes }),
    notes:
      wishes.needsType && json.type !== 'module' && !(isNew && json.type === undefined) ? [NEEDS_TYPE] : [],
  }
}

const NEEDS_TYPE =
  'Because of verbatimModuleSyntax, tsc refuses import in this package. Lark does not, and this helps: ' +
  'npm pkg set type=module'

/**
 * Whether a folder has code. Hidden files do not count, because they belong to tools: `.pnp.cjs` belongs to
 * Yarn, for example.
 */
async function hasCode(folder: string): Promise<boolean> {
  try {
    return (await codeFiles(folder)).some((file) => !basename(file).startsWith('.'))
  } catch {
    return true // A folder that cannot be read, such as that of a database, shows that the project is not new.
  }
}

function forJavaScript(isModule: boolean): CompilerWishes {
  return { ending: isModule ? '.js' : '', needsOverride: false, needsType: false }
}

function packageIn(folder: string): Pick<Survey, 'text' | 'json'> {
  const path = join(folder, 'package.json')
  if (!existsSync(path)) return { text: undefined, json: {} }
  const invalid = (what: string) =>
    larkError('PACKAGE_INVALID', `${path} ${what}`, { hint: 'Fix it, then call lark init again' })
  let text: string
  let json: unknown
  try {
    text = readFileSync(path, 'utf8')
    json = JSON.parse(text)
  } catch (error) {
    throw invalid(`cannot be read: ${reasonOf(error)}`)
  }
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject(json)) throw invalid('is not an object')
  const fields = json as Record<string, unknown>
  const wrong = ['scripts', 'dependencies', 'devDependencies', 'optionalDependencies'].find(
    (name) => fields[name] !== undefined && !isObject(fields[name]),
  )
  if (wrong !== undefined) throw invalid(`has "${wrong}" that is not an object`)
  return { text, json: fields }
}

function dependenciesOf({ optionalDependencies, devDependencies, dependencies }: PackageJson): object {
  return { ...optionalDependencies, ...devDependencies, ...dependencies }
}

function programTaken(folder: string, manager: PackageManager): LarkError {
  const remove = manager === 'npm' ? 'npm uninstall lark' : `${manager} remove lark`
  return larkError(
    'PROGRAM_TAKEN',
    `The package.json of ${folder} lists "lark", which is another package with a program of the same name`,
    { hint: `Lark is @s18i/lark. If the other one is there by mistake: ${remove}` },
  )
}

function workspaceRoot(folder: string, inside: readonly string[]): LarkError {
  const shown = inside.slice(0, 3).join(', ') + (inside.length > 3 ? ` and ${inside.length - 3} more` : '')
  return larkError('PROJECT_UNCLEAR', `${folder} is the root of a workspace (${shown})`, {
    hint:
      `Call lark init in one of its packages: cd ${inside[0]}. ` +
      'If the jobs belong to the root, add @s18i/lark-jobs to its package.json first',
  })
}

/** The names of files that do not count: a folder with only such files counts as empty. */
const HARMLESS = /^(\..*|node_modules|readme(\..*)?|licen[cs]e(\..*)?)$/i

function refuseUnknown(folder: string): void {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    throw larkError('PROJECT_UNCLEAR', `${folder} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
  const other = names.find((name) => !HARMLESS.test(name))
  if (other === undefined) return
  throw larkError('PROJECT_UNCLEAR', `${folder} has no package.json, and is not empty: it has ${other}`, {
    hint: 'If it is the folder of your application, call npm init -y first',
  })
}

function projectOf(
  folder: string,
  config: LarkConfig,
  found: Pick<InitProject, 'env' | 'isTypeScript' | 'isModule'> & { isNew: boolean; wishes: CompilerWishes },
): InitProject {
  const { env, isNew, isTypeScript, isModule, wishes } = found
  const importing = (names: readonly string[], from: string) =>
    isModule
      ? `import { ${names.join(', ')} } from '${from}'`
      : `const { ${names.join(', ')} } = require('${from}')`
  return {
    folder,
    config,
    env,
    isTypeScript,
    isModule,
    override: wishes.needsOverride ? 'override ' : '',
    async folderOf(kind, configured) {
      if (isNew && configured === undefined) return `src/${kind}`
      const named = configured === undefined ? undefined : list([...[configured].flat()])
      const place = await stubPlace(kind, folder, named)
      return relative(folder, place.folder).replaceAll(sep, '/')
    },
    importing,
    importingFile(names, from, by) {
      const path = relative(dirname(by), from).replaceAll(sep, '/')
      return importing(names, (path.startsWith('.') ? path : `./${path}`) + wishes.ending)
    },
    exporting: (name) => (isModule ? `export class ${name}` : `exports.${name} = class ${name}`),
  }
}
