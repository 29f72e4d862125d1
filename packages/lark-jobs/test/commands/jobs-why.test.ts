/** `jobs:why`, and the line of `jobs:show` that says why a job does not run. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsShowCommand } from '../../src/commands/look/jobs-show.ts'
import { JobsWhyCommand } from '../../src/commands/look/jobs-why.ts'
import { chain, createJobs, every, group, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { reasonKinds } from '../../src/operate.ts'
import { Record } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-why-'))
let files = 0
let jobs: Jobs

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

class SyncShopJob extends Job {
  override readonly key = 'sync-shop'
  override backoff = '1h'
  override group = group(({ shop }: { shop: string }) => shop, { strict: true })
  handle(_payload: { shop: string }) {
    throw new Error('the shop does not answer')
  }
}

class EchoJob extends Job {
  override readonly key = 'echo'
  handle() {}
}

async function lark(words: string[], columns?: number) {
  const console = new MemoryConsole(columns === undefined ? {} : { isTTY: true, columns })
  const code = await run(words, { commands: [JobsWhyCommand, JobsShowCommand], console })
  const [out, said] = [console.stdout, console.stderr].map(stripVTControlCharacters)
  return { code, out: out!, said: said! }
}

/**
 * Makes a job with three reasons to wait: another job of its strict group is before it, the queue is paused,
 * and there is no worker.
 */
async function stuck(): Promise<[first: string, second: string]> {
  const [first, second] = await jobs.dispatch(['shop-7', 'shop-7'].map((shop) => SyncShopJob.with({ shop })))
  const report = new Record()
  const worker = await jobs.work({ jobs: [SyncShopJob], report })
  await report.ends(1)
  await worker.stop()
  await jobs.pause({ queue: 'default', because: 'a deploy' })
  return [first!.id, second!.id]
}

/** Returns the output without the parts that differ from run to run. */
function steady(screen: string, [first, second]: readonly [string, string]): string {
  return screen
    .replaceAll(first, '(the first)  ')
    .replaceAll(second, '(the second) ')
    .replace(/(59 min \d+ s|1 h)$/m, '…')
    .replace(/ +$/gm, '')
    .trim()
}

