// Bundlers: each makes one file of the program, minified, with the packages in it. That is tried three times, each in a
// folder that has nothing else in or above it but what is named here:
//
//   alone   on Redis. There is no lease thread: the worker warns of that in one line, and works
//   beside  on Redis, with the file of the lease thread beside it: a handler that blocks keeps its lease
//   SQLite  as before, and with the packages of the SQLite driver, whose binary no bundler can take in
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../harness/process.js'

/** @typedef {import('../harness/row.js').Row} Row */

/**
 * @param {string} name
 * @param {Omit<Row, 'kind' | 'name' | 'run'> & { build: (trial: import('../harness/row.js').Trial, out: string) => Promise<unknown> }} row
 * build: makes `main.*`, and `lease-watch.*` of the thread, in `out`
 * @returns {Row}
 */
function bundler(name, { build, ...row }) {
  return {
    kind: 'Bundler',
    name,
    ...row,
    async run(trial) {
      const built = join(trial.out, 'built')
      await build(trial, built)
      const redis = await trial.redis()
      const alone = await deployed(trial, built, 'alone', { thread: false })
      await expects(trial, alone, redis, { thread: false, runs: 2 })
      const beside = await deployed(trial, built, 'beside')
      await expects(trial, beside, redis)
      const driver = await deployed(trial, built, 'sqlite', { driver: true })
      await expects(trial, driver, trial.sqlite())
      return 'Redis, SQLite, with and without the lease thread'
    },
  }
}

/** @returns {Promise<string>} the program, in a folder of its own */
async function deployed(trial, built, name, { thread = true, driver = false } = {}) {
  const folder = join(trial.out, name)
  const isThread = (path) => /lease-watch\.[cm]?js/.test(path)
  cpSync(built, folder, { recursive: true, filter: (path) => thread || !isThread(path) })
  cpSync(join(trial.folder, 'program/lark.config.mjs'), join(folder, 'lark.config.mjs'))
  const packages = driver ? driverPackages(trial.folder) : []
  for (const each of packages)
    cpSync(join(trial.folder, 'node_modules', each), join(folder, 'node_modules', each), { recursive: true })
  const main = readdirSync(folder).find((file) => /^main\.[cm]?js$/.test(file))
  if (main === undefined) throw new Failure(`it built no main.*, only ${readdirSync(folder).join(', ')}`)
  return join(folder, main)
}

/** The SQLite driver with what it depends on, by name. */
function driverPackages(folder, name = 'libsql') {
  const root = join(folder, 'node_modules', name)
  if (!existsSync(root)) return []
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const needed = Object.keys({ ...dependencies, ...optionalDependencies })
  return [name, ...needed.flatMap((each) => driverPackages(folder, each))]
}

async function expects(trial, file, store, { thread = true, runs = 1 } = {}) {
  const result = await trial.works(['node', file], store, { mode: 'block', cwd: join(file, '..') })
  const lines = result.stderr.split('\n').filter((line) => /lease thread/i.test(line))
  if (lines.length !== (thread ? 0 : 1))
    throw new Failure(`${store.name}: ${lines.length} lines of the lease thread`, result.stderr)
  if (result.runs !== runs)
    throw new Failure(
      `${store.name}: a job that blocked the event loop was started ${result.runs} times, not ${runs}`,
      result.stderr,
    )
}

/** A module whose only work is to be the thread: bundled, it is the file that lies beside the program. */
const thread = 'node_modules/@s18i/lark-jobs/dist/worker/lease-watch.js'
const inputs = ['main=program/main.mjs', `lease-watch=${thread}`]

/** @param {'cjs' | 'esm'} format @returns {Row} */
const esbuild = (format) =>
  bundler(`esbuild, ${format === 'cjs' ? 'CommonJS' : 'ESM'}`, {
    fixture: 'esbuild',
    version: 'esbuild',
    isSmall: true,
    build: (trial, out) =>
      trial.tool('esbuild', [
        ...inputs,
        '--bundle',
        '--minify',
        '--platform=node',
        `--format=${format}`,
        `--out-extension:.js=${format === 'cjs' ? '.cjs' : '.mjs'}`,
        `--outdir=${out}`,
      ]),
  })

/** Built by `build.mjs` of the fixture, which is told where to and in which format. @returns {Row} */
const byScript = (name, fixture, format, row = {}) =>
  bundler(name, {
    fixture,
    version: fixture,
    build: (trial, out) => trial.run(['node', 'build.mjs', out, thread, format]),
    ...row,
  })

export const rows = [
  esbuild('cjs'),
  esbuild('esm'),
  byScript('tsup, CommonJS', 'tsup', 'cjs', { node: '24' }),
  byScript('tsup, ESM', 'tsup', 'esm', { node: '24' }),
  byScript('webpack, CommonJS', 'webpack', 'cjs', { isSmall: true }),
  byScript('webpack, ESM', 'webpack', 'esm'),
  byScript('rollup, CommonJS', 'rollup', 'cjs'),
  byScript('rollup, ESM', 'rollup', 'esm'),
  byScript('Vite', 'vite', 'esm'),
  byScript('rolldown, CommonJS', 'rolldown', 'cjs'),
  byScript('rolldown, ESM', 'rolldown', 'esm'),
  bundler('ncc', {
    fixture: 'ncc',
    version: '@vercel/ncc',
    async build(trial, out) {
      mkdirSync(out, { recursive: true })
      for (const [file, name] of [
        ['program/main.mjs', 'main'],
        [thread, 'lease-watch'],
      ]) {
        const folder = join(trial.out, 'ncc', name)
        await trial.tool('@vercel/ncc:ncc', ['build', file, '--minify', '-o', folder])
        for (const each of readdirSync(folder, { recursive: true }))
          if (each !== 'package.json')
            cpSync(join(folder, each), join(out, each.replace(/^index\./, `${name}.`)), { recursive: true })
        if (existsSync(join(folder, 'package.json')))
          cpSync(join(folder, 'package.json'), join(out, 'package.json'))
      }
    },
  }),
  bundler('bun build', {
    fixture: 'runtimes',
    version: 'bun',
    build: async (trial, out) => {
      const bun = trial.binary('@oven', 'bun')
      const words = ['--target=node', '--minify', '--format=esm']
      await trial.run([bun, 'build', 'program/main.mjs', ...words, `--outfile=${join(out, 'main.mjs')}`])
      await trial.run([bun, 'build', thread, ...words, `--outfile=${join(out, 'lease-watch.mjs')}`])
    },
  }),
]
