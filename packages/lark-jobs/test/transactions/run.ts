/**
 * One run. Applications commit transactions, and workers relay and run the jobs. Applications, workers and
 * servers are killed and stopped until there are enough transactions. Then the faults end, the applications
 * and the workers finish, and the account is made.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createJobs } from '@s18i/lark-jobs'
import type { Dialect } from '../../src/outbox/dialect.ts'
import { OutboxTable } from '../../src/outbox/table.ts'
import { within } from '../chaos/within.ts'
import { Random } from '../conformance/random.ts'
import { node24 } from '../node24/node24.js'
import { type Account, account, type Hit, type Sample } from './account.ts'
import { Evidence } from './evidence.ts'
import { jiti, type Life, Lives, programOf, type Role } from './lives.ts'
import { type DatabasePlace, databasePlace, type Place, signalAll, storePlace } from './places.ts'

export const stores = ['redis', 'sqlite'] as const

export interface TransactionsOptions {
  database: Dialect
  store: (typeof stores)[number]
  /** How many orders the applications must commit. */
  transactions: number
  /** The maximum duration of the run in minutes. */
  minutes: number
  seed: number
  /** The maximum number of transactions that are begun in a second. */
  rate: number
  /** `short`: each kill once, and no freeze. */
  form: 'short' | 'long'
  say: (line: string) => void
  /** Whether the journal and the output of the processes are kept in any case. */
  keep?: boolean
}

export interface Found extends Account {
  /** Orders, by the client that wrote them. */
  clients: Record<string, number>
  /** The bytes of the outbox, at the end and at most. */
  bytes: { end: number; most: number }
  seconds: number
  errors: Record<string, number>
}

/** The clients of each application. A client of SQLite blocks its process while another process writes. */
const applications: Record<Dialect, readonly string[][]> = {
  postgres: [
    ['pg', 'Drizzle on pg', 'another client'],
    ['postgres.js', 'Drizzle on postgres.js'],
    ['Prisma', 'Kysely on pg'],
  ],
  mysql: [
    ['mysql2', 'Drizzle on mysql2'],
    ['mysql2 with callbacks', 'Kysely on mysql2'],
  ],
  sqlite: [
    ['libsql'],
    ['@libsql/client'],
    ['Drizzle on @libsql/client'],
    ['Drizzle on better-sqlite3'],
    ['node:sqlite'],
  ],
}

/** The length of the leases of jobs in milliseconds. */
const LEASE = 5_000
const WORKERS = { short: 2, long: 3 }
/** The shortest and the longest stop in milliseconds. A stop is longer than the lease of a relay. */
const FREEZE = [3_500, 8_000] as const
/** Milliseconds until a killed server starts again. */
const AWAY = [0, 4_000] as const
/** Milliseconds between two faults. */
const CALM = [1_000, 6_000] as const
/** Milliseconds between two measurements of the outbox. */
const LOOK = 200
/** Milliseconds within which an awaited condition must become true. */
const PATIENCE = 120_000
/** How many order numbers each process has. */
const NUMBERS = 10_000_000

