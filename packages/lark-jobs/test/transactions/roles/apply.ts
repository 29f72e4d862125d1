/**
 * An application that commits orders with their jobs. The application uses several clients at the same time,
 * each with one transaction at a time, and rolls back one in five transactions.
 */
import '../../chaos/roles/leash.js'
import { setTimeout as pause } from 'node:timers/promises'
import { chain, createJobs } from '@s18i/lark-jobs'
import { type Client, type ClientKind, clients } from '../../outbox/clients.ts'
import { orderWith } from './order-with.ts'

// @ts-expect-error: roles that workers load are plain JavaScript.
const { write } = await import('./journal.js')
// @ts-expect-error: as above
const { OrderJob } = await import('./order-job.js')

const env = process.env as Record<string, string>
const names = env.TRANSACTIONS_CLIENTS!.split(',')
const jobs = createJobs({ connection: env.TRANSACTIONS_STORE! })
/** Milliseconds from one transaction of a client to the next. */
const every = Number(env.TRANSACTIONS_PAUSE)
/**
 * After this many failures in a row, a client is closed and opened again, as the restart of the process would
 * do.
 */
const FAILURES = 3
/** Milliseconds that a transaction may take until this process gives up. */
const HANGS = 60_000

class RolledBack extends Error {}

let next = Number(env.TRANSACTIONS_FROM)
let isStopping = false

// If an idle connection ends, a client may throw an error outside of any call, as the manual says. The next
// transaction fails.
process.on('uncaughtException', (error) => write('odd', { text: `${error}`.slice(0, 200) }))
process.on('unhandledRejection', (error) => write('odd', { text: `${error}`.slice(0, 200) }))

/** An order has one job in most cases, or three at once, or a chain of two, or one that is delayed. */
function shapeOf(n: number): 'many' | 'chain' | 'delayed' | 'one' {
  const shape = Math.floor(n / 5) % 10
  return shape === 0 ? 'many' : shape === 1 ? 'chain' : shape === 2 ? 'delayed' : 'one'
}

async function dispatch(tx: object, n: number): Promise<unknown> {
  const job = (i: number) => new OrderJob().with({ n, i })
  const shape = shapeOf(n)
  if (shape === 'many')
    return new OrderJob().dispatchMany(
      [0, 1, 2].map((i) => ({ n, i })),
      { tx },
    )
  if (shape === 'chain') return chain([job(0), job(1)]).dispatch({ tx })
  return jobs.dispatch((shape === 'delayed' ? job(0).delayed(500) : job(0)).in(tx))
}

async function transact(kind: ClientKind, client: Client): Promise<void> {
  const n = next++
  const isRolledBack = n % 5 === 0
  try {
    await client.transaction(async (tx) => {
      const order = { n, jobs: { many: 3, chain: 2, delayed: 1, one: 1 }[shapeOf(n)], client: kind.name }
      if (n % 2 === 0) await orderWith(kind.name, tx, order)
      await dispatch(tx, n)
      if (n % 2 === 1) await orderWith(kind.name, tx, order)
      if (isRolledBack) throw new RolledBack()
    })
    write('committed', { n })
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error
    write('rolled back', { n })
  }
}

async function lane(kind: ClientKind): Promise<void> {
  let client = await kind.open(env.TRANSACTIONS_DATABASE!)
  for (let failures = 0; !isStopping; ) {
    const timer = setTimeout(() => process.exit(3), HANGS)
    const began = performance.now()
    try {
      await transact(kind, client)
      failures = 0
      // A client of SQLite never yields to the event loop, so signals would not arrive without a pause.
      await pause(Math.max(1, began + every - performance.now()))
    } catch (error) {
      failures += 1
      write('unsure', { text: `${kind.name}: ${error}`.slice(0, 200) })
      await pause(20 + Math.random() * 80)
      if (failures % FAILURES === 0) {
        await Promise.race([Promise.resolve(client.close()).catch(() => {}), pause(1_000)])
        client = await kind.open(env.TRANSACTIONS_DATABASE!)
      }
    } finally {
      clearTimeout(timer)
    }
  }
}

process.once('SIGTERM', () => {
  isStopping = true
})
write('ready')
await Promise.all(clients.filter(({ name }) => names.includes(name)).map(lane))
process.exit(0)
