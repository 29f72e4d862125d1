/** The output of `jobs:groups`, `jobs:limits` and `jobs:workers`, also for names with escape sequences. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsPauseCommand } from '../../src/commands/change/jobs-pause.ts'
import { JobsGroupsCommand } from '../../src/commands/look/jobs-groups.ts'
import { JobsLimitsCommand } from '../../src/commands/look/jobs-limits.ts'
import { JobsQuietCommand } from '../../src/commands/workers/jobs-quiet.ts'
import { JobsRestartCommand } from '../../src/commands/workers/jobs-restart.ts'
import { JobsWorkersCommand } from '../../src/commands/workers/jobs-workers.ts'
import { circuitBreaker, createJobs, group, Job, type Jobs, limiter } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { Record, signal } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-operating-'))
let files = 0
const evil = 'acme\u001b[2J'
const commands = [
  JobsGroupsCommand,
  JobsLimitsCommand,
  JobsPauseCommand,
  JobsQuietCommand,
  JobsRestartCommand,
  JobsWorkersCommand,
]

/** Each command closes the instance that it has used, so the test has its own instance. */
let jobs: Jobs
let begun = signal()
let go = signal()

class ShopJob extends Job {
  override readonly key = 'shop'
  override group = group((payload: { shop: string }) => payload.shop, { concurrency: 1 })
  override limiter = limiter({ concurrency: 5 })
  async handle(_payload: { shop: string }) {
    begun.resolve()
    await go.promise
  }
}

class BreakJob extends Job {
  override readonly key = 'break'
  override tries = 1
  override middleware() {
    return [circuitBreaker({ failures: 1, pause: '1h', name: evil })]
  }
  handle() {
    throw new Error('503')
  }
}

