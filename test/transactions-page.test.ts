/**
 * Runs code of docs/transactions.md on PostgreSQL as an application: the code for clients that Lark does not
 * know, and for transactions that surround a dispatch.
 */
import { expect, test } from 'vitest'
import { postgresUrl, startPostgres, stopDatabase } from '../packages/lark-jobs/test/outbox/databases.ts'
import { blocksOf } from './markdown.ts'
import { makeApp, runScript } from './program.ts'
import { read } from './source.ts'

const titled = Object.fromEntries(
  blocksOf(read('docs/transactions.md')).flatMap(({ title, text }) => (title ? [[title, text]] : [])),
)

const check = `
import 'reflect-metadata'
import { ClsPluginTransactional, TransactionHost } from '@nestjs-cls/transactional'
import { TransactionalAdapterDrizzleOrm } from '@nestjs-cls/transactional-adapter-drizzle-orm'
import { NestFactory } from '@nestjs/core'
import { Job, Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import { drizzle } from 'drizzle-orm/node-postgres'
import { ClsModule } from 'nestjs-cls'
import pg from 'pg'
import { runInTransaction } from 'typeorm-transactional'
import { joinTransactions } from './cls.ts'
import { ChargeJob } from './jobs/charge.ts'
import { inKnex, knex, knexOpener } from './knex.ts'
import { inMikroOrm, mikroOrmOpener, Order, orm } from './mikro-orm.ts'
import { inSequelize, sequelize, sequelizeOpener } from './sequelize.ts'
import { dataSource } from './transactional.ts'
import { inTypeOrm, source, typeOrmOpener } from './typeorm.ts'

const INSERT = 'INSERT INTO orders VALUES '
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const found = async (sql: string) => (await pool.query(sql)).rows.map((row) => Object.values(row)[0])
await pool.query('CREATE TABLE orders (id integer)')
await operate().outbox.install()
await source.initialize()
await dataSource.initialize()

const clients: [string, any, (tx: any) => object, (tx: any, id: number) => Promise<unknown>][] = [
  ['Knex', knexOpener, inKnex, (trx, id) => trx('orders').insert({ id })],
  ['TypeORM', typeOrmOpener, inTypeOrm, (manager, id) => manager.query(INSERT + '($1)', [id])],
  ['MikroORM', mikroOrmOpener, inMikroOrm, (em, id) => em.insert(Order, { id })],
  ['Sequelize', sequelizeOpener, inSequelize, (transaction, id) =>
    sequelize.query(INSERT + '(' + id + ')', { transaction })],
]

class BookJob extends Job {
  tries = 2
  backoff = 1
  async handle({ index }: { index: number }) {
    const [name, opener, , insert] = clients[index]!
    const result = await this.stepIn(opener, 'book', async (tx) => {
      await insert(tx, index)
      return [name, this.attempt]
    })
    if (this.attempt === 1) throw new Error('again')
    return result
  }
}

const said: Record<string, unknown> = {}
const fails = (promise: Promise<unknown>) => promise.then(() => 'committed', (error) => error.message)
const dispatch = async (order: number, tx?: object) => {
  await new ChargeJob().dispatch({ order }, tx && { tx })
  if (order % 2 === 1) throw new Error('no stock')
}
for (const [i, [name, opener, within, insert]] of clients.entries())
  for (const id of [10 + 2 * i, 11 + 2 * i])
    said[name + ' ' + id] = await fails(
      opener.transaction(async (tx: object) => {
        await insert(tx, id)
        await dispatch(id, within(tx))
      }),
    )

// The jobs that src/transactional.ts has dispatched in its transaction.
for (const id of [20, 21])
  said['typeorm-transactional ' + id] = await fails(
    runInTransaction(async () => {
      await dataSource.query(INSERT + '($1)', [id])
      await dispatch(id)
    }),
  )

class DatabaseModule {}
class AppModule {}
const adapter = new TransactionalAdapterDrizzleOrm({ drizzleInstanceToken: 'db' })
const plugin = new ClsPluginTransactional({
  adapter,
  imports: [
    { module: DatabaseModule, providers: [{ provide: 'db', useValue: drizzle(pool) }], exports: ['db'] },
  ],
})
const module = { module: AppModule, imports: [ClsModule.forRoot({ plugins: [plugin] })] }
const nest = await NestFactory.createApplicationContext(module, { logger: false })
joinTransactions()
for (const id of [30, 31])
  said['@nestjs-cls/transactional ' + id] = await fails(
    nest.get(TransactionHost).withTransaction(async () => {
      await TransactionHost.getInstance().tx.execute(INSERT + '(' + id + ')')
      await dispatch(id)
    }),
  )

said.rows = await found('SELECT body FROM lark_outbox ORDER BY place')
said.outside = (await Jobs.list()).jobs.length
const handles = []
for (const [index] of clients.entries()) handles.push(await new BookJob().with({ index }).dispatch())
const report = { wrote() {}, ended() {}, info() {}, warn() {} }
const worker = await Jobs.work({ jobs: [BookJob], report })
said.steps = await Promise.all(handles.map((handle) => handle.result({ timeout: '30s' })))
await worker.stop()
said.orders = await found('SELECT id FROM orders ORDER BY id')
for (const end of [nest, knex, orm, sequelize, Jobs]) await (end as any)[end === knex ? 'destroy' : 'close']()
for (const each of [source, dataSource]) await each.destroy()
await pool.end()
console.log(JSON.stringify(said))
`

const config = `import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, allowExitOnIdle: true })
const execute = (sql: string, parameters: unknown[]) => pool.query(sql, parameters)
export default { jobs: { connection: 'sqlite:jobs.db', outbox: { for: 'postgres', execute } } }
`

test('with the code of the page, ORMs dispatch and run steps in their transactions, and dispatches join a surrounding transaction', async () => {
  const server = await startPostgres()
  try {
    await using app = await makeApp(
      { ...titled, 'src/check.ts': check, 'lark.config.ts': config },
      { DATABASE_URL: postgresUrl(server) },
    )
    const { stdout, stderr } = await runScript(app, 'src/check.ts')
    expect(stderr).toBe('')
    const { orders, rows, steps, outside, ...ended } = JSON.parse(stdout)
    const names = ['Knex', 'TypeORM', 'MikroORM', 'Sequelize']
    expect(steps).toEqual(names.map((name) => [name, 1]))
    const committed = [10, 12, 14, 16, 20, 30]
    expect(orders).toEqual([0, 1, 2, 3, ...committed])
    expect(rows.map((body: string) => JSON.parse(JSON.parse(body).payload).order)).toEqual(committed)
    expect(outside).toBe(0)
    expect(Object.values(ended)).toEqual(committed.flatMap(() => ['committed', 'no stock']))
  } finally {
    await stopDatabase(server)
  }
}, 120_000)
