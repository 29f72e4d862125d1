/** A worker that may get the relay. While it has the relay, it writes a line about twice a second. */
import '../../chaos/roles/leash.js'
import { createJobs } from '@s18i/lark-jobs'
import Libsql from 'libsql'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { write } from './journal.js'
import { OrderJob } from './order-job.js'

/** Milliseconds between two signs of a relay. */
const SIGN = 500

const {
  TRANSACTIONS_DIALECT: dialect,
  TRANSACTIONS_DATABASE: url,
  TRANSACTIONS_STORE: connection,
} = process.env
const run = runner()
let signed = 0

/** @param {string} sql @param {readonly (string | number | null)[]} parameters */
function execute(sql, parameters) {
  // This query reads a lot, and only the relay reads lots.
  if (sql.includes('LIMIT 1000') && performance.now() - signed > SIGN) {
    signed = performance.now()
    write('relay')
  }
  return run(sql, parameters)
}

function runner() {
  if (dialect === 'sqlite') {
    const db = new Libsql(url, { timeout: 5_000 })
    return (sql, parameters) => {
      const statement = db.prepare(sql)
      return /^\s*SELECT/.test(sql) ? statement.all(...parameters) : void statement.run(...parameters)
    }
  }
  const pool = dialect === 'postgres' ? new pg.Pool({ connectionString: url, max: 4 }) : createPool(url)
  pool.on('error', () => {})
  return (sql, parameters) => pool.query(sql, [...parameters])
}

const jobs = createJobs({ connection, outbox: { for: dialect, execute } })
const worker = await jobs.work({
  jobs: [OrderJob],
  concurrency: 50,
  lease: Number(process.env.TRANSACTIONS_LEASE),
})
write('ready')

process.once('SIGTERM', async () => {
  await worker.stop()
  await jobs.close()
  process.exit(0)
})
