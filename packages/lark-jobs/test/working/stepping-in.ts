import Libsql from 'libsql'
import { expect, test } from 'vitest'
import { chain, Job, type JobsError } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { OUTBOX_STEPS, OutboxTable } from '../../src/outbox/table.ts'
import { Bench, type Connect, signal } from './bench.ts'

/** This database of an application has one table, and also opens transactions with a function around them. */
class Orders {
  readonly db = new Libsql(':memory:')
  /** Runs when a transaction has committed. */
  committed: () => Promise<unknown> = async () => undefined

  constructor() {
    for (const sql of new OutboxTable('sqlite').create()) this.db.exec(sql)
    this.db.exec('CREATE TABLE orders (name TEXT)')
  }

  get opener() {
    return {
      transaction: async (work: (tx: InstanceType<typeof Libsql>) => Promise<unknown>) => {
        this.db.exec('BEGIN')
        try {
          await work(this.db)
        } catch (error) {
          this.db.exec('ROLLBACK')
          throw error
        }
        this.db.exec('COMMIT')
        await this.committed()
      },
    }
  }

  add(name: string): void {
    this.db.prepare('INSERT INTO orders VALUES (?)').run(name)
  }

  get names(): string[] {
    return this.db.prepare('SELECT name FROM orders ORDER BY rowid').pluck().all() as string[]
  }

  get rows(): { job: string; step: string; form: number; result: string }[] {
    return this.db.prepare(`SELECT * FROM ${OUTBOX_STEPS} ORDER BY written`).all() as never
  }
}

let handler: (job: Job) => unknown
class BookJob extends Job {
  override readonly key = 'book'
  override tries = 1
  handle(): unknown {
    return handler(this)
  }
}

