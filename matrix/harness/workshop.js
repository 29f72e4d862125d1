// The folder in which the matrix works. It is outside of the repository, so that nothing is found in the repository's
// node_modules. It contains the packed packages, and each fixture with its installed dependencies. A later run uses it
// again.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Program } from './process.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sources = join(root, 'matrix')

/** Options for every call of npm: no install scripts and no messages. */
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

const names = ['@s18i/lark', '@s18i/lark-jobs', '@s18i/lark-dashboard', '@s18i/lark-bullmq']

export class Workshop {
  /** The packed packages. */
  tarballs = []
  #installed = new Set()
  #packed = ''

  /** @param {{ isFresh?: boolean }} [options] isFresh: whether to install everything again */
  constructor({ isFresh = false } = {}) {
    // Each clone of the repository has its own folder, because each packs its own packages.
    const name = createHash('sha256').update(root).digest('hex').slice(0, 8)
    this.folder = join(tmpdir(), `lark-matrix-${userInfo().username}-${name}`)
    if (isFresh) rmSync(this.folder, { recursive: true, force: true })
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = lstatSync(this.folder)
    // Code runs from this folder, so no other user may be able to write to it.
    if (process.getuid && (uid !== process.getuid() || (mode & 0o077) !== 0))
      throw new Error(`${this.folder} must belong to you alone`)
    this.#take()
  }

  /** Prevents two runs at the same time, because they would overwrite each other's installations. */
  #take() {
    const lock = join(this.folder, 'lock')
    const holder = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0
    if (holder > 0 && isAlive(holder))
      throw new Error(`Another run of the matrix (process ${holder}) uses ${this.folder}`)
    writeFileSync(lock, `${process.pid}`)
    process.once('exit', () => rmSync(lock, { force: true }))
  }

  /** Packs the packages. They must be built. */
  pack() {
    const folder = join(this.folder, 'packed')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    const words = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
    const answer = execFileSync('npm', [...words, ...names.flatMap((name) => ['-w', name])], {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    const packed = Object.values(JSON.parse(answer))
    this.tarballs = packed.map(({ filename }) => join(folder, filename))
    this.#packed = packed.map(({ integrity }) => integrity).join(' ')
  }

  /** @param {string} fixture */
  folderOf(fixture) {
    return join(this.folder, 'fixtures', fixture)
  }

  /**
   * Installs a fixture by its lock file, adds the packed packages, and copies its sources again.
   *
   * @param {string} fixture a folder of `matrix/fixtures`
   * @param {{ bare?: boolean }} [options] bare: whether to leave out the packed packages
   * @returns {Promise<string>} the folder
   */
  async install(fixture, { bare = false } = {}) {
    const folder = this.folderOf(fixture)
    if (this.#installed.has(fixture)) return folder
    const source = join(sources, 'fixtures', fixture)
    mkdirSync(folder, { recursive: true })
    // A run that was killed may have left this folder.
    rmSync(join(folder, 'node_modules.away'), { recursive: true, force: true })
    const lock = readFileSync(join(source, 'package-lock.json'), 'utf8')
    // The installation is up to date if the same dependencies and the same packed packages were installed last.
    const stamps = {
      locked: createHash('sha256').update(lock).digest('hex'),
      packed: bare ? '' : this.#packed,
    }
    const stamp = join(folder, 'node_modules', '.matrix.json')
    const before = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')) : {}
    for (const name of readdirSync(folder))
      if (name !== 'node_modules') rmSync(join(folder, name), { recursive: true })
    cpSync(source, folder, { recursive: true, filter: (path) => !path.includes('node_modules') })
    cpSync(join(sources, 'program'), join(folder, 'program'), { recursive: true })
    if (before.locked !== stamps.locked || before.packed !== stamps.packed) {
      rmSync(stamp, { force: true })
      if (before.locked !== stamps.locked) await this.#npm(folder, ['ci'])
      mkdirSync(join(folder, 'node_modules'), { recursive: true })
      // npm would keep the earlier packed packages, because they have the same version.
      rmSync(join(folder, 'node_modules', '@s18i'), { recursive: true, force: true })
      if (!bare) await this.#npm(folder, ['install', '--no-save', '--prefer-offline', ...this.tarballs])
      writeFileSync(stamp, JSON.stringify(stamps))
    }
    if (!bare) this.#declare(join(folder, 'package.json'))
    this.#installed.add(fixture)
    return folder
  }

  /**
   * Adds the packages to the dependencies, because Lark finds its extensions there. @param {string} file a package.json
   */
  #declare(file) {
    const manifest = JSON.parse(readFileSync(file, 'utf8'))
    for (const name of names) manifest.dependencies = { ...manifest.dependencies, [name]: '*' }
    writeFileSync(file, JSON.stringify(manifest, null, 2))
  }

  /** @returns {string} an empty folder, with no node_modules in it or above it */
  emptyFolder(name) {
    const folder = join(this.folder, 'out', name.replace(/[^a-z0-9]+/gi, '-').toLowerCase())
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    return folder
  }

  #npm(cwd, words) {
    return new Program('npm', [...words, ...quiet], { cwd }).succeeds()
  }
}

/** @param {number} id the id of a process */
function isAlive(id) {
  try {
    return process.kill(id, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}
