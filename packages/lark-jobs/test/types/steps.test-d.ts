/** What the types of steps and signals promise: see `jobs.test-d.ts`. */
import { z } from 'zod'
import { defineSignal, Job, type JobHandle, type SignalKind } from '../../src/index.ts'

/** Compiles only if both are the same type. */
function same<A>() {
  return <B>(..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]) => {}
}

const approved = defineSignal<{ by: string }>('approved')
const rejected = defineSignal('rejected')
const maybe = defineSignal<number | undefined>('maybe')
const nothing = defineSignal<void>('nothing')
const amount = defineSignal('amount', {
  schema: z.object({ cents: z.coerce.number(), note: z.string().default('') }),
})
const loose = defineSignal('loose', { schema: z.string().optional() })
same<SignalKind<{ by: string }>>()<typeof approved>()
same<SignalKind<undefined>>()<typeof rejected>()

class Card {
  readonly id = 7
}
/** The type of a query builder: it is not a promise, but can be awaited like one. */
declare const query: PromiseLike<{ rows: number }> & { where(): void }

class SumJob extends Job {
  async handle({ a, b }: { a: number; b: number }) {
    return { sum: a + b }
  }
}

class QuietJob extends Job {
  async handle() {
    return true
  }
}

class ParentJob extends Job {
  async handle() {
    // The result of a child has the same type as `result()` of a handle of the child.
    const sum = await this.runJob('sum', new SumJob().with({ a: 1, b: 2 }).delayed('5m'), { timeout: '1h' })
    same<{ sum: number }>()<typeof sum>()
    const quiet = await this.runJob(['quiet', 1], new QuietJob().with())
    same<undefined>()<typeof quiet>()
    await this.runJob('undone', SumJob.with({ a: 1, b: 2 }), {
      undo: (result) => same<{ sum: number } | undefined>()<typeof result>(),
    })
    // @ts-expect-error the payload of the class
    new SumJob().with({ a: 1 })
    // @ts-expect-error no draft
    this.runJob('job', new SumJob())
    // @ts-expect-error it has the tries of its class
    this.runJob('sum', new SumJob().with({ a: 1, b: 2 }), { tries: 3 })
    return sum
  }
}
// what a child returned can be returned again
declare const parents: JobHandle<ParentJob>
same<Promise<{ sum: number }>>()<ReturnType<typeof parents.result>>()

