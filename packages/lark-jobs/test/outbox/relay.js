// A worker that relays the outbox and runs no job. After LOTS lots, it kills itself instead of removing the
// rows of the next lot. The arguments of the program are DIALECT URL CONNECTION LOTS NAME PREFIX. NAME: of
// the relays with the same name, only one works at a time. PREFIX: the prefix of the keys in Redis.
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { createJobs } from '../../dist/index.js'

const [dialect, url, connection, lots, name, prefix] = process.argv.slice(2)
const pool = dialect === 'postgres' ? new pg.Pool({ connectionString: url }) : createPool(url)
let removed = 0

/** @param {string} sql @param {readonly (string | number | null)[]} parameters */
function execute(sql, parameters) {
  if (sql.startsWith('DELETE') && removed++ === Number(lots)) process.kill(process.pid, 'SIGKILL')
  return pool.query(sql, [...parameters])
}

const jobs = createJobs({
  connection,
  ...(prefix !== undefined && { prefix }),
  queues: ['default', 'emails', 'low'],
  outbox: { for: /** @type {'postgres' | 'mysql'} */ (dialect), execute, name },
})
await jobs.work({ jobs: [], queues: ['low'], report: { wrote() {}, ended() {}, info() {}, warn() {} } })
