/**
 * `lark jobs:dashboard` as a person runs it, in a process of its own. The build must have run.
 */
import { symlink } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { App } from '../../lark-jobs/test/processes/app.ts'

let app: App

beforeAll(async () => {
  const dependencies = { '@s18i/lark': '*', '@s18i/lark-jobs': '*', '@s18i/lark-dashboard': '*' }
  app = await App.make({
    'package.json': JSON.stringify({ name: 'app', type: 'module', dependencies }),
    'lark.config.js': "export default { jobs: { connection: 'sqlite:jobs.db', queues: ['emails'] } }",
  })
  const dashboard = fileURLToPath(new URL('..', import.meta.url))
  await symlink(dashboard, join(app.folder, 'node_modules/@s18i/lark-dashboard'))
})
afterAll(() => app[Symbol.asyncDispose]())

interface Answer {
  status: number
  location: string | undefined
  cookie: string | undefined
  text: string
}

/** `fetch` does not send another name of the host. */
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

test('the link lets in one browser, on this machine only, until Ctrl-C', async () => {
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
  expect(first).toMatchObject({ status: 303, location: './' })
  const second = await ask(link)
  expect(second).toMatchObject({ status: 403, cookie: undefined })
  expect(second.text).toMatch(/^This link has been used/)
  const me = await ask(`${url}api/me`, { cookie: first.cookie! })
  expect(JSON.parse(me.text)).toMatchObject({ role: 'operate', payloads: false })
  expect((await ask(`${url}api/me`, { cookie: `${first.cookie}x` })).status).toBe(401)
  running.child.kill('SIGINT')
  expect(await running.result).toMatchObject({ code: 0, signal: null, stderr: '' })
  await expect(ask(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('it listens on no other host', async () => {
  const { code, stderr } = await app.run('jobs:dashboard', '--host=0.0.0.0', '--port=0')
  expect(code).toBe(2)
  expect(stderr).toMatch(/listens on this machine only, and --host is '0\.0\.0\.0'[\s\S]*authorize/)
})
