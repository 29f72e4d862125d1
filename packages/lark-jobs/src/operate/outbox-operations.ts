/**
 * The outbox of the configuration: look, take rows again, create the table. What it does is in
 * `look/outbox-rows.ts`, which is loaded with the first call.
 */
import { defined } from '@s18i/lark/internal'
import { flag, whole } from '../options/schema.ts'
import type { OutboxBacklog } from '../outbox/outbox-database.ts'
import { MAX_ITEMS } from '../store/contract/store.ts'
import { checkFilter, conditions } from './look/filter.ts'
import type { ShownOutboxRow } from './look/outbox-rows.ts'
import type { Operated } from './operated.ts'

/** Which rows to show. */
export interface OutboxFilter {
  /** Only rows that cannot become jobs. */
  bad?: boolean
  /** How many: 1…1,000. Default 100. */
  limit?: number
  /** The place of the last row of the page before. */
  after?: string
}

const rowConditions = conditions({ bad: flag(), limit: whole(1, MAX_ITEMS) })

/** Looks at the outbox of the configuration, and mends it; `operate().outbox` is such an object. */
export class OutboxOperations {
  readonly #jobs: Operated

  /** @internal */
  constructor(jobs: Operated) {
    this.#jobs = jobs
  }

  /**
   * How many rows wait for the relay, how many cannot become jobs, and how old the oldest is that waits.
   *
   * @throws OUTBOX_NOT_CONFIGURED, OUTBOX_AWAY, OUTBOX_NO_TABLE
   */
  async backlog(): Promise<OutboxBacklog> {
    return (await this.#database()).backlog()
  }

  /**
   * A page of its rows, in the order in which they were written.
   *
   * @throws FILTER_INVALID; the errors of `backlog`
   * @example for (const { id, error } of await operate().outbox.list({ bad: true })) console.log(id, error)
   */
  async list({ after, ...filter }: OutboxFilter = {}): Promise<ShownOutboxRow[]> {
    checkFilter('operate().outbox.list()', filter, rowConditions)
    const { outboxRows } = await import('./look/outbox-rows.ts')
    const options = { marked: filter.bad === true, ...defined({ after }) }
    return outboxRows(await this.#database(), filter.limit ?? 100, options)
  }

  /**
   * Lets the relay take rows again that could not become jobs.
   *
   * @param ids of their jobs. Default: all of them
   * @returns how many rows could not become jobs before
   * @throws the errors of `backlog`
   */
  async retry(ids?: readonly string[]): Promise<number> {
    const database = await this.#database()
    const { bad } = await database.backlog()
    if (ids?.length !== 0) await database.run(database.table.retry(ids))
    return bad
  }

  /** Creates the tables of the outbox, unless they are there. @throws the errors of `backlog` */
  async install(): Promise<void> {
    const database = await this.#database()
    for (const sql of database.table.create()) await database.run({ sql, parameters: [] })
    for (const statement of database.table.check()) await database.run(statement)
  }

  async #database() {
    const { outboxOf } = await import('./look/outbox-rows.ts')
    return outboxOf(await this.#jobs.settings())
  }
}
