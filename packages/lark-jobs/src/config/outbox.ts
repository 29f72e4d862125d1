/** The configuration of the outbox: the table in the database of the application. */
import {
  func,
  isText,
  type NeededOptionsOf,
  type OptionsOf,
  oneOf,
  option,
  Schema,
} from '../options/schema.ts'
import { dialects } from '../outbox/dialect.ts'
import type { OutboxExecute, OutboxListen } from '../outbox/outbox-database.ts'

export const outboxOptions = new Schema("an object such as { for: 'postgres', execute }", {
  /** The kind of the database: `postgres`, `mysql` (MariaDB too), or `sqlite`. */
  for: oneOf(dialects).needed(),
  /**
   * Runs a statement outside of any transaction, and returns the answer of the database client: `(sql,
   * parameters) => pool.query(sql, parameters)`.
   */
  execute: func<OutboxExecute>().needed(),
  /**
   * A function that calls `wake` when the table may have new rows. The relay then reads the table at once.
   * The function may return another function that stops it. Default: the relay only reads the table from time
   * to time.
   */
  listen: func<OutboxListen>(),
  /**
   * The name of the outbox, which distinguishes the outboxes of several databases whose jobs go to one store.
   * Default `lark_outbox`.
   */
  name: option<string>('a text of 1 to 100 characters', (value) => isText(value) && value.length <= 100).or(
    'lark_outbox',
  ),
})

export interface OutboxConfig
  extends OptionsOf<typeof outboxOptions.entries>,
    NeededOptionsOf<typeof outboxOptions.entries> {}
