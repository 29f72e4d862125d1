/**
 * What the command files held when they were last imported, so that most starts import only the file of the
 * command they run. It lies in `node_modules/.cache/lark/commands.json` beside the nearest package.json, and an
 * entry holds as long as its file keeps its path, time and size.
 *
 * The cache is only ever a shortcut: one that cannot be read, or was not written whole by Lark, counts as empty; one that
 * cannot be written is left.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CommandMetadata } from './metadata.ts'
import { cacheFolder } from './owner.ts'

/** Changes with the shape of the entries. */
const LAYOUT = 2

/** What one file held, and what was wrong with it: it could not be imported, or a command in it is invalid. */
export interface HeldCommands {
  commands: CommandMetadata[]
  problem?: { code: string; message: string; hint?: string | undefined }
}

interface CachedFile extends HeldCommands {
  /** Modification time, in milliseconds. */
  time: number
  /** Bytes. */
  size: number
}

export class CommandCache {
  readonly #path: string | undefined
  readonly #version: string
  #files: Record<string, CachedFile> = {}
  #changed = false

  private constructor(path: string | undefined, version: string) {
    this.#path = path
    this.#version = version
  }

  /** The cache of the package around `folder`, as this version of Lark left it. */
  static async open(folder: string, larkVersion: string): Promise<CommandCache> {
    const home = cacheFolder(folder)
    const version = `${larkVersion}/${LAYOUT}`
    const path = home === undefined ? undefined : join(home, 'commands.json')
    const cache = new CommandCache(path, version)
    try {
      const stored = JSON.parse(await readFile(path ?? '', 'utf8'))
      if (stored.version === version && stored.sum === sumOf(stored.files)) cache.#files = stored.files
    } catch {
      // None yet, or one that is damaged: begin anew.
    }
    return cache
  }

  /** What `file` held, if it has not changed since. */
  async get(file: string): Promise<HeldCommands | undefined> {
    const cached = this.#files[file]
    if (!cached) return undefined
    const { time, size } = await stampOf(file)
    return cached.time === time && cached.size === size ? cached : undefined
  }

  async set(file: string, held: HeldCommands): Promise<void> {
    this.#files[file] = { ...(await stampOf(file)), ...held }
    this.#changed = true
  }

  /** Forgets every file but these. */
  keepOnly(files: string[]): void {
    const kept = new Set(files)
    for (const file of Object.keys(this.#files)) {
      if (kept.has(file)) continue
      delete this.#files[file]
      this.#changed = true
    }
  }

  /** Writes what has changed, whole or not at all: another process may be reading. */
  async save(): Promise<void> {
    if (!this.#changed || this.#path === undefined) return
    const unfinished = `${this.#path}.${process.pid}`
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      // Never through a link that somebody laid there.
      const [version, files] = [this.#version, this.#files]
      const text = JSON.stringify({ version, sum: sumOf(files), files })
      await writeFile(unfinished, text, { flag: 'wx' })
      await rename(unfinished, this.#path)
    } catch {
      await rm(unfinished, { force: true }).catch(() => {})
    }
  }
}

/** A checksum shows whether a file is still as Lark wrote it, so not every field needs a check. */
function sumOf(files: unknown): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex')
}

async function stampOf(file: string): Promise<{ time: number; size: number }> {
  const { mtimeMs, size } = await stat(file)
  return { time: mtimeMs, size }
}
