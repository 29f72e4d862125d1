// Bundlers: each makes one minified file of the program, with the packages in it. The file is tried three times, each
// time in a folder that contains only the following, and with nothing above it:
//
//   alone   on Redis. There is no lease thread: the worker warns in one line, and works
//   beside  on Redis, with the file of the lease thread beside the program: a handler that blocks keeps its lease. And
//           with those of isolated classes, which run in processes of their own
//   SQLite  with the same files, and with the packages of the SQLite driver, whose binary no bundler can include
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../harness/process.js'

/** @typedef {import('../harness/row.js').Row} Row */

/**
 * @param {string} name
 * @param {Omit<Row, 'kind' | 'name' | 'run'> & { build: (trial: import('../harness/row.js').Trial, out: string) =>
 * Promise<unknown> }} row build: makes a program for each entry, by its name, in `out`
 * @returns {Row}
 */
function bundler(name, { build, isIsolated = true, ...row }) {
  return {
    kind: 'Bundler',
    name,
    ...row,
    async run(trial) {
      const alone = join(trial.out, 'alone')
      const beside = join(trial.out, 'beside')
      const driver = join(trial.out, 'driver')
      await build(trial, beside, { main: program, 'lease-watch': thread, ...(isIsolated && isolation) })
      // Not copied: a bundler may put what the programs share into another file.
      await build(trial, alone, { main: program })
      cpSync(beside, driver, { recursive: true })
      for (const name of driverPackages(trial.folder))
        cpSync(join(trial.folder, 'node_modules', name), join(driver, 'node_modules', name), {
          recursive: true,
        })
      const redis = await trial.redis()
      // A program is deployed to another machine than the one that built it, so the paths of the build must not exist.
      await trial.withoutPackages(async () => {
        await expects(trial, alone, redis, { thread: false })
        await expects(trial, beside, redis, { isIsolated })
        await expects(trial, driver, trial.sqlite(), { isIsolated })
      })
      return `Redis, SQLite, with and without the lease thread${isIsolated ? ' and isolation' : ''}`
    },
  }
}

/** The SQLite driver with what it depends on, by name. */
function driverPackages(folder, name = 'libsql') {
  const root = join(folder, 'node_modules', name)
  if (!existsSync(root)) return []
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const needed = Object.keys({ ...dependencies, ...optionalDependencies })
  return [name, ...needed.flatMap((each) => driverPackages(folder, each))]
}

async function expects(trial, folder, store, { thread = true, isIsolated = false } = {}) {
  cpSync(join(trial.sources, 'lark.config.mjs'), join(folder, 'lark.config.mjs'))
  const main = readdirSync(folder).find((file) => /^main\.[cm]?js$/.test(file))
  if (main === undefined) throw new Failure(`it built no main.*, only ${readdirSync(folder).join(', ')}`)
  const mode = trial.isQuick ? 'once' : 'block'
  const { runs, stderr } = await trial.works(['node', main], store, {
    mode,
    isolated: isIsolated,
    cwd: folder,
  })
  const lines = stderr.split('\n').filter((line) => /lease thread/i.test(line))
  trial.expect(lines.length, thread ? 0 : 1, `${store.name}: lines of the lease thread: `, stderr)
  // Without the thread, the other worker takes the job back while its handler blocks. Nothing has started it again when
  // the handler returns, so its late outcome counts.
  trial.expect(runs, 1, `${store.name}: starts of a job that blocks: `, stderr)
}

const program = 'program/main.mjs'
/** The thread, as a second entry. */
const thread = '@s18i/lark-jobs/lease-watch'
/** The program of isolated processes, and their classes, as more entries. */
const isolation = {
  isolated: '@s18i/lark-jobs/isolated',
  'isolated-jobs': 'program/isolated-jobs.mjs',
}
/** The same for tools that accept only files. */
const asFiles = (entries) =>
  Object.entries(entries).map(([name, file]) => [
    name,
    file.replace(/^(@s18i\/lark-jobs)\//, 'node_modules/$1/dist/').replace(/\/([\w-]+)$/, '/$1.js'),
  ])

/** @param {'cjs' | 'esm'} format @returns {Row} */
const esbuild = (format) =>
  bundler(`esbuild, ${format === 'cjs' ? 'CommonJS' : 'ESM'}`, {
    fixture: 'esbuild',
    version: 'esbuild',
    build: (trial, out, entries) =>
      trial.tool('esbuild', [
        ...Object.entries(entries).map(([name, file]) => `${name}=${file}`),
        '--bundle',
        '--minify',
        '--platform=node',
        `--format=${format}`,
        `--out-extension:.js=${format === 'cjs' ? '.cjs' : '.mjs'}`,
        `--outdir=${out}`,
      ]),
  })

/**
 * The row of a fixture whose `build.mjs` gets the target folder, the format and the entries.
 *
 * @returns {Row}
 */
const byScript = (name, fixture, format, row = {}) =>
  bundler(name, {
    fixture,
    version: fixture,
    build: (trial, out, entries) => trial.run(['node', 'build.mjs', out, format, JSON.stringify(entries)]),
    ...row,
  })

/** One row for each format: webpack makes `main.cjs` and `main.mjs`. */
const both = (name, row) => [
  byScript(`${name}, CommonJS`, name, 'cjs', row),
  byScript(`${name}, ESM`, name, 'esm', row),
]

export const rows = [
  esbuild('cjs'),
  esbuild('esm'),
  ...both('tsup', { node: '24' }),
  ...both('webpack'),
  ...both('rollup'),
  byScript('Vite', 'vite', 'esm'),
  ...both('rolldown'),
  bundler('ncc', {
    fixture: 'ncc',
    version: '@vercel/ncc',
    // It builds one program at a time, and gives the files of several the same names.
    isIsolated: false,
    async build(trial, out, entries) {
      mkdirSync(out, { recursive: true })
      // Each program gets a folder with an `index.*`, and a package.json with the type of this file.
      for (const [name, file] of asFiles(entries)) {
        const folder = join(trial.out, 'ncc', name)
        await trial.tool('@vercel/ncc:ncc', ['build', file, '--minify', '-o', folder])
        for (const each of readdirSync(folder))
          cpSync(join(folder, each), join(out, each.replace(/^index\./, `${name}.`)), { recursive: true })
      }
    },
  }),
  bundler('bun build', {
    fixture: 'runtimes',
    version: 'bun',
    async build(trial, out, entries) {
      const bun = trial.binary('@oven', 'bun')
      for (const [name, file] of asFiles(entries))
        await trial.run([bun, 'build', file, '--target=node', '--minify', `--outfile=${join(out, name)}.mjs`])
    },
  }),
]
