/**
 * A dispatch in a transaction of each database client. The row of the dispatch exists if and only if the
 * transaction commits. An object that is not a transaction is refused before anything is written.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Job } from '../../src/api/job.ts'
import { createJobs } from '../../src/api/jobs.ts'
import { handleOf } from '../../src/outbox/database-clients.ts'
import { dialects } from '../../src/outbox/dialect.ts'
import { OutboxDatabase } from '../../src/outbox/outbox-database.ts'
import { decode } from '../../src/outbox/row.ts'
import { stepDatabase } from '../../src/outbox/step-in.ts'
import { next } from '../../src/waiting/next.ts'
import { type Client, clients } from './clients.ts'
import { type Database, databaseOf } from './connections.ts'

class ChargeJob extends Job {
  override readonly key = 'charge'
  async handle(_payload: { order: number; note?: string }) {}
}

// No server listens at this address, so these tests fail if a dispatch opens the store.
const jobs = createJobs({ connection: 'redis://127.0.0.1:1' })
afterAll(() => jobs.close())

describe.each(dialects)('%s', (dialect) => {
  let database: Database
  beforeAll(async () => {
    database = await databaseOf(dialect)
  })
  beforeEach(async () => {
    await database.reset()
    await order('DROP TABLE IF EXISTS orders')
  })
  afterAll(() => database?.[Symbol.asyncDispose]())

  const order = (sql: string) => database.execute({ sql, parameters: [] })
  const insertOrder = (tx: object) =>
    handleOf(tx).execute({ sql: 'INSERT INTO orders VALUES (7)', parameters: [] })

  describe.each(clients.filter((each) => each.dialect === dialect))('$name', ({ open }) => {
    let client: Client
    beforeAll(async () => {
      client = await open(database.url)
    })
    afterAll(() => client?.close())

    it('a dispatch writes its row only if the transaction commits', async () => {
      const job = new ChargeJob()
      await client.transaction(async (tx) => {
        expect(await jobs.dispatch(job, { order: 1, note: 'Ü \\ " \' 𝄞' }, { tx })).toBe(true)
        expect(await database.rows()).toEqual([])
      })
      const rolledBack = client.transaction(async (tx) => {
        await jobs.dispatch(new ChargeJob(), { order: 2 }, { tx })
        throw new Error('no stock')
      })
      await expect(rolledBack).rejects.toThrow('no stock')
      const [row, ...others] = await database.rows()
      expect(row).toMatchObject({ id: job.id, queue: 'default', work: { kind: 'job' } })
      const { work } = row!
      expect(work?.kind === 'job' && JSON.parse(work.job.payload)).toEqual({ order: 1, note: 'Ü \\ " \' 𝄞' })
      expect(others).toEqual([])
    })

    it('a transaction can contain dispatches of many jobs', async () => {
      const job = new ChargeJob()
      const payloads = Array.from({ length: 1_500 }, (_, order) => ({ order }))
      await client.transaction((tx) => jobs.dispatchMany(job, payloads, { tx }))
      const [counted] = await database.execute(database.table.backlog())
      expect(Number(counted!.waiting)).toBe(1_500)
      expect((await database.rows()).map(({ id }) => id)).toEqual(job.ids.slice(0, 1_000))
    })

    it('the configured `execute` runs the statements of the relay', async () => {
      const { execute } = client
      if (execute === undefined) return
      const at = new OutboxDatabase({ for: dialect, execute, name: 'test', listen: undefined })
      const { table } = at
      await client.transaction((tx) =>
        jobs.dispatchMany(new ChargeJob(), [{ order: 1 }, { order: 2, note: 'Ü \\ " \' 𝄞' }], { tx }),
      )
      expect(await at.checked()).toMatchObject({ waiting: 2, bad: 0 })
      const taken = (await at.run(table.take())).map(decode)
      expect(taken).toEqual((await database.rows()).map((row) => ({ ...row, age: expect.any(Number) })))
      await at.run(table.mark([taken[0]!.place], 'no'))
      await at.run(table.remove([taken[1]!.place]))
      expect(await at.backlog()).toMatchObject({ waiting: 0, bad: 1 })
      const [marked] = await at.run(table.marked([taken[0]!.id]))
      await at.run(table.retry([String(marked!.place)]))
      expect((await at.run(table.find(taken[0]!.id))).map(decode)).toMatchObject([{ tries: 1, work: {} }])
      await database.drop()
      await expect(at.backlog()).rejects.toMatchObject({ code: 'OUTBOX_NO_TABLE' })
    })

    it('a dispatch with an object that is not a transaction is refused', async () => {
      const refused = jobs.dispatch(new ChargeJob(), { order: 1 }, { tx: client.outside })
      await expect(refused).rejects.toMatchObject({
        code: expect.stringMatching(/^OUTBOX_(NO_TRANSACTION|HANDLE_UNKNOWN)$/),
      })
      expect(await database.rows()).toEqual([])
    })

    it('stepIn() opens a transaction for the step, and the record of the step commits with it, once', async () => {
      await order('CREATE TABLE orders (id integer)')
      const row = { job: 'default/order-7@1', step: '["book","Ü \\ "  "]#0' }
      const steps = stepDatabase<object>(client.opener ?? client.outside, false)
      const run = (isNew: boolean, result: string, fails = false) =>
        steps.run(row, isNew, (tx) =>
          next(insertOrder(tx), () => {
            if (fails) throw new Error('no stock')
            return result
          }),
        )
      await expect(run(true, '0', true)).rejects.toThrow('no stock')
      expect(await order('SELECT id FROM orders')).toEqual([])
      const text = JSON.stringify({ text: 'Ünï\u0000 \\ \' " 𝄞 \ud800' })
      expect(await run(true, text)).toBe(text)
      // The second transaction fails at its commit, after it has looked for the record.
      expect(await run(true, '2')).toBe(text)
      expect(await run(false, '3')).toBe(text)
      expect(await order('SELECT id FROM orders')).toHaveLength(1)
      for (const _ of ['once', 'not twice'])
        await steps.undo(row, undefined, (tx, result) => {
          expect(result).toBe(text)
          return insertOrder(tx)
        })
      expect(await order('SELECT id FROM orders')).toHaveLength(2)
      await expect(run(true, '4')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      // A step that never committed is not undone, and cannot commit later.
      const other = { ...row, step: 'pay#0' }
      await steps.undo(other, undefined, () => expect.unreachable())
      await expect(steps.run(other, true, () => '5')).rejects.toMatchObject({ code: 'LEASE_LOST' })
      expect(await order('SELECT id FROM orders')).toHaveLength(2)
    })

    it('stepIn() opens no second transaction inside of a transaction', async () => {
      await client.transaction(async (tx) => {
        if (client.isBlind) return
        const within = async () => stepDatabase(tx, false).run({ job: 'a', step: 'b#0' }, true, () => '')
        await expect(within()).rejects.toMatchObject({ code: 'STEP_INVALID' })
      })
    })

    it('a dispatch in a database without the table of the outbox is refused', async () => {
      await database.drop()
      const refused = client.transaction((tx) => jobs.dispatch(new ChargeJob(), { order: 1 }, { tx }))
      await expect(refused).rejects.toMatchObject({ code: 'OUTBOX_NO_TABLE' })
      const steps = stepDatabase(client.opener ?? client.outside, false)
      const run = (isNew: boolean) => steps.run({ job: 'a', step: 'b#0' }, isNew, () => '')
      await expect(run(true)).rejects.toMatchObject({ code: 'OUTBOX_NO_TABLE' })
      await expect(run(false)).rejects.toMatchObject({ code: 'OUTBOX_NO_TABLE' })
    })
  })
})
