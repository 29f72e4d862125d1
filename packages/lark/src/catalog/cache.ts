/**
 * The cache of commands: the commands that each file contained when it was last imported. With the cache,
 * most starts import only the file of the command that they run. The cache is
 * `node_modules/.cache/lark/commands.json` beside the nearest package.json. An entry is valid as long as its
 * file keeps its path, time and size. The cache also keeps which folders of commands the configuration file
 * names, so that `lark list` need not import the configuration file.
 *
 * Lark also works without the cache. A cache that cannot be read, or that another program has changed, counts
 * as empty. If the cache cannot be written, it stays unchanged.
 *
 * The cache is read without promises and without `node:crypto`, because every start waits for it.
 * (bench/README.md has the CPU time of listing 200 commands.)
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CommandMetadata } from '../command/metadata.ts'
import type { LarkConfig } from '../config.ts'
import { defined } from '../defined.ts'
import { cacheFolder } from '../project/owner.ts'

/** The version of the form of the entries. Raise this number when the form changes. */
const LAYOUT = 5

/**
 * The commands that one file contains. `problem` is set if the file cannot be imported, or if a command in
 * the file is invalid.
 */
export interface HeldCommands {
  commands: CommandMetadata[]
  problem?: { code: string; message: string; hint?: string | undefined }
}

/** The time and the size of a file. An entry is valid as long as its file has the same stamp. */
interface Stamp {
  /** The time of the last modification, in milliseconds since 1970. */
  time: number
  /** The size of the file, in bytes. */
  size: number
}

/** The part of a configuration that names the folders of commands. */
type Folders = Pick<LarkConfig, 'commands'>

interface Remembered {
  files: Record<string, HeldCommands & Stamp>
  configs: Record<string, Folders & Stamp>
}

export class CommandCache {
  readonly #path: string | undefined
  readonly #version: string
  #known: Remembered = { files: {}, configs: {} }
  #isChanged = false

  private constructor(path: string | undefined, version: string) {
    this.#path = path
    this.#version = version
  }

  /** Reads the cache of the package around `folder`. A cache of another version of Lark counts as empty. */
  static open(folder: string, larkVersion: string): CommandCache {
    const home = cacheFolder(folder)
    const path = home === undefined ? undefined : join(home, 'commands.json')
    const cache = new CommandCache(path, `${larkVersion}/${LAYOUT}`)
    try {
      const text = readFileSync(path ?? '', 'utf8')
      const body = text.slice(text.indexOf('\n') + 1)
      if (text === cache.#head(body) + body) cache.#known = JSON.parse(body)
    } catch {
      // There is no cache file yet, or the file is damaged. In both cases the cache begins empty.
    }
    return cache
  }

  /** The commands of `file`; undefined if the file has changed since its import, or was never imported. */
  get(file: string): HeldCommands | undefined {
    return unchanged(file, this.#known.files[file])
  }

  /**
   * The folders that a configuration file named when it was last imported; undefined if the file has changed
   * since.
   */
  foldersOf(config: string): Folders | undefined {
    return unchanged(config, this.#known.configs[config])
  }

  /** Notes the folders that a configuration file names. `save` writes this note. */
  setFolders(config: string, { commands }: Folders): void {
    const known = this.foldersOf(config)
    if (known && JSON.stringify(known.commands) === JSON.stringify(commands)) return
    this.#known.configs = { [config]: { ...stampOf(config), ...defined({ commands }) } }
    this.#isChanged = true
  }

  /**
   * Writes the commands of the files into the cache, unless the cache already has them. The file of the cache
   * is replaced in one step, because another process may be reading it.
   *
   * @param held the commands of each file. Commands that came from `get` are already in the cache
   */
  save(held: ReadonlyMap<string, HeldCommands>): void {
    const { files: known, configs } = this.#known
    const isSame =
      held.size === Object.keys(known).length && [...held].every(([file, each]) => known[file] === each)
    if (this.#path === undefined || (isSame && !this.#isChanged)) return
    const unfinished = `${this.#path}.${process.pid}`
    try {
      mkdirSync(dirname(this.#path), { recursive: true })
      const files: Remembered['files'] = {}
      for (const [file, each] of held) {
        const old = known[file]
        files[file] = old === each ? old : { ...stampOf(file), ...each }
      }
      const body = JSON.stringify({ files, configs })
      // The flag `wx` makes the write fail if there is a link at this path, which another user may have made.
      writeFileSync(unfinished, this.#head(body) + body, { flag: 'wx' })
      renameSync(unfinished, this.#path)
    } catch {
      try {
        rmSync(unfinished, { force: true })
      } catch {
        // The cache folder is a file or is read-only, so there is no file to remove.
      }
    }
  }

  /**
   * The first line of the cache. This line has a checksum of the other lines, so that the fields need no
   * check.
   */
  #head(body: string): string {
    return `${this.#version} ${body.length} ${sumOf(body)}\n`
  }
}

function unchanged<T extends Stamp>(file: string, cached: T | undefined): T | undefined {
  if (!cached) return undefined
  const { time, size } = stampOf(file)
  return cached.time === time && cached.size === size ? cached : undefined
}

/** The FNV-1a hash of the code units of a text, with 32 bits. */
function sumOf(text: string): number {
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at++) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  return sum >>> 0
}

function stampOf(file: string): Stamp {
  const { mtimeMs, size } = statSync(file)
  return { time: mtimeMs, size }
}
