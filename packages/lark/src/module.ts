/**
 * Importing a module of the application, whatever it is written in. JavaScript is imported by Node. Through jiti
 * go TypeScript, JavaScript that Node refuses for want of a file extension, and `.js` outside of packages of
 * `"type": "module"`: if such a file is an ES module after all, Node refuses it or prints a warning; if it is
 * CommonJS, jiti leaves it to Node.
 *
 * There is one loader in a process, whatever the number of copies of this package, because a second one would
 * evaluate the application's modules a second time. jiti itself imports packages natively, so that a job in
 * TypeScript and the program that runs it share one `@s18i/lark`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Jiti } from 'jiti'
import { isError, placeOf, reasonOf } from './errors.ts'
import { cacheFolder, refuseForeign } from './owner.ts'
import { packageRoot, projectFolders, readPackage } from './project.ts'
import { importHere, requireHere } from './sandbox.ts'

type Module = Record<string, unknown>

const LOADER = Symbol.for('s18i.lark.loader')
const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])

/**
 * Imports the module in `file` (an absolute path) and resolves to its exports. An error thrown by the module is
 * rethrown as it is.
 */
export async function importModule(file: string): Promise<Module> {
  if (requireHere === undefined) return importInNode(file)
  try {
    return required(requireHere(file))
  } catch (error) {
    // An ES module, or a language that the tests are not written in.
    const isForeign = codeOf(error) === 'ERR_REQUIRE_ESM' || (isError(error) && error.name === 'SyntaxError')
    if (isForeign) return importInNode(file)
    throw error
  }
}

/** The exports of a required module, as `import()` gives them. */
function required(exports: unknown): Module {
  const isObject = typeof exports === 'object' && exports !== null
  if (isObject && '__esModule' in exports) return exports as Module
  return { ...(isObject && exports), default: exports }
}

async function importInNode(file: string): Promise<Module> {
  if (TYPESCRIPT.has(extname(file))) return loader().import(file)
  if (mayBeEither(file) && (await loader().isInstalled(file))) return loader().import(file)
  try {
    return await importHere(pathToFileURL(file).href)
  } catch (error) {
    if (!isCurable(error) || !(await loader().isInstalled(file))) throw error
    try {
      return await loader().import(file)
    } catch (second) {
      // jiti found no such module either: Node's message says more.
      throw codeOf(second) === 'MODULE_NOT_FOUND' ? error : second
    }
  }
}

/** What a module exports: by name, by default, or as the properties of `module.exports`. */
export function exportedValues(module: Module): Set<unknown> {
  const { default: main } = module
  return new Set([...Object.values(module), ...(isPlain(main) ? Object.values(main) : [])])
}

/** Whether it is an object without a class, also one of another realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype !== null && Object.getPrototypeOf(prototype) === null
}

/**
 * Whether a module's text declares a class that extends one of these names: a hint that what it exports, if that is
 * none of them, was meant to be one.
 */
export function declaresClass(text: string, ...parents: string[]): boolean {
  return new RegExp(
    `^\\s*(?:abstract\\s+)?class\\s+\\w+\\s+extends\\s+(?:${parents.join('|')})\\b`,
    'm',
  ).test(text)
}

function mayBeEither(file: string): boolean {
  if (extname(file) !== '.js') return false
  const root = packageRoot(dirname(file))
  return root === undefined || readPackage(root)?.type !== 'module'
}

/** Whether Node refused the module for a reason that jiti does not have. */
function isCurable(error: unknown): boolean {
  const message = isError(error) ? error.message : ''
  switch (codeOf(error)) {
    case 'ERR_UNKNOWN_FILE_EXTENSION':
    case 'ERR_UNSUPPORTED_DIR_IMPORT':
      return true
    case 'ERR_MODULE_NOT_FOUND':
      return message.startsWith('Cannot find module') // a package would be "Cannot find package"
    default:
      // Thrown by the parser and not by running code: jiti may read it, or else says in which line it is wrong.
      return isError(error) && error.name === 'SyntaxError' && placeOf(error) === undefined
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

function loader(): Loader {
  const shared = globalThis as { [LOADER]?: Loader }
  shared[LOADER] ??= new Loader()
  return shared[LOADER]
}

/** A jiti, and why it does not follow the `paths` of a tsconfig.json: undefined if it does, or if there is none. */
interface Importer {
  jiti: Jiti
  withoutPaths: string | undefined
}

/**
 * One jiti for each tsconfig.json, since its `paths` say what imports stand for. All of them share the modules that they
 * have evaluated. jiti hands out a module before the module has run to its end, so imports take turns; one that begins
 * inside another (a module that loads the configuration while it is imported) does not wait for it.
 */
class Loader {
  readonly #importers = new Map<string, Promise<Importer>>()
  #turn: Promise<unknown> = Promise.resolve()
  readonly #inside = new AsyncLocalStorage<true>()

  /** A bundle may be deployed without jiti. */
  isInstalled(file: string): Promise<boolean> {
    return this.#begin(file).then(
      () => true,
      () => false,
    )
  }

  import(file: string): Promise<Module> {
    const evaluate = async () => {
      const { jiti, withoutPaths } = await this.#begin(file)
      const module: unknown = await jiti.import(file).catch((error: unknown) => {
        if (withoutPaths !== undefined && codeOf(error) === 'MODULE_NOT_FOUND' && isError(error))
          error.message = `${error.message.split('\n')[0]} (without the paths of tsconfig.json: ${withoutPaths})`
        throw error
      })
      // The second time jiti gives the bare `module.exports`, which may be a class.
      return typeof module === 'function' ? { default: module } : (module as Module)
    }
    if (this.#inside.getStore()) return evaluate()
    const result = this.#turn.then(() => this.#inside.run(true, evaluate))
    this.#turn = result.catch(() => {})
    return result
  }

  #begin(file: string): Promise<Importer> {
    // Not as far up as TypeScript searches: beyond the project, another user could say where imports lead.
    const tsconfig = projectFolders(dirname(file))
      .map((folder) => join(folder, 'tsconfig.json'))
      .find((path) => existsSync(path))
    const importer = this.#importers.get(tsconfig ?? '') ?? createImporter(file, tsconfig)
    this.#importers.set(tsconfig ?? '', importer)
    return importer
  }
}

async function createImporter(file: string, tsconfig: string | undefined): Promise<Importer> {
  // Not by `import('jiti')`, because a bundler that took jiti in would leave its compiler behind.
  const { createJiti } = (await importHere('jiti')) as unknown as typeof import('jiti')
  const cache = cacheFolder(dirname(file))
  // jiti's own choice is a folder in the system's temporary one, where another user could put code for us to run.
  const fsCache = cache === undefined ? false : join(cache, 'jiti')
  try {
    if (tsconfig !== undefined) refuseForeign(tsconfig, '')
    return { jiti: createJiti(file, { fsCache, tsconfigPaths: tsconfig ?? false }), withoutPaths: undefined }
  } catch (error) {
    // Many extend a file of a package that is not shipped, and need no `paths` at run time.
    return { jiti: createJiti(file, { fsCache, tsconfigPaths: false }), withoutPaths: reasonOf(error) }
  }
}