export async function transactions(options: TransactionsOptions): Promise<Found> {
  const folder = await mkdtemp(join(tmpdir(), 'lark-transactions-'))
  let keeps = true
  try {
    await using database = await databasePlace(options.database)
    await using store = await storePlace(options.store)
    await using run = new TransactionsRun(folder, database, store, options)
    const found = await run.run()
    keeps = options.keep === true || found.findings.length > 0
    if (keeps) options.say(`The journal and the output of the processes are in ${folder}`)
    return found
  } finally {
    if (!keeps) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

class TransactionsRun implements AsyncDisposable {
  readonly #folder: string
  readonly #options: TransactionsOptions
  readonly #database: DatabasePlace
  readonly #store: Place
  readonly #evidence: Evidence
  readonly #lives: Lives
  readonly #random: Random
  readonly #applications: Role[]
  readonly #workers: Role[]
  readonly #hits: Hit[] = []
  readonly #samples: Sample[] = []
  /** The roles and servers that a fault affects now. */
  readonly #busy = new Set<string>()
  readonly #writers: string[] = []
  readonly #end = new AbortController()
  readonly #enough = new AbortController()
  #mostBytes = 0

  constructor(folder: string, database: DatabasePlace, store: Place, options: TransactionsOptions) {
    this.#folder = folder
    this.#options = options
    this.#database = database
    this.#store = store
    const journal = join(folder, 'journal.jsonl')
    this.#evidence = new Evidence(journal)
    this.#lives = new Lives(folder, journal)
    this.#random = new Random(options.seed)
    const groups = applications[options.database]
    const env = {
      TRANSACTIONS_DIALECT: options.database,
      TRANSACTIONS_DATABASE: database.url,
      TRANSACTIONS_STORE: store.url,
      TRANSACTIONS_LEASE: String(LEASE),
      TRANSACTIONS_PAUSE: String((1_000 * groups.flat().length) / options.rate),
    }
    const lots = options.form === 'short' && options.database !== 'sqlite' ? [groups.flat()] : groups
    this.#applications = lots.map((names, i) => ({
      name: `application-${i}`,
      command: [names[0] === 'node:sqlite' ? node24() : process.execPath, jiti, programOf('apply.ts')],
      // jiti keeps what it has compiled in the temporary folder.
      env: { ...env, TRANSACTIONS_CLIENTS: names.join(','), TMPDIR: folder },
    }))
    this.#workers = Array.from({ length: WORKERS[options.form] }, (_, i) => ({
      name: `worker-${i}`,
      command: [process.execPath, programOf('work.js')],
      env,
    }))
  }

  async run(): Promise<Found> {
    const { transactions, minutes, form } = this.#options
    const began = performance.now()
    const looking = this.#look()
    // Start the workers first, because earlier rows would have to wait for a worker.
    for (const roles of [this.#workers, this.#applications])
      await Promise.all(roles.map((role) => this.#begin(role)))
    const keeping = this.#restart()
    const deadline = performance.now() + minutes * 60_000
    const isEnough = () => this.#evidence.committed.size >= transactions || performance.now() > deadline
    const telling = this.#tell()
    if (form === 'short') await this.#killEach()
    else await this.#breakAll(isEnough)
    while (!isEnough()) await pause(LOOK)
    this.#enough.abort()
    await telling
    const stops = await Promise.all(this.#applications.map((role) => this.#lives.stop(role)))
    const seconds = Math.round((performance.now() - began) / 1_000)
    this.#options.say(`The applications have stopped${stops.every(Boolean) ? '' : ', not all by themselves'}`)
    await this.#evidence.read()
    const orders = await this.#orders()
    await this.#drain(orders)
    const left = await this.#left()
    this.#end.abort()
    await Promise.all(this.#workers.map((role) => this.#lives.stop(role)))
    await Promise.all([looking, keeping])
    await this.#evidence.read()
    const isFile = { database: this.#database.server === undefined, store: this.#store.server === undefined }
    const [rows] = await this.#database.run('SELECT COUNT(*) AS count FROM lark_outbox')
    const bytes = await this.#database.bytes()
    const found = account({
      ...{ evidence: this.#evidence, orders, hits: this.#hits, samples: this.#samples, left, isFile },
      outbox: { rows: Number(rows!.count), bytes },
      // A worker that cannot reach the store when it starts ends, and is started again.
      exited: this.#lives.lost
        .filter(({ name }) => name.startsWith('worker') && this.#evidence.ready.has(name))
        .map(({ name, words }) => `${name}: ${words}`),
      writerOf: (n) => this.#writers[Math.floor(n / NUMBERS) - 1] ?? 'nobody',
      leaseMs: LEASE,
    })
    if (this.#options.keep)
      await writeFile(
        join(this.#folder, 'looks.json'),
        JSON.stringify({ hits: this.#hits, samples: this.#samples }),
      )
    const byClient = await this.#database.run('SELECT client, COUNT(*) AS count FROM orders GROUP BY client')
    return {
      ...found,
      clients: Object.fromEntries(byClient.map(({ client, count }) => [client, Number(count)])),
      bytes: { end: bytes, most: this.#mostBytes },
      seconds,
      errors: Object.fromEntries(this.#evidence.errors),
    }
  }

  /** Starts a process of a role, and waits until the process is ready. */
  async #begin(role: Role): Promise<void> {
    const life = this.#life(role)
    await within(PATIENCE, `${life.name} is ready`, () => {
      return this.#evidence.ready.has(life.name) || this.#lives.of(role) !== life
    })
  }

  #life(role: Role): Life {
    if (!role.name.startsWith('application')) return this.#lives.begin(role)
    const life = this.#lives.begin(role, {
      TRANSACTIONS_FROM: String((this.#writers.length + 1) * NUMBERS),
    })
    this.#writers.push(life.name)
    return life
  }

  /** Starts roles again that have ended by themselves, as a process manager does. */
  async #restart(): Promise<void> {
    while (!this.#end.signal.aborted) {
      for (const role of [...this.#workers, ...this.#applications]) {
        const isOver = role.name.startsWith('application') && this.#enough.signal.aborted
        if (this.#lives.of(role) === undefined && !this.#busy.has(role.name) && !isOver) this.#life(role)
      }
      await pause(LOOK)
    }
  }

  async #killEach(): Promise<void> {
    for (const act of this.#faults('killed')) {
      await pause(1_000)
      await act()
    }
  }

  /** Causes all faults once in a random order, and repeats this. Some faults overlap. */
  async #breakAll(isEnough: () => boolean): Promise<void> {
    const underWay = new Set<Promise<void>>()
    while (!isEnough()) {
      const bag = [...this.#faults('killed'), ...this.#faults('frozen')]
      while (bag.length > 0 && !isEnough()) {
        const [act] = bag.splice(this.#random.below(bag.length), 1)
        const doing = act!().finally(() => underWay.delete(doing))
        underWay.add(doing)
        if (!this.#random.chance(3)) await doing
        await pause(this.#between(CALM))
      }
    }
    await Promise.all(underWay)
  }

  #faults(what: Hit['what']): (() => Promise<void>)[] {
    const { server: database } = this.#database
    const { server: store } = this.#store
    const onServer =
      (name: 'database' | 'store', { server }: Place) =>
      async () => {
        if (this.#busy.has(name)) return
        await this.#busied(name, async () => {
          const from = Date.now()
          if (what === 'killed') {
            await server!.kill()
            await pause(this.#between(AWAY))
            await server!.start()
          } else {
            signalAll(server!, 'SIGSTOP')
            await pause(this.#between(FREEZE))
            signalAll(server!, 'SIGCONT')
          }
          this.#hits.push({ what, by: name, from, to: Date.now() })
        })
      }
    return [
      () => this.#onRole(what, this.#applications),
      () => this.#onRole(what, this.#workers),
      () => this.#onRole(what, this.#workers, true),
      ...(database ? [onServer('database', this.#database)] : []),
      ...(store ? [onServer('store', this.#store)] : []),
    ]
  }

  /** @param isRelay whether to choose the worker with the relay */
  async #onRole(what: Hit['what'], roles: readonly Role[], isRelay = false): Promise<void> {
    const free = roles.filter((role) => !this.#busy.has(role.name) && this.#lives.of(role) !== undefined)
    // At least one worker is never affected.
    if (roles === this.#workers && free.length < 2) return
    const role = (isRelay ? this.#relaying(free) : undefined) ?? this.#random.pick(free)
    if (role === undefined) return
    await this.#busied(role.name, async () => {
      const life = this.#lives.of(role)!
      const from = Date.now()
      if (what === 'killed') {
        await this.#lives.kill(life)
        this.#hits.push({ what, by: life.name, from, to: from })
        await this.#begin(role)
      } else {
        life.child.kill('SIGSTOP')
        await pause(this.#between(FREEZE))
        life.child.kill('SIGCONT')
        this.#hits.push({ what, by: life.name, from, to: Date.now() })
      }
    })
  }

  #relaying(free: readonly Role[]): Role | undefined {
    const last = (role: Role) => this.#evidence.relays.get(this.#lives.of(role)?.name ?? '')?.at(-1) ?? 0
    return [...free].sort((one, other) => last(other) - last(one))[0]
  }

  async #busied(name: string, act: () => Promise<void>): Promise<void> {
    this.#busy.add(name)
    try {
      await act()
    } finally {
      this.#busy.delete(name)
    }
  }

  #between([least, most]: readonly [number, number]): number {
    return least + this.#random.below(most - least + 1)
  }

  /** Reads the journal, and measures the outbox. While the database is down, nothing is measured. */
  async #look(): Promise<void> {
    const table = new OutboxTable(this.#options.database)
    for (let count = 0; !this.#end.signal.aborted; count++) {
      await this.#evidence.read()
      try {
        const [{ waiting, age } = {}] = await this.#database.run(table.backlog().sql)
        const sample: Sample = {
          at: Date.now(),
          age: Math.max(0, Number(age ?? 0)),
          waiting: Number(waiting ?? 0),
        }
        if (sample.age > 1_000) {
          const [row] = await this.#database.run(table.take(1).sql)
          const n = /n\\*":(\d+)/.exec(String(row?.body))?.[1]
          if (n !== undefined) sample.n = Number(n)
        }
        this.#samples.push(sample)
        if (count % 25 === 0) this.#mostBytes = Math.max(this.#mostBytes, await this.#database.bytes())
      } catch {
        // The database is away.
      }
      await pause(LOOK)
    }
  }

  async #tell(): Promise<void> {
    for (let count = 1; !this.#enough.signal.aborted; count++) {
      await pause(1_000)
      if (count % 30 !== 0) continue
      const { committed, ended } = this.#evidence
      this.#options.say(
        `${committed.size} committed, ${ended} runs ended, ${this.#samples.at(-1)?.waiting} rows wait, ${this.#hits.length} faults`,
      )
    }
  }

  /** The committed orders, according to the database. */
  async #orders(): Promise<Map<number, number>> {
    const orders = new Map<number, number>()
    for (let last = -1, page: Record<string, unknown>[]; ; ) {
      page = await this.#database.run(`SELECT n, jobs FROM orders WHERE n > ${last} ORDER BY n LIMIT 50000`)
      for (const { n, jobs } of page) orders.set(Number(n), Number(jobs))
      if (page.length === 0) return orders
      last = Number(page.at(-1)!.n)
    }
  }

  /** Waits until all jobs have run, for as long as further jobs end. */
  async #drain(orders: ReadonlyMap<number, number>): Promise<void> {
    const { runs } = this.#evidence
    const hasRun = (n: number, count: number) =>
      Array.from({ length: count }, (_, i) => i).every((i) =>
        runs.get(n)?.[i]?.some(({ end }) => end !== undefined),
      )
    const left = new Map(orders)
    for (let [before, at] = [left.size, performance.now()]; left.size > 0; await pause(LOOK)) {
      for (const [n, count] of left) if (hasRun(n, count)) left.delete(n)
      if (left.size < before) [before, at] = [left.size, performance.now()]
      else if (performance.now() - at > PATIENCE) return
    }
    // The last answers may still be on their way to the processes.
    await pause(3_000)
  }

  async #left(): Promise<string[]> {
    const jobs = createJobs({ connection: this.#store.url })
    try {
      const found: string[] = []
      for (const state of ['waiting', 'delayed', 'active', 'failed', 'cancelled'] as const) {
        const page = await jobs.list({ state }, { limit: 20 })
        found.push(...page.jobs.map(({ id }) => `${id} is ${state}`))
      }
      return found
    } finally {
      await jobs.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#enough.abort()
    this.#end.abort()
    await this.#lives[Symbol.asyncDispose]()
  }
}
