/** The commands that change jobs at a pace, and `jobs:changes`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsChangesCommand } from '../../src/commands/change/jobs-changes.ts'
import { JobsMoveCommand } from '../../src/commands/change/jobs-move.ts'
import { JobsRescheduleCommand } from '../../src/commands/change/jobs-reschedule.ts'
import { JobsRetryCommand } from '../../src/commands/change/jobs-retry.ts'
import { JobsRunNowCommand } from '../../src/commands/change/jobs-run-now.ts'
import { createJobs, Job, type Jobs } from '../../src/index.ts'
import { operate } from '../../src/operate.ts'
import { Record } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-paced-'))
let files = 0
const commands = [
  ...[JobsChangesCommand, JobsMoveCommand, JobsRescheduleCommand, JobsRetryCommand, JobsRunNowCommand],
]
/** Each command closes the instance that it has used, so the test has its own instance. */
let jobs: Jobs
let isDown = true

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle(_: { n: number }) {
    if (isDown) throw new Error('The bank is down')
  }
}

const queues = ['default', 'bulk']
const work = () => jobs.work({ jobs: [ChargeJob], queues, report: new Record(), stopWhenEmpty: true })

beforeEach(async () => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection, queues })
  isDown = true
  await jobs.dispatchMany(new ChargeJob(), [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
  await (await work()).done
})
afterEach(async () => {
  await jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function lark(...words: string[]) {
  const console = new MemoryConsole()
  const code = await run(words, { commands, console })
  return { code, said: console.stdout + console.stderr, json: () => JSON.parse(console.stdout) }
}

const begun = async () => (await lark('jobs:retry', '--all', '--limit=2', '--per=1h', '--json')).json()

test('jobs:retry --limit begins a change that jobs:changes shows, pauses, resumes and stops', async () => {
  const dry = await lark('jobs:retry', '--job=charge', '--limit=2', '--per=1h', '--dry-run')
  expect(dry).toMatchObject({
    code: 0,
    said: '✓ Would begin to put back to work 4 jobs, 2 in 1 h: some 2 h for jobs of key charge, state failed\n',
  })
  expect(await operate(jobs).changes.list()).toEqual([])
  const { code, said } = await lark('jobs:retry', '--job=charge', '--limit=2', '--per=1h')
  expect(code).toBe(0)
  const [, id] = /See lark jobs:changes (\w+), /.exec(said)!
  expect(said).toContain('✓ Began putting back to work 4 jobs, 2 in 1 h')
  expect(said).toContain('No worker is running, so nothing goes on: start one with lark jobs:work')
  expect((await lark('jobs:changes')).said).toMatch(
    /^CHANGE +WHAT +PACE +STATE +DONE +LEFT +FAILED AGAIN *$/m,
  )
  expect((await lark('jobs:changes')).said).toMatch(
    new RegExp(`^${id}  retry jobs of key charge, state failed  2 in 1 h  running  0 +4 *$`, 'm'),
  )
  expect(await lark('jobs:changes', id!, '--pause', '--because=lunch', '--dry-run')).toMatchObject({
    code: 0,
    said: `✓ Would pause The change ${id} (retry jobs of key charge, state failed), with 4 jobs left\n`,
  })
  expect((await lark('jobs:changes', id!, '--pause', '--because=lunch', '--json')).json()).toMatchObject({
    ...{ id, state: 'paused', was: 'running', because: 'lunch', left: 4 },
  })
  expect((await lark('jobs:changes')).said).toMatch(
    new RegExp(`i ${id} is paused by .* ago \\(lunch\\): it goes on with lark jobs:changes ${id} --resume`),
  )
  expect((await lark('jobs:changes', id!, '--pause')).said).toContain('was paused already')
  expect(await lark('jobs:changes', id!, '--resume')).toMatchObject({ code: 0 })
  expect((await lark('jobs:changes', id!, '--resume')).said).toContain('was not paused')
  const stopped = await lark('jobs:changes', id!, '--stop')
  expect(stopped).toMatchObject({ code: 0 })
  expect(stopped.said).toContain('is stopped: 4 jobs stay as they were')
  for (const verb of ['--pause', '--resume', '--stop']) {
    const again = await lark('jobs:changes', id!, verb)
    expect(again.code).toBe(1)
    expect(again.said).toContain(
      `The change ${id} (retry jobs of key charge, state failed) has ended: stopped by`,
    )
  }
  expect((await jobs.status()).queues[0]!.counts.failed).toBe(4)
  const { entries } = await operate(jobs).audit()
  expect(entries.some(({ what, outcome }) => what === 'retry' && outcome === 'interrupted')).toBe(true)
  expect(new Set(entries.map(({ what }) => what))).toEqual(
    new Set(['begin-change', 'pause-change', 'resume-change', 'stop-change', 'retry']),
  )
})

test('a worker continues the change that the command has begun', async () => {
  isDown = false
  const { id } = (await lark('jobs:retry', '--all', '--limit=2', '--per=1s', '--json')).json()
  const worker = await jobs.work({ jobs: [ChargeJob], queues, report: new Record() })
  await vi.waitFor(
    async () => expect((await jobs.status()).queues[0]!.counts).toMatchObject({ failed: 0, completed: 4 }),
    { timeout: 10_000, interval: 50 },
  )
  await vi.waitFor(
    async () => expect((await operate(jobs).changes.list())[0]).toMatchObject({ id, done: 4, left: 0 }),
    { timeout: 10_000, interval: 50 },
  )
  await worker.stop()
})

test('jobs:run-now, jobs:reschedule and jobs:move also change jobs at a pace', async () => {
  await jobs.dispatch(new ChargeJob().with({ n: 5 }).delayed('1d'))
  await jobs.dispatch(new ChargeJob().with({ n: 6 }).onQueue('bulk'))
  for (const [words, change] of [
    [['jobs:run-now'], { change: 'run-now', maxFailed: 0.5 }],
    [['jobs:reschedule', '--delay=2h'], { change: 'reschedule', delay: 7_200_000 }],
    [['jobs:move', '--to=bulk'], { change: 'move', to: 'bulk' }],
  ] as const) {
    const [command, ...flags] = words
    const { id, ...rest } = (await lark(command, ...flags, '--queue=default', '--limit=3', '--json')).json()
    expect(rest).toMatchObject({ ...change, total: 1, limit: 3, per: 60_000, state: 'running' })
    expect((await lark('jobs:changes', id, '--stop', '--json')).json()).toMatchObject({ was: 'running' })
  }
  expect((await lark('jobs:run-now', '--queue=bulk', '--limit=3', '--json')).json()).toMatchObject({
    total: 0,
  })
})

test('flags that exclude each other are refused before the change begins', async () => {
  const { id } = await begun()
  for (const [words, text] of [
    [['jobs:retry', '--all', '--per=1m'], '--per came without --limit'],
    [['jobs:retry', '--all', '--max-failed=5%'], '--max-failed came without --limit'],
    [['jobs:retry', '--flow=x', '--limit=1'], '--limit came with --flow'],
    [['jobs:retry', 'some', '--limit=1'], 'takes a filter, not ids'],
    [['jobs:retry', '--all', '--limit=1000000', '--per=1m'], 'is no pace: at most 500 a second'],
    [['jobs:retry', '--all', '--limit=1', '--per=soon'], "--per is 'soon'"],
    [['jobs:retry', '--all', '--limit=1', '--max-failed=many'], "--max-failed is 'many'"],
    [['jobs:retry', '--job=chagre', '--limit=1'], "No job has the key 'chagre'"],
    [['jobs:move', '--all', '--limit=1', '--to=nowhere'], 'There is no queue'],
    [['jobs:changes', '--stop'], '--stop came without the id of a change'],
    [['jobs:changes', id, '--stop', '--pause'], '--pause came with --stop'],
    [['jobs:changes', id, '--resume', '--because=x'], '--because came without --pause or --stop'],
    [['jobs:changes', id, '--dry-run'], '--dry-run came without --pause, --resume or --stop'],
  ] as const) {
    const { code, said } = await lark(...words)
    expect(said).toContain(text)
    expect(code, said).toBe(text.startsWith('There is no queue') ? 1 : 2)
  }
  expect(await lark('jobs:changes', 'nobody', '--stop')).toMatchObject({ code: 1 })
  expect(await operate(jobs).changes.list()).toMatchObject([{ id, state: 'running' }])
})