class StepsJob extends Job {
  async handle() {
    // the result of a step is what its function resolves to
    const one = await this.step('one', () => 1)
    same<number>()<typeof one>()
    const text = await this.step(['two', one], async () => 'a')
    same<string>()<typeof text>()
    const either = await this.step('either', async () => (one > 1 ? 1 : 'a'))
    same<1 | 'a'>()<typeof either>()
    const found = this.step('query', () => query)
    same<Promise<{ rows: number }>>()<typeof found>()
    const none = await this.step('none', () => {})
    same<void>()<typeof none>()
    const missing = await this.step('missing', async () => undefined as Card | undefined)
    same<Card | undefined>()<typeof missing>()
    const thrown = await this.step('thrown', (): number => {
      throw new Error('no')
    })
    same<number>()<typeof thrown>()
    // as with results, the type stays, and a value that is not JSON is refused at run time
    const at = await this.step('at', () => new Date())
    same<Date>()<typeof at>()
    const card = await this.step('card', () => new Card())
    same<Card>()<typeof card>()
    // a tuple and a literal that is written as such
    const pair = await this.step('pair', () => [1, 'a'] as const)
    same<readonly [1, 'a']>()<typeof pair>()
    const given = await this.step<{ id: number }>('given', async () => ({ id: 1 }))
    same<{ id: number }>()<typeof given>()
    // @ts-expect-error not the type that is given
    this.step<{ id: number }>('given', async () => ({ id: '1' }))
    // @ts-expect-error no name
    this.step({}, () => 1)
    // @ts-expect-error no function
    this.step('a', 1)

    const paid = await this.step(
      'pay',
      async ({ key, attempt, signal }) => {
        same<[string, number, AbortSignal]>()<[typeof key, typeof attempt, typeof signal]>()
        return { id: key }
      },
      {
        tries: 5,
        backoff: ['1s', 5_000],
        timeout: '30s',
        // an undo gets the result, or undefined
        undo: (result, { key }) => {
          same<{ id: string } | undefined>()<typeof result>()
          // @ts-expect-error nothing may be recorded
          result.id
          return result && key
        },
        // a converter gets an unknown value
        from: {
          1: (old) => {
            same<unknown>()<typeof old>()
            return { id: String(old) }
          },
        },
      },
    )
    same<{ id: string }>()<typeof paid>()
    await this.step('undone query', () => query, { undo: (result) => result?.rows.toFixed() })
    // @ts-expect-error not the result
    this.step('a', () => 1, { undo: (result: string | undefined) => result })
    // @ts-expect-error a backoff of a step is no function
    this.step('a', () => 1, { backoff: () => 5 })
    // @ts-expect-error a version is a number
    this.step('a', () => 1, { from: { first: (old: unknown) => old } })
    // @ts-expect-error no such option
    this.step('a', () => 1, { retries: 5 })

    // one signal: its value, or undefined
    const answer = await this.waitFor(approved, { timeout: '7d' })
    same<{ value: { by: string } } | undefined>()<typeof answer>()
    const empty = await this.waitFor(rejected)
    same<{ value: undefined } | undefined>()<typeof empty>()
    // with a schema, the job gets its output
    const paidIn = await this.waitFor(amount, { name: ['amount', 1] })
    same<{ value: { cents: number; note: string } } | undefined>()<typeof paidIn>()
    const some = await this.waitFor(maybe)
    same<{ value: number | undefined } | undefined>()<typeof some>()

    // several signals: a union that the name distinguishes
    const first = await this.waitFor({ approved, rejected, paid: amount })
    if (first?.name === 'approved') same<{ by: string }>()<typeof first.value>()
    else if (first?.name === 'paid') same<number>()<typeof first.value.cents>()
    else if (first !== undefined) same<['rejected', undefined]>()<[typeof first.name, typeof first.value]>()
    else same<undefined>()<typeof first>()
    // @ts-expect-error which one is not known yet
    first?.value?.by
    // @ts-expect-error no such signal
    if (first?.name === 'other') return
    // @ts-expect-error no signal
    this.waitFor('approved')
    // @ts-expect-error a list
    this.waitFor([approved, rejected])
    // a signal that an application calls `name`
    const named = await this.waitFor({ name: approved })
    same<{ name: 'name'; value: { by: string } } | undefined>()<typeof named>()

    // each item of the pages
    for await (const row of this.eachItem('rows', async (after?: number) => ({
      items: [{ id: after }],
      cursor: 5,
    })))
      same<{ id: number | undefined }>()<typeof row>()
    for await (const row of this.eachItem('all', () => ({ items: ['a', 'b'] as const })))
      same<'a' | 'b'>()<typeof row>()
    for await (const row of this.eachItem('unread', (cursor) => {
      same<unknown>()<typeof cursor>()
      return { items: [1], cursor: 'a' }
    }))
      same<number>()<typeof row>()
    // @ts-expect-error a cursor of another type than the function takes
    this.eachItem('rows', async (after?: number) => ({ items: [after], cursor: 'a' }))
    // @ts-expect-error no page
    this.eachItem('rows', () => [1, 2])
    // @ts-expect-error no such option
    this.eachItem('rows', () => ({ items: [1] }), { lot: 5 })

    // an approval is answered with true or false, unless it declares other answers
    const may = await this.approval('publish', { send: ({ token }) => token.length, timeout: '7d' })
    same<{ value: boolean } | undefined>()<typeof may>()
    const chosen = await this.approval<'a' | 'b'>('choose', { send: async () => {} })
    same<{ value: 'a' | 'b' } | undefined>()<typeof chosen>()
    // @ts-expect-error nobody is asked
    this.approval('publish', { timeout: '7d' })

    const slept = await this.sleep('cool down', '3d')
    same<void>()<typeof slept>()
    return answer
  }
}

