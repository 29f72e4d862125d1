/**
 * Watches the sources of a project: the files that programs load, in all folders except hidden folders and
 * the folders of packages and builds. Changes of other files, such as the store's file, logs, and files that
 * jobs write, are ignored.
 *
 * Each folder is watched separately: on Linux, a recursive watch of the project would also watch
 * `node_modules`.
 */
import { type FSWatcher, readdirSync, watch } from 'node:fs'
import { join, relative } from 'node:path'
import { Part } from '../worker/part.ts'

/**
 * A change is reported after this many milliseconds without a further change, because editors and compilers
 * write several files.
 */
const SETTLED = 200
/**
 * The maximum number of folders that are watched. Each watch costs the system a little, and some systems
 * allow only 8,192.
 */
const MOST = 2_000
const PASSED_OVER = new Set(['node_modules', 'dist', 'build', 'out', 'coverage'])
const SOURCE = /\.[cm]?[jt]sx?$|^(package|tsconfig.*)\.json$|^\.env(\..+)?$/

export class SourceWatch extends Part {
  readonly #root: string
  readonly #changed: (files: string[]) => void
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #files = new Set<string>()
  #settling: NodeJS.Timeout | undefined
  /** Whether there are too many folders to watch all of them. */
  isPartial = false

  /**
   * @param root the root of the project
   * @param changed called with the changed files, relative to the root
   */
  constructor(root: string, changed: (files: string[]) => void) {
    super()
    this.#root = root
    this.#changed = changed
  }

  protected override onStart(): void {
    this.#watch(this.#root)
  }

  protected override onStop(): void {
    clearTimeout(this.#settling)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #watch(folder: string): void {
    if (this.#watchers.has(folder)) return
    if (this.#watchers.size >= MOST) {
      this.isPartial = true
      return
    }
    try {
      const watcher = watch(folder, (_, name) => this.#met(folder, name))
      // An error means that the folder no longer exists.
      watcher.on('error', () => this.#leave(folder))
      this.#watchers.set(folder, watcher)
      for (const name of foldersIn(folder)) this.#watch(join(folder, name))
    } catch {
      // The folder no longer exists, or this process may not read it.
    }
  }

  #leave(folder: string): void {
    this.#watchers.get(folder)?.close()
    this.#watchers.delete(folder)
  }

  #met(folder: string, name: string | null): void {
    if (name === null) return
    if (SOURCE.test(name)) this.#note(join(folder, name))
    else if (foldersIn(folder).includes(name)) {
      const path = join(folder, name)
      // The folder may be new, or may have replaced another folder with this name.
      this.#leave(path)
      this.#watch(path)
      if (filesIn(path).some((file) => SOURCE.test(file))) this.#note(path)
    }
  }

  #note(path: string): void {
    this.#files.add(relative(this.#root, path))
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => {
      const files = [...this.#files]
      this.#files.clear()
      this.#changed(files)
    }, SETTLED)
  }
}

/** The folders inside a folder that may contain sources. Empty if the folder no longer exists. */
function foldersIn(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const isIn = entry.isDirectory() && !entry.name.startsWith('.') && !PASSED_OVER.has(entry.name)
    return isIn ? entry.name : []
  })
}

function filesIn(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => (entry.isFile() ? entry.name : []))
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