export function steppingIn(connect: Connect): void {
  async function setting() {
    const bench = await Bench.make(connect)
    const orders = new Orders()
    return {
      ...{ bench, orders },
      async [Symbol.asyncDispose]() {
        await bench[Symbol.asyncDispose]()
        orders.db.close()
      },
    }
  }

  test('a step commits with its record, so the step is not repeated if the worker dies before it reports the step to the store', async () => {
    await using at = await setting()
    const { bench, orders } = at
    const seen: unknown[] = []
    handler = async (job) => {
      seen.push(
        await job.stepIn(orders.opener, 'book', (_, { key }) => {
          orders.add('ada')
          return { key, at: seen.length }
        }),
      )
      return job.stepIn(orders.opener, ['pay', 7], () => orders.add('paid'))
    }
    const dead = signal()
    orders.committed = async () => {
      orders.committed = async () => undefined
      worker.die()
      dead.resolve()
      await new Promise(() => {})
    }
    const { store } = await insideOf(bench.jobs).open()
    const worker = await bench.work([BookJob], {}, bench.client())
    const handle = await bench.jobs.dispatch(new BookJob().with())
    await dead.promise
    expect(orders.names).toEqual(['ada'])
    await store.recover('default', { holder: worker.id, by: 'heir' })
    await using _ = await bench.work([BookJob])
    expect(await handle.result({ timeout: '20s' })).toBeUndefined()
    expect(orders.names).toEqual(['ada', 'paid'])
    expect(seen).toEqual([{ key: `${handle.id}/book`, at: 0 }])
    const named = expect.stringMatching(`^default/${handle.id}@\\d+$`)
    expect(orders.rows).toMatchObject([
      { job: named, step: 'book#0', form: 1, result: JSON.stringify(seen[0]) },
      { job: named, step: '["pay",7]#0', form: 1, result: '' },
    ])
    expect((await operate(bench.jobs).steps.list(handle.id))!.steps).toMatchObject([
      { name: 'book', state: 'done' },
      { name: 'pay 7', state: 'done' },
    ])
  })

  test('a run with a lost lease commits nothing, even if it does not know of the loss', async () => {
    await using at = await setting()
    const { bench, orders } = at
    const { store } = await insideOf(bench.jobs).open()
    const [began, go, over] = [signal(), signal(), signal<JobsError>()]
    let runs = 0
    handler = async (job) => {
      const isFirst = ++runs === 1
      const booked = job.stepIn(orders.opener, 'book', async () => {
        if (!isFirst) {
          orders.add('second')
          return 'second'
        }
        orders.add('zombie')
        began.resolve()
        await go.promise
        return 'zombie'
      })
      if (!isFirst) return booked
      await booked.catch(over.resolve)
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    const first = await bench.work([BookJob], { lease: 300, concurrency: 1 })
    await began.promise
    first.quiet()
    await store.recover('default', { holder: first.id })
    expect(await over.promise).toMatchObject({ code: 'LEASE_LOST' })
    go.resolve()
    await expect.poll(() => orders.names).toEqual([])
    await using _ = await bench.work([BookJob], {}, bench.client())
    expect(await handle.result({ timeout: '20s' })).toBe('second')
    await first.stop()
    expect(orders.names).toEqual(['second'])
  })

  test('a step that was rolled back runs again, and a retry continues after committed steps or starts from the beginning', async () => {
    await using at = await setting()
    const { bench, orders } = at
    let fails = true
    handler = async (job) => {
      await job.stepIn(orders.opener, 'book', () => orders.add('book'))
      await job.stepIn(orders.opener, 'pay', () => {
        orders.add('pay')
        if (fails) throw new Error('no money')
      })
    }
    const handle = await bench.jobs.dispatch(new BookJob().with().withId('order-7'))
    await using _ = await bench.work([BookJob])
    const ends = () => handle.result({ timeout: '20s' }).catch((error: JobsError) => error.code)
    expect(await ends()).toBe('JOB_FAILED')
    expect(orders.names).toEqual(['book'])
    fails = false
    // Simulates that the store has never got the result of the first step.
    const { store } = await insideOf(bench.jobs).open()
    const { entries } = (await store.journals.read('default', handle.id, 0))!
    await store.journals.append('default', handle.id, { at: entries.length, entries: ['epay\n{', 'fpay\n'] })
    await bench.jobs.retry(handle.id)
    expect(await ends()).toBeUndefined()
    expect(orders.names).toEqual(['book', 'pay'])
    await bench.jobs.retry(handle.id, { fromStart: true })
    expect(await ends()).toBeUndefined()
    expect(orders.names).toEqual(['book', 'pay', 'book', 'pay'])
    expect(new Set(orders.rows.map(({ job }) => job)).size).toBe(2)
  })

  test('a moved job and members of a flow find the steps that they have committed', async () => {
    await using at = await setting()
    const { bench, orders } = at
    let fails = true
    handler = async (job) => {
      await job.stepIn(orders.opener, 'book', () => orders.add('book'))
      if (fails) throw new Error('not yet')
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    const worker = await bench.work([BookJob])
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    await worker.stop()
    // Simulates that the store has never got the result of the step.
    const { store } = await insideOf(bench.jobs).open()
    const { entries } = (await store.journals.read('default', handle.id, 0))!
    await store.journals.append('default', handle.id, {
      at: entries.length,
      entries: ['ebook\n{', 'fbook\n'],
    })
    fails = false
    await bench.jobs.retry(handle.id)
    expect(await handle.move('low')).toBe(true)
    await using _ = await bench.work([BookJob])
    await expect.poll(() => bench.jobs.find(handle.id)).toMatchObject({ state: 'completed', queue: 'low' })
    expect(orders.names).toEqual(['book'])
    const flow = await bench.jobs.dispatch(chain([new BookJob().with(), new BookJob().with()]))
    await flow.result({ timeout: '20s' })
    expect(orders.names).toEqual(['book', 'book', 'book'])
    expect(new Set(orders.rows.map(({ job }) => job)).size).toBe(3)
  })

  test('a forgotten step runs again', async () => {
    await using at = await setting()
    const { bench, orders } = at
    let fails = true
    handler = async (job) => {
      await job.stepIn(orders.opener, 'book', () => orders.add('book'))
      if (fails) throw new Error('not yet')
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    await using _ = await bench.work([BookJob])
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    await operate(bench.jobs).steps.forget(handle.id, ['book'])
    fails = false
    await bench.jobs.retry(handle.id)
    await handle.result({ timeout: '20s' })
    expect(orders.names).toEqual(['book', 'book'])
    expect(orders.rows.map(({ step }) => step)).toEqual(['book#0', 'book#1'])
  })

  test('a committed step is undone once in a transaction, and a retry runs it again', async () => {
    await using at = await setting()
    const { bench, orders } = at
    let isSoldOut = true
    const undone: unknown[] = []
    handler = async (job) => {
      await job.stepIn(
        orders.opener,
        'book',
        () => {
          orders.add('book')
          return 7
        },
        {
          undo: (_, result, { key }) => {
            orders.add('undone')
            undone.push([result, key])
            if (undone.length === 1) throw new Error('not yet')
          },
          backoff: 1,
        },
      )
      await job.stepIn(
        orders.opener,
        'pay',
        () => {
          if (isSoldOut) throw new Error('sold out')
        },
        { undo: () => orders.add('never') },
      )
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    await using _ = await bench.work([BookJob])
    await expect(handle.result({ timeout: '20s' })).rejects.toMatchObject({ code: 'JOB_FAILED' })
    expect(undone).toEqual([
      [7, `${handle.id}/book/undo`],
      [7, `${handle.id}/book/undo`],
    ])
    expect(orders.names).toEqual(['book', 'undone'])
    expect(orders.rows.map(({ step, form }) => [step, form])).toEqual(
      expect.arrayContaining([
        ['book#0', 2],
        ['pay#0', 2],
      ]),
    )
    isSoldOut = false
    await bench.jobs.retry(handle.id)
    await handle.result({ timeout: '20s' })
    expect(orders.names).toEqual(['book', 'undone', 'book'])
  })

  test('a wait or a database step inside of another, a wrong database and results that are not JSON are refused', async () => {
    await using at = await setting()
    const { bench, orders } = at
    const { opener, db } = orders
    const said: unknown[] = []
    const noting = (promise: Promise<unknown>) =>
      promise.catch(({ code, message }: JobsError) => void said.push([code, message]))
    handler = async (job) => {
      await noting(job.stepIn(opener, 'a', () => job.sleep('b', 5)))
      await noting(job.stepIn(opener, 'c', () => job.stepIn(opener, 'd', () => 1)))
      await noting(job.stepIn({}, 'e', () => 1))
      await noting(job.stepIn(db, 'f', async () => orders.add('late')))
      await noting(job.stepIn(opener, 'g', () => ({ at: new Date(0) })))
      await noting(job.stepIn(opener, 'h', () => 'x'.repeat(524_288)))
      await noting(job.stepIn(opener, 'i', 'no function' as never))
      await noting(job.stepIn(opener, 'j', () => 1, { tries: 0 }))
      db.exec('BEGIN')
      await noting(job.stepIn(db, 'k', () => 1))
      db.exec('ROLLBACK')
      db.exec(`DROP TABLE ${OUTBOX_STEPS}`)
      await noting(job.stepIn(db, 'l', () => orders.add('l')))
    }
    const handle = await bench.jobs.dispatch(new BookJob().with())
    await using _ = await bench.work([BookJob])
    await handle.result({ timeout: '20s' })
    expect(said).toEqual([
      ['STEP_INVALID', expect.stringContaining('b waits inside the step a')],
      ['STEP_INVALID', expect.stringContaining('d would commit inside the step c')],
      ['STEP_INVALID', expect.stringContaining('cannot open a transaction')],
      ['STEP_INVALID', expect.stringContaining('returns a promise')],
      ['RESULT_NOT_JSON', expect.stringContaining('the step g: result.at')],
      ['PAYLOAD_TOO_LARGE', expect.stringContaining('the step h')],
      ['STEP_INVALID', expect.stringContaining('as its work')],
      ['STEP_INVALID', expect.stringContaining('as tries')],
      ['STEP_INVALID', expect.stringContaining('has begun already')],
      ['OUTBOX_NO_TABLE', expect.stringContaining(OUTBOX_STEPS)],
    ])
    expect(orders.names).toEqual([])
  })
}
