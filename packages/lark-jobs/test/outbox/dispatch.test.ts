/** Dispatches of jobs and flows in a transaction of the application, and their answers. */
import { AsyncLocalStorage } from 'node:async_hooks'
import Libsql from 'libsql'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { batch } from '../../src/api/flows/batch.ts'
import { chain } from '../../src/api/flows/chain.ts'
import { workflow } from '../../src/api/flows/workflow.ts'
import { Job } from '../../src/api/job.ts'
import { createJobs } from '../../src/api/jobs.ts'
import { withContext } from '../../src/model/context.ts'
import { group } from '../../src/options/group.ts'
import { unique } from '../../src/options/unique.ts'
import type { NewFlow, OutboxRow } from '../../src/outbox/row.ts'
import { type Database, databaseOf } from './connections.ts'

class PackJob extends Job {
  override readonly key = 'pack'
  override queueName = 'orders'
  override priority = 3
  override unique = unique((payload: { order: number }) => payload.order)
  override group = group((payload: { order: number }) => payload.order % 2)
  async handle(payload: { order: number }) {
    return payload.order
  }
}
class CleanJob extends Job {
  override readonly key = 'clean'
  async handle() {}
}
class LostJob extends Job {
  override readonly key = 'lost'
  override queueName = 'nowhere'
  async handle() {}
}

// No server listens at this address, so these tests fail if a dispatch opens the store.
const configured = { connection: 'redis://127.0.0.1:1', queues: { default: {}, orders: { partitions: 4 } } }
let jobs = createJobs(configured)
let database: Database
let db: InstanceType<typeof Libsql>
beforeAll(async () => {
  database = await databaseOf('sqlite')
  db = new Libsql(database.url)
})
beforeEach(() => database.reset())
afterEach(async () => {
  await jobs.close()
  jobs = createJobs(configured)
})
afterAll(async () => {
  db.close()
  await database[Symbol.asyncDispose]()
})

/** Returns the rows that a transaction with these dispatches commits. */
async function committed(act: (tx: object) => Promise<unknown>): Promise<OutboxRow[]> {
  db.exec('BEGIN')
  await act(db)
  expect(await database.rows()).toEqual([])
  db.exec('COMMIT')
  return database.rows()
}
const jobOf = (row: OutboxRow | undefined) => (row?.work?.kind === 'job' ? row.work.job : undefined)
const flowOf = (row: OutboxRow | undefined) => (row?.work?.kind === 'flow' ? row.work.flow : ({} as NewFlow))

