/**
 * The roles as processes: workers and dispatchers that are killed, stopped and started again. One life of a role is
 * one process, and has a name of its own: `w0.3` is the third of the worker `w0`.
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
  what: 'work' | 'dispatch' | 'lock'
  queues: readonly string[]
  /** Where it finds the store. */
  url: string
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
  lease: number
  /** Jobs of a queue that are active at a time, at most; of those that have a limit. */
  limits: Readonly<Record<string, number>>
  /** How many jobs of a limiter may run at a time. */
  permits: number
  /** Jobs a second and dispatcher. */
  rate: number
  durability: Durability
  /** In the long one, handlers block for longer than a lease too. */
  form: 'short' | 'long'
}

/** Milliseconds in which a role must be ready. */
const PATIENCE = 30_000
/** Milliseconds in which a role must end: a worker gives back after 25 s what it still runs. */
const STOPS = 40_000
/** Milliseconds until one that found no store is started again. */
const RESTART = 200

export class Crew implements AsyncDisposable {
  readonly lives: Life[] = []
  readonly #options: CrewOptions
  readonly #living = new Map<string, Living>()
  readonly #counts = new Map<string, number>()

  constructor(options: CrewOptions) {
    this.#options = options
  }

  /** The life that a role has now. */
  nameOf(role: Role): string {
    return this.#living.get(role.name)?.life.name ?? role.name
  }

  /**
   * Begins a new life, and waits until it says that it is ready. A role that ends before that, since it found no store,
   * is started again, as a process manager would.
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

  /** Whether anyone ended whom nobody asked to. */
  get hasLost(): boolean {
    return this.lives.some(({ end }) => end === 'by itself')
  }

  /** Asks it to end, and waits until it has. One that does not is killed. */
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

  /** Makes it stand still, and go on. */
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
    const { journals, prefix, lease, limits, permits, rate, durability, form } = this.#options
    const count = (this.#counts.get(role.name) ?? 0) + 1
    this.#counts.set(role.name, count)
    const life: Life = { name: `${role.name}.${count}`, from: Date.now() }
    const log = join(journals.folder, `${life.name}.log`)
    const words = openSync(log, 'a')
    const program = fileURLToPath(new URL(`roles/${role.what}.js`, import.meta.url))
    const child = spawn(process.execPath, [program], {
      cwd: journals.folder,
      stdio: ['pipe', words, words],
      // A Ctrl-C is for the conductor.
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
        CHAOS_LEASE: String(lease),
        CHAOS_RATE: String(rate),
        CHAOS_DURABILITY: durability,
        CHAOS_FORM: form,
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
