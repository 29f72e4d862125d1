/**
 * The outbox of the configuration: look, take rows again, create the table. What it does is in
 * `look/outbox-rows.ts`, which is loaded with the first call.
 */
import { defined } from '@s18i/lark/internal'
import { flag, option, whole } from '../options/schema.ts'
import type { OutboxBacklog } from '../outbox/outbox-database.ts'
import { isPlace } from '../outbox/table.ts'
import { MAX_ITEMS } from '../store/contract/store.ts'
import { listed } from '../words/listed.ts'
import { checkFilter, conditions } from './look/filter.ts'
import type { ShownOutboxRow } from './look/outbox-rows.ts'
import type { Operating } from './operated.ts'

/** Which rows to show. */
export interface OutboxFilter {
  /** Only rows that cannot become jobs. */
  bad?: boolean
  /** How many: 1…1,000. Default 100. */
  limit?: number
  /** The place of the last row of the page before. */
  after?: string
}

const rowConditions = conditions({
  bad: flag(),
  limit: whole(1, MAX_ITEMS),
  after: option<string>('the place of a row, such as 17', isPlace),
})

/** Shows and changes the outbox of the configuration; `operate().outbox` is such an object. */
export class OutboxOperations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    this.#operating = operating
  }

  /** Whether the configuration names a database for it. That is not asked. */
  async isConfigured(): Promise<boolean> {
    return (await this.#operating.jobs.settings()).outbox !== undefined
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
  async list(filter: OutboxFilter = {}): Promise<ShownOutboxRow[]> {
    checkFilter('operate().outbox.list()', filter, rowConditions, defined({ flags: this.#operating.names }))
    const { outboxRows } = await import('./look/outbox-rows.ts')
    const options = { marked: filter.bad === true, ...defined({ after: filter.after }) }
    return outboxRows(await this.#database(), filter.limit ?? 100, options)
  }

  /**
   * Lets the relay take rows again that could not become jobs, and records that in the audit.
   *
   * @param ids of their jobs. Default: all of them
   * @returns how many rows it takes again
   * @throws the errors of `backlog`
   */
  async retry(ids?: readonly string[]): Promise<number> {
    const database = await this.#database()
    if (ids?.length === 0) return 0
    const on = ids === undefined ? 'every row of the outbox' : `rows of the outbox: ${listed(ids)}`
    return this.#operating.perform({ what: 'retry-rows', on, count: Number }, async () => {
      const [row] = await database.run(database.table.countMarked(ids))
      await database.run(database.table.retry(ids))
      return Number(row?.count ?? 0)
    })
  }

  /**
   * Creates the tables of the outbox, unless they are there, and records that in the audit.
   *
   * @throws the errors of `backlog`
   */
  async install(): Promise<void> {
    const database = await this.#database()
    const { dialect } = database.table
    const change = {
      what: 'install-outbox',
      on: `the database of the outbox (${dialect})`,
      count: () => 1,
    } as const
    await this.#operating.perform(change, async () => {
      for (const sql of database.table.create()) await database.run({ sql, parameters: [] })
      await database.checked()
    })
  }

  async #database() {
    const { outboxOf } = await import('./look/outbox-rows.ts')
    return outboxOf(await this.#operating.jobs.settings())
  }
}