describe('a dispatch in a transaction', () => {
  it('writes a row with all the data that the store needs for a job', async () => {
    const draft = PackJob.with({ order: 7 }).delayed('5m').withTries(2).tagged('vip').withId('order-7')
    const [row] = await committed((tx) => withContext({ user: 3 }, () => jobs.dispatch(draft, { tx })))
    expect(row).toMatchObject({ id: 'order-7', queue: 'orders' })
    expect(jobOf(row)).toEqual({
      id: 'order-7',
      ownId: 'new',
      key: 'pack',
      payload: '{"order":7}',
      priority: 3,
      delay: 300_000,
      options: { tries: 2, tags: ['vip'], context: { user: 3 } },
      group: { name: '1' },
      lock: { name: 'pack:7', until: 'done' },
    })
  })

  it('can be made with in() on a draft without a payload, and its handle says that the job is in a transaction', async () => {
    let handle: { id: string; queued: boolean; inTransaction: boolean } | undefined
    const [row] = await committed(async (tx) => {
      handle = await jobs.dispatch(CleanJob.with().in(tx))
    })
    expect(handle).toMatchObject({ id: row!.id, queued: true, inTransaction: true })
    expect(jobOf(row)?.payload).toBe('')
  })

  it('returns handles of jobs of several classes in their order', async () => {
    let handles: { id: string; queue: string }[] = []
    const rows = await committed(async (tx) => {
      handles = await jobs.dispatch(
        [PackJob.with({ order: 1 }), CleanJob.with(), PackJob.with({ order: 2 })],
        { tx },
      )
    })
    expect(rows.map(({ id, queue }) => ({ id, queue }))).toEqual(
      handles.map(({ id, queue }) => ({ id, queue })),
    )
    expect(rows.map(({ queue }) => queue)).toEqual(['orders', 'default', 'orders'])
  })

  it('may write the same id twice, because only the relay checks ids', async () => {
    const draft = CleanJob.with().withId('nightly')
    const rows = await committed((tx) => jobs.dispatch([draft, draft], { tx }))
    expect(rows.map(({ id }) => id)).toEqual(['nightly', 'nightly'])
  })

  it('in a synchronous function of db.transaction() has written its rows when the function ends', async () => {
    const written: Promise<unknown>[] = []
    const work = db.transaction((isSold: boolean) => {
      written.push(
        jobs.dispatch(new PackJob(), { order: 1 }, { tx: db }),
        jobs.dispatch(CleanJob.with(), { tx: db }),
      )
      if (!isSold) throw new Error('not sold')
    })
    work(true)
    expect(await database.rows()).toHaveLength(2)
    expect(() => work(false)).toThrow('not sold')
    await Promise.all(written)
    expect(await database.rows()).toHaveLength(2)
  })

  it('writes a chain, a workflow or a batch with its members as one row', async () => {
    const made = [
      chain([PackJob.with({ order: 1 }), CleanJob.with()]).withId('chain-1'),
      workflow('ship', (w) => {
        const pack = w.add(PackJob.with({ order: 2 }))
        w.add(CleanJob.with(), { after: pack })
      }),
      batch(Array.from({ length: 3 }, (_, order) => PackJob.with({ order }))).onCompleted(CleanJob.with()),
    ]
    const ids: string[] = []
    const rows = await committed(async (tx) => {
      for (const flow of made) {
        const handle = await jobs.dispatch(flow, { tx })
        expect([handle.isNew, handle.inTransaction]).toEqual([true, true])
        ids.push(handle.id)
      }
    })
    expect(rows.map(({ id }) => id)).toEqual(ids)
    expect(ids[0]).toBe('chain-1')
    expect(rows.map((row) => flowOf(row).definition.nodes.length)).toEqual([2, 2, 1])
    const { home, members } = flowOf(rows[2])
    expect(home.split('/')[0]).toBe('orders')
    expect(members!.map(({ job }) => [job.key, job.payload])).toEqual(
      [0, 1, 2].map((order) => ['pack', `{"order":${order}}`]),
    )
  })

  it('refuses a batch that is too large for a row, and closes its generator', async () => {
    let isClosed = false
    function* members() {
      try {
        for (let order = 0; ; order++) yield BigJob.with({ text: 'x'.repeat(100_000), order })
      } finally {
        isClosed = true
      }
    }
    class BigJob extends Job {
      override readonly key = 'big'
      async handle(_payload: { text: string; order: number }) {}
    }
    db.exec('BEGIN')
    await expect(jobs.dispatch(batch(members()), { tx: db })).rejects.toMatchObject({
      code: 'FLOW_TOO_LARGE',
    })
    db.exec('ROLLBACK')
    expect(isClosed).toBe(true)
  })

  it.each([
    ['no handle', { tx: undefined }, 'JOB_INVALID', 'tx is undefined'],
    ['a misspelt option', { trx: {} }, 'JOB_INVALID', 'the options are not { tx }'],
    ['another option besides', { tx: {}, delay: 1 }, 'JOB_INVALID', 'the options are not { tx }'],
    ['no options', 5, 'JOB_INVALID', 'the options are not { tx }'],
    ['an unknown handle', { tx: {} }, 'OUTBOX_HANDLE_UNKNOWN', 'tx is an object that is not the handle'],
    [
      'the QueryRunner of TypeORM',
      { tx: { query() {}, connect() {}, startTransaction() {} } },
      'OUTBOX_HANDLE_UNKNOWN',
      'tx is an object that is not the handle',
    ],
    [
      'the EntityManager of MikroORM',
      { tx: { execute() {}, getConnection() {} } },
      'OUTBOX_HANDLE_UNKNOWN',
      'tx is an object that is not the handle',
    ],
    ['a dialect', { tx: { for: 'oracle', execute() {} } }, 'OUTBOX_HANDLE_UNKNOWN', "'oracle'"],
  ])(
    'refuses %s, and does not treat it as if no transaction were given',
    async (_, options, code, message) => {
      const all = [
        () => jobs.dispatch(new PackJob(), { order: 1 }, options as never),
        () => jobs.dispatchMany(new PackJob(), [{ order: 1 }], options as never),
        () => jobs.dispatch(CleanJob.with(), options as never),
        () => jobs.dispatch([CleanJob.with()], options as never),
        () => jobs.dispatch(chain([CleanJob.with()]), options as never),
      ]
      for (const dispatch of all)
        await expect(dispatch()).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    },
  )

  it('refuses an object that is not a transaction when the draft is dispatched', async () => {
    const draft = CleanJob.with().in(undefined as never)
    await expect(jobs.dispatch(draft)).rejects.toMatchObject({ code: 'JOB_INVALID' })
  })

  it('refuses drafts of two transactions, and drafts with a transaction inside of a flow', async () => {
    const [one, other] = [
      { for: 'sqlite', execute() {} },
      { for: 'sqlite', execute() {} },
    ] as const
    const mixed = jobs.dispatch([CleanJob.with().in(one), CleanJob.with().in(other)])
    await expect(mixed).rejects.toMatchObject({ code: 'JOB_INVALID' })
    const both = jobs.dispatch([CleanJob.with().in(one), CleanJob.with()])
    await expect(both).rejects.toMatchObject({ code: 'JOB_INVALID' })
    const flow = jobs.dispatch(chain([CleanJob.with().in(one)]), { tx: one })
    await expect(flow).rejects.toMatchObject({ code: 'FLOW_INVALID' })
    const member = jobs.dispatch(batch([CleanJob.with().in(one)]), { tx: one })
    await expect(member).rejects.toMatchObject({ code: 'FLOW_INVALID' })
  })

  it('refuses a queue that is not configured before it writes a row', async () => {
    const execute = () => written++
    let written = 0
    const unknown = { code: 'UNKNOWN_QUEUE' }
    await expect(jobs.dispatch(LostJob.with(), { tx: { for: 'mysql', execute } })).rejects.toMatchObject(
      unknown,
    )
    expect(written).toBe(0)
    await jobs.close()
    jobs = createJobs(configured)
    db.exec('BEGIN')
    await expect(jobs.dispatch(LostJob.with(), { tx: db })).rejects.toMatchObject(unknown)
    db.exec('ROLLBACK')
  })

  it('reports an error of the database', async () => {
    const cause = Object.assign(new Error('deadlock detected'), { code: '40P01' })
    const tx = { for: 'postgres' as const, execute: () => Promise.reject(cause) }
    const job = new PackJob()
    const error = await jobs.dispatch(job, { order: 1 }, { tx }).catch((error) => error)
    expect(error).toMatchObject({
      code: 'OUTBOX_REFUSED',
      cause,
      hint: expect.stringContaining('roll it back'),
    })
    expect(error.message).toContain('deadlock detected')
    expect(error.stack).toContain('dispatch.test.ts')
    expect(job.ids).toEqual([])
  })

  it('flush() waits for the dispatch', async () => {
    let answer: (() => void) | undefined
    let isAnswered = false
    const tx = {
      for: 'mysql' as const,
      execute: () => new Promise<void>((resolve) => (answer = resolve)),
    }
    const dispatched = jobs.dispatch(new PackJob(), { order: 1 }, { tx })
    const flushed = jobs.flush().then(() => expect(isAnswered).toBe(true))
    while (answer === undefined) await new Promise(setImmediate)
    isAnswered = true
    answer()
    await Promise.all([dispatched, flushed])
  })
})

