/**
 * Builds one package: its sources as ES modules for Node and for bundlers, the same modules as CommonJS for the test
 * runners that cannot load ES modules, and one set of declarations for both. docs/architecture.md says why.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { rolldown } from 'rolldown'

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

/**
 * @typedef {object} Package
 * @property {string} folder absolute
 * @property {string[]} exported entries that are in the `exports` of package.json
 * @property {string[]} required entries that are also built as CommonJS: what an exported one loads later has a name
 * @property {Record<string, string>} entries the sources of the files in `dist/` that something outside of it names
 * @property {string[]} alone entries whose source is in no chunk, because it is a program
 * @property {Record<string, string>} replaced what some sources are as CommonJS
 * @property {Record<string, string>} written what is in further files of `dist/`
 * @property {Record<string, string>} [outside] sources that are in one of these, as ES modules
 * @property {Record<string, string[]>} chunks the sources with which each further file of `dist/` begins. It has what
 * they import, without what is in an earlier one: a process that imports them loads one file instead of fifty.
 */

/** @param {Package} built */
export async function build(built) {
  const dist = join(built.folder, 'dist')
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(dist)
  for (const [file, text] of Object.entries(built.written)) writeFileSync(join(dist, file), text)
  declare(built)
  await bundle(built, built.entries, 'es', 'js')
  const required = Object.fromEntries(built.required.map((name) => [name, built.entries[name] ?? '']))
  await bundle(built, required, 'cjs', 'cjs')
}

/**
 * @param {Package} built
 * @param {Record<string, string>} entries
 * @param {'es' | 'cjs'} format
 * @param {string} extension
 */
async function bundle(
  { folder, chunks, alone, exported, replaced, outside = {} },
  entries,
  format,
  extension,
) {
  /** @type {Map<string, string>} */
  const places = new Map()
  const apart = new Set(alone.map((name) => join(folder, entries[name] ?? '')))
  const bundler = await rolldown({
    cwd: folder,
    input: {
      ...entries,
      ...Object.fromEntries(exported.map((name) => [name, `${EXPORTS}${entries[name]}`])),
    },
    platform: 'node',
    transform: { define: { LARK_VERSION: JSON.stringify(versionOf(folder)) } },
    preserveEntrySignatures: 'allow-extension',
    external: (id) => !/^[./]/.test(id),
    plugins: [
      exporting(folder),
      {
        name: 'places',
        buildEnd() {
          for (const [name, roots] of Object.entries(chunks)) {
            /** @param {string} id */
            const visit = (id) => {
              if (places.has(id) || !id.startsWith(folder)) return
              if (!apart.has(id)) places.set(id, name)
              for (const each of this.getModuleInfo(id)?.importedIds ?? []) visit(each)
            }
            for (const root of roots) visit(join(folder, root))
          }
        },
      },
      ...(format === 'cjs' ? [requireLiterals, replacing(folder, replaced)] : [leaving(outside)]),
    ],
  })
  await bundler.write({
    dir: 'dist',
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `[name].${extension}`,
    codeSplitting: {
      groups: Object.keys(chunks).map((name) => ({ name, test: (id) => places.get(id) === name })),
      includeDependenciesRecursively: false,
    },
    // The annotations are those for bundlers: `import(/* webpackIgnore: true */ …)`.
    comments: { legal: false, jsdoc: false, annotation: true },
    minifyInternalExports: false,
    // Jest reads none of a package.
    sourcemap: format === 'es',
    sourcemapExcludeSources: true,
  })
  await bundler.close()
}

/** Begins the names of the modules that export what a source does, and nothing that the chunks need of each other. */
const EXPORTS = 'exports of '

/** @param {string} folder */
const exporting = (folder) => ({
  name: 'exporting',
  /** @param {string} id */
  resolveId: (id) => (id.startsWith(EXPORTS) ? id : null),
  /** @param {string} id */
  load: (id) =>
    id.startsWith(EXPORTS) ? `export * from ${JSON.stringify(join(folder, id.slice(EXPORTS.length)))}` : null,
})

/** @param {string} folder @returns {string} */
const versionOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version

/** Where `require` is the way to load a module, `import()` often is not: Jest refuses it. */
const requireLiterals = {
  name: 'require-literals',
  /** @param {string} code */
  renderChunk: (code) => ({
    code: code.replace(
      /\bimport\(("[^"]+")\)/g,
      'Promise.resolve().then(() => require($1)).then((it) => ({ ...it, default: it }))',
    ),
    map: null, // no line moves
  }),
}

/** @param {string} folder @param {Record<string, string>} replaced */
const replacing = (folder, replaced) => ({
  name: 'replacing',
  /** @param {string} id */
  load: (id) => replaced[relative(folder, id)],
})

/** @param {Record<string, string>} outside */
const leaving = (outside) => ({
  name: 'leaving',
  /** @param {string} id @param {string | undefined} importer */
  resolveId(id, importer) {
    const path = importer === undefined ? '' : join(dirname(importer), id)
    const source = Object.keys(outside).find((each) => path.endsWith(`/${each}`))
    return source === undefined ? null : { id: `./${outside[source]}`, external: true }
  },
})

/**
 * Writes the declarations into `dist/types`, as those of CommonJS modules: an ES module may import these in every
 * version of TypeScript, but not the other way round. What is marked `@internal` is left out. The ones of the ES modules re-export them, so there is one class
 * `Job`, whichever way it was imported.
 *
 * @param {Package} built
 */
function declare({ folder, entries, exported }) {
  const types = join(folder, 'dist/types')
  const options = ['--emitDeclarationOnly', '--stripInternal', '--sourceMap', 'false', '--outDir', types]
  const { status } = spawnSync(process.execPath, [tsc, '-p', folder, ...options], { stdio: 'inherit' })
  if (status !== 0) process.exit(1) // it has said why
  /** @type {Set<string>} */
  const reached = new Set()
  /** @param {string} file */
  const visit = (file) => {
    if (reached.has(file)) return
    reached.add(file)
    const text = readFileSync(file, 'utf8').replace(/(['"])(\.[^'"\n]*)\.ts\1/g, (_, quote, path) => {
      visit(resolve(dirname(file), `${path}.d.ts`))
      return `${quote}${path}.js${quote}`
    })
    writeFileSync(file, text)
  }
  for (const name of exported) {
    const source = (entries[name] ?? '').replace(/^src\/(.*)\.ts$/, '$1')
    visit(join(types, `${source}.d.ts`))
    writeFileSync(join(folder, `dist/${name}.d.ts`), `export * from './types/${source}.js'\n`)
  }
  for (const file of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    const path = join(types, file)
    if (file.endsWith('.ts') && !reached.has(path)) rmSync(path)
  }
  writeFileSync(join(types, 'package.json'), '{ "type": "commonjs" }\n')
}
