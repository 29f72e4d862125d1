/**
 * The roles (workers and dispatchers) as processes that are killed, stopped and started again. Each process
 * of a role has its own name: `w0.3` is the third process of the worker `w0`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Durability, Life } from './evidence.ts'
import type { Journals } from './journals.ts'
import { within } from './within.ts'

export interface Role {
  name: string
  what: 'work' | 'dispatch' | 'lock' | 'fill' | 'tally'
  queues: readonly string[]
  /** The store of the role. */
  url: string
  /** Further environment variables of the role. */
  env?: Readonly<Record<string, string>>
}

interface Living {
  life: Life
  child: ChildProcess
  ended: Promise<void>
}

export interface CrewOptions {
  journals: Journals
  prefix: string
  /** Milliseconds. */
  leaseMs: number
  /** How many jobs of each limited queue may be active at the same time. */
  limits: Readonly<Record<string, number>>
  /** How many jobs of the limiter may run at the same time. */
  permits: number
  /** Jobs per second of each dispatcher. */
  rate: number
  durability: Durability
  /** In the long form, handlers also block the event loop for longer than a lease. */
  form: 'short' | 'long'
}

/** Milliseconds within which a role must be ready. */
const PATIENCE = 30_000
/** Milliseconds within which a role must end. A worker gives running jobs back after 25 s. */
const STOPS = 40_000
/** After how many milliseconds a role that could not reach the store is started again. */
const RESTART = 200

export class Crew implements AsyncDisposable {
  readonly lives: Life[] = []
  readonly #options: CrewOptions
  readonly #living = new Map<string, Living>()
  readonly #counts = new Map<string, number>()

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /** The name of the present process of a role. */
  nameOf(role: Role): string {
    return this.#living.get(role.name)?.life.name ?? role.name
  }

  /**
   * Starts a new process of a role, and waits until the process reports that it is ready. If the process
   * cannot reach the store and ends, it is started again, as a process manager would do.
   */
  async start(role: Role): Promise<void> {
    for (const deadline = Date.now() + PATIENCE; ; await pause(RESTART)) {
      const life = this.#begin(role)
      await within(PATIENCE, `${life.name} is ready`, async () => {
        return life.to !== undefined || (await this.#options.journals.read()).lastSign.has(life.name)
      })
      if (life.to === undefined) return
      if (Date.now() > deadline) throw new Error(`${life.name} is not ready: ${life.words}`)
      life.end = 'stopped'
    }
  }

  /** `kill -9`. */
  async kill(role: Role): Promise<void> {
    const { life, child, ended } = this.#the(role)
    life.end = 'killed'
    child.kill('SIGKILL')
    await ended
  }

  /** Whether a role ended without being asked to. */
  get hasLost(): boolean {
    return this.lives.some(({ end }) => end === 'by itself')
  }

  /** Asks a role to end, and waits until it has ended. A role that does not end is killed. */
  async stop(role: Role): Promise<void> {
    if (!this.#living.has(role.name)) return
    const { life, child, ended } = this.#the(role)
    life.end = 'stopped'
    child.kill('SIGTERM')
    try {
      await within(STOPS, `${life.name} has stopped`, () => life.to !== undefined)
    } catch {
      life.end = 'stuck'
      child.kill('SIGKILL')
      return ended
    }
    if (child.exitCode !== 0) {
      life.end = 'by itself'
      life.words = `exit code ${child.exitCode}, ${child.signalCode}`
    }
  }

  /** Stops the process of a role, or lets it go on. */
  signal(role: Role, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#the(role).child.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#living.values()].map(({ life, child, ended }) => {
        life.end ??= 'killed'
        child.kill('SIGKILL')
        return ended
      }),
    )
  }

  #begin(role: Role): Life {
    const { journals, prefix, leaseMs, limits, permits, rate, durability, form } = this.#options
    const count = (this.#counts.get(role.name) ?? 0) + 1
    this.#counts.set(role.name, count)
    const life: Life = { name: `${role.name}.${count}`, from: Date.now() }
    const log = join(journals.folder, `${life.name}.log`)
    const words = openSync(log, 'a')
    const program = fileURLToPath(new URL(`roles/${role.what}.js`, import.meta.url))
    const child = spawn(process.execPath, [program], {
      cwd: journals.folder,
      stdio: ['pipe', words, words],
      // Ctrl-C must reach only the conductor.
      detached: true,
      env: {
        ...process.env,
        LARK_CONFIG: undefined,
        NODE_ENV: undefined,
        NO_COLOR: '1',
        CHAOS_NAME: life.name,
        CHAOS_JOURNAL: journals.pathOf(life.name),
        CHAOS_STORE: role.url,
        CHAOS_PREFIX: prefix,
        CHAOS_QUEUES: role.queues.join(','),
        CHAOS_LIMITS: JSON.stringify(limits),
        CHAOS_PERMITS: String(permits),
        CHAOS_LEASE: String(leaseMs),
        CHAOS_RATE: String(rate),
        CHAOS_DURABILITY: durability,
        CHAOS_FORM: form,
        ...role.env,
      },
    })
    closeSync(words)
    child.stdin!.on('error', () => {})
    const ended = new Promise<void>((resolve) => {
      child.once('close', (code, signal) => {
        life.to = Date.now()
        if (life.end === undefined) {
          life.end = 'by itself'
          life.words = `${signal ?? `exit code ${code}`}: ${readFileSync(log, 'utf8').slice(-600)}`
        }
        this.#living.delete(role.name)
        resolve()
      })
    })
    this.lives.push(life)
    this.#living.set(role.name, { life, child, ended })
    return life
  }

  #the(role: Role): Living {
    const living = this.#living.get(role.name)
    if (living === undefined) throw new Error(`${role.name} does not live`)
    return living
  }
}
