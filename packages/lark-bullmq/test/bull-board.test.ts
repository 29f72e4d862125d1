/** Tests bull-board with a queue of this package, and the lines of the manual that replace it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { dashboard, toNode } from '@s18i/lark-dashboard'
import { createJobs } from '@s18i/lark-jobs'
import express from 'express'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { BullmqError } from '../src/errors.ts'
import { Queue } from '../src/index.ts'
import { nest12 } from './nest/nest-12.ts'

const manual = readFileSync(join(import.meta.dirname, '../../../docs/bullmq-nest.md'), 'utf8')
/** The blocks of the manual: the first is for Express and Nest, the second for Fastify. */
const [ofExpress = '', ofFastify = ''] = manual
  .slice(manual.indexOf('## bull-board'))
  .split('```')
  .filter((block) => block.startsWith('ts\n'))
  .map((block) => block.slice('ts\n'.length).trim())

test('the adapter of bull-board throws an error that names its replacement', async () => {
  const queue = new Queue('mails', { connection: 'sqlite::memory:' })
  const mount = () =>
    createBullBoard({ queues: [new BullMQAdapter(queue as never)], serverAdapter: {} as never })
  const thrown = (() => {
    try {
      return mount()
    } catch (error) {
      return error
    }
  })()
  expect(BullmqError.is(thrown, 'BULLMQ_UNSUPPORTED')).toBe(true)
  const { hint } = thrown as BullmqError
  expect(hint).toContain('docs/bullmq-nest.md#bull-board')
  expect(hint!.replaceAll(/^ {2}/gm, '')).toContain(ofExpress)
  await queue.close()
})

const open: { close(): Promise<void> }[] = []

/** Runs the lines of the manual in an application. */
function mountIn(app: object, lines: string): void {
  const [imports = '', ...rest] = lines.split('\n')
  expect([imports, rest.length]).toEqual(["import { dashboard, toNode } from '@s18i/lark-dashboard'", 2])
  const jobs = createJobs({ connection: 'sqlite::memory:', queues: { mails: {} } })
  const yourUser = ({ headers }: Request) =>
    headers.get('cookie') === 'session=ada' ? { role: 'admin', user: 'ada' } : undefined
  const own = (options: object) => {
    const made = dashboard({ ...options, jobs } as never)
    open.push(made, jobs)
    return made
  }
  new Function('dashboard', 'toNode', 'yourUser', 'app', rest.join('\n'))(own, toNode, yourUser, app)
}

const frameworks: Record<string, () => Promise<{ url: string; close: () => Promise<unknown> }>> = {
  async Express() {
    const app = express()
    app.use(express.json())
    mountIn(app, ofExpress)
    const server = app.listen(0)
    const { port } = server.address() as { port: number }
    return { url: `http://127.0.0.1:${port}`, close: async () => server.close() }
  },
  async Fastify() {
    const app = Fastify()
    mountIn(app, ofFastify)
    return { url: await app.listen({ port: 0 }), close: () => app.close() }
  },
  async Nest() {
    nest12()
    const { application } = await import('./nest/nest-12/application.ts')
    const app = await application()
    mountIn(app, ofExpress)
    await app.listen(0)
    return { url: await app.getUrl(), close: () => app.close() }
  },
}

test.each(Object.keys(frameworks))('three lines mount the dashboard in %s', async (name) => {
  const { url, close } = await frameworks[name]!()
  const at = (path: string, cookie: string) => fetch(`${url}/admin/queues${path}`, { headers: { cookie } })
  expect((await at('/api/me', 'none')).status).toBe(401)
  expect(await (await at('/api/me', 'session=ada')).json()).toMatchObject({ user: 'ada' })
  expect(await (await at('/', 'session=ada')).text()).toContain('<!doctype html>')
  // The dashboard needs the body, which the framework may have read already.
  const changed = await fetch(`${url}/admin/queues/api/queues.pause`, {
    method: 'POST',
    headers: { cookie: 'session=ada', 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ queue: 'mails' }),
  })
  expect(changed.status).toBe(200)
  await close()
  await Promise.all(open.splice(0).map((each) => each.close()))
})
