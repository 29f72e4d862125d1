/** Steps in real databases: a worker that is killed after the commit, two runs at once, and old records. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Job } from '../../src/index.ts'
import { handleOf } from '../../src/outbox/database-clients.ts'
import { dialects } from '../../src/outbox/dialect.ts'
import { stepDatabase } from '../../src/outbox/step-in.ts'
import { OUTBOX_STEPS } from '../../src/outbox/table.ts'
import { next } from '../../src/waiting/next.ts'
import { Bench, signal, sqliteFile } from '../working/bench.ts'
import { type Client, clients } from './clients.ts'
import { type Database, databaseOf } from './connections.ts'

const names = { postgres: 'pg', mysql: 'mysql2', sqlite: 'libsql' }

describe.each(dialects)('%s', (dialect) => {
  let database: Database
  let client: Client
  beforeAll(async () => {
    database = await databaseOf(dialect)
    client = await clients.find(({ name }) => name === names[dialect])!.open(database.url)
  }, 120_000)
  beforeEach(async () => {
    await database.reset()
    await run('DROP TABLE IF EXISTS orders')
    await run('CREATE TABLE orders (name varchar(20))')
  })
  afterAll(async () => {
    await client?.close()
    await database?.[Symbol.asyncDispose]()
  }, 60_000)

  const run = (sql: string) => database.execute({ sql, parameters: [] })
  const add = (tx: object, name: string) =>
    handleOf(tx).execute({ sql: `INSERT INTO orders VALUES ('${name}')`, parameters: [] })
  const ordered = async () => (await run('SELECT name FROM orders')).map(({ name }) => name)

  test('if a worker is killed after the commit and before the step is recorded, the next run gets the committed result', async () => {
    await using bench = await Bench.make(sqliteFile)
    class BookJob extends Job {
      override readonly key = 'book'
      handle() {
        return this.stepIn(client.outside, 'book', (tx) => next(add(tx, 'parent'), () => 'parent'))
      }
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    const script = fileURLToPath(new URL('step-in.js', import.meta.url))
    const args = [script, dialect, database.url, bench.place.connection]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
    expect(await ordered()).toEqual(['child'])
    await using _ = await bench.work([BookJob])
    expect(await handle.result({ timeout: '30s' })).toBe('child')
    expect(await ordered()).toEqual(['child'])
  }, 60_000)

  // SQLite lets only one transaction write at a time, so the second transaction fails or waits.
  if (dialect !== 'sqlite')
    test('of two simultaneous runs, one commits, and both get the same result', async () => {
      const steps = stepDatabase<object>(client.outside, false)
      const row = { job: 'default/order-7@1', step: 'book#0' }
      const [first, both] = [signal(), signal()]
      let inside = 0
      const enter = (name: string) =>
        steps.run(row, true, async (tx) => {
          if (++inside === 2) both.resolve()
          await both.promise
          if (name === 'second') await first.promise
          await add(tx, name)
          return name
        })
      const one = enter('first')
      const other = enter('second')
      expect(await one).toBe('first')
      first.resolve()
      expect(await other).toBe('first')
      expect(await ordered()).toEqual(['first'])
    })

  // The undo waits for the lock of the row, and then finds that the row has changed.
  if (dialect !== 'sqlite')
    test('of two simultaneous undos, one undoes the step', async () => {
      const steps = stepDatabase<object>(client.outside, false)
      const row = { job: 'default/order-7@1', step: 'book#0' }
      await steps.run(row, true, () => '')
      const undo = () => steps.undo(row, undefined, (tx) => add(tx, 'undone'))
      await Promise.all([undo(), undo()])
      expect(await ordered()).toEqual(['undone'])
    })

  test('records that are older than 30 days are removed when other records are written', async () => {
    const steps = stepDatabase<object>(client.outside, false)
    const write = (step: string) => steps.run({ job: 'default/order-7@1', step }, true, () => '')
    // Only the first record that a process writes removes old records.
    await write('first#0')
    for (const step of ['old#0', 'older#0', 'young#0']) await write(step)
    const days = (count: number) => `written - ${count * 86_400_000}`
    await run(`UPDATE ${OUTBOX_STEPS} SET written = ${days(31)} WHERE step LIKE 'old%'`)
    await run(`UPDATE ${OUTBOX_STEPS} SET written = ${days(29)} WHERE step LIKE 'young%'`)
    await write('another#0')
    const kept = async () => (await run(`SELECT step FROM ${OUTBOX_STEPS}`)).map(({ step }) => step).sort()
    expect(await kept()).toEqual(['another#0', 'first#0', 'old#0', 'older#0', 'young#0'])
    const again = await clients.find(({ name }) => name === names[dialect])!.open(database.url)
    await stepDatabase(again.outside, false).run({ job: 'a', step: 'new#0' }, true, () => '')
    await again.close()
    expect(await kept()).toEqual(['another#0', 'first#0', 'new#0', 'young#0'])
  })
})
