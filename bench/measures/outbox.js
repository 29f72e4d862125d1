/**
 * The cost of dispatches in transactions of PostgreSQL: how much time a dispatch adds to a transaction with
 * one INSERT, how fast the relay moves rows to Redis, how soon a job starts after the commit, and how much
 * more a step costs if its record is written in the transaction.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { createJobs, Job } from '../../packages/lark-jobs/dist/index.js'
import { operate } from '../../packages/lark-jobs/dist/operate.js'
import { startPostgres } from '../postgres.js'
import { scaled } from '../scale.js'
import { percentile } from '../statistics.js'

/**
 * How many clients make transactions at the same time, and how many transactions they make before the other
 * kind of transactions has its turn.
 */
const CLIENTS = 8
const TURN = scaled(4_000)
const ROWS = scaled(100_000)
/** The maximum number of rows in one statement. */
const LOT = 1_000
const WARM_UP = scaled(20)
const SAMPLES = scaled(200)
const STEPS = scaled(300)

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/** All figures are in one measure, so that the PostgreSQL server starts only once. */
export const measures = [
  {
    name: 'outbox',
    peers: ['lark'],
    rows: [
      { metric: 'plain', label: 'transactions with one INSERT, 8 at a time', unit: 'tx/s' },
      { metric: 'jobs', label: '  with a dispatch in each', unit: 'tx/s' },
      { metric: 'cost', label: '  what the dispatch costs of them', unit: '%', target: { most: 30 } },
      { metric: 'relayed', label: 'rows of the outbox → Redis', unit: 'rows/s' },
      { metric: 'p50', label: 'commit → start, idle worker, p50', unit: 'ms', target: { most: 60 } },
      { metric: 'p99', label: '  p99', unit: 'ms' },
      { metric: 'steps', label: 'a step around a transaction with one INSERT', unit: 'steps/s' },
      { metric: 'stepsIn', label: '  as stepIn', unit: 'steps/s' },
    ],
    run,
  },
]

class ChargeJob extends Job {
  queueName = 'bench-0'
  handle() {}
}

async function run({ place }) {
  const server = await startPostgres()
  if (server === undefined) throw new Error('PostgreSQL is not installed')
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: server.url, max: CLIENTS })
  // The server may end while a connection of the pool is still open, and the pool then emits an error.
  pool.on('error', () => {})
  const outbox = { for: 'postgres', execute: (sql, parameters) => pool.query(sql, [...parameters]) }
  const jobs = createJobs({ connection: place.connection, queues: ['bench-0'], outbox })
  try {
    await pool.query('CREATE TABLE orders (id bigserial PRIMARY KEY, text text)')
    await operate(jobs).outbox.install()
    return {
      ...(await transactions(pool, jobs)),
      ...(await latency(pool, jobs)),
      ...(await steps(pool, jobs)),
      ...(await relayed(pool, jobs)),
    }
  } finally {
    await jobs.close()
    await pool.end()
    server.kill()
  }
}

async function transaction(pool, act) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('INSERT INTO orders (text) VALUES ($1)', ['an order of three things'])
    await act?.(client)
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}

/** Transactions with and without jobs take turns, because the load of the machine changes. */
async function transactions(pool, jobs) {
  const turn = async (act) => {
    let left = TURN
    const began = performance.now()
    const client = async () => {
      while (left-- > 0) await transaction(pool, act)
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
    return performance.now() - began
  }
  const dispatches = (tx) => jobs.dispatch(new ChargeJob().with({ order: 7 }).in(tx))
  await turn()
  await turn(dispatches)
  const took = [0, 0]
  for (let n = 0; n < 3; n++) {
    took[0] += await turn()
    took[1] += await turn(dispatches)
  }
  const [plain, withJobs] = took.map((ms) => (3 * TURN) / (ms / 1_000))
  await pool.query('TRUNCATE lark_outbox')
  return { plain, jobs: withJobs, cost: 100 * (1 - withJobs / plain) }
}

/** Measures how fast the relay moves rows to Redis. The queue is paused, so the worker runs no job. */
async function relayed(pool, jobs) {
  for (let n = 0; n < ROWS; n += LOT) {
    const payloads = Array.from({ length: Math.min(LOT, ROWS - n) }, (_, i) => ({ order: n + i }))
    await transaction(pool, (tx) => jobs.dispatchMany(new ChargeJob(), payloads, { tx }))
  }
  await pool.query('VACUUM ANALYZE lark_outbox')
  await jobs.pause({ all: true })
  const began = performance.now()
  const worker = await jobs.work({ jobs: [ChargeJob], report: silent })
  const counted = async () => (await jobs.status()).queues[0].counts.waiting
  while ((await counted()) < ROWS) await pause(scaled(50))
  const took = performance.now() - began
  await worker.stop(0)
  return { relayed: ROWS / (took / 1_000) }
}

async function latency(pool, jobs) {
  let started = () => {}
  class Told extends ChargeJob {
    handle() {
      started(performance.now())
    }
  }
  const worker = await jobs.work({ jobs: [Told], report: silent })
  const took = []
  for (let n = 0; n < WARM_UP + SAMPLES; n++) {
    const start = new Promise((resolve) => {
      started = resolve
    })
    await transaction(pool, (tx) => jobs.dispatch(new Told().with({ order: n }).in(tx)))
    const committed = performance.now()
    took.push((await start) - committed)
    await pause(scaled(20 + Math.random() * 60))
  }
  await worker.stop(0)
  const warm = took.slice(WARM_UP)
  return { p50: percentile(warm, 50), p99: percentile(warm, 99) }
}

async function steps(pool, jobs) {
  const insert = (tx) => tx.query('INSERT INTO orders (text) VALUES ($1)', ['an order of three things'])
  const around = (job, n) => job.step(['one', n], () => transaction(pool))
  const inside = (job, n) => job.stepIn(pool, ['one', n], insert)
  class StepsJob extends ChargeJob {
    timeout = '10m'
    async handle({ isInside }) {
      const step = isInside ? inside : around
      const began = performance.now()
      for (let n = 0; n < STEPS; n++) await step(this, n)
      return performance.now() - began
    }
  }
  const worker = await jobs.work({ jobs: [StepsJob], report: silent })
  const run = async (isInside) => {
    const handle = await jobs.dispatch(new StepsJob().with({ isInside }))
    return handle.result({ timeout: '4m' })
  }
  const took = [0, 0]
  for (const isWarm of [false, true, true, true])
    for (const [i, isInside] of [false, true].entries()) {
      const ms = await run(isInside)
      if (isWarm) took[i] += ms
    }
  await worker.stop(0)
  const [alone, within] = took.map((ms) => (3 * STEPS) / (ms / 1_000))
  return { steps: alone, stepsIn: within }
}
