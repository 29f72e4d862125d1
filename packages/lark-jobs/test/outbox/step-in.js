// A worker whose process is killed right after the transaction of its step has committed. The arguments of
// the program are DIALECT URL CONNECTION.
import Libsql from 'libsql'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { createJobs, Job } from '../../dist/index.js'

const [dialect, url, connection] = process.argv.slice(2)

/** @returns {Promise<{ query(sql: string): unknown }>} */
async function open() {
  if (dialect === 'mysql') return createConnection(url)
  if (dialect === 'sqlite') {
    const db = new Libsql(url)
    return Object.assign(db, { query: (/** @type {string} */ sql) => db.exec(sql) })
  }
  const client = new pg.Client(url)
  await client.connect()
  return client
}

const client = await open()
const opener = {
  /** @param {(tx: object) => Promise<unknown>} work */
  async transaction(work) {
    await client.query('BEGIN')
    await work(client)
    await client.query('COMMIT')
    process.kill(process.pid, 'SIGKILL')
  },
}

class BookJob extends Job {
  key = 'book'
  handle() {
    return this.stepIn(opener, 'book', async (tx) => {
      await tx.query("INSERT INTO orders VALUES ('child')")
      return 'child'
    })
  }
}

const jobs = createJobs({ connection })
await jobs.work({ jobs: [BookJob], lease: 300, report: { wrote() {}, ended() {}, info() {}, warn() {} } })
