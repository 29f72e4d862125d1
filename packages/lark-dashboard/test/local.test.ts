/**
 * Tests the dashboard of `lark jobs:dashboard` for one person, in this process: its access, and requests that
 * must not end it.
 */
import { createJobs, type Jobs } from '@s18i/lark-jobs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LocalDashboard } from '../src/server/serve/local.ts'
import { startShared } from '../src/server/serve/shared.ts'
import { hostileTo, oddPaths, sendRaw } from './raw-request.ts'

let jobs: Jobs
let local: LocalDashboard

beforeEach(async () => {
  jobs = createJobs({ connection: 'sqlite::memory:', queues: ['emails'] })
  local = await LocalDashboard.start({ jobs, port: 0, role: 'operate' })
})

afterEach(async () => {
  await local.close()
  await jobs.close()
})

test('no request of a stranger ends the dashboard, such as a request by a page of another site', async () => {
  const { host } = new URL(local.url)
  for (const head of [
    ...hostileTo(''),
    ...hostileTo('').map((each) => each.replace('Host: h', `Host: ${host}`)),
  ])
    expect(await sendRaw(local.url, head), head).toBeOneOf(head.startsWith('CONNECT') ? [0] : [400, 405, 421])
  for (const path of oddPaths(''))
    expect(await sendRaw(local.url, `GET ${path} HTTP/1.1\r\nHost: ${host}`), path).toBeOneOf([400, 401, 403])
  expect((await fetch(local.url)).status).toBe(401)
})

/** Opens the link as a browser does. @returns the headers that the page then sends */
async function enter(): Promise<{ cookie: string; 'x-lark-dashboard-key': string }> {
  const answer = await fetch(local.link, { redirect: 'manual' })
  const [cookie] = answer.headers.get('set-cookie')!.split(';')
  const [, key] = /^\.\/#key=([\w-]{32})$/.exec(answer.headers.get('location')!)!
  return { cookie: cookie!, 'x-lark-dashboard-key': key! }
}

const statusOf = async (path: string, headers: Record<string, string> = {}) =>
  (await fetch(`${local.url}${path}`, { headers })).status

test('a cookie, which other servers of this machine also get, is not enough without the key', async () => {
  const [ada, bob] = [await enter(), await enter()]
  expect(await statusOf('api/me', ada)).toBe(200)
  const { cookie, ...key } = ada
  const mixed = { ...bob, cookie }
  const long = { cookie, 'x-lark-dashboard-key': 'é'.repeat(24) }
  for (const headers of [{ cookie }, { ...key }, mixed, long])
    for (const path of ['api/me', 'api/live', '/api/me', '///api/jobs.list'])
      expect(await statusOf(path, headers as Record<string, string>), path).toBe(401)
  const refused = await fetch(`${local.url}api/me`, { headers: { cookie } })
  expect(await refused.json()).toMatchObject({
    code: 'NOT_AUTHORIZED',
    hint: expect.stringContaining('open the link'),
  })
  // The page only asks the person to open the link again.
  expect(await statusOf('', { cookie })).toBe(200)
  const stranger = await fetch(local.url)
  expect([stranger.status, await stranger.text()]).toEqual([401, expect.stringContaining('open the link')])
})

test('a session and its stream end after 12 hours', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
  const headers = await enter()
  const { body } = await fetch(`${local.url}api/live`, { headers })
  const reader = body!.getReader()
  const isOver = (async () => {
    while (!(await reader.read()).done);
    return true
  })()
  vi.setSystemTime(Date.now() + 12 * 3_600_000 - 60_000)
  expect(await statusOf('api/me', headers)).toBe(200)
  vi.setSystemTime(Date.now() + 60_000)
  expect([await statusOf('api/me', headers), await statusOf('', headers)]).toEqual([401, 401])
  await vi.advanceTimersByTimeAsync(30_000)
  expect(await isOver).toBe(true)
  vi.useRealTimers()
  expect(await statusOf('api/me', await enter())).toBe(200)
})

test('the dashboard needs its host names to serve other machines, and answers only to names of this machine otherwise', async () => {
  const authorize = () => ({ role: 'admin', user: 'ada' }) as const
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com', '127.example.com'])
    await expect(startShared({ jobs, authorize }, { host, port: 0 })).rejects.toMatchObject({
      code: 'DASHBOARD_HOSTS',
      message: expect.stringContaining(`'${host}'`),
      hint: expect.stringContaining("hosts: ['jobs.example.com']"),
    })
  const ask = (url: string, host: string) =>
    sendRaw(url, `GET ${new URL(url).pathname}api/me HTTP/1.1\r\nHost: ${host}`)
  const shared = await startShared({ jobs, authorize, base: '/jobs/' }, { host: '127.0.0.1', port: 0 })
  const { host, port } = new URL(shared.url)
  for (const name of [host, `localhost:${port}`, `[::1]:${port}`, 'localhost'])
    expect(await ask(shared.url, name), name).toBe(200)
  for (const name of ['rebound.example', `rebound.example:${port}`, 'localhost.rebound.example'])
    expect(await ask(shared.url, name), name).toBe(421)
  await shared.close()
  const hosts = ['jobs.example.com', 'admin.example.com:8443']
  const named = await startShared({ jobs, authorize, hosts }, { host: '0.0.0.0', port: 0 })
  const statuses = await Promise.all(
    ['jobs.example.com', 'jobs.example.com:81', 'admin.example.com:8443', 'admin.example.com', host].map(
      (name) => ask(named.url, name),
    ),
  )
  expect(statuses).toEqual([200, 200, 200, 421, 421])
  await named.close()
})
