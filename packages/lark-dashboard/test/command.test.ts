/** Tests `lark jobs:dashboard` as a person runs it, in a separate process. The build must have run. */
import { symlink } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { App, bin } from '../../lark-jobs/test/processes/app.ts'

let app: App

beforeAll(async () => {
  const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*', '@s18i/lark-dashboard': '*' }
  app = await App.make({
    'package.json': JSON.stringify({ name: 'app', type: 'module', dependencies }),
    'lark.config.js': `
      const dashboard = {
        host: '0.0.0.0',
        base: '/admin/jobs',
        hosts: ['jobs.example.com'],
        environment: { name: 'production', colour: 'red' },
        authorize: (request) => request.headers.has('x-user') && { role: 'read', user: request.headers.get('x-user') },
      }
      if (process.env.SHARED === 'open') delete dashboard.authorize
      if (process.env.SHARED === 'nameless') delete dashboard.hosts
      const shared = process.env.SHARED ? { dashboard } : {}
      export default { jobs: { connection: 'sqlite:jobs.db', queues: ['emails'], ...shared } }`,
  })
  const dashboard = fileURLToPath(new URL('..', import.meta.url))
  await symlink(dashboard, join(app.folder, 'node_modules/@s18i/lark-dashboard'))
})
afterAll(() => app[Symbol.asyncDispose]())

test('jobs:dashboard for other machines needs the host names that browsers use', async () => {
  const { code, stderr } = await app.start([bin, 'jobs:dashboard', '--port=0'], '.', { SHARED: 'nameless' })
    .result
  expect(code).toBe(2)
  expect(stderr).toMatch(/listens on '0\.0\.0\.0'[\s\S]*hosts: \['jobs\.example\.com'\]/)
})

interface Answer {
  status: number
  location: string | undefined
  cookie: string | undefined
  text: string
}

/** Sends a request with Node's `http`, because `fetch` cannot send another `Host` header. */
function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        const [cookie] = response.headers['set-cookie'] ?? []
        const { location } = response.headers
        resolve({ status: response.statusCode!, location, cookie: cookie?.split(';')[0], text })
      })
    })
      .on('error', reject)
      .end()
  })
}

test('the link gives access to one browser on this machine, until Ctrl-C', async () => {
  const running = app.lark('jobs:dashboard', '--port=0', '--role=operate', '--json')
  let printed = ''
  running.child.stdout!.on('data', (text) => {
    printed += text
  })
  await running.says('token=')
  const { url, link } = JSON.parse(printed) as { url: string; link: string }
  expect((await ask(url)).status).toBe(401)
  expect(await ask(link, { host: 'rebound.example' })).toMatchObject({ status: 421 })
  const first = await ask(link)
  expect(first).toMatchObject({ status: 303, location: expect.stringMatching(/^\.\/#key=[\w-]+$/) })
  const key = { 'x-lark-dashboard-key': first.location!.slice('./#key='.length) }
  const second = await ask(link)
  expect(second).toMatchObject({ status: 403, cookie: undefined })
  expect(second.text).toMatch(/^This link has been used/)
  const me = await ask(`${url}api/me`, { cookie: first.cookie!, ...key })
  expect(JSON.parse(me.text)).toMatchObject({ role: 'operate', payloads: false })
  expect((await ask(`${url}api/me`, { cookie: `${first.cookie}x`, ...key })).status).toBe(401)
  running.child.kill('SIGINT')
  expect(await running.result).toMatchObject({ code: 0, signal: null, stderr: '' })
  await expect(ask(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('without authorize(), jobs:dashboard listens only on this machine, wherever another host is configured', async () => {
  const runs = [
    app.run('jobs:dashboard', '--host=0.0.0.0', '--port=0'),
    app.start([bin, 'jobs:dashboard', '--port=0'], '.', { SHARED: 'open' }).result,
  ]
  for (const { code, stderr } of await Promise.all(runs)) {
    expect(code).toBe(2)
    expect(stderr).toMatch(/listens on this machine only, not on '0\.0\.0\.0'[\s\S]*authorize/)
  }
})

test('with authorize() in the configuration, jobs:dashboard serves other machines, and logs who got access', async () => {
  const running = app.start([bin, 'jobs:dashboard', '--port=0', '--json'], '.', { SHARED: 'yes' })
  let printed = ''
  running.child.stdout!.on('data', (text) => {
    printed += text
  })
  await running.says('}')
  const { url } = JSON.parse(printed) as { url: string }
  expect(url).toMatch(/^http:\/\/0\.0\.0\.0:\d+\/admin\/jobs\/$/)
  // The dashboard also listens on the other addresses of this machine.
  const other = url.replace('0.0.0.0', '127.0.0.2')
  const host = 'jobs.example.com'
  expect((await ask(other, { 'x-user': 'ada' })).status).toBe(421)
  expect((await ask(other, { host })).status).toBe(401)
  const me = await ask(`${other}api/me`, { host, 'x-user': 'ada@example.com' })
  const ada = { role: 'read', user: 'ada@example.com', payloads: false, hasOutbox: false }
  expect(JSON.parse(me.text)).toEqual(ada)
  expect((await ask(other, { host, 'x-user': 'ada' })).text).toContain(
    'data-environment="production" data-colour="red"',
  )
  running.child.kill('SIGINT')
  expect(await running.result).toMatchObject({ code: 0, signal: null, stderr: '' })
})
