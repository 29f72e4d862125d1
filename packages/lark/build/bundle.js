/**
 * Builds one package: ES modules for Node and bundlers, the same modules as CommonJS for test runners that cannot load
 * ES modules, and one set of declarations for both. docs/architecture.md gives the reasons.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { rolldown } from 'rolldown'
import { toLines } from './line-maps.js'

const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

/**
 * @typedef {object} Package
 * @property {string} folder absolute
 * @property {string[]} exported entries that are in the `exports` of package.json
 * @property {string[]} required entries that are also built as CommonJS, including those that an exported entry loads
 * later
 * @property {Record<string, string>} entries the files in `dist/` whose names are used from outside, with their sources
 * @property {string[]} alone entries that are programs, so that their source is in no chunk
 * @property {Record<string, string>} replaced sources that have another text in the CommonJS build
 * @property {Record<string, string>} written the texts of further files in `dist/`
 * @property {Record<string, string>} [outside] sources that the ES modules import from one of these files
 * @property {Record<string, string[]>} chunks further files of `dist/`, with their root sources. A chunk contains the
 * roots and everything that they import, except the contents of earlier chunks. So a process loads one file instead of
 * fifty.
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
  if (built.required.length > 0) await bundle(built, required, 'cjs', 'cjs')
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
    // Node 20 does not parse `await using`: its files would be read by jiti, which takes twice the time of a command.
    transform: { target: 'node20.19', define: { LARK_VERSION: JSON.stringify(versionOf(folder)) } },
    // No comment names the source of what follows: source maps do, and the comments would be 11 kB of the packed queue.
    experimental: { attachDebugInfo: 'none' },
    preserveEntrySignatures: 'allow-extension',
    // What the older syntax needs instead comes from the bundler, and belongs to the package.
    external: (id) => !/^([./\0]|@oxc-project.runtime)/.test(id),
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
            for (const root of roots) {
              if (!existsSync(join(folder, root))) throw new Error(`chunk ${name}: there is no ${root}`)
              visit(join(folder, root))
            }
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
    // Annotations are comments for bundlers: `import(/* webpackIgnore: true */ …)`.
    comments: { legal: false, jsdoc: false, annotation: true },
    minifyInternalExports: false,
    // The CommonJS build is for test runners and has no source maps. Its lines, functions and classes keep their names.
    minify: format === 'cjs' && {
      compress: false,
      mangle: { toplevel: false, keepNames: true },
      codegen: { removeWhitespace: false },
    },
    // Jest ignores the source maps of packages.
    sourcemap: format === 'es',
    sourcemapExcludeSources: true,
  })
  await bundler.close()
  if (format === 'es')
    for (const file of mapsIn(join(folder, 'dist'))) writeFileSync(file, toLines(readFileSync(file, 'utf8')))
}

/** @param {string} dist */
const mapsIn = (dist) =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js.map'))
    .map((file) => join(dist, file))

/** The prefix of modules that have only the exports of a source, without those that chunks need from each other. */
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

/** Replaces `import()` in the CommonJS build, because Jest refuses `import()`. */
const requireLiterals = {
  name: 'require-literals',
  /** @param {string} code */
  renderChunk: (code) => ({
    code: code.replace(
      /\bimport\(("[^"]+")\)/g,
      'Promise.resolve().then(() => require($1)).then((it) => ({ ...it, default: it }))',
    ),
    map: null, // The lines stay the same.
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

/** What a file says on top: for who reads the sources. No editor shows it, and it would be 12 kB of the packed queue. */
const HEADER = /^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n(?=import |export [*{])/

// The comments of a declaration. Users cannot name what `store/` declares, so its comments need not be in the package.
const DOCUMENTATION = /^[ \t]*\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n/gm

/**
 * Writes the declarations into `dist/types`, as declarations of CommonJS modules: an ES module may import these in
 * every version of TypeScript, but not the other way round. The declarations of the ES modules re-export them, so there
 * is one class `Job` for both kinds of import. Members marked `@internal` are omitted.
 *
 * @param {Package} built
 */
function declare({ folder, entries, exported }) {
  const types = join(folder, 'dist/types')
  const options = ['--emitDeclarationOnly', '--stripInternal', '--sourceMap', 'false', '--outDir', types]
  const { status } = spawnSync(process.execPath, [tsc, '-p', folder, ...options], { stdio: 'inherit' })
  if (status !== 0) process.exit(1) // The compiler has printed its errors.
  const sources = exported.map((name) => (entries[name] ?? '').replace(/^src\/(.*)\.ts$/, '$1'))
  const entered = new Set(sources.map((source) => join(types, `${source}.d.ts`)))
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
    const isInner = file.startsWith(join(types, 'store'))
    const brief = entered.has(file) ? text : text.replace(HEADER, '')
    writeFileSync(file, isInner ? brief.replace(DOCUMENTATION, '') : brief)
  }
  for (const file of entered) visit(file)
  for (const [i, name] of exported.entries())
    writeFileSync(join(folder, `dist/${name}.d.ts`), `export * from './types/${sources[i]}.js'\n`)
  for (const file of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    const path = join(types, file)
    if (file.endsWith('.ts') && !reached.has(path)) rmSync(path)
  }
  if (exported.length === 0) rmSync(types, { recursive: true })
  else writeFileSync(join(types, 'package.json'), '{ "type": "commonjs" }\n')
}
