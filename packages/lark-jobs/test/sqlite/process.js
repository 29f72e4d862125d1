/**
 * A process that shares a file with others, in one of several roles: `node process.js <role> <file> <name>`.
 * It talks to the test over IPC and runs the built package.
 */
import { SqliteStore } from '../../dist/store/sqlite/store.js'

const [role, file, name] = process.argv.slice(2)
const plenty = { count: 1_000_000, age: 3_600_000 }
const store = new SqliteStore(file, { retention: { completed: plenty, failed: plenty, cancelled: plenty } })
let number = 0

function call() {
  number += 1
  return { caller: name, number }
}

function job(id) {
  return { id: `${name}-${id}`, key: 'send-email', payload: '{"to":"ada"}' }
}

function told() {
  return new Promise((resolve) => process.once('message', resolve))
}

const roles = {
  /** Opens when told to, and queues one job. */
  async open() {
    process.send('ready')
    await told()
    await store.open()
    await store.enqueue('emails', call(), [job(0)])
    await store.close()
  },

  /** Queues 1,000 jobs in batches of 1 to 20. */
  async dispatch() {
    await store.open()
    for (let made = 0; made < 1_000; ) {
      const size = Math.min(1 + (made % 20), 1_000 - made)
      const jobs = Array.from({ length: size }, (_, index) => job(made + index))
      await store.enqueue('emails', call(), jobs)
      made += size
    }
    await store.close()
  },

  /** Queues for ever, and tells each id once it is certainly queued. */
  async flood() {
    await store.open()
    for (let id = 0; ; id += 3) {
      const jobs = [job(id), job(id + 1), job(id + 2)]
      await store.enqueue('emails', call(), jobs)
      process.send(jobs.map((queued) => queued.id))
    }
  },

  /** Completes jobs until told to stop, and tells which once they are certainly settled. */
  async work() {
    await store.open()
    const stop = new AbortController()
    process.once('message', () => stop.abort())
    let held = []
    while (!stop.signal.aborted || held.length > 0) {
      const settlements = held.map(({ id, token }) => ({ id, token, outcome: { kind: 'completed' } }))
      const limit = stop.signal.aborted ? 0 : 10
      const exchange = await store.exchange('emails', call(), settlements, { limit, lease: 15_000 })
      if (exchange.verdicts.includes('lost')) throw new Error('a lease was lost')
      if (held.length > 0) process.send(held.map((done) => done.id))
      held = exchange.jobs
      if (held.length === 0) await store.wait(name, 10_000, stop.signal)
    }
    await store.close()
  },

  /** Asks for a job, gets none, and tells when one came. */
  async wait() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, lease: 15_000 })
    process.send('waiting')
    process.send(await store.wait(name, 20_000))
    await store.close()
  },

  /** Asks for a job, gets none, and goes silent. */
  async hang() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, lease: 15_000 })
    process.send('waiting')
    await told()
  },

  /** Leaves the store open, with nothing under way. */
  async leave() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, lease: 15_000 })
    await store.wait(name, 1)
  },
}

await roles[role]()
// The channel to the test is the only thing that may still be open.
if (process.connected) process.disconnect()
