/**
 * A worker of an earlier Lark, in a process of its own, beside this version. `sqlite-7-redis-5.mjs.gz` has its code:
 * the whole package of that time as one minified module, with both stores.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

export type Told =
  | { ran: number }
  | { ended: string; how: string }
  | { warned: string }
  | { completed: number }

/** How many jobs it dispatches before it works. */
export const DISPATCHED = 400

export class Older implements AsyncDisposable {
  readonly told: Told[] = []
  readonly errors: string[] = []
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #ended: Promise<unknown>

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    this.#ended = once(child, 'exit')
    createInterface({ input: child.stdout! }).on('line', (line) => this.told.push(JSON.parse(line)))
    createInterface({ input: child.stderr! }).on('line', (line) => this.errors.push(line))
  }

  static async start(connection: string, prefix = ''): Promise<Older> {
    const folder = await mkdtemp(join(tmpdir(), 'lark-older-'))
    const bundle = join(folder, 'lark.mjs')
    const packed = await readFile(new URL('sqlite-7-redis-5.mjs.gz', import.meta.url))
    await writeFile(bundle, gunzipSync(packed))
    // Only its SQLite library.
    await mkdir(join(folder, 'node_modules'))
    const library = fileURLToPath(new URL('../../../../node_modules/libsql', import.meta.url))
    await symlink(library, join(folder, 'node_modules/libsql'))
    // In the same folder: from its own, it would find the lease thread of this version, and take it.
    const program = join(folder, 'older.mjs')
    await copyFile(new URL('older.mjs', import.meta.url), program)
    const child = spawn(process.execPath, [program, bundle, connection, prefix])
    return new Older(child, folder)
  }

  /** The numbers of the jobs that it has begun, in their order. */
  get ran(): number[] {
    return this.told.flatMap((each) => ('ran' in each ? each.ran : []))
  }

  get warnings(): string[] {
    return this.told.flatMap((each) => ('warned' in each ? each.warned : []))
  }

  /** Has it stop, and waits. @returns its exit code */
  async stop(): Promise<number | null> {
    this.#child.stdin!.end()
    await this.#ended
    return this.#child.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    await rm(this.#folder, { recursive: true })
  }
}
