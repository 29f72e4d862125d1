// Computes a short hash of the inputs of a row: the row, its fixture and the program, how the packages are
// built and declared to npm, and for a compiler their declarations. A row whose inputs have changed since its
// last run is stale. A hash is used and not the Git history, because a clone may be shallow.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fileOf } from '../rows.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const packages = ['lark', 'lark-jobs', 'lark-bullmq', 'lark-dashboard']

/** @param {import('./row.js').Row} row @returns {string} the packages must be built */
export function inputsOf({ kind, name, fixture, version, node, text = '' }) {
  const own = `${kind}\n${name}\n${version}\n${node}\n${read(`matrix/${fileOf(kind)}`)}${text}`
  const tried = [textOf(`matrix/fixtures/${fixture}`), textOf('matrix/program'), manifests()]
  const subject = kind === 'TypeScript' ? declarations() : builds()
  return createHash('sha256')
    .update([own, ...tried, subject].join('\n'))
    .digest('hex')
    .slice(0, 12)
}

/**
 * The fields of each package.json that npm and bundlers read, without the version, because a release changes
 * only the version.
 */
const manifests = once(() =>
  packages
    .map((name) => {
      const { version, description, keywords, homepage, scripts, devDependencies, ...manifest } = JSON.parse(
        read(`packages/${name}/package.json`),
      )
      return JSON.stringify(manifest).replace(/("@s18i\/[\w-]+":)"[^"]*"/g, '$1"*"')
    })
    .join('\n'),
)

/**
 * How the packages are built, and which modules of others their files load. Which of these files has which
 * part is not of interest: a bundler and a runtime follow the imports.
 */
const builds = once(() => {
  const loaded = packages.flatMap((name) =>
    [
      ...textOf(`packages/${name}/dist`, 'js').matchAll(
        /\b(?:from|import|import\(|require\() ?"(@?[a-z][\w:/-]*)"/g,
      ),
    ].map(([, module]) => module),
  )
  return [textOf('packages/lark/build'), ...[...new Set(loaded)].sort()].join('\n')
})

/** The declarations without comments, because a compiler ignores comments. */
const declarations = once(() =>
  packages
    .map((name) => textOf(`packages/${name}/dist`, '.d.ts').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, ''))
    .join('\n')
    .replace(/\s+/g, ' '),
)

/**
 * Returns the texts of the files below a folder, with their names. @param {string} folder @param {string}
 * [end]
 */
function textOf(folder, end = '') {
  const files = readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name.endsWith(end))
    .map((each) => join(each.parentPath, each.name))
    .filter((path) => !path.includes('node_modules'))
  return files
    .sort()
    .map((path) => `${path.slice(root.length)}\n${readFileSync(path, 'utf8')}`)
    .join('\n')
}

/** @param {string} path */
function read(path) {
  return readFileSync(join(root, path), 'utf8')
}

/** @template T @param {() => T} make @returns {() => T} */
function once(make) {
  /** @type {T | undefined} */
  let made
  return () => (made ??= make())
}
