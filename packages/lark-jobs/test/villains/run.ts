/**
 * One run: a worker of concurrency 20 with nineteen honest classes and five villains. A run has parts. In
 * each part, a new worker process starts, honest jobs run alone for some seconds, and then villains are
 * dispatched in rounds of one of each kind. In the last round of a part, the worker is killed.
 *
 * Honest jobs are dispatched at a steady rate, whatever happens. The two villains that use much CPU run one
 * after the other.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createJobs, type Draft, type Jobs } from '@s18i/lark-jobs'
import { within } from '../chaos/within.ts'
import { isAlive } from '../isolation/alive.ts'
import { startRedis } from '../redis/server.ts'
import { type Account, account, type VillainJob, type VillainName, type Window } from './account.ts'
import { Evidence } from './evidence.ts'
import { type Life, Lives } from './lives.ts'

export const stores = ['redis', 'sqlite'] as const

export interface VillainsOptions {
  store: (typeof stores)[number]
  /** How often each villain is dispatched. */
  times: number
  /** Whether the lateness of honest jobs is measured, with and without villains. */
  isTimed: boolean
  say: (line: string) => void
  /** Whether the journal and the output of the worker are kept in any case. */
  keep?: boolean
}

/** The lease in milliseconds. A short lease lets the jobs of a killed worker be taken back soon. */
const LEASE = 2_500
/** How many honest jobs are dispatched per second. */
const RATE = 60
/** Milliseconds between two readings of the journal and the processes. */
const LOOK = 20
/**
 * The first milliseconds of a worker process do not count, because it first runs the jobs of the process
 * before.
 */
const SETTLES = 4_000
/** Milliseconds without villains, in each part. */
const CALM = 9_000
/**
 * The last milliseconds before a kill do not count, because the next worker process starts the jobs of this
 * time.
 */
const BEFORE_KILL = 500
/** Milliseconds within which no process may be left, after a kill or a stop. */
const LEFT = 2_000
/** Milliseconds within which an awaited condition must become true. */
const PATIENCE = 60_000

/** The villains of one lane are dispatched one after the other, and the lanes at the same time. */
const lanes: VillainName[][] = [['LoopJob', 'GreedyJob'], ['WaitJob'], ['ExitJob', 'AbortJob']]

type AnyClass = new () => { with(payload: object): Draft<never> }

