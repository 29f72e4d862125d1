/**
 * The dashboard of `lark jobs:dashboard` for one person, in this process: who gets in, and what does not end it.
 */
import { createJobs, type Jobs } from '@s18i/lark-jobs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LocalDashboard } from '../src/server/local.ts'
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

test('no request of a stranger ends it, such as one that a page of another site makes', async () => {
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
