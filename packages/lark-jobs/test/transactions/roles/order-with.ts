/** How an application writes an order with the methods of each client. */
import { type SQL, sql } from 'drizzle-orm'

export interface NewOrder {
  n: number
  jobs: number
  client: string
}

/** The methods of the handles that are used here. */
interface Handle {
  query(text: string, values: unknown[], done?: (error: unknown) => void): unknown
  unsafe(text: string, values: unknown[]): unknown
  execute(statement: unknown, values?: unknown[]): unknown
  run(statement: SQL): unknown
  $executeRawUnsafe(text: string, ...values: unknown[]): unknown
  insertInto(table: string): { values(row: object): { execute(): unknown } }
  prepare(text: string): { run(...values: unknown[]): unknown }
}

const numbered = 'INSERT INTO orders (n, jobs, client) VALUES ($1, $2, $3)'
const plain = 'INSERT INTO orders (n, jobs, client) VALUES (?, ?, ?)'
const drizzle = ({ n, jobs, client }: NewOrder) =>
  sql`INSERT INTO orders (n, jobs, client) VALUES (${n}, ${jobs}, ${client})`

type Write = (tx: Handle, values: [number, number, string], order: NewOrder) => unknown

const withDrizzle: Write = (tx, _, order) => tx.execute(drizzle(order))
const withDrizzleOnSqlite: Write = (tx, _, order) => tx.run(drizzle(order))
const withKysely: Write = (tx, _, order) => tx.insertInto('orders').values(order).execute()
const prepared: Write = (tx, values) => tx.prepare(plain).run(...values)

const writes: Record<string, Write> = {
  pg: (tx, values) => tx.query(numbered, values),
  'postgres.js': (tx, values) => tx.unsafe(numbered, values),
  'Drizzle on pg': withDrizzle,
  'Drizzle on postgres.js': withDrizzle,
  Prisma: (tx, values) => tx.$executeRawUnsafe(numbered, ...values),
  'Kysely on pg': withKysely,
  'another client': (tx, values) => tx.execute(numbered, values),
  mysql2: (tx, values) => tx.query(plain, values),
  'mysql2 with callbacks': (tx, values) =>
    new Promise<void>((resolve, reject) => {
      tx.query(plain, values, (error) => (error ? reject(error) : resolve()))
    }),
  'Drizzle on mysql2': withDrizzle,
  'Kysely on mysql2': withKysely,
  libsql: prepared,
  'node:sqlite': prepared,
  '@libsql/client': (tx, args) => tx.execute({ sql: plain, args }),
  'Drizzle on @libsql/client': withDrizzleOnSqlite,
  'Drizzle on better-sqlite3': withDrizzleOnSqlite,
}

/** Writes an order in the transaction. */
export async function orderWith(client: string, tx: object, order: NewOrder): Promise<void> {
  await writes[client]!(tx as Handle, [order.n, order.jobs, order.client], order)
}
