/**
 * Carries out what recipes of docs/recipes promise about processes that are killed, and about a move to
 * another store. The files of a page are an application. Its processes get SIGKILL at the worst moments.
 */
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test, vi } from 'vitest'
import type { App } from '../packages/lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../packages/lark-jobs/test/redis/place.ts'
import { blocksOf } from './markdown.ts'
import { makeApp, runScript } from './program.ts'
import { read, root } from './source.ts'

/** An application with the files of the recipe. @param others files that replace those of the recipe */
async function appOf(
  recipe: string,
  others: Record<string, string>,
  env: Record<string, string> = {},
): Promise<App> {
  const files = blocksOf(read(`docs/recipes/${recipe}.md`)).flatMap(({ title, run, text }) =>
    title === undefined || run ? [] : [[title, text] as const],
  )
  const app = await makeApp({ ...Object.fromEntries(files), ...others }, env)
  await symlink(join(root, 'node_modules/libsql'), join(app.folder, 'node_modules/libsql'))
  return app
}

/** The lines of a file of the application, to which the code of its jobs appends. */
async function linesOf(app: App, file: string): Promise<string[]> {
  const text = await readFile(join(app.folder, file), 'utf8').catch(() => '')
  return text.split('\n').slice(0, -1)
}

async function outputOf(app: App, file: string): Promise<string> {
  const { code, stdout, stderr } = await runScript(app, file)
  expect(code, stderr).toBe(0)
  return stdout.trimEnd()
}

test('an approval: workers are killed while the job waits and while it pays, and it asks and pays once', async () => {
  await using app = await appOf('approvals', {
    'src/shop.ts': `
      import { appendFileSync, existsSync } from 'node:fs'
      export async function sendMail(to: string, text: string) {
        appendFileSync('mails.txt', text + '\\n')
      }
      export async function payBack(order: string, cents: number, key: string) {
        appendFileSync('payments.txt', order + ' ' + cents + ' ' + key + '\\n')
        if (existsSync('hangs')) await new Promise(() => setTimeout(() => {}, 2 ** 30))
      }`,
    'dispatch.ts': `
      import { Jobs } from '@s18i/lark-jobs'
      import { RefundJob } from './src/jobs/RefundJob'
      await RefundJob.with({ order: 'A7', cents: 4_200 }).withId('refund-A7').dispatch()
      await Jobs.close()`,
    'answer.ts': `
      import { readFileSync } from 'node:fs'
      import { Jobs } from '@s18i/lark-jobs'
      import { approve } from './src/approve'
      const link = readFileSync('mails.txt', 'utf8').trim()
      const { status } = await approve(new Request(link + '&choice=Refund', { method: 'POST' }))
      console.log(status)
      await Jobs.close()`,
    'state.ts': `
      import { Jobs } from '@s18i/lark-jobs'
      const { state, result } = (await Jobs.find('refund-A7'))!
      console.log(state, result)
      await Jobs.close()`,
    hangs: '',
  })
  await outputOf(app, 'dispatch.ts')
  const first = app.lark('jobs:work')
  await vi.waitFor(async () => expect(await outputOf(app, 'state.ts')).toMatch(/^delayed/))
  first.child.kill('SIGKILL')
  await first.result
  expect(await outputOf(app, 'answer.ts')).toBe('200')
  expect(await outputOf(app, 'answer.ts')).toBe('410')

  const second = app.lark('jobs:work')
  await vi.waitFor(async () => expect(await linesOf(app, 'payments.txt')).toHaveLength(1))
  second.child.kill('SIGKILL')
  await second.result
  await app.remove('hangs')
  const third = app.lark('jobs:work')
  await vi.waitFor(async () => expect(await outputOf(app, 'state.ts')).toBe('completed refunded'))
  third.child.kill('SIGTERM')
  await third.result

  expect(await linesOf(app, 'mails.txt')).toHaveLength(1)
  const payments = await linesOf(app, 'payments.txt')
  expect(payments).toHaveLength(2)
  expect(new Set(payments).size, 'the key of the payment').toBe(1)
})

