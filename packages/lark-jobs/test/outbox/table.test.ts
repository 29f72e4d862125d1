/** The table of the outbox in each database: what is written is read back, in order, by what the relay asks. */
import Libsql from 'libsql'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import type { Dialect } from '../../src/outbox/dialect.ts'
import { decode, type NewRow, type OutboxRow, rowOfJob } from '../../src/outbox/row.ts'
import { OUTBOX, OUTBOX_STEPS, type OutboxStatement, OutboxTable } from '../../src/outbox/table.ts'
import type { Server } from '../redis/server.ts'
import { mariadbUrl, postgresUrl, startMariadb, startPostgres, stopDatabase } from './databases.ts'

type Rows = Record<string, unknown>[]
interface Connection {
  execute(statement: OutboxStatement): Promise<Rows>
  close(): unknown
}

const databases: Record<Dialect, () => Promise<Connection>> = {
  async postgres() {
    const server = await startPostgres()
    const open = async () => {
      const client = new pg.Client(postgresUrl(server))
      await client.connect()
      return client
    }
    servers.push(server)
    const client = await open()
    return {
      execute: async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rows,
      close: () => client.end(),
    }
  },
  async mysql() {
    const server = await startMariadb()
    servers.push(server)
    const client = await createConnection(mariadbUrl(server))
    return {
      execute: async ({ sql, parameters }) => (await client.query(sql, [...parameters]))[0] as Rows,
      close: () => client.end(),
    }
  },
  async sqlite() {
    const client = new Libsql(':memory:')
    return {
      async execute({ sql, parameters }) {
        const statement = client.prepare(sql)
        if (/^\s*SELECT/.test(sql)) return statement.all(...parameters) as Rows
        statement.run(...parameters)
        return []
      },
      close: () => client.close(),
    }
  },
}
const servers: Server[] = []
afterAll(async () => {
  await Promise.all(servers.map(stopDatabase))
})

describe.each(Object.keys(databases) as Dialect[])('%s', (dialect) => {
  const table = new OutboxTable(dialect)
  let db: Connection
  beforeAll(async () => {
    db = await databases[dialect]()
  })
  beforeEach(async () => {
    for (const sql of [
      `DROP TABLE IF EXISTS ${OUTBOX}`,
      `DROP TABLE IF EXISTS ${OUTBOX_STEPS}`,
      ...table.create(),
    ])
      await db.execute({ sql, parameters: [] })
  })
  afterAll(() => db?.close())

  const write = (...rows: NewRow[]) => db.execute(table.insert(rows))
  const read = async (statement: OutboxStatement): Promise<OutboxRow[]> =>
    (await db.execute(statement)).map(decode)
  const job = (id: string, more: Partial<NewJob> = {}): NewJob => ({ id, key: 'a', payload: '{}', ...more })

  it('is made by statements that may be run again, and found by the check', async () => {
    for (const sql of table.create()) await db.execute({ sql, parameters: [] })
    for (const check of table.check()) expect(await db.execute(check)).toEqual([])
    await db.execute({ sql: `DROP TABLE ${OUTBOX_STEPS}`, parameters: [] })
    await expect(db.execute(table.check()[1]!)).rejects.toThrow(OUTBOX_STEPS)
  })

  it('gives back each job as it was, in the order in which it was written', async () => {
    const jobs = [
      job('0aB'),
      job('0ab', {
        payload: JSON.stringify({ text: 'Ünï\u0000 \\ \' " 𝄞 \ud800', deep: [1, null] }),
        priority: -3,
        delay: 5_000,
        ownId: 'reuse',
        options: { tries: 3, context: { a: 'ß' } },
        lock: { name: 'l', until: 'done' },
        group: { name: 'g', strict: true },
        limiter: 'x=1',
        keep: { completed: 1 },
        hooked: true,
      }),
    ]
    await write(...jobs.map((each) => rowOfJob('emails', each)))
    await write(rowOfJob('default', job('0')))
    const rows = await read(table.take())
    expect(rows.map(({ work }) => work)).toEqual(
      [...jobs, job('0')].map((each) => ({ kind: 'job', job: each })),
    )
    expect(rows.map(({ queue }) => queue)).toEqual(['emails', 'emails', 'default'])
    expect(Number(rows[2]!.place)).toBeGreaterThan(Number(rows[0]!.place))
    for (const { age, tries } of rows) expect([age >= 0 && age < 60_000, tries]).toEqual([true, 0])
    expect((await read(table.find('0ab'))).map(({ id }) => id)).toEqual(['0ab'])
  })

  it('takes lots that are bounded by rows and by bytes, and always one row', async () => {
    const large = rowOfJob('q', job('0', { payload: JSON.stringify('x'.repeat(1_000)) }))
    await write(large, large, large, large)
    expect(await read(table.take(3))).toHaveLength(3)
    expect(await read(table.take(10, 1_500))).toHaveLength(2)
    expect(await read(table.take(10, 1))).toHaveLength(1)
  })

  it('removes rows by their places, which never come again', async () => {
    await write(rowOfJob('q', job('1')), rowOfJob('q', job('2')))
    const [first, second] = await read(table.take())
    await db.execute(table.remove([second!.place]))
    await write(rowOfJob('q', job('3')))
    const after = await read(table.take())
    expect(after.map(({ id }) => id)).toEqual(['1', '3'])
    expect([first!.place, second!.place]).not.toContain(after[1]!.place)
  })

  it('keeps, counts and lists what cannot become a job, and takes it again when it is told to', async () => {
    await write(rowOfJob('q', job('1')), { ...rowOfJob('q', job('2')), form: 7 }, rowOfJob('q', job('3')))
    const [, newer] = await read(table.take())
    expect(newer).toMatchObject({ id: '2', flaw: expect.stringContaining('7') })
    await db.execute(table.mark([newer!.place], newer!.flaw!))
    expect((await read(table.take())).map(({ id }) => id)).toEqual(['1', '3'])
    const [backlog] = await db.execute(table.backlog())
    expect([Number(backlog!.waiting), Number(backlog!.marked)]).toEqual([2, 1])
    expect(Number(backlog!.age)).toBeGreaterThanOrEqual(0)
    expect(await read(table.list(10, { marked: true }))).toMatchObject([
      { id: '2', tries: 1, error: newer!.flaw },
    ])
    expect((await read(table.list(2))).map(({ id }) => id)).toEqual(['1', '2'])
    expect((await read(table.list(2, { after: newer!.place }))).map(({ id }) => id)).toEqual(['3'])
    await db.execute(table.retry(['1', '2']))
    expect((await read(table.take())).map(({ id }) => id)).toEqual(['1', '2', '3'])
    await db.execute(table.mark([newer!.place], 'again'))
    await db.execute(table.retry())
    expect(await read(table.list(9, { marked: true }))).toEqual([])
  })

  it('says of an empty table that nothing waits', async () => {
    const [backlog] = await db.execute(table.backlog())
    expect([Number(backlog!.waiting), Number(backlog!.marked), backlog!.age]).toEqual([0, 0, null])
  })
})
