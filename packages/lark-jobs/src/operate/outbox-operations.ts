/**
 * The operations on the configured outbox: read its rows, let the relay try rows again, create its table. The
 * implementation is in `look/outbox-rows.ts`, which is loaded with the first call.
 */
import { defined } from '@s18i/lark/internal'
import { flag, option, whole } from '../options/schema.ts'
import type { OutboxBacklog } from '../outbox/outbox-database.ts'
import { isPlace, LOT } from '../outbox/table.ts'
import { MAX_ITEMS } from '../store/contract/store.ts'
import { listed } from '../words/listed.ts'
import { checkFilter, conditions } from './look/filter.ts'
import type { ShownOutboxRow } from './look/outbox-rows.ts'
import type { Operating } from './operated.ts'

/** Chooses the rows to show. */
export interface OutboxFilter {
  /** Only rows that cannot become jobs. */
  bad?: boolean
  /** The maximum number of rows: 1…1,000. Default 100. */
  limit?: number
  /** The `place` of the last row on the previous page. */
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

  /** Whether the configuration names a database for the outbox. This does not connect to the database. */
  async isConfigured(): Promise<boolean> {
    return (await this.#operating.jobs.settings()).outbox !== undefined
  }

  /**
   * Returns how many rows wait for the relay, how many rows cannot become jobs, and the age of the oldest
   * waiting row.
   *
   * @throws OUTBOX_NOT_CONFIGURED, OUTBOX_AWAY, OUTBOX_NO_TABLE
   */
  async backlog(): Promise<OutboxBacklog> {
    return (await this.#database()).backlog()
  }

  /**
   * Lists the rows of the outbox, page by page, in the order in which they were written.
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
   * Lets the relay try again to make jobs of rows that could not become jobs. The audit records this.
   *
   * @param ids the ids of the jobs in these rows. Default: all rows that could not become jobs
   * @returns how many rows the relay tries again
   * @throws the errors of `backlog`
   */
  async retry(ids?: readonly string[]): Promise<number> {
    const database = await this.#database()
    if (ids?.length === 0) return 0
    const on = ids === undefined ? 'every row of the outbox' : `rows of the outbox: ${listed(ids)}`
    return this.#operating.perform({ what: 'retry-rows', on, count: Number }, async () => {
      const { table } = database
      let count = 0
      for (let after: string | undefined; ; ) {
        const places = (await database.run(table.marked(ids, after))).map(({ place }) => String(place))
        if (places.length > 0) await database.run(table.retry(places))
        count += places.length
        if (places.length < LOT) return count
        after = places.at(-1)
      }
    })
  }

  /**
   * Creates the tables of the outbox, unless the tables exist. The audit records this.
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