describe('an ambient transaction', () => {
  const running = new AsyncLocalStorage<object>()
  const ambient = (act: () => Promise<unknown>) => committed((tx) => running.run(tx, act))

  it('an ambient transaction is used by each dispatch inside of it that names no transaction', async () => {
    jobs.joinTransactions(() => running.getStore())
    const job = new CleanJob()
    const rows = await ambient(async () => {
      expect(await jobs.dispatch(job)).toBe(true)
      const handle = await jobs.dispatch(PackJob.with({ order: 1 }))
      expect(handle.inTransaction).toBe(true)
      await jobs.dispatch([PackJob.with({ order: 2 }), CleanJob.with()])
      await jobs.dispatchMany(new PackJob(), [{ order: 3 }, { order: 4 }])
      expect((await jobs.dispatch(chain([CleanJob.with()]))).inTransaction).toBe(true)
    })
    expect(rows.map(({ queue }) => queue)).toEqual([
      ...['default', 'orders', 'orders', 'default', 'orders', 'orders'],
      expect.any(String),
    ])
    expect(rows[0]!.id).toBe(job.id)
    // Outside of the transaction, the dispatch goes to the store, where no server listens.
    await expect(jobs.dispatch(new CleanJob())).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  it('an ambient transaction is not used by a dispatch that names another transaction', async () => {
    jobs.joinTransactions(() => ({ for: 'oracle', execute() {} }))
    expect(await committed((tx) => jobs.dispatch(new PackJob(), { order: 1 }, { tx }))).toHaveLength(1)
    await expect(jobs.dispatch(new CleanJob())).rejects.toMatchObject({ code: 'OUTBOX_HANDLE_UNKNOWN' })
    expect(() => jobs.joinTransactions(undefined as never)).toThrow('it must be a function')
  })
})
