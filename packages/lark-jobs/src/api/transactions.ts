/**
 * Dispatches that belong to a transaction. With a handle (`{ tx }`), the dispatches are written as rows into
 * the database of the application, and the relay queues them in the store after the commit. In
 * `Jobs.transaction()`, the dispatches wait in this process until the function has ended. They are then sent
 * together, or dropped if the function threw. An instance without transactions creates no object of this
 * class.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../config/config.ts'
import { checkPlace } from '../config/queues.ts'
import type { NewJobs } from '../dispatch/new-job.ts'
import { JobsError } from '../model/errors.ts'
import type { Sending } from '../model/run/telemetry.ts'
import { giveTrace } from '../model/trace.ts'
import { handleOf } from '../outbox/database-clients.ts'
import { type NewRow, rowOfJob } from '../outbox/row.ts'
import type { Handle, TransactionHandle } from '../outbox/transaction.ts'
import { writeRows } from '../outbox/write.ts'

/** How a dispatch joins a transaction of the application. */
export interface TransactionOptions {
  /** The object that runs statements in the transaction. See `TransactionHandle`. */
  tx: TransactionHandle
}

/** A function that finds the transaction in which its caller runs. */
export type CurrentTransaction = () => TransactionHandle | null | undefined

/**
 * The handle in the options of a dispatch. Undefined if there are no options. Options without `tx`, or with a
 * misspelt name, are an error, because the dispatch must not silently run outside of the transaction.
 *
 * @throws JOB_INVALID
 */
export function txOf(call: string, options: unknown): TransactionHandle | undefined {
  if (options === undefined) return undefined
  const names = Object(options) === options ? Object.keys(options as object) : []
  const { tx } = Object(options) as Partial<TransactionOptions>
  if (names.length === 1 && Object(tx) === tx) return tx
  const got = names.length === 1 && names[0] === 'tx' ? `tx is ${String(tx)}` : 'the options are not { tx }'
  throw new JobsError('JOB_INVALID', `${call}: ${got}`, {
    hint: 'tx is the handle of a transaction: dispatch(payload, { tx })',
  })
}

/** The dispatches that wait for the end of one `Jobs.transaction()`. */
interface HeldBack {
  jobs: NewJobs[]
  flows: (() => Promise<unknown>)[]
  /** Whether the function has ended. After that, dispatches are sent as usual. */
  isOver: boolean
}

/** The part of an instance of `Jobs` that `Transactions` uses. */
export interface TransactedJobs {
  /** The settings. Undefined if the store is not open. */
  readonly openSettings: Settings | undefined
  settings(): Promise<Settings>
  send(made: readonly NewJobs[]): Promise<unknown>
}

export class Transactions {
  readonly #jobs: TransactedJobs
  readonly #waiting = new AsyncLocalStorage<HeldBack>()
  /** The settings, if they were loaded while no store was open. */
  #settings: Settings | undefined

  constructor(jobs: TransactedJobs) {
    this.#jobs = jobs
  }

  /** The dispatches held back by the `Jobs.transaction()` in which the caller runs. */
  #current(): HeldBack | undefined {
    const waiting = this.#waiting.getStore()
    return waiting?.isOver === false ? waiting : undefined
  }

  /** Whether the caller runs in the function of a `Jobs.transaction()`. */
  get isOpen(): boolean {
    return this.#current() !== undefined
  }

  /**
   * Calls a function, and sends the dispatches of the function when it has ended.
   *
   * @throws the error of the function, after which nothing is sent; the errors of a dispatch
   */
  async run<T>(work: () => T | PromiseLike<T>): Promise<T> {
    const outer = this.#current()
    const waiting: HeldBack = { jobs: [], flows: [], isOver: false }
    try {
      const result = await this.#waiting.run(waiting, async () => work())
      waiting.isOver = true
      if (outer?.isOver === false) {
        for (const each of waiting.jobs) outer.jobs.push(each)
        for (const each of waiting.flows) outer.flows.push(each)
        return result
      }
      if (waiting.jobs.length > 0) await this.#jobs.send(waiting.jobs)
      for (const start of waiting.flows) await start()
      return result
    } finally {
      waiting.isOver = true
    }
  }

  /**
   * Adds jobs to the transaction of the handle `tx`, or to the `Jobs.transaction()` in which the caller runs.
   *
   * @throws OUTBOX_NO_TRANSACTION, OUTBOX_HANDLE_UNKNOWN, OUTBOX_NO_TABLE, OUTBOX_REFUSED; UNKNOWN_QUEUE,
   *   UNKNOWN_LIMITER, JOB_INVALID
   */
  async add(made: readonly NewJobs[], tx: TransactionHandle | undefined): Promise<void> {
    if (tx !== undefined) return this.#write(handleOf(tx), made)
    const { jobs } = this.#current()!
    jobs.push(...made)
    try {
      check(made, await this.#known())
    } catch (error) {
      for (const each of made) jobs.splice(jobs.indexOf(each), 1)
      throw error
    }
  }

  /**
   * Adds a flow to the `Jobs.transaction()` in which the caller runs.
   *
   * @param start the function that starts the flow
   */
  addFlow(start: () => Promise<unknown>): void {
    this.#current()!.flows.push(start)
  }

  /** Writes the row of a flow. @throws the errors of `add` */
  async addRow(row: NewRow, tx: TransactionHandle): Promise<void> {
    await writeRows(handleOf(tx), [row])
  }

  /** @throws the errors of `add` */
  async #write(handle: Handle, made: readonly NewJobs[]): Promise<void> {
    let settings = this.#jobs.openSettings ?? this.#settings
    // A synchronous handle gets its rows before anything is awaited, because its transaction may end right
    // after this call.
    if (settings === undefined && !handle.isSync) settings = await this.#known()
    if (settings !== undefined) check(made, settings)
    const sendings = settings === undefined ? [] : made.map((each) => sendingOf(each, settings))
    const rows = made.flatMap(({ queue, records }) => records.map((record) => rowOfJob(queue, record)))
    try {
      await writeRows(handle, rows)
      if (settings === undefined) check(made, await this.#known())
    } catch (error) {
      for (const sending of sendings) sending?.failed(error)
      throw error
    }
    for (const [i, sending] of sendings.entries()) sending?.sent({ count: made[i]!.records.length })
  }

  async #known(): Promise<Settings> {
    this.#settings = this.#jobs.openSettings ?? this.#settings ?? (await this.#jobs.settings())
    return this.#settings
  }

  /** Forgets the settings, because the configuration may change. */
  forget(): void {
    this.#settings = undefined
  }
}

function check(made: readonly NewJobs[], settings: Settings): void {
  for (const each of made) checkPlace(each, settings)
}

/** Reports the dispatch to the telemetry, if there is one, and stores the trace in its jobs. */
function sendingOf({ queue, records }: NewJobs, { telemetry }: Settings): Sending | undefined {
  if (records.length === 0) return undefined
  const sending = telemetry?.sending({ queue, count: records.length, ...defined({ key: records[0]!.key }) })
  giveTrace(records, sending?.trace)
  return sending
}