beforeEach(() => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection })
  ;[begun, go] = [signal(), signal()]
})
afterEach(async () => {
  go.resolve()
  await jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(words, { commands, console })
  const said = console.stdout + console.stderr
  expect(said).not.toContain('\u001b[2J')
  return { code, said, json: () => JSON.parse(console.stdout) }
}

test('the commands say that an empty store has no groups, limits or workers', async () => {
  expect(await lark('jobs:groups', 'default')).toMatchObject({ code: 0, said: '✓ No groups in default\n' })
  expect(await lark('jobs:limits')).toMatchObject({ code: 0, said: '✓ No limiters\n' })
  const { said } = await lark('jobs:workers')
  expect(said).toBe('! No worker is running: start one with lark jobs:work\n')
  expect(await lark('jobs:groups', 'nobody')).toMatchObject({ code: 1 })
  const wrong = await lark('jobs:groups', 'default', '--state=sleepy')
  expect(wrong).toMatchObject({ code: 2 })
  expect(wrong.said).toContain("--state is 'sleepy'")
  const behind = await lark('jobs:groups', 'default', '--cursor=abc')
  expect(behind).toMatchObject({ code: 2 })
  expect(behind.said).toContain("✗ --cursor is 'abc'; it must be the cursor that the page before has")
})

test('an invalid time or reason of a pause is a mistake in the command line', async () => {
  expect(await lark('jobs:pause', 'default', '--for=soon')).toMatchObject({ code: 2 })
  const { code, said } = await lark('jobs:pause', 'default', '--group=acme', '--because=full')
  expect([code, said]).toEqual([2, expect.stringContaining('the pause of a group keeps no reason')])
})

test('the commands print groups, permits, circuits, and the jobs of each worker', async () => {
  const report = new Record()
  const shops = [evil, evil, 'globex', 'held'].map((shop) => new ShopJob().with({ shop }))
  await jobs.pause({ queue: 'default', group: 'held', for: '1h' })
  await jobs.dispatch([...shops, new BreakJob().with()])
  const worker = await jobs.work({ jobs: [ShopJob, BreakJob], report })
  await Promise.all([begun.promise, report.ends(1)])
  const groups = await lark('jobs:groups', 'default')
  expect(groups.said).toMatch(/^GROUP +STATE +PENDING +ACTIVE +NEEDS *\n/)
  expect(groups.said).toMatch(/^held +paused for (1 h|59 min \d+ s) +1 +0 +1 of class:shop *$/m)
  expect(groups.said).toMatch(/^acme\S+ +full +1 +1 +1 of class:shop *$/m)
  const [, second] = (await lark('jobs:groups', 'default', '--json')).json().groups
  expect(second).toMatchObject({ group: evil, state: 'full' })
  // A worker reports the limiters that it has used when it announces itself, at the latest when it takes no
  // more jobs.
  worker.quiet()
  await vi.waitFor(async () => expect((await lark('jobs:limits')).said).toContain('is open'))
  const limits = await lark('jobs:limits')
  expect(limits.said).toMatch(/^class:shop +5 at a time +2 +\S+: 2 *$/m)
  expect(limits.said).toMatch(/^! Circuit acme\S+ is open for \d+/m)
  expect((await lark('jobs:limits', '--json')).json()).toMatchObject({
    limiters: [{ held: 2 }],
    circuits: [{}],
  })
  const workers = await lark('jobs:workers')
  expect(workers.said).toMatch(/^\S+ +shop +default +.+ \S+ *$/m)
  expect((await lark('jobs:workers', '--json')).json()).toMatchObject({
    workers: [{ id: worker.id }],
    // The store may not know the second job yet.
    runs: expect.arrayContaining([expect.objectContaining({ key: 'shop', worker: worker.id })]),
  })
  await jobs.pause({ all: true })
  const first = (await lark('jobs:workers', '--json', '--limit=1')).json()
  const rest = (await lark('jobs:workers', '--json', `--cursor=${first.cursor}`)).json()
  expect(rest.runs).not.toContainEqual(first.runs[0])
  expect(await lark('jobs:workers', '--cursor=abc')).toMatchObject({ code: 2 })
})

test('a command for workers (quiet, stop) prints which workers got it, which have obeyed, and which go on', async () => {
  const none = '! No live worker: see lark jobs:workers\n'
  expect(await lark('jobs:quiet')).toMatchObject({ code: 1, said: none })
  const worker = await jobs.work({ jobs: [ShopJob], report: new Record() })
  const name = `${worker.id} on`
  expect(await lark('jobs:quiet', '--host=elsewhere')).toMatchObject({
    code: 1,
    said: '! No live worker meets these conditions: see lark jobs:workers\n',
  })
  const quiet = lark('jobs:quiet', '--wait', '--timeout=1m')
  worker.quiet()
  const { code, said } = await quiet
  expect(code).toBe(0)
  expect(said).toContain('✓ Told 1 worker to take no more jobs, and to finish those that run: each gets it')
  expect(said).toMatch(new RegExp(`^i ${name} .* \\(pid \\d+\\) is quiet and runs no job$`, 'm'))
  const late = await lark(
    'jobs:quiet',
    '--resume',
    '--wait',
    '--timeout=1ms',
    '--json',
    `--worker=${worker.id}`,
  )
  expect(late).toMatchObject({ code: 1 })
  expect(JSON.parse(late.said.slice(late.said.indexOf('{'), late.said.lastIndexOf('}') + 1))).toMatchObject({
    workers: [{ id: worker.id, state: 'quiet' }],
    left: [{ id: worker.id }],
  })
  expect(late.said).toContain('has not obeyed within 1 ms: see lark jobs:workers')
  const restart = await lark('jobs:restart')
  expect(restart).toMatchObject({ code: 1 })
  expect(restart.said).toContain('goes on: an application has its process, so restart that')
  const { store } = await insideOf(jobs).open()
  const [here] = await store.workers()
  await store.announce({ ...here!, id: 'child', state: 'running', restarts: true, supervised: true }, 60_000)
  const ofSupervisor = await lark('jobs:restart', '--worker=child')
  expect(ofSupervisor.said).toBe(
    '✓ Told 1 worker to restart: each gets it within 5 seconds\n' +
      'i Supervisors of --processes go on as they are: restart them too after an upgrade of Lark\n',
  )
  await store.retire('child')
  for (const words of [['--timeout=5s'], ['--wait', '--timeout=soon']])
    expect(await lark('jobs:restart', ...words)).toMatchObject({ code: 2 })
})

test('while a command waits for workers, it shows how many jobs run on them', async () => {
  const { store } = await insideOf(jobs).open()
  await jobs.work({ jobs: [ShopJob], report: new Record() })
  const [here] = await store.workers()
  const console = new MemoryConsole({ isTTY: true })
  let waiting: Promise<number> | undefined
  for (const [running, text] of [
    [1, '0 of 1 done, 1 job runs on the others'],
    [2, '0 of 1 done, 2 jobs run on the others'],
  ] as const) {
    await store.announce({ ...here!, id: 'other', running }, 600_000)
    waiting ??= run(['jobs:quiet', '--wait', '--worker=other'], { commands, console })
    await vi.waitFor(() => expect(console.stdout + console.stderr).toContain(text), { timeout: 30_000 })
  }
  await store.retire('other')
  expect(await waiting).toBe(0)
})