test.each([
  ['of one job', (id: string) => [id], /## `lark jobs:why`\n.*?```text\n(.*?)```/s],
  ['of the queues', () => [], /```text\n\$ lark jobs:why\n(.*?)```/s],
])('the output is the same as in the manual %s, at 80 columns', async (_, words, screenOf) => {
  const ids = await stuck()
  const { code, out } = await lark(['jobs:why', ...words(ids[1])], 80)
  expect(code).toBe(0)
  expect(out.split('\n').filter((line) => line.length > 80)).toEqual([])
  const manual = readFileSync(new URL('../../../../docs/terminal-screens.md', import.meta.url), 'utf8')
  const [, screen = ''] = screenOf.exec(manual) ?? []
  const [, second = ''] = /^sync-shop (\S+)/m.exec(screen) ?? []
  const [, first = ''] = /job (\S+) goes first/.exec(screen) ?? []
  expect(steady(out, ids)).toBe(steady(screen, [first, second]))
})

test.each([40, 200])('in a terminal with %i columns, no line is longer', async (columns) => {
  const [, second] = await stuck()
  const { out } = await lark(['jobs:why', second], columns)
  expect(out.split('\n').filter((line) => line.trimEnd().length > columns)).toEqual([])
  expect(out).toContain('lark jobs:resume default')
})

test('jobs:why of a job with one reason, of a job without a reason, and of a job that has ended', async () => {
  const [{ id }] = (await jobs.dispatch([SyncShopJob.with({ shop: 'a' })])) as [{ id: string }]
  expect((await lark(['jobs:why', id])).out).toMatch(/^sync-shop \S+ waits: 1 reason\n\n/)
  await jobs.cancel(id)
  expect((await lark(['jobs:why', id])).out).toMatch(
    /^sync-shop \S+ is cancelled\n\n.*\nended +It was cancelled /,
  )
})

test('without an id, jobs:why shows each queue whose jobs do not run', async () => {
  expect(await lark(['jobs:why'])).toEqual({ code: 0, out: '', said: 'i No job waits\n' })
  const [, second] = await stuck()
  const { queues } = JSON.parse((await lark(['jobs:why', '--json'])).out)
  expect(queues).toEqual([
    {
      queue: 'default',
      counts: expect.objectContaining({ waiting: 1 }),
      next: expect.objectContaining({ id: second }),
    },
  ])
  const unknown = await lark(['jobs:why', '--queue=emials'])
  expect(unknown).toMatchObject({ code: 1, said: expect.stringContaining("'emials'") })
})

test('--json prints the reasons as operate() returns them', async () => {
  const [first, second] = await stuck()
  const { out } = await lark(['jobs:why', second, '--json', '--queue=default'])
  expect(JSON.parse(out)).toEqual({
    ...{ id: second, key: 'sync-shop', queue: 'default', state: 'waiting', at: expect.any(Number) },
    reasons: [
      expect.objectContaining({ kind: 'paused-queue', remedy: 'lark jobs:resume default' }),
      expect.objectContaining({ kind: 'no-worker', remedy: 'lark jobs:work --queue=default' }),
      expect.objectContaining({ kind: 'strict', jobs: [first], until: expect.any(Number) }),
    ],
  })
})

test('escape sequences in names and payloads do not reach the terminal', async () => {
  const [handle] = await jobs.dispatch([SyncShopJob.with({ shop: 'a\u001b[2J' })])
  await jobs.pause({ queue: 'default', because: 'x\u001b[2J\nState  completed' })
  await jobs.pause({ queue: 'default', group: 'a\u001b[2J' })
  for (const command of ['jobs:why', 'jobs:show']) {
    const console = new MemoryConsole({ isTTY: true, columns: 80 })
    await run([command, handle!.id], { commands: [JobsWhyCommand, JobsShowCommand], console })
    expect(console.stdout).not.toContain('\u001b[2J')
    expect(console.stdout).not.toMatch(/^State {2}completed/m)
  }
})

test('an unknown id, and the id of a flow, are mistakes', async () => {
  await insideOf(jobs).dispatchFlow(chain([SyncShopJob.with({ shop: 'a' })]).withId('order-77'))
  for (const [id, hint] of [
    ['nobody', 'Jobs that have ended are kept for a while only: see lark jobs:failed'],
    ['order-77', 'There is a flow with this id: lark jobs:flow order-77'],
  ] as const) {
    const said = `✗ There is no job ${id}\n  ${hint}\n`
    expect(await lark(['jobs:why', id])).toEqual({ code: 1, out: '', said })
  }
})

test('jobs:show prints the first reason and the command for the other reasons, and no reason for a running or ended job', async () => {
  const [, second] = await stuck()
  const { out } = await lark(['jobs:show', second])
  const first = 'Its queue default is paused (a deploy): until somebody resumes it'
  expect(out).toContain(`\nState     waiting\nWhy       ${first} (and 2 more: lark jobs:why ${second})\n`)
  const { reasons } = JSON.parse((await lark(['jobs:show', second, '--json'])).out)
  expect(reasons).toHaveLength(3)
  await jobs.cancel(second)
  expect((await lark(['jobs:show', second])).out).not.toContain('\nWhy ')
  expect(JSON.parse((await lark(['jobs:show', second, '--json'])).out)).not.toHaveProperty('reasons')
})

test('the manual describes each kind of reason', () => {
  const page = readFileSync(new URL('../../../../docs/why-a-job-waits.md', import.meta.url), 'utf8')
  const [, table = ''] = /what keeps the job from running \|\n(.*?)\n\n/s.exec(page) ?? []
  const kinds = table.split('\n').flatMap((row) => row.split(' | ')[0]!.match(/[a-z-]+(?=`)/g) ?? [])
  expect(kinds.sort()).toEqual([...reasonKinds].sort())
})

test('for the id of a schedule, the output says why the schedule does not tick', async () => {
  await jobs.schedules.set('nightly', SyncShopJob.with({ shop: 'shop-7' }), every('1h'))
  const asked = async () => (await lark(['jobs:why', 'nightly'])).out
  expect(await asked()).toMatch(/schedule nightly does not tick[\s\S]*no-worker +No worker lives/)
  const report = new Record()
  const stranger = await jobs.work({ jobs: [EchoJob], report })
  expect(await asked()).toMatch(/unknown-key +No live worker knows 'sync-shop'[\s\S]*lark jobs:workers/)
  const json = JSON.parse((await lark(['jobs:why', 'nightly', '--json'])).out)
  expect(json).toMatchObject({ schedule: 'nightly', reasons: [{ kind: 'unknown-key' }] })
  await stranger.stop()
  const worker = await jobs.work({ jobs: [SyncShopJob], report })
  expect(await asked()).toMatch(/schedule nightly ticks[\s\S]*next +It ticks: the next tick is in/)
  await worker.stop()
  await jobs.schedules.pause('nightly', { because: 'a deploy' })
  expect(await asked()).toMatch(/paused +It is paused.*a deploy[\s\S]*lark schedule:resume nightly/)
  expect((await lark(['jobs:why', 'hourly'])).said).toContain('hourly')
})
