/**
 * Remembers which commands each file contained when it was last imported, so that most starts import only the file of
 * the command that they run. The cache is `node_modules/.cache/lark/commands.json` beside the nearest package.json. An
 * entry is valid as long as its file keeps its path, time and size.
 *
 * Lark also works without the cache. A cache that cannot be read, or that differs from what Lark wrote, counts as
 * empty. If the cache cannot be written, it stays as it is.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CommandMetadata } from './metadata.ts'
import { cacheFolder } from './owner.ts'

/** Raise this number when the form of the entries changes. */
const LAYOUT = 3

/**
 * The commands that one file contains. `problem` is set if the file cannot be imported, or if a command in it is
 * invalid.
 */
export interface HeldCommands {
  commands: CommandMetadata[]
  problem?: { code: string; message: string; hint?: string | undefined }
}

/** An entry is valid as long as its file has this stamp. */
interface Stamp {
  /** Modification time, in milliseconds. */
  time: number
  /** Bytes. */
  size: number
}

type CachedFiles = Record<string, HeldCommands & Stamp>

export class CommandCache {
  readonly #path: string | undefined
  readonly #version: string
  #files: CachedFiles = {}

  private constructor(path: string | undefined, version: string) {
    this.#path = path
    this.#version = version
  }

  /** Reads the cache of the package around `folder`. A cache of another version of Lark counts as empty. */
  static async open(folder: string, larkVersion: string): Promise<CommandCache> {
    const home = cacheFolder(folder)
    const version = `${larkVersion}/${LAYOUT}`
    const path = home === undefined ? undefined : join(home, 'commands.json')
    const cache = new CommandCache(path, version)
    try {
      const stored = JSON.parse(await readFile(path ?? '', 'utf8'))
      if (stored.version === version && stored.sum === sumOf(stored.files)) cache.#files = stored.files
    } catch {
      // There is no cache yet, or it is damaged: begin with an empty one.
    }
    return cache
  }

  /** The commands of `file`, if the file has not changed since it was imported. */
  async get(file: string): Promise<HeldCommands | undefined> {
    const cached = this.#files[file]
    if (!cached) return undefined
    const { time, size } = await stampOf(file)
    return cached.time === time && cached.size === size ? cached : undefined
  }

  /**
   * Writes what the files contain now, unless the cache says so already. It replaces its file in one step, because
   * another process may be reading it.
   *
   * @param held by file; what came from `get` is known
   */
  async save(held: ReadonlyMap<string, HeldCommands>): Promise<void> {
    const known = this.#files
    const isSame = [...held].every(([file, each]) => known[file] === each)
    if (this.#path === undefined || (isSame && held.size === Object.keys(known).length)) return
    const unfinished = `${this.#path}.${process.pid}`
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      // The flag `wx` refuses a link that another user may have made at this path.
      const version = this.#version
      const files: CachedFiles = {}
      for (const [file, each] of held) {
        const old = known[file]
        files[file] = old === each ? old : { ...(await stampOf(file)), ...each }
      }
      const text = JSON.stringify({ version, sum: sumOf(files), files })
      await writeFile(unfinished, text, { flag: 'wx' })
      await rename(unfinished, this.#path)
    } catch {
      await rm(unfinished, { force: true }).catch(() => {})
    }
  }
}

/**
 * A checksum of the entries. It shows whether the file is unchanged since Lark wrote it, so the fields need no check.
 */
function sumOf(files: unknown): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex')
}

async function stampOf(file: string): Promise<Stamp> {
  const { mtimeMs, size } = await stat(file)
  return { time: mtimeMs, size }
}
