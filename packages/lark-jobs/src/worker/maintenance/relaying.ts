/**
 * Runs the relay of an outbox (`outbox/relay.ts`). Every worker with an outbox in its configuration has this
 * part. Usually one worker at a time relays: the worker that holds the permit of a limiter. Two relays at the
 * same time do no harm, because both queue the jobs under the same ids. So a worker without the permit also
 * relays rows that have waited for long. For example, rows wait for long if two databases have outboxes with
 * the same name, because both outboxes share the permit.
 *
 * The relay queries the database every 50 ms. If no row has come for a while, the pauses become longer.
 */
import { visible } from '@s18i/lark/internal'
import type { FlowBook } from '../../flow/flow-book.ts'
import { JobSender } from '../../flow/job-sender.ts'
import { type ConfiguredOutbox, OutboxDatabase } from '../../outbox/outbox-database.ts'
import { Relay } from '../../outbox/relay.ts'
import { LOT } from '../../outbox/table.ts'
import type { Bound, Store } from '../../store/contract/store.ts'
import { plural } from '../../words/plural.ts'
import { OutageReporter } from '../outage-reporter.ts'
import { Part } from '../part.ts'
import type { WorkerReport } from '../report.ts'

/** The shortest pause between two queries, in milliseconds. */
const OFTEN = 50
const RARELY = 2_000
/** The pause between two queries is the time since the last row came, divided by this number. */
const CALM = 1_000
/**
 * The lease of the permit in milliseconds. A worker without the permit tries to get the permit about as
 * often.
 */
const LEASE_MS = 3_000
const TRY = 2_500
/**
 * Milliseconds. If the oldest row has waited for longer than this time, the worker that relays may be dead.
 * So a worker without the permit asks for the permit again after the same time, and not later.
 */
const SOON = 1_000
/** Milliseconds that the oldest row may wait before workers without the permit take it. */
const STANDING = 15_000
/**
 * Milliseconds until another try if the database or the store does not answer. A worker without the permit
 * tries the database only when it asks for the permit, because many workers may have the same outbox.
 * (Measured on 2026-12-02, 2 cores, quiet, in five outages of PostgreSQL of 2 to 6 s: with 1,000 ms, rows
 * waited for 250 to 950 ms after PostgreSQL answered again, and with 200 ms for 43 to 78 ms.)
 */
const RETRY = 200

export interface RelayingOptions {
  outbox: ConfiguredOutbox
  store: Store
  caller: string
  flows: FlowBook
  boundOf: (partition: string) => Bound | undefined
  partitions: ReadonlyMap<string, number>
  report: WorkerReport
  /** Called when the store did not answer. */
  met: (error: unknown) => void
}

export class Relaying extends Part {
  readonly #options: RelayingOptions
  readonly #database: OutboxDatabase
  readonly #relay: Relay
  readonly #trouble: OutageReporter
  #number = 0
  /**
   * `#heldUntil`: when this worker's permit ends. `#askAt`: when this worker next asks for the permit. Both
   * are times by `performance.now()`.
   */
  #heldUntil = 0
  #askAt = 0
  /** When the last row came, by `performance.now()`. */
  #cameAt = 0
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #unlisten: unknown
  /** Whether a notification came while a round was under way. */
  #isWoken = false

  constructor(options: RelayingOptions) {
    super()
    const { outbox, store, boundOf } = options
    this.#options = options
    this.#database = new OutboxDatabase(outbox)
    this.#trouble = new OutageReporter('The database of the outbox', options.report, () => false)
    const sender = new JobSender(store, boundOf)
    this.#relay = new Relay({ ...options, database: this.#database, sender })
  }

  /** Whether the relay is putting jobs into the store now. */
  get isBusy(): boolean {
    return this.#round !== undefined
  }

  protected override onStart(): void {
    this.#cameAt = performance.now()
    void this.#listen()
    this.#in(0)
  }

  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#endListening()
    await this.#round
    await this.#trouble.stop()
    if (this.#heldUntil > 0) await this.#permit(0, 0).catch(() => {})
  }

