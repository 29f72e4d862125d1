/**
 * Imports a module of the application, in JavaScript or TypeScript. Node itself imports most JavaScript. jiti
 * imports TypeScript, JavaScript whose imports lack file extensions, and `.js` files of packages without
 * `"type": "module"`. (If such a `.js` file is an ES module, Node refuses it or prints a warning. If it is
 * CommonJS, jiti leaves it to Node.) If Node itself runs the TypeScript file of the program, Node also
 * imports the modules in TypeScript.
 *
 * A process has only one loader, even if it has several copies of this package, because a second loader would
 * evaluate the application's modules a second time. jiti imports packages natively, so that a job in
 * TypeScript and the program that runs it share one `@s18i/lark`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Jiti } from 'jiti'
import { isError, placeOf, reasonOf } from '../errors.ts'
import { cacheFolder, refuseForeign } from './owner.ts'
import { packageRoot, projectFolders, readPackage } from './project.ts'
import { importHere, requireHere } from './sandbox.ts'

export type Module = Record<string, unknown>

const LOADER = Symbol.for('s18i.lark.loader')
const TYPESCRIPT = new Set(['.ts', '.mts', '.cts'])

/**
 * Imports the module in `file` (an absolute path) and resolves with its exports. An error that the module
 * throws is thrown unchanged.
 */
export async function importModule(file: string): Promise<Module> {
  if (requireHere === undefined) return importInNode(file)
  try {
    return required(requireHere(file))
  } catch (error) {
    // The file is an ES module, or is in a language that the test runner does not compile.
    const isForeign = codeOf(error) === 'ERR_REQUIRE_ESM' || (isError(error) && error.name === 'SyntaxError')
    if (isForeign) return importInNode(file)
    throw error
  }
}

/** The exports of a required module, in the form of `import()`. */
function required(exports: unknown): Module {
  const isObject = typeof exports === 'object' && exports !== null
  if (isObject && '__esModule' in exports) return exports as Module
  return { ...(isObject && exports), default: exports }
}

async function importInNode(file: string): Promise<Module> {
  if (TYPESCRIPT.has(extname(file)) && !nodeRunsTypeScript()) return loader().import(file)
  if (mayBeEither(file) && (await loader().isInstalled(file))) return loader().import(file)
  try {
    return await importHere(pathToFileURL(file).href)
  } catch (error) {
    if (!isCurable(error) || !(await loader().isInstalled(file))) throw error
    try {
      return await loader().import(file)
    } catch (second) {
      // If jiti does not find the module either, the error of Node is thrown, because Node's error says more.
      throw codeOf(second) === 'MODULE_NOT_FOUND' ? error : second
    }
  }
}

/** All values that a module exports: by name, by default, or as properties of `module.exports`. */
export function exportedValues(module: Module): Set<unknown> {
  const { default: main } = module
  return new Set([...Object.values(module), ...(isPlain(main) ? Object.values(main) : [])])
}

/** Whether a value is an object without a class. The value may come from another realm. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype !== null && Object.getPrototypeOf(prototype) === null
}

/**
 * Whether the text of a module declares a class that extends a class with a given name. If the module exports
 * no such class, its author has probably forgotten `export`.
 *
 * @param parent the name, as a regular expression
 */
export function declaresClass(text: string, parent: string): boolean {
  return new RegExp(String.raw`^\s*(?:abstract\s+)?class\s+\w+\s+extends\s+(?:${parent})\b`, 'm').test(text)
}

/**
 * Whether Node itself imported the program's own file, which is in TypeScript. With `tsx`, for example, Node
 * has evaluated modules that jiti would evaluate again. A file that jiti or `require` has loaded is in the
 * cache of `require`, which jiti uses too, so its modules are not evaluated again.
 */
function nodeRunsTypeScript(): boolean {
  const main = process.argv[1] ?? ''
  if (!TYPESCRIPT.has(extname(main))) return false
  const { createRequire } = process.getBuiltinModule('node:module')
  return createRequire(import.meta.url).cache[main] === undefined
}

function mayBeEither(file: string): boolean {
  if (extname(file) !== '.js') return false
  const root = packageRoot(dirname(file))
  return root === undefined || readPackage(root)?.type !== 'module'
}

/**
 * Whether Node refused the module for a reason that does not concern jiti, so that jiti may be able to import
 * it.
 */
