/**
 * The relay on real databases. A committed job runs once, in whatever order transactions commit and whenever
 * relays are killed. A job whose transaction is rolled back never runs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { chain, Job, type JobsConfig } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { LOT, OUTBOX } from '../../src/outbox/table.ts'
import { inLots } from '../../src/store/contract/rules/in-lots.ts'
import { TcpProxy } from '../redis/proxy.ts'
import { Server } from '../redis/server.ts'
import { Bench, Record as Report, redisPrefix, sqliteFile } from '../working/bench.ts'
import { Application, mail } from './application.ts'
import { type Database, databaseOf } from './connections.ts'

const LONG = { timeout: 30_000, interval: 20 }

class MailJob extends Job {
  static runs: number[] = []
  override readonly key = 'mail'
  handle({ n }: { n: number }) {
    MailJob.runs.push(n)
  }
}

interface Client {
  outbox: NonNullable<JobsConfig['outbox']>
  /** Opens a separate connection for a transaction. */
  begin(): Promise<{ run(sql: string, parameters?: readonly unknown[]): Promise<unknown>; release(): void }>
  end(): Promise<unknown>
}

const clients: Record<'postgres' | 'mysql', (url: string) => Client> = {
  postgres(url) {
    const pool = new pg.Pool({ connectionString: url })
    return {
      outbox: { for: 'postgres', execute: (sql, parameters) => pool.query(sql, [...parameters]) },
      async begin() {
        const client = await pool.connect()
        await client.query('BEGIN')
        return {
          run: (sql, parameters = []) => client.query(sql, [...parameters]),
          release: () => client.release(),
        }
      },
      end: () => pool.end(),
    }
  },
  mysql(url) {
    const pool = createPool(url)
    return {
      outbox: { for: 'mysql', execute: (sql, parameters) => pool.query(sql, [...parameters]) },
      async begin() {
        const client = await pool.getConnection()
        await client.query('BEGIN')
        return {
          run: (sql, parameters = []) => client.query(sql, [...parameters]),
          release: () => client.release(),
        }
      },
      end: () => pool.end(),
    }
  },
}

