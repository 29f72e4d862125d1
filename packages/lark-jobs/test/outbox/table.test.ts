/** The table of the outbox in each database: the queries of the relay return the written rows in order. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { NewJob } from '../../src/model/record.ts'
import { dialects } from '../../src/outbox/dialect.ts'
import { decode, type NewRow, type OutboxRow, rowOfJob } from '../../src/outbox/row.ts'
import { OUTBOX_STEPS, type OutboxStatement, OutboxTable } from '../../src/outbox/table.ts'
import { type Database, databaseOf } from './connections.ts'

describe.each(dialects)('%s', (dialect) => {
  const table = new OutboxTable(dialect)
  let db: Database
  beforeAll(async () => {
    db = await databaseOf(dialect)
  })
  beforeEach(() => db.reset())
  afterAll(() => db?.[Symbol.asyncDispose]())

  const write = (...rows: NewRow[]) => db.execute(table.insert(rows))
  const read = async (statement: OutboxStatement): Promise<OutboxRow[]> =>
    (await db.execute(statement)).map(decode)
  const job = (id: string, more: Partial<NewJob> = {}): NewJob => ({ id, key: 'a', payload: '{}', ...more })

  it('the table is created by statements that may run again, and passes the check of its columns', async () => {
    for (const sql of table.create()) await db.execute({ sql, parameters: [] })
    for (const check of table.check()) expect(await db.execute(check)).toEqual([])
    await db.execute({ sql: `DROP TABLE ${OUTBOX_STEPS}`, parameters: [] })
    await expect(db.execute(table.check()[1]!)).rejects.toThrow(OUTBOX_STEPS)
  })

  it('the relay reads each job unchanged, in the order in which the jobs were written', async () => {
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

  it('a lot has a maximum number of rows and of bytes, and always at least one row', async () => {
    const large = rowOfJob('q', job('0', { payload: JSON.stringify('x'.repeat(1_000)) }))
    await write(large, large, large, large)
    expect(await read(table.take(3))).toHaveLength(3)
    expect(await read(table.take(10, 1_500))).toHaveLength(2)
    expect(await read(table.take(10, 1))).toHaveLength(1)
  })

  it('rows are removed by their places, which are never used again', async () => {
    await write(rowOfJob('q', job('1')), rowOfJob('q', job('2')))
    const [first, second] = await read(table.take())
    await db.execute(table.remove([second!.place]))
    await write(rowOfJob('q', job('3')))
    const after = await read(table.take())
    expect(after.map(({ id }) => id)).toEqual(['1', '3'])
    expect([first!.place, second!.place]).not.toContain(after[1]!.place)
  })

  it('rows that cannot become jobs are kept, counted and listed, and are tried again on request', async () => {
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
    const marked = async (...filter: Parameters<typeof table.marked>) =>
      (await db.execute(table.marked(...filter))).map(({ place }) => String(place))
    expect(await marked(['1', '3'])).toEqual([])
    expect(await marked(['1', '2'])).toEqual([newer!.place])
    expect(await marked(undefined, newer!.place)).toEqual([])
    await db.execute(table.retry(await marked(undefined)))
    expect((await read(table.take())).map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(await read(table.list(9, { marked: true }))).toEqual([])
  })

  it('for an empty table, the status says that no row waits', async () => {
    const [backlog] = await db.execute(table.backlog())
    expect([Number(backlog!.waiting), Number(backlog!.marked), backlog!.age]).toEqual([0, 0, null])
  })
})
