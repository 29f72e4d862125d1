/**
 * The roles as processes. Each process (life) of a role has its own name: `worker-1.3` is the third process
 * of `worker-1`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface Role {
  name: string
  /** Node and its arguments. */
  command: readonly string[]
  env: Readonly<Record<string, string>>
}

export interface Life {
  name: string
  child: ChildProcess
  ended: Promise<void>
  /** The last output of the process, if it ended by itself. */
  words?: string
}

/**
 * Milliseconds within which a role must end when it is asked to end. A worker gives running jobs back after
 * 25 s.
 */
const STOPS = 60_000

export const jiti = fileURLToPath(new URL('../../../../node_modules/jiti/lib/jiti-cli.mjs', import.meta.url))

export function programOf(name: string): string {
  return fileURLToPath(new URL(`roles/${name}`, import.meta.url))
}

export class Lives implements AsyncDisposable {
  /** The processes that ended by themselves. */
  readonly lost: Life[] = []
  readonly #folder: string
  readonly #journal: string
  readonly #living = new Map<string, Life>()
  readonly #counts = new Map<string, number>()
  readonly #asked = new Set<string>()

  constructor(folder: string, journal: string) {
    this.#folder = folder
    this.#journal = journal
  }

  of(role: Role): Life | undefined {
    return this.#living.get(role.name)
  }

  begin(role: Role, more: Readonly<Record<string, string>> = {}): Life {
    const count = (this.#counts.get(role.name) ?? 0) + 1
    this.#counts.set(role.name, count)
    const name = `${role.name}.${count}`
    const log = join(this.#folder, `${name}.log`)
    const words = openSync(log, 'a')
    const child = spawn(role.command[0]!, role.command.slice(1), {
      cwd: this.#folder,
      stdio: ['pipe', words, words],
      // Ctrl-C must only reach the conductor.
      detached: true,
      env: {
        ...process.env,
        LARK_CONFIG: undefined,
        NODE_ENV: undefined,
        NO_COLOR: '1',
        TRANSACTIONS_JOURNAL: this.#journal,
        TRANSACTIONS_LIFE: name,
        ...role.env,
        ...more,
      },
    })
    closeSync(words)
    child.stdin!.on('error', () => {})
    const ended = new Promise<void>((resolve) => {
      child.once('close', (code, signal) => {
        if (!this.#asked.has(name)) {
          life.words = `${signal ?? `exit code ${code}`}: ${readFileSync(log, 'utf8').slice(-600)}`
          this.lost.push(life)
        }
        this.#living.delete(role.name)
        resolve()
      })
    })
    const life: Life = { name, child, ended }
    this.#living.set(role.name, life)
    return life
  }

  /** `kill -9`. */
  async kill(life: Life): Promise<void> {
    this.#asked.add(life.name)
    life.child.kill('SIGKILL')
    await life.ended
  }

  /** Asks a role to end. @returns whether the role ended */
  async stop(role: Role): Promise<boolean> {
    const life = this.of(role)
    if (life === undefined) return true
    this.#asked.add(life.name)
    life.child.kill('SIGTERM')
    const isOver = await Promise.race([life.ended.then(() => true), pause(STOPS, false, { ref: false })])
    if (!isOver) await this.kill(life)
    return isOver
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#living.values()].map((life) => this.kill(life)))
  }
}