describe.each(['postgres', 'mysql'] as const)('%s', (dialect) => {
  let database: Database
  let client: Client
  beforeAll(async () => {
    database = await databaseOf(dialect)
    client = clients[dialect](database.url)
  }, 120_000)
  afterAll(async () => {
    await client.end()
    await database[Symbol.asyncDispose]()
  }, 60_000)

  async function setting() {
    MailJob.runs = []
    await database.reset()
    const bench = await Bench.make(sqliteFile)
    const jobs = bench.client({ outbox: client.outbox })
    return { bench, jobs, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() }
  }

  const isEmpty = async () => expect(await database.rows()).toEqual([])

  test('a job runs although its transaction commits late, and does not run if its transaction is rolled back', async () => {
    await using at = await setting()
    const write = (n: number) => database.table.insert([mail(n)])
    const [late, never] = [await client.begin(), await client.begin()]
    await late.run(write(1).sql, write(1).parameters)
    await never.run(write(2).sql, write(2).parameters)
    await database.execute(write(3))
    await at.bench.work([MailJob], {}, at.jobs)
    await vi.waitFor(() => expect(MailJob.runs).toEqual([3]), LONG)
    await vi.waitFor(isEmpty, LONG)
    await late.run('COMMIT')
    await never.run('ROLLBACK')
    for (const each of [late, never]) each.release()
    await vi.waitFor(() => expect(MailJob.runs).toEqual([3, 1]), LONG)
    await vi.waitFor(isEmpty, LONG)
  }, 60_000)

  test('a transaction that has written a row and stays open does not delay other rows', async () => {
    await using at = await setting()
    const open = await client.begin()
    const first = database.table.insert([mail(0)])
    await open.run(first.sql, first.parameters)
    // Enough rows for one lot of the largest size and one small lot.
    const count = LOT + 100
    for (let n = 1; n <= count; n += 100)
      await database.execute(database.table.insert(Array.from({ length: 100 }, (_, i) => mail(n + i))))
    await at.bench.work([MailJob], {}, at.jobs)
    await vi.waitFor(isEmpty, { timeout: 10_000 })
    await open.run('COMMIT')
    open.release()
    await vi.waitFor(() => expect(new Set(MailJob.runs).size).toBe(count + 1), LONG)
    await vi.waitFor(isEmpty, LONG)
  }, 60_000)

  test('rows are tried again although a transaction that has written a row stays open', async () => {
    await using at = await setting()
    const rows = Array.from({ length: LOT + 1 }, (_, n) => mail(n))
    for (const some of inLots(rows, 100)) await database.execute(database.table.insert(some))
    await database.execute({ sql: `UPDATE ${OUTBOX} SET error = 'no'`, parameters: [] })
    const open = await client.begin()
    try {
      const waiting = database.table.insert([mail(0)])
      await open.run(waiting.sql, waiting.parameters)
      const { outbox } = operate(at.jobs)
      expect(await outbox.retry([rows[7]!.id])).toBe(1)
      expect(await outbox.retry()).toBe(LOT)
      expect(await outbox.backlog()).toMatchObject({ waiting: LOT + 1, bad: 0 })
    } finally {
      await open.run('ROLLBACK')
      open.release()
    }
  }, 20_000)

  test('each job runs once although relays are killed after they have queued jobs and before they remove the rows', async () => {
    await using at = await setting()
    const count = 2_500
    for (let n = 0; n < count; n += 500)
      await database.execute(
        database.table.insert(Array.from({ length: 500 }, (_, i) => mail(n + i, { keep: { completed: 0 } }))),
      )
    for (let kill = 0; kill < 3; kill++) {
      const { connection } = at.bench.place
      const relay = spawn(
        process.execPath,
        [
          fileURLToPath(new URL('relay.js', import.meta.url)),
          dialect,
          database.url,
          connection,
          String(kill % 2),
          // Only the worker below waits for the lease of a killed relay.
          kill < 2 ? `relay-${kill}` : 'default',
        ],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      )
      expect(await once(relay, 'exit')).toEqual([null, 'SIGKILL'])
    }
    expect(await database.execute({ sql: `SELECT place FROM ${OUTBOX}`, parameters: [] })).not.toEqual([])
    await at.bench.work([MailJob], {}, at.jobs)
    await vi.waitFor(isEmpty, LONG)
    await vi.waitFor(() => expect(MailJob.runs.length).toBeGreaterThanOrEqual(count), LONG)
    await vi.waitFor(async () => expect((await at.jobs.status()).queues[1]!.counts.waiting).toBe(0), LONG)
    expect(MailJob.runs.length).toBe(count)
    expect(new Set(MailJob.runs).size).toBe(count)
  }, 120_000)
})

test('several flows wait for the answer of the store at the same time, and start in the order of their rows', async () => {
  await using redis = await Server.start()
  await using proxy = await TcpProxy.start(redis.port)
  await using bench = await Bench.make(redisPrefix(proxy.url))
  const application = new Application()
  const jobs = bench.client({ outbox: application.outbox })
  const tx = { for: 'sqlite', execute: application.run.bind(application) } as const
  const count = 300
  const ids: string[] = []
  for (let n = 0; n < count; n++)
    ids.push((await jobs.dispatch(chain([MailJob.with({ n }), MailJob.with({ n: n + count })]), { tx })).id)
  // The write of a flow reaches the store only when the write of another flow has been sent. The first flow
  // starts alone.
  let underWay = 0
  proxy.holds = (text) => {
    if (underWay < 2) underWay = ids.slice(1).filter((id) => text.includes(id)).length
    return underWay === 1
  }
  await bench.work([], { queues: ['low'] }, jobs)
  await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
  expect(underWay).toBeGreaterThan(1)
  const { jobs: waiting } = await jobs.list<MailJob>({ state: 'waiting' }, { limit: count + 1 })
  expect(waiting.map(({ payload }) => payload?.n)).toEqual(Array.from({ length: count }, (_, n) => n))
}, 60_000)

