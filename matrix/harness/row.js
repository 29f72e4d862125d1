// The tools of a row while it runs: its fixture, programs, stores and expectations.
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Failure, Program } from './process.js'
import { freePort, startRedis } from './redis.js'

/**
 * @typedef {object} Row
 * @property {string} kind its section: "Bundlers"
 * @property {string} name such as "esbuild, CommonJS"
 * @property {string} fixture a folder of `matrix/fixtures`, installed before it runs
 * @property {string} [version] the package of the fixture whose version is shown, or of `nodes`: `node24`
 * @property {string} [text] a text on which the row also depends, for example README.md
 * @property {boolean} [isDaily] whether `npm test` runs it every day, and not every twentieth
 * @property {string} [node] the Node that runs its tools and programs: '20', '22', '24', '26'. Default: the
 *   one that runs the matrix
 * @property {(row: Trial) => Promise<string | void>} run throws if the row does not work, and may return a
 *   remark
 */

const sources = fileURLToPath(new URL('..', import.meta.url))

/** @typedef {{ name: 'Redis' | 'SQLite', url: string }} Store */

export class Trial {
  #workshop
  #row
  #ends = []

  /**
   * @param {import('./workshop.js').Workshop} workshop
   * @param {Row} row
   * @param {{ isQuick?: boolean }} [options] isQuick: whether it may leave out slow parts
   */
  constructor(workshop, row, { isQuick = false } = {}) {
    this.isQuick = isQuick
    this.#workshop = workshop
    this.#row = row
    /** The installed fixture. */
    this.folder = workshop.folderOf(row.fixture)
    /** An empty folder, with no node_modules in it or above it. */
    this.out = workshop.emptyFolder(`${row.kind} ${row.name}`)
    /** The sources of the program of the matrix. */
    this.sources = join(sources, 'program')
    /** The files of the packed packages. */
    this.tarballs = workshop.tarballs
  }

  /** @returns {Promise<string>} the folder of another fixture, installed */
  install(fixture, options) {
    return this.#workshop.install(fixture, options)
  }

  /** @returns {Promise<Store>} an empty Redis server for this row alone */
  async redis() {
    const server = await startRedis()
    this.#ends.push(() => server.stop())
    return { name: 'Redis', url: server.url }
  }

  /** @returns {Store} a file that does not exist yet */
  sqlite(folder = this.out) {
    const file = join(folder, 'jobs.db')
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
    return { name: 'SQLite', url: `sqlite:${file}` }
  }

  /** @returns {Promise<Store[]>} one store of each kind */
  async stores() {
    return [await this.redis(), this.sqlite()]
  }

  /** @returns {Promise<number>} a free port */
  port() {
    return freePort()
  }

  /** The path of a Node. @param {string} [major] default: that of the row */
  async node(major = this.#row.node) {
    if (major === undefined) return process.execPath
    const folder = await this.install('nodes', { bare: true })
    const file = join(
      folder,
      'node_modules',
      `node${major}-${process.platform}-${process.arch}`,
      'bin',
      'node',
    )
    if (!existsSync(file))
      throw new Failure(`no Node ${major} for ${process.platform} ${process.arch} on npm`)
    return file
  }

  /**
   * Starts a program in the background, by its path or as 'node'. The program is ended when the row ends.
   *
   * @param {readonly string[]} words
   * @param {Partial<import('./process.js').Options>} [options] cwd: default `folder`
   */
  async start([command, ...args], options = {}) {
    // A tool that starts `node` by name gets the same Node.
    const node = await this.node()
    const path = `${join(node, '..')}:${process.env.PATH}`
    const all = { cwd: this.folder, ...options, env: { PATH: path, ...options.env } }
    const program = new Program(command === 'node' ? node : command, args, all)
    this.#ends.push(() => program.stop())
    return program
  }

  /** Runs a program to its end. @throws {Failure} if its exit code is not 0 */
  async run(words, options) {
    return (await this.start(words, options)).succeeds()
  }

  /** Runs a tool of the fixture by the name of its package and its bin. */
  tool(name, words, options) {
    const [from, bin = from.split('/').pop()] = name.split(':')
    const folder = join(this.folder, 'node_modules', from)
    const bins = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).bin
    const file = typeof bins === 'string' ? bins : bins[bin]
    return this.run(['node', join(folder, file), ...words], options)
  }

  /** The binary for this platform in the fixture. @param {string} scope the scope of its packages */
  binary(scope, name) {
    const folder = join(this.folder, 'node_modules', scope)
    const words = [process.platform, process.arch === 'x64' ? /x64/ : /aarch64|arm64/]
    const from = readdirSync(folder).find((each) => words.every((word) => each.match(word)))
    const file = ['bin', '.']
      .map((sub) => join(folder, `${from}`, sub, name))
      .find((each) => existsSync(each))
    if (file === undefined) throw new Failure(`no ${name} for ${process.platform} ${process.arch} on npm`)
    // npm may have installed the file without permission to execute it, because install scripts do not run
    // here.
    chmodSync(file, 0o755)
    return file
  }

  /** @param {string} name a package of the fixture */
  versionOf(name) {
    return JSON.parse(readFileSync(join(this.folder, 'node_modules', name, 'package.json'), 'utf8')).version
  }

  /**
   * Runs the program of the matrix (`matrix/program`) on a store, and checks the result of its job.
   *
   * @param {readonly string[]} words the command that starts it
   * @param {Store} store
   * @param {Partial<import('./process.js').Options> & { mode?: 'once' | 'block', isolated?: boolean }}
   *   [options] block: the job blocks the event loop for longer than its lease, beside another worker.
   *   isolated: two more jobs run in processes of their own, one until it is killed
   * @returns {Promise<{ runs: number, stderr: string }>} how often the job was started
   */
  async works(words, store, { mode = 'once', isolated = false, ...options } = {}) {
    const env = { LARK_JOBS_URL: store.url, RESULT: this.result, MODE: mode, ...options.env }
    if (isolated) env.ISOLATED = '1'
    const { stderr, output } = await this.run(words, { ...options, env })
    const expected = { greeting: 'Hello, matrix', state: 'completed' }
    if (isolated) expected.isolated = 'another process, then JOB_TIMED_OUT'
    const { runs } = this.finds(expected, `${store.name}: `, output)
    return { runs, stderr }
  }

  /** Calls a function while the packages of the fixture are missing. @param {() => Promise<unknown>} act */
  async withoutPackages(act) {
    const packages = join(this.folder, 'node_modules')
    renameSync(packages, `${packages}.away`)
    try {
      await act()
    } finally {
      renameSync(`${packages}.away`, packages)
    }
  }

  /** A file that does not exist yet. A program writes the result of its job into it, as JSON. */
  get result() {
    const file = join(this.out, 'result.json')
    for (const each of [file, `${file}.ready`]) rmSync(each, { force: true })
    return file
  }

  /**
   * Checks the result that a program wrote.
   *
   * @param {Record<string, unknown>} expected
   * @throws {Failure} if the result does not contain these values
   */
  finds(expected, where = '', output = '') {
    const file = join(this.out, 'result.json')
    if (!existsSync(file)) throw new Failure(`${where}the program wrote no result`, output)
    const found = JSON.parse(readFileSync(file, 'utf8'))
    for (const [name, value] of Object.entries(expected))
      this.expect(found[name], value, `${where}${name}: `, output)
    return found
  }

  /** @throws {Failure} if the two values differ */
  expect(found, expected, where = '', output = '') {
    if (found !== expected)
      throw new Failure(`${where}${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`, output)
  }

  async end() {
    for (const end of this.#ends.reverse()) await end()
  }
}