function isCurable(error: unknown): boolean {
  const message = isError(error) ? error.message : ''
  switch (codeOf(error)) {
    case 'ERR_UNKNOWN_FILE_EXTENSION':
    case 'ERR_UNSUPPORTED_DIR_IMPORT':
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return true
    case 'ERR_MODULE_NOT_FOUND':
      return message.startsWith('Cannot find module') // if a package is missing, the message is "Cannot find package"
    default:
      // A syntax error without a place comes from the parser, and not from the code of the module. jiti may
      // be able to read the file. If not, the error of jiti names the wrong line.
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

/**
 * An instance of jiti. `withoutPaths` says why jiti ignores the `paths` of tsconfig.json. `withoutPaths` is
 * undefined if jiti uses these paths, or if there is no tsconfig.json.
 */
interface Importer {
  jiti: Jiti
  withoutPaths: string | undefined
}

/**
 * Keeps one instance of jiti for each tsconfig.json, because the `paths` of a tsconfig.json decide which file
 * an import means. All instances share the modules that they have evaluated. jiti may return a module before
 * the code of the module has ended, so imports take turns. An import that begins inside another import
 * (because a
 * module loads the configuration while it is imported) does not wait for its turn.
 */
class Loader {
  readonly #importers = new Map<string, Promise<Importer>>()
  #turn: Promise<unknown> = Promise.resolve()
  readonly #inside = new AsyncLocalStorage<true>()

  /** Whether jiti can be loaded. A bundle may be deployed without jiti. */
  isInstalled(file: string): Promise<boolean> {
    const importer = this.#begin(file)
    return importer.then(() => true).catch(() => false)
  }

  import(file: string): Promise<Module> {
    const evaluate = async () => {
      const { jiti, withoutPaths } = await this.#begin(file)
      const module: unknown = await jiti.import(file).catch((error: unknown) => {
        if (withoutPaths !== undefined && codeOf(error) === 'MODULE_NOT_FOUND' && isError(error))
          error.message = `${error.message.split('\n')[0]} (without the paths of tsconfig.json: ${withoutPaths})`
        throw error
      })
      // From the second import of a module on, jiti returns only `module.exports`, which may be a class.
      return typeof module === 'function' ? { default: module } : (module as Module)
    }
    if (this.#inside.getStore()) return evaluate()
    const result = this.#turn.then(() => this.#inside.run(true, evaluate))
    // Without `disable()`, Node 20 and 22 would run a hook for every later promise of the process.
    this.#turn = result.catch(() => {}).then(() => this.#inside.disable())
    return result
  }

  #begin(file: string): Promise<Importer> {
    // Unlike TypeScript, Lark searches only within the project: outside of the project, another user could
    // decide which files imports load.
    const tsconfig = projectFolders(dirname(file))
      .map((folder) => join(folder, 'tsconfig.json'))
      .find((path) => existsSync(path))
    const importer = this.#importers.get(tsconfig ?? '') ?? createImporter(file, tsconfig)
    this.#importers.set(tsconfig ?? '', importer)
    return importer
  }
}

async function createImporter(file: string, tsconfig: string | undefined): Promise<Importer> {
  // A plain `import('jiti')` would make bundlers include jiti without its compiler. A `require` is faster
  // than an import (18 ms instead of 60 ms), because Node parses a CommonJS module of 190 KB for the names of
  // its exports.
  const { createRequire } = process.getBuiltinModule('node:module')
  const { createJiti } = createRequire(import.meta.url)('jiti') as typeof import('jiti')
  const cache = cacheFolder(dirname(file))
  // By default, the cache of jiti is in the system's temporary folder, where another user could put code that
  // Lark would run.
  const fsCache = cache === undefined ? false : join(cache, 'jiti')
  try {
    if (tsconfig !== undefined) refuseForeign(tsconfig, '')
    return { jiti: createJiti(file, { fsCache, tsconfigPaths: tsconfig ?? false }), withoutPaths: undefined }
  } catch (error) {
    // If jiti cannot read the tsconfig.json, imports ignore its `paths`. Many a tsconfig.json extends a file
    // of a development dependency that is not deployed, and its `paths` are not needed at run time.
    return { jiti: createJiti(file, { fsCache, tsconfigPaths: false }), withoutPaths: reasonOf(error) }
  }
}