// a signal is sent with a value if and only if it has one
async function sent(handle: JobHandle<StepsJob>) {
  const told: boolean = await handle.send(approved, { by: 'ada' }, { id: 'click-81' })
  handle.send(rejected)
  handle.send(rejected, undefined, { id: 'click-82' })
  handle.send(nothing)
  handle.send(maybe)
  handle.send(maybe, 5)
  // the input of the schema
  handle.send(amount, { cents: '5' })
  handle.send(loose)
  handle.send(loose, 'a')
  // @ts-expect-error no value
  handle.send(approved)
  // @ts-expect-error wrong type
  handle.send(approved, { by: 7 })
  // @ts-expect-error extra field in an object literal
  handle.send(approved, { by: 'ada', at: 7 })
  // @ts-expect-error a value that nobody takes
  handle.send(rejected, { by: 'ada' })
  // @ts-expect-error a value that nobody takes
  handle.send(nothing, 5)
  // @ts-expect-error wrong type
  handle.send(maybe, 'a')
  // @ts-expect-error no value
  handle.send(amount)
  // @ts-expect-error not the input of the schema
  handle.send(amount, { note: 'a' })
  // @ts-expect-error no signal
  handle.send('approved', { by: 'ada' })
  // @ts-expect-error no such option
  handle.send(approved, { by: 'ada' }, { key: 'click-81' })
  return told
}
export const sending = sent
// @ts-expect-error no name
defineSignal()
// @ts-expect-error no schema
defineSignal('a', { schema: 5 })

// the transaction is that of the database
declare const drizzle: import('drizzle-orm/node-postgres').NodePgDatabase
declare const drizzleLibsql: import('drizzle-orm/libsql').LibSQLDatabase
declare const kysely: import('kysely').Kysely<{ orders: { id: number } }>
declare const sql: import('postgres').Sql
declare const pool: import('pg').Pool
declare const client: import('pg').Client
declare const mysqlPool: import('mysql2/promise').Pool
declare const mysqlConnection: import('mysql2/promise').Connection
declare const libsql: import('@libsql/client').Client
declare const file: InstanceType<typeof import('libsql')>
interface PrismaLike {
  $connect(): Promise<void>
  $transaction<P extends PromiseLike<unknown>[]>(
    all: [...P],
    options?: { maxWait?: number },
  ): Promise<unknown[]>
  $transaction<R>(act: (tx: { order: { id: 7 } }) => Promise<R>, options?: { timeout?: number }): Promise<R>
}
declare const prisma: PrismaLike
declare const other: import('../../src/index.ts').TransactionOpener<{ run(): void }>

export class BookJob extends Job {
  async handle() {
    const seat = await this.stepIn(
      drizzle,
      'a',
      (tx) => {
        tx.rollback()
        return { seat: 7 }
      },
      {
        undo: (tx, result) => {
          tx.rollback()
          same<{ seat: number }>()<typeof result>()
        },
      },
    )
    same<{ seat: number }>()<typeof seat>()
    await this.stepIn(drizzleLibsql, 'b', (tx) => tx.rollback())
    await this.stepIn(kysely, 'c', (tx) => tx.insertInto('orders').values({ id: 7 }).execute())
    await this.stepIn(sql, 'd', (tx) => tx.savepoint(() => {}))
    await this.stepIn(pool, 'e', (tx) => tx.release())
    await this.stepIn(client, 'f', (tx) => tx.query('SELECT 1'))
    await this.stepIn(mysqlPool, 'g', (tx) => tx.release())
    await this.stepIn(mysqlConnection, 'h', (tx) => tx.query('SELECT 1'))
    await this.stepIn(libsql, 'i', (tx) => tx.rollback())
    await this.stepIn(file, 'j', (tx) => tx.prepare('SELECT 1').run().changes)
    await this.stepIn(prisma, 'k', (tx) => tx.order.id)
    await this.stepIn(other, 'l', (tx) => tx.run())
    // @ts-expect-error the type of the transaction must be said
    await this.stepIn({ transaction: (work) => prisma.$transaction(work) }, 'm', () => 1)
    // @ts-expect-error no function
    this.stepIn(drizzle, 'n', 7)
    // @ts-expect-error there is no such option
    this.stepIn(drizzle, 'o', () => 1, { retries: 5 })
  }
}
