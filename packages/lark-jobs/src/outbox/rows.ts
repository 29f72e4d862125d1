/**
 * The rows that a database client has answered. Each client answers in its own way; this is what they have in
 * common.
 */

export type Columns = Readonly<Record<string, unknown>>

/**
 * The rows in what a client answered: a list (postgres.js, better-sqlite3, Drizzle, Prisma), a list in a list
 * (mysql2, Sequelize), or an object with `rows` (pg, libsql, Kysely).
 */
export function rowsOf(answer: unknown): readonly Columns[] {
  if (Array.isArray(answer)) return Array.isArray(answer[0]) ? answer[0] : answer
  const { rows } = (answer ?? {}) as { rows?: unknown }
  return Array.isArray(rows) ? rows : []
}

/** What clients say in their answers to an INSERT, UPDATE or DELETE. */
const counts = [
  'rowCount',
  'affectedRows',
  'rowsAffected',
  'numInsertedOrUpdatedRows',
  'numUpdatedRows',
  'numDeletedRows',
]

/** Whether a value is what a client answered to a statement that gives no rows, and not only data. */
export function isAnswer(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && isAnswer(value[0])
  if (Object(value) !== value || Object.getPrototypeOf(value) === Object.prototype) return false
  return counts.some((name) => name in (value as object)) && rowsOf(value).length === 0
}