test('a job in a transaction: a process that is killed leaves the order and its job, or neither', async () => {
  await using app = await appOf('order-in-transaction', {
    'install.ts': `
      import { Jobs } from '@s18i/lark-jobs'
      import { operate } from '@s18i/lark-jobs/operate'
      await operate().outbox.install()
      await Jobs.close()`,
    // The process dies before the commit of the first order, and after that of the second.
    'before.ts': `
      import { db } from './src/db'
      import { placeOrder } from './src/orders'
      const exec = db.exec.bind(db)
      db.exec = (sql: string) => (sql === 'COMMIT' ? void process.kill(process.pid, 'SIGKILL') : exec(sql)) as any
      await placeOrder(1)`,
    'after.ts': `
      import { placeOrder } from './src/orders'
      await placeOrder(2)
      process.kill(process.pid, 'SIGKILL')`,
    'seen.ts': `
      import { Jobs } from '@s18i/lark-jobs'
      import { db } from './src/db'
      const { jobs } = await Jobs.list({ state: 'completed' })
      console.log(JSON.stringify([db.prepare('SELECT id FROM orders').all(), jobs.map(({ result }) => result)]))
      await Jobs.close()`,
  })
  await outputOf(app, 'install.ts')
  for (const file of ['before.ts', 'after.ts'])
    expect(await runScript(app, file), file).toMatchObject({ signal: 'SIGKILL' })
  const { child, result } = app.lark('jobs:work')
  await vi.waitFor(async () =>
    expect(JSON.parse(await outputOf(app, 'seen.ts'))).toEqual([[{ id: 2 }], ['charged order 2']]),
  )
  child.kill('SIGTERM')
  await result
})

test('a move to Redis: jobs and schedules go on there, and a second import changes nothing', async () => {
  const [url, prefix] = [inject('redisUrl'), newPrefix()]
  await using app = await appOf('moving-to-redis', {
    'lark.config.ts': `export default { jobs: { prefix: '${prefix}' } }`,
    'src/jobs/GreetJob.ts': `
      import { Job } from '@s18i/lark-jobs'
      export class GreetJob extends Job {
        readonly key = 'greet'
        tries = 1
        async handle({ to }: { to: string }) {
          if (to === 'nobody' && this.attempt === 1 && !process.env.REDIS_URL) this.fail('There is nobody')
          return 'Hello, ' + to
        }
      }`,
    'dispatch.ts': `
      import { cron, Jobs } from '@s18i/lark-jobs'
      import { GreetJob } from './src/jobs/GreetJob'
      await GreetJob.with({ to: 'nobody' }).withId('fails').dispatch()
      await (await Jobs.work({ jobs: [GreetJob], stopWhenEmpty: true })).done
      await GreetJob.with({ to: 'Ada' }).withId('waits').dispatch()
      await GreetJob.with({ to: 'Bob' }).withId('later').delayed('7d').dispatch()
      await Jobs.schedules.set('weekly', GreetJob.with({ to: 'all' }), cron('0 8 * * 1'))
      await Jobs.schedules.pause('weekly')
      await Jobs.close()`,
    'seen.ts': `
      import { Jobs } from '@s18i/lark-jobs'
      const seen: Record<string, unknown> = {}
      for (const id of ['fails', 'waits', 'later']) {
        const job = await Jobs.find(id)
        seen[id] = [job?.state, job?.errors[0]?.message ?? job?.result]
      }
      seen.weekly = (await Jobs.schedules.get('weekly'))?.state
      console.log(JSON.stringify(seen))
      await Jobs.close()`,
  })
  app.atEnd(() => removeKeys(url, prefix))
  await outputOf(app, 'dispatch.ts')

  const [way] = blocksOf(read('docs/recipes/moving-to-redis.md')).filter(({ language }) => language === 'sh')
  const lines = way!.text.split('\n').map((line) => line.replace(/\s+#.*/, ''))
  const begin = lines.findIndex((line) => line.startsWith('export REDIS_URL='))
  const carryOut = async (some: string[]) => {
    for (const line of some)
      if (line !== '') expect(await app.run(...line.split(' ').slice(1)), line).toMatchObject({ code: 0 })
  }
  await carryOut(lines.slice(0, begin))
  app.env.REDIS_URL = url
  expect(JSON.parse(await outputOf(app, 'seen.ts')).waits).toEqual([null, null])
  await carryOut(lines.slice(begin + 1))
  const moved = { fails: ['failed', 'There is nobody'], later: ['delayed', null], weekly: 'paused' }
  expect(JSON.parse(await outputOf(app, 'seen.ts'))).toEqual({ ...moved, waits: ['waiting', null] })

  expect(await app.run('jobs:work', '--stop-when-empty')).toMatchObject({ code: 0 })
  await carryOut(lines.filter((line) => line.startsWith('lark jobs:import ')))
  expect(JSON.parse(await outputOf(app, 'seen.ts'))).toEqual({ ...moved, waits: ['completed', 'Hello, Ada'] })
})
