/**
 * Writes rows into the outbox, in the transaction of the application. The statements return no data, because
 * drivers differ in the data that they return: the dispatcher makes the ids.
 */
import { JobsError } from '../model/errors.ts'
import { textOf } from '../words/thrown.ts'
import type { NewRow } from './row.ts'
import { isTableMissing, LOT, LOT_BYTES, OUTBOX, OutboxTable } from './table.ts'
import type { Handle } from './transaction.ts'

/**
 * Writes rows. With a synchronous handle, the rows are written when this function returns its promise. So
 * this function can be used in `db.transaction()` of SQLite, whose function must not await.
 *
 * @throws OUTBOX_NO_TABLE, OUTBOX_REFUSED
 */
export async function writeRows(handle: Handle, rows: readonly NewRow[]): Promise<void> {
  const table = new OutboxTable(handle.dialect)
  try {
    for (const lot of lotsOf(rows)) {
      const written = handle.execute(table.insert(lot))
      if (!handle.isSync) await written
    }
  } catch (cause) {
    throw failure(handle, rows, cause)
  }
}

function* lotsOf(rows: readonly NewRow[]): Generator<NewRow[]> {
  let lot: NewRow[] = []
  let bytes = 0
  for (const row of rows) {
    if (lot.length === LOT || (lot.length > 0 && bytes + row.body.length > LOT_BYTES)) {
      yield lot
      lot = []
      bytes = 0
    }
    lot.push(row)
    bytes += row.body.length
  }
  if (lot.length > 0) yield lot
}

function failure({ name, dialect }: Handle, rows: readonly NewRow[], cause: unknown): JobsError {
  const ids = rows.map(({ id }) => id)
  const aborted =
    dialect === 'postgres'
      ? ' PostgreSQL refuses the other statements of this transaction: roll it back.'
      : ''
  if (isTableMissing(cause))
    return new JobsError(
      'OUTBOX_NO_TABLE',
      `${name}: the database has no table ${OUTBOX}, or not all of its columns`,
      {
        cause,
        id: ids[0]!,
        ids,
        hint: `Put what lark outbox:sql --for=${dialect} prints into the migrations of the application.${aborted}`,
      },
    )
  return new JobsError(
    'OUTBOX_REFUSED',
    `${name}: the row of the dispatch was not written: ${textOf(cause)}`,
    {
      cause,
      id: ids[0]!,
      ids,
      hint: `The job is not queued.${aborted}`,
    },
  )
}