  async #listen(): Promise<void> {
    const { listen } = this.#database
    try {
      this.#unlisten = await listen?.(() => {
        this.#isWoken = true
        this.#in(0)
      })
      // The worker may have stopped before the database answered.
      if (this.isStopped) await this.#endListening()
    } catch (error) {
      this.#trouble.met(error)
    }
  }

  async #endListening(): Promise<void> {
    const unlisten = this.#unlisten
    this.#unlisten = undefined
    try {
      if (typeof unlisten === 'function') await unlisten()
    } catch {}
  }

  #in(ms: number): void {
    clearTimeout(this.#timer)
    if (!this.isStopped) this.#timer = setTimeout(() => this.#go(), ms)
  }

  #go(): void {
    if (this.#round !== undefined) return
    this.#isWoken = false
    this.#round = this.#relayAll()
      .catch((error) => {
        if (isOfDatabase(error)) this.#trouble.met(error)
        else this.#options.met(error)
        return performance.now() < this.#heldUntil ? RETRY : Math.max(RETRY, this.#untilAsk)
      })
      .then((pause) => {
        this.#round = undefined
        this.#in(this.#isWoken ? 0 : pause)
      })
  }

  /** @returns milliseconds until the next query */
  async #relayAll(): Promise<number> {
    if (!(await this.#mayRelay())) return this.#untilAsk
    for (let goesOn = false; ; goesOn = true) {
      const { count, bad } = await this.#relay.lot(goesOn)
      this.#trouble.passed()
      if (count > 0) this.#cameAt = performance.now()
      if (bad.length > 0) this.#warn(bad[0]!.row.id, bad[0]!.why, bad.length)
      if (this.isStopped || count < LOT || !(await this.#mayRelay())) break
    }
    return Math.min(RARELY, Math.max(OFTEN, (performance.now() - this.#cameAt) / CALM))
  }

  /**
   * Milliseconds until this worker asks for the permit. A timer may fire one millisecond too early, so one
   * millisecond is added.
   */
  get #untilAsk(): number {
    return Math.max(0, this.#askAt - performance.now()) + 1
  }

  async #mayRelay(): Promise<boolean> {
    const now = performance.now()
    if (now >= this.#askAt) {
      const holds = now < this.#heldUntil
      const { granted } = await this.#permit(holds ? 1 : 0, holds ? 0 : 1)
      const hasIt = holds || granted > 0
      this.#heldUntil = hasIt ? now + LEASE_MS : 0
      this.#askAt = now + (hasIt ? LEASE_MS / 3 : TRY * (0.8 + Math.random() * 0.4))
    }
    if (now < this.#heldUntil) return true
    const age = await this.#oldest()
    if (age > SOON) this.#askAt = Math.min(this.#askAt, performance.now() + SOON)
    // If a row has waited for so long, the worker with the permit probably does not relay it.
    return age > STANDING
  }

  #permit(held: number, wanted: number) {
    const { store, caller } = this.#options
    const limits = { concurrency: 1 }
    const call = { holder: caller, number: ++this.#number, limits, held, wanted, leaseMs: LEASE_MS }
    return store.limiters.permit(`outbox ${this.#database.name}`, call)
  }

  /** For how many milliseconds the oldest row that can become a job has waited; 0 if there is no such row. */
  async #oldest(): Promise<number> {
    const [oldest] = await this.#database.run(this.#database.table.take(1))
    this.#trouble.passed()
    return Number(oldest?.age ?? 0)
  }

  #warn(id: string, why: string, count: number): void {
    const others = count === 1 ? '' : ` (and ${plural(count - 1, 'other')})`
    this.#options.report.warn(
      `Row ${visible(id).slice(0, 40)}${others} of the outbox cannot become a job: ${why}. It is kept in the table`,
    )
  }
}

function isOfDatabase(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('OUTBOX_')
}
