/**
 * A process that uses a file together with other processes, in one of several roles: `node process.js <role>
 * <file> <name> [umask and clock]`. The process sends messages to the test over IPC, and uses the built
 * package.
 */
import { SqliteStore } from '../../dist/sqlite-store.js'

const [role, file, name, settings] = process.argv.slice(2)
const { umask, clock = 0 } = JSON.parse(settings ?? '{}')
if (umask !== undefined) process.umask(umask)
if (clock !== 0) {
  const now = Date.now
  Date.now = () => now() + clock
}
const plenty = { count: 1_000_000, age: 3_600_000 }
const retention = { completed: plenty, failed: plenty, cancelled: plenty }
const store = new SqliteStore(file, { retention })
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
  /** Opens the store when the test says so, and queues one job. */
  async open() {
    process.send('ready')
    await told()
    await store.open()
    await store.enqueue('emails', call(), [job(0)])
    await store.close()
  },

  /** Migrates the file to the layout that the test names. */
  async forward() {
    process.send('ready')
    await new SqliteStore(file, { retention }, JSON.parse(await told())).open()
  },

  /** Reports why it cannot open the store. */
  async refused() {
    const { code, message, hint } = await store.open().catch((error) => error)
    process.send({ code, message, hint })
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

  /**
   * Queues jobs until the disk is full, and then tries to settle a job. When the test says that there is
   * room, it sends both calls again. Reports the accepted jobs, the errors, and the results.
   */
  async fill() {
    const tell = ({ code, message, hint }) => ({ code, message, hint })
    await store.open()
    await store.enqueue('emails', call(), [job('first')])
    const { jobs } = await store.exchange('emails', call(), [], { limit: 1, leaseMs: 60_000 })
    const outcome = { kind: 'completed', result: JSON.stringify('x'.repeat(100_000)) }
    const settlements = jobs.map(({ id, token }) => ({ id, token, outcome }))
    const accepted = []
    let queueing
    for (let id = 0; queueing === undefined; id += 1) {
      const given = { call: call(), jobs: [{ ...job(id), payload: JSON.stringify('x'.repeat(5_000)) }] }
      await store.enqueue('emails', given.call, given.jobs).then(
        () => accepted.push(given.jobs[0].id),
        (error) => {
          queueing = { ...given, error }
        },
      )
    }
    const settling = call()
    const settle = () => store.exchange('emails', settling, settlements, { limit: 0, leaseMs: 60_000 })
    const refused = await settle().then(() => undefined, tell)
    process.send({ accepted, queueing: tell(queueing.error), settling: refused })
    await told()
    const queued = await store.enqueue('emails', queueing.call, queueing.jobs)
    const { verdicts } = await settle()
    process.send({ queued, verdicts })
    await store.close()
  },

  /** Queues jobs until the test ends it, and reports which were accepted. */
  async accept() {
    await store.open()
    let isOver = false
    process.once('message', () => {
      isOver = true
    })
    for (let id = 0; !isOver; id += 1) {
      const queued = await store.enqueue('emails', call(), [job(id)])
      if (queued[0] === 'queued') process.send([`${name}-${id}`])
      await new Promise((resolve) => setImmediate(resolve))
    }
    await store.close()
  },

  /** Claims all jobs with a lease of one second, and reports which it holds. */
  async grab() {
    await store.open()
    const { jobs } = await store.exchange('emails', call(), [], { limit: 10, leaseMs: 1_000 })
    process.send(jobs.map(({ id }) => id))
    await told()
  },

  /** Looks for ended leases until there is one, and reports the jobs that it took back. */
  async 'take-back'() {
    await store.open()
    let taken = []
    while (taken.length === 0) {
      taken = (await store.recover('emails')).recovered
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    process.send(taken)
    await store.close()
  },

  /** Queues one job, and keeps the store open until the test ends it. */
  async hold() {
    await store.open()
    await store.enqueue('emails', call(), [job(0)])
    process.send('queued')
    await told()
    await store.close()
  },

  /** Opens the store, queues one job, and reports the result. */
  async try() {
    const queueing = store.open().then(() => store.enqueue('emails', call(), [job(0)]))
    await queueing.then(
      () => process.send('queued'),
      ({ code, message, hint }) => process.send({ code, message, hint }),
    )
    await store.close()
  },

  /**
   * Queues, claims, settles (in every way), renews and takes back jobs for ever. Reports every change that is
   * certain.
   */
  async churn() {
    const error = { run: 1, name: 'Error', message: 'mailbox full' }
    const outcomes = [
      { kind: 'completed' },
      { kind: 'failed', error },
      { kind: 'completed', result: '"sent"', log: [{ at: 1, level: 'info', text: 'sent' }] },
      { kind: 'failed', error, retryIn: 5 },
      { kind: 'cancelled', reason: 'dropped' },
      { kind: 'released', in: 5 },
      { kind: 'unstarted' },
    ]
    await store.open()
    let held = []
    for (let round = 0; ; round += 1) {
      const jobs = Array.from({ length: 1 + (round % 4) }, (_, n) => {
        return { ...job(`${round}-${n}`), priority: n % 2, delay: 3 * n }
      })
      await store.enqueue('emails', call(), jobs)
      process.send({ queued: jobs.map(({ id }) => id) })
      const settlements = held.map(({ id, token }, n) => {
        return { id, token, outcome: outcomes[(round + n) % outcomes.length] }
      })
      const want = { limit: 2, prefetch: 2, leaseMs: 100 }
      const { verdicts, jobs: claimed } = await store.exchange('emails', call(), settlements, want)
      const ended = settlements.filter(({ outcome: { kind, retryIn } }, n) => {
        return verdicts[n] === 'settled' && retryIn === undefined && !/released|unstarted/.test(kind)
      })
      process.send({ ended: ended.map(({ id, outcome }) => [id, outcome.kind]) })
      held = claimed
      await store.extend('emails', name, held.slice(0, 3), 100)
      if (round % 7 === 0) await store.recover('emails')
    }
  },

  /**
   * Counts ends of nodes and members, and writes the flow with one job for each new end of a node. Reports
   * the counted ends.
   */
  async flow() {
    await store.open()
    process.send([])
    for (let n = Number(name); ; n += 1) {
      const nodes = [90_000_000 + 2 * n, 90_000_000 + 2 * n + 1]
      const ends = [...nodes, n].map((index) => ({ flow: 'flow', index, state: 'completed', at: 1 }))
      await store.flows.apply('home', ends)
      process.send([...nodes, n])
      const { flows } = await store.schedules.due('home', 9, 20)
      for (const { id, rev, state, news } of flows) {
        const heard = news.map(({ index }) => index)
        const text = [state, ...heard].join(' ')
        const jobs = heard.map((index) => ({ id: `job-${index}`, key: 'send-email', payload: '{}' }))
        await store.flows.write('home', { id, rev, state: text, heard: heard.length, jobs })
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  },

  /**
   * Handles due schedules, which are due again at once, and runs some of their jobs, for ever. Reports the
   * ticks that are certain.
   */
  async tick() {
    await store.open()
    for (let held = []; ; ) {
      const { at, due } = await store.schedules.due('emails', 3, 5)
      const writes = due.map(({ id, rev, state }) => {
        const next = Number(state) + 1
        const instant = new Date(next * 1_000).toISOString().replace('.000Z', 'Z')
        const jobs = [{ ...job(next), id: `${id}@${instant}` }]
        return { id, rev, state: String(next), next: at, jobs }
      })
      const { written } = await store.schedules.write('emails', writes)
      process.send(writes.filter((_, n) => written[n].isWritten).map(({ jobs }) => jobs[0].id))
      const settlements = held.map(({ id, token }) => ({
        id,
        token,
        outcome: { kind: 'completed', took: 1 },
      }))
      held = (await store.exchange('emails', call(), settlements, { limit: 2, leaseMs: 60_000 })).jobs
    }
  },

  /**
   * Reports that it has begun. Completes jobs until the test stops it, and reports each job when the job is
   * certainly settled.
   */
  async work() {
    await store.open()
    process.send([])
    const stop = new AbortController()
    process.once('message', () => stop.abort())
    let held = []
    while (!stop.signal.aborted || held.length > 0) {
      const settlements = held.map(({ id, token }) => ({ id, token, outcome: { kind: 'completed' } }))
      const limit = stop.signal.aborted ? 0 : 10
      const exchange = await store.exchange('emails', call(), settlements, { limit, leaseMs: 15_000 })
      if (exchange.verdicts.includes('lost')) throw new Error('a lease was lost')
      if (held.length > 0) process.send(held.map((done) => done.id))
      held = exchange.jobs
      if (held.length === 0) await store.wait(name, 10_000, stop.signal)
    }
    await store.close()
  },

  /** Asks for a job, gets none, and reports when a job has come. */
  async wait() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, leaseMs: 15_000 })
    process.send('waiting')
    process.send(await store.wait(name, 20_000))
    await store.close()
  },

  /** Asks for a job, gets none, and then does nothing. */
  async hang() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, leaseMs: 15_000 })
    process.send('waiting')
    await told()
  },

  /** Leaves the store open, without pending calls. */
  async leave() {
    await store.open()
    await store.exchange('emails', call(), [], { limit: 1, leaseMs: 15_000 })
    await store.wait(name, 1)
  },
}

await roles[role]()
// The channel to the test is the only thing that may still be open.
if (process.connected) process.disconnect()