export async function villains(options: VillainsOptions): Promise<Account> {
  const folder = await mkdtemp(join(tmpdir(), 'lark-villains-'))
  let keeps = true
  try {
    const server = options.store === 'redis' ? await startRedis() : undefined
    try {
      await using run = await VillainsRun.make(
        folder,
        server?.url ?? `sqlite:${join(folder, 'jobs.db')}`,
        options,
      )
      const found = await run.run()
      keeps = options.keep === true || found.findings.length > 0
      if (keeps) options.say(`The journal and the output of the worker are in ${folder}`)
      return found
    } finally {
      await server?.[Symbol.asyncDispose]()
    }
  } finally {
    if (!keeps) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

class VillainsRun implements AsyncDisposable {
  readonly #options: VillainsOptions
  readonly #jobs: Jobs
  readonly #evidence: Evidence
  readonly #lives: Lives
  readonly #honest: readonly AnyClass[]
  readonly #isolated: Record<string, AnyClass>
  readonly #accepted = new Map<number, number>()
  readonly #villains: { id: string; name: VillainName }[] = []
  readonly #windows: Window[] = []
  readonly #gone = new Map<number, number>()
  readonly #findings: string[] = []
  /** Ends the watch of the journal, and the dispatches. */
  readonly #end = new AbortController()
  readonly #dispatchEnd = new AbortController()

  private constructor(
    folder: string,
    url: string,
    options: VillainsOptions,
    honest: readonly AnyClass[],
    isolated: Record<string, AnyClass>,
  ) {
    this.#options = options
    this.#jobs = createJobs({ connection: url })
    const journal = join(folder, 'journal.jsonl')
    this.#evidence = new Evidence(journal)
    this.#lives = new Lives({ folder, journal, url, leaseMs: LEASE })
    this.#honest = honest
    this.#isolated = isolated
  }

  static async make(folder: string, url: string, options: VillainsOptions): Promise<VillainsRun> {
    const rolesOf = (name: string) => import(new URL(`roles/${name}.js`, import.meta.url).href)
    const { honestJobs } = await rolesOf('honest-jobs')
    const { ...isolated } = await rolesOf('isolated-classes')
    const { WaitingJob, ComputingJob } = isolated
    return new VillainsRun(folder, url, options, [...honestJobs, WaitingJob, ComputingJob], isolated)
  }

  async run(): Promise<Account> {
    const { times, isTimed, say } = this.#options
    const watching = this.#watch()
    const dispatching = this.#dispatch()
    const parts = Math.min(10, Math.ceil(times / 10))
    await this.#begin()
    for (let part = 0, come = 0; part < parts; part++) {
      if (isTimed) {
        await pause(SETTLES)
        await this.#window('without villains', () => pause(CALM))
      }
      const rounds = Math.round((times * (part + 1)) / parts) - come
      await this.#window('with villains', async () => {
        for (let round = 1; round < rounds; round++) await this.#round()
      })
      const last = this.#round()
      await pause(200 + Math.random() * 900)
      await this.#kill()
      await last
      come += rounds
      say(`${come} of ${times} rounds; the worker was killed ${part + 1} times`)
    }
    this.#dispatchEnd.abort()
    await dispatching
    const { starts, ends } = this.#evidence
    const isDone = () => [...this.#accepted.keys()].every((n) => ends.has(n))
    await within(PATIENCE, 'all honest jobs have ended', isDone).catch(() => {})
    await this.#store()
    await this.#stop()
    const jobs = await Promise.all(this.#villains.map((villain) => this.#found(villain)))
    this.#end.abort()
    await watching
    const [accepted, honest] = [this.#accepted, this.#honest]
    if (starts.size > accepted.size) this.#findings.push('More honest jobs began than were dispatched')
    const found = account({
      ...{ evidence: this.#evidence, lives: this.#lives.all, accepted, villains: jobs, isTimed },
      ...{
        windows: this.#windows,
        gone: this.#gone,
        isIsolated: (n) => n % honest.length >= honest.length - 2,
      },
    })
    return { ...found, findings: [...this.#findings, ...found.findings] }
  }

  async #begin(): Promise<Life> {
    const life = this.#lives.begin()
    await within(PATIENCE, 'the worker is ready', () => this.#evidence.ready.has(life.number))
    return life
  }

  async #window(name: Window['name'], act: () => Promise<unknown>): Promise<void> {
    const from = Date.now()
    await act()
    this.#windows.push({ name, from, to: Date.now() - BEFORE_KILL })
  }

  /** One villain of each kind. */
  async #round(): Promise<void> {
    await Promise.all(
      lanes.map(async (names) => {
        for (const name of names) await this.#come(name)
      }),
    )
  }

  async #come(name: VillainName): Promise<void> {
    const handle = await this.#jobs.dispatch(new this.#isolated[name]!().with({}))
    this.#villains.push({ id: handle.id, name })
    // The outcome of the villain is read at the end of the run.
    await handle.result({ timeout: PATIENCE }).catch(() => {})
  }

  async #kill(): Promise<void> {
    const { now } = this.#lives
    const before = await this.#lives.processesOf(now)
    // There are at least three processes: the worker, a process with a villain, and a process without a job.
    if (before.length < 3) this.#findings.push(`Life ${now.number} had only ${before.length} processes`)
    this.#lives.kill()
    const gone = this.#areGone(now, before)
    await this.#begin()
    await gone
  }

  async #stop(): Promise<void> {
    const { now } = this.#lives
    const before = await this.#lives.processesOf(now)
    const code = await this.#lives.stop()
    if (code !== 0) this.#findings.push(`The worker stopped with exit code ${code}`)
    await this.#areGone(now, before)
  }

  async #areGone(life: Life, before: readonly number[]): Promise<void> {
    const from = performance.now()
    while (before.some(isAlive) && performance.now() - from < LEFT) await pause(LOOK)
    const left = new Set([...before.filter(isAlive), ...(await this.#lives.processesOf(life))])
    if (left.size > 0) this.#findings.push(`${left.size} processes of life ${life.number} are left after 2 s`)
  }

  /** Dispatches honest jobs at a steady rate, and waits for no answer. */
  async #dispatch(): Promise<void> {
    const began = performance.now()
    const asked: Promise<void>[] = []
    for (let n = 0; !this.#dispatchEnd.signal.aborted; n++) {
      const at = Date.now()
      const draft = new this.#honest[n % this.#honest.length]!().with({ n, at })
      asked.push(
        this.#jobs.dispatch(draft).then(
          () => void this.#accepted.set(n, at),
          (error) => void this.#findings.push(`Honest job ${n} could not be dispatched: ${error}`),
        ),
      )
      await pause(Math.max(0, began + ((n + 1) * 1_000) / RATE - performance.now()))
    }
    await Promise.all(asked)
  }

  /** Reads the journal, and notes when the process of a villain has ended. */
  async #watch(): Promise<void> {
    const { begins } = this.#evidence
    const { signal } = this.#end
    for (let isLast = false; !isLast; ) {
      isLast = signal.aborted
      await this.#evidence.read()
      for (const { pid } of [...begins.values()].flat())
        if (!this.#gone.has(pid) && !isAlive(pid)) this.#gone.set(pid, Date.now())
      if (!isLast) await pause(LOOK)
    }
  }

  /** Checks that no other job is left in the store, and that no honest job has failed. */
  async #store(): Promise<void> {
    // A job writes its last line before its worker reports the end to the store.
    const isTold = async () => (await this.#jobs.list({ state: 'active' })).jobs.length === 0
    await within(LEFT, 'the store knows all ends', isTold).catch(() => {})
    const names: readonly string[] = this.#villains.map(({ id }) => id)
    for (const state of ['waiting', 'delayed', 'active', 'failed', 'cancelled'] as const) {
      const { jobs } = await this.#jobs.list({ state }, { limit: 1_000 })
      for (const { id, key } of jobs)
        if (state !== 'failed' || !names.includes(id)) this.#findings.push(`${key} ${id} is ${state}`)
    }
  }

  async #found({ id, name }: { id: string; name: VillainName }): Promise<VillainJob> {
    const job = await this.#jobs.find(id)
    return { id, name, state: job?.state, codes: job?.errors.map(({ code }) => code ?? '') ?? [] }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#dispatchEnd.abort()
    this.#end.abort()
    await this.#lives[Symbol.asyncDispose]()
    await this.#jobs.close()
  }
}