test('a row that commits late with an earlier place does not wait until the backlog is empty', async () => {
  await using bench = await Bench.make(sqliteFile)
  const application = new Application()
  for (let lot = 0; lot < 26; lot++)
    application.write(...Array.from({ length: 500 }, (_, n) => mail(500 * lot + n)))
  const lots: string[][] = []
  const execute: Client['outbox']['execute'] = (sql, parameters) => {
    const answer = application.run(sql, parameters)
    if (!sql.startsWith('DELETE')) return answer
    lots.push(sql.match(/\d+/g)!)
    // Write a row at this free place, like a transaction that has begun before all others and commits only
    // now.
    if (lots.length === 2) application.run(`INSERT INTO ${OUTBOX} ${late}`)
    return answer
  }
  const late = `(place, id, queue, form, kind, body, written) SELECT 1, 'late', queue, form, kind, body, written FROM ${OUTBOX} LIMIT 1`
  await bench.work([], { queues: ['low'] }, bench.client({ outbox: { for: 'sqlite', execute } }))
  await vi.waitFor(() => expect(application.rows).toEqual([]), LONG)
  const place = lots.findLastIndex((lot) => lot.includes('1'))
  expect(place).toBeGreaterThan(1)
  expect(place).toBeLessThan(lots.length - 1)
}, 60_000)

test('if PostgreSQL is killed and restarted while the relay runs, the relay reports this once, and each job runs once', async () => {
  await using database = await databaseOf('postgres')
  await database.reset()
  const server = database.server!
  const pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {})
  MailJob.runs = []
  const bench = await Bench.make(sqliteFile)
  const report = new Report()
  const execute = (sql: string, parameters: readonly unknown[]) => pool.query(sql, [...parameters])
  const write = (from: number, count: number) => {
    const { sql, parameters } = database.table.insert(Array.from({ length: count }, (_, i) => mail(from + i)))
    return execute(sql, parameters)
  }
  await bench.work([MailJob], { report }, bench.client({ outbox: { for: 'postgres', execute } }))
  await write(0, 300)
  await vi.waitFor(() => expect(MailJob.runs.length).toBeGreaterThan(0), LONG)
  await server.restart()
  const said = () => report.warnings.filter((text) => text.includes('database of the outbox'))
  await vi.waitFor(() => write(300, 300), LONG)
  await vi.waitFor(() => expect(MailJob.runs.length).toBeGreaterThanOrEqual(600), LONG)
  await vi.waitFor(async () => expect((await pool.query(`SELECT 1 FROM ${OUTBOX}`)).rows).toEqual([]), LONG)
  expect([...MailJob.runs].sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n))
  expect(said().filter((text) => text.includes('does not answer')).length).toBeLessThanOrEqual(1)
  await bench[Symbol.asyncDispose]()
  await pool.end()
}, 120_000)

test('a worker without the permit of the relay reads the outbox rarely, but more often while a row waits, because the relay may be dead', async () => {
  await using bench = await Bench.make(sqliteFile)
  const application = new Application()
  await holdingPermit(bench)
  let asked = 0
  const execute: Client['outbox']['execute'] = (sql, parameters) => {
    asked += 1
    return application.run(sql, parameters)
  }
  await bench.work([], { queues: ['low'] }, bench.client({ outbox: { for: 'sqlite', execute } }))
  await vi.waitFor(() => expect(asked).toBe(1), LONG)
  await sleep(6_000)
  expect(asked).toBeLessThanOrEqual(4)
  application.write({ ...mail(0), form: 9 }, mail(1))
  // A row that cannot become a job does not hide later rows.
  application.run(`UPDATE ${OUTBOX} SET error = 'of a later form' WHERE form = 9`)
  asked = 0
  await sleep(9_000)
  // With a pause of 2.5 seconds between two requests, there would be only three or four.
  expect(asked).toBeGreaterThanOrEqual(5)
  expect(application.rows).toHaveLength(2)
}, 60_000)

