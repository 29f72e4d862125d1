/** `jobs:dispatch`: what it prints, and its exit codes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsDispatchCommand } from '../../src/commands/change/jobs-dispatch.ts'
import { createJobs, defineJob, Jobs, tags, unique } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-dispatch-'))
let files = 0
/** The command closes the instance that it has used, so the test has its own instance. */
let jobs: Jobs

defineJob<{ to: string }>({ key: 'mail', tags: tags(({ to }: { to: string }) => [to]) })
defineJob({ key: 'once', unique: unique() })
defineJob({ key: 'seldom', unique: unique({ throttle: '1h' }) })
defineJob({ key: 'elsewhere', queueName: 'nowhere' })
defineJob<number>({
  key: 'strict',
  schema: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' ? { value } : { issues: [{ message: 'is no number' }] },
    },
  } as never,
})

beforeEach(() => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection })
})
afterEach(async () => {
  await jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function dispatch(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(['jobs:dispatch', ...words], { commands: [JobsDispatchCommand], console })
  return { code, out: console.stdout, said: console.stderr }
}

test('jobs:dispatch prints the id to stdout, and the queue of the job to stderr', async () => {
  const { code, out, said } = await dispatch('mail', '{"to":"Ada"}')
  expect([code, said]).toEqual([0, '✓ Queued mail in default\n'])
  const found = await jobs.find(out.trim())
  expect(found).toMatchObject({ key: 'mail', payload: { to: 'Ada' }, state: 'waiting' })
  expect(found?.options?.tags).toEqual(['Ada'])
})

test('the flags of jobs:dispatch set the options of the job', async () => {
  const flags = ['--delay=5m', '--id=welcome-7', '--priority=9', '--tag=vip', '--tag=new', '--json']
  const { code, out, said } = await dispatch('mail', '{"to":"Ada"}', ...flags)
  expect([code, said]).toEqual([0, ''])
  expect(JSON.parse(out)).toEqual({ key: 'mail', id: 'welcome-7', queue: 'default', queued: true })
  const found = await jobs.find('welcome-7')
  expect(found).toMatchObject({ state: 'delayed', priority: 9, options: { tags: ['vip', 'new'] } })
})

test('if another job prevents the dispatch (a unique job, or a used id), the command says so and does not fail', async () => {
  const first = await dispatch('once')
  const id = first.out.trim()
  const second = await dispatch('once')
  expect(second).toEqual({
    code: 0,
    out: '',
    said: `! Queued no once: job ${id} is like it, and has not ended\n`,
  })
  const { out } = await dispatch('once', '--json')
  expect(JSON.parse(out)).toEqual({
    ...{ key: 'once', id, queue: 'default', queued: false },
    rejection: { reason: 'unique', by: id },
  })
  await dispatch('mail', '{"to":"Ada"}', '--id=a')
  const same = await dispatch('mail', '{"to":"Ada"}', '--id=a')
  expect([same.code, same.said]).toEqual([
    0,
    '! Queued no mail: default has the job a already, which is waiting\n',
  ])
  await dispatch('seldom')
  expect((await dispatch('seldom')).said).toMatch(/^! Queued no seldom: it came too soon after job \S+\n$/)
})

test.each([
  [['mall'], "There is no job with the key 'mall'"],
  [['mail', '{to:1}'], 'PAYLOAD is not JSON: '],
  [['mail', '{"to":"Ada"}', '--delay=soon'], "--delay is 'soon'; it must be "],
  [['mail', '{"to":"Ada"}', '--priority=1001'], '--priority is 1001; it must be '],
  [['mail', '{"to":"Ada"}', '--tag='], '--tag needs a value'],
  [['mail', '{"to":"Ada"}', '--id=a b'], 'withId() was given'],
  [['mail', '{"to":"Ada"}', '--queue=nowhere'], 'nowhere'],
  [['elsewhere'], 'nowhere'],
  [['strict', '"a"'], 'is no number'],
])('jobs:dispatch %j is a mistake of the user: one line, a hint and exit code 2', async (words, message) => {
  const { code, out, said } = await dispatch(...words)
  expect(said).toContain(message)
  expect(said.split('\n')[1]).toMatch(/^( {2}\S.*)?$/)
  expect([code, out]).toEqual([2, ''])
})

test('jobs:dispatch into a full queue fails with exit code 1', async () => {
  Jobs.configure({ connection: `sqlite:${join(folder, 'full.db')}`, queues: { default: { max: 1 } } })
  expect((await dispatch('mail', '{"to":"Ada"}')).code).toBe(0)
  expect(await dispatch('mail', '{"to":"Ada"}')).toEqual({
    ...{ code: 1, out: '' },
    said: '! Queued no mail: default is full\n',
  })
  // `configure` lasts until the next call of it.
  Jobs.configure({})
})
