/**
 * The rows in the answer of a database client. Each client has its own form of answers. This file reads all
 * these forms.
 */

export type Columns = Readonly<Record<string, unknown>>

/**
 * The rows in the answer of a client: a list (postgres.js, better-sqlite3, Drizzle, Prisma), a list in a list
 * (mysql2, Sequelize), or an object with `rows` (pg, libsql, Kysely).
 */
export function rowsOf(answer: unknown): readonly Columns[] {
  if (Array.isArray(answer)) return Array.isArray(answer[0]) ? answer[0] : answer
  const { rows } = (answer ?? {}) as { rows?: unknown }
  return Array.isArray(rows) ? rows : []
}

/** The fields with which clients report how many rows an INSERT, UPDATE or DELETE has changed. */
const counts = [
  'rowCount',
  'affectedRows',
  'rowsAffected',
  'numInsertedOrUpdatedRows',
  'numUpdatedRows',
  'numDeletedRows',
]

/**
 * Whether a value is only a client's answer to a statement that returns no rows, and not data of the
 * application.
 */
export function isAnswer(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && isAnswer(value[0])
  if (Object(value) !== value || Object.getPrototypeOf(value) === Object.prototype) return false
  return counts.some((name) => name in (value as object)) && rowsOf(value).length === 0
}