test('while a database cannot be reached, only the relay with the permit tries often, because many workers may use the database', async () => {
  await using bench = await Bench.make(sqliteFile)
  const relayed = await holdingPermit(bench)
  let asked = 0
  const execute: Client['outbox']['execute'] = () => {
    asked += 1
    throw new Error('the database is away')
  }
  await bench.work([], { queues: ['low'] }, bench.client({ outbox: { for: 'sqlite', execute } }))
  await vi.waitFor(() => expect(asked).toBe(1), LONG)
  const before = relayed()
  await vi.waitFor(() => expect(asked).toBe(3), LONG)
  // The relay asks its own database every 50 ms. With a pause of 0.2 s, it would have asked eight times.
  expect(relayed() - before).toBeGreaterThan(20)
}, 60_000)

test('while PostgreSQL cannot be reached for some seconds, the relay tries often, so that rows wait hardly longer', async () => {
  await using database = await databaseOf('postgres')
  await database.reset()
  const pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {})
  MailJob.runs = []
  const bench = await Bench.make(sqliteFile)
  let attempts = 0
  const execute = (sql: string, parameters: readonly unknown[]) => {
    attempts += 1
    return pool.query(sql, [...parameters])
  }
  await bench.work([MailJob], {}, bench.client({ outbox: { for: 'postgres', execute } }))
  await vi.waitFor(() => expect(attempts).toBeGreaterThan(0), LONG)
  await database.server!.kill()
  await sleep(500)
  attempts = 0
  await sleep(3_000)
  // With a pause of a second between two attempts, there would be only three.
  expect(attempts).toBeGreaterThanOrEqual(5)
  await database.server!.start()
  const { sql, parameters } = database.table.insert([mail(1)])
  await vi.waitFor(() => pool.query(sql, [...parameters]), LONG)
  await vi.waitFor(() => expect(MailJob.runs).toEqual([1]), LONG)
  await bench[Symbol.asyncDispose]()
  await pool.end()
}, 60_000)

test('if Redis hangs for longer than a lease and the relay is killed, another relay goes on as soon as Redis answers', async () => {
  await using database = await databaseOf('postgres')
  await database.reset()
  await using redis = await Server.start()
  const pool = new pg.Pool({ connectionString: database.url })
  pool.on('error', () => {})
  MailJob.runs = []
  const bench = await Bench.make(redisPrefix(redis.url))
  const execute = (sql: string, parameters: readonly unknown[]) => pool.query(sql, [...parameters])
  const left = async () => (await pool.query(`SELECT 1 FROM ${OUTBOX}`)).rows.length
  const write = (n: number) => database.execute(database.table.insert([mail(n)]))
  const relay = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('relay.js', import.meta.url)),
      ...['postgres', database.url, redis.url, '9', 'default', bench.place.prefix!],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  await write(1)
  await vi.waitFor(async () => expect(await left()).toBe(0), LONG)
  await bench.work([MailJob], {}, bench.client({ outbox: { for: 'postgres', execute } }))
  redis.signal('SIGSTOP')
  relay.kill('SIGKILL')
  await write(2)
  await sleep(8_000)
  redis.signal('SIGCONT')
  const ended = performance.now()
  await vi.waitFor(async () => expect(await left()).toBe(0), LONG)
  // The lease of the dead relay ended during the outage, so no relay waits for it after the outage. The bound
  // is the time that a client needs to connect again.
  expect(performance.now() - ended).toBeLessThan(6_000)
  await vi.waitFor(() => expect([...MailJob.runs].sort()).toEqual([1, 2]), LONG)
  await bench[Symbol.asyncDispose]()
  await pool.end()
}, 90_000)

/**
 * Starts a worker that gets the permit of the relay and finds no row. @returns a function that returns how
 * often the worker has queried its database
 */
async function holdingPermit(bench: Bench): Promise<() => number> {
  let asked = 0
  const execute = () => {
    asked += 1
    return []
  }
  await bench.work([], { queues: ['low'] }, bench.client({ outbox: { for: 'sqlite', execute } }))
  await vi.waitFor(() => expect(asked).toBeGreaterThan(0), LONG)
  return () => asked
}
