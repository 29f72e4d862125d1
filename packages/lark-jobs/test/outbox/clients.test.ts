/**
 * A dispatch in a transaction of each database client: its row is there if and only if the transaction commits, and
 * what is no transaction is refused before anything is written.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Job } from '../../src/api/job.ts'
import { createJobs } from '../../src/api/jobs.ts'
import { dialects } from '../../src/outbox/dialect.ts'
import { type Client, clients } from './clients.ts'
import { type Database, databaseOf } from './connections.ts'

class ChargeJob extends Job {
  override readonly key = 'charge'
  async handle(_payload: { order: number; note?: string }) {}
}

// No dispatch opens the store: nobody listens there.
const jobs = createJobs({ connection: 'redis://127.0.0.1:1' })
afterAll(() => jobs.close())

describe.each(dialects)('%s', (dialect) => {
  let database: Database
  beforeAll(async () => {
    database = await databaseOf(dialect)
  })
  beforeEach(() => database.reset())
  afterAll(() => database?.[Symbol.asyncDispose]())

  describe.each(clients.filter((each) => each.dialect === dialect))('$name', ({ open }) => {
    let client: Client
    beforeAll(async () => {
      client = await open(database.url)
    })
    afterAll(() => client?.close())

    it('queues with the commit, and not without it', async () => {
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

    it('writes many jobs', async () => {
      const job = new ChargeJob()
      const payloads = Array.from({ length: 1_500 }, (_, order) => ({ order }))
      await client.transaction((tx) => jobs.dispatchMany(job, payloads, { tx }))
      const [counted] = await database.execute(database.table.backlog())
      expect(Number(counted!.waiting)).toBe(1_500)
      expect((await database.rows()).map(({ id }) => id)).toEqual(job.ids.slice(0, 1_000))
    })

    it('is refused outside of a transaction', async () => {
      const refused = jobs.dispatch(new ChargeJob(), { order: 1 }, { tx: client.outside })
      await expect(refused).rejects.toMatchObject({
        code: expect.stringMatching(/^OUTBOX_(NO_TRANSACTION|HANDLE_UNKNOWN)$/),
      })
      expect(await database.rows()).toEqual([])
    })

    it('is refused without the table', async () => {
      await database.drop()
      const refused = client.transaction((tx) => jobs.dispatch(new ChargeJob(), { order: 1 }, { tx }))
      await expect(refused).rejects.toMatchObject({ code: 'OUTBOX_NO_TABLE' })
    })
  })
})
