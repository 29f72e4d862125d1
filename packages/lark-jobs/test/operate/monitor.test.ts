/**
 * `operate().monitor()` and `jobs:monitor`: limits of queues, and the output and the exit code for cron jobs.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { JobsMonitorCommand } from '../../src/commands/look/jobs-monitor.ts'
import { createJobs, every, Job } from '../../src/index.ts'
import { type MonitorOptions, monitor } from '../../src/operate/doctor/monitor.ts'
import { operate } from '../../src/operate.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Harness } from '../conformance/harness.ts'
import { completed, failed, job, jobs } from '../conformance/jobs.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

const make = () =>
  Harness.make(async () => ({
    handle: (options) => new SqliteStore(':memory:', options),
    remove: async () => {},
  }))

const queues = new Map([
  ['emails', 2],
  ['low', 1],
])

/** Returns the exceeded limits, each as `queue what found`. */
async function wrong(harness: Harness, options: MonitorOptions, targets: Record<string, number> = {}) {
  const none = { bounds: new Map(), limiters: new Map() }
  const settings = { partitions: queues, targets: new Map(Object.entries(targets)), ...none }
  const found = await monitor({ store: harness.store, settings: settings as never }, options)
  const { ok, checks, findings } = found
  // The doctor finds the same problems as a limit here, and the limit counts.
  expect(ok, JSON.stringify(findings)).toBe(checks.every((check) => check.ok))
  const over = checks.filter((check) => !check.ok)
  return over.map((check) => `${check.queue} ${check.what} ${'found' in check ? check.found : ''}`)
}

test('the age of the oldest job of all partitions is compared with the limit, or else with the target of the queue', async () => {
  await using harness = await make()
  const { clock } = harness
  const worker = { host: 'h', pid: 1, strict: false, concurrency: 1, running: 0, keys: [], startedAt: 0 }
  const serving = { id: 'a', queues: [...queues.keys()], state: 'running' as const }
  await harness.store.announce({ ...worker, ...serving }, MINUTE)
  await harness.caller('ada', 'emails/1').enqueue(job())
  clock.advance(10 * SECOND)
  await harness.caller('ada', 'emails').enqueue(job(), job({ delay: 5 * MINUTE }))
  await harness.caller('ada', 'low').enqueue(job())
  clock.advance(20 * SECOND)
  expect(await wrong(harness, {}, { emails: 30 * SECOND })).toEqual([])
  clock.advance(1)
  expect(await wrong(harness, {}, { emails: 30 * SECOND })).toEqual(['emails age 30001'])
  expect(await wrong(harness, { maxAge: '1m' }, { emails: 30 * SECOND })).toEqual([])
  expect(await wrong(harness, { maxAge: { low: '10s' } }, { emails: 30 * SECOND })).toEqual([
    'emails age 30001',
    'low age 20001',
  ])
  expect(await wrong(harness, { maxAge: { emails: '1h', '*': '20s' } })).toEqual(['low age 20001'])
  expect(await wrong(harness, { maxWaiting: { emails: 2, low: 0 } })).toEqual(['low waiting 1'])
  expect(await wrong(harness, { maxWaiting: 1 })).toEqual(['emails waiting 2'])
})

test('a limit of failed jobs is a number, or a share of the jobs that ended within a period', async () => {
  await using harness = await make()
  const caller = harness.caller('ada', 'emails')
  await caller.run(job(), failed)
  for (let n = 0; n < 3; n++) await caller.run(job(), completed)
  const low = harness.caller('ada', 'low')
  await low.run(job(), completed)
  expect(await wrong(harness, { maxFailed: 0 })).toEqual(['emails failed 1'])
  expect(await wrong(harness, { maxFailed: 1 })).toEqual([])
  expect(await wrong(harness, { maxFailed: '24.9%' })).toEqual(['emails failed 1'])
  expect(await wrong(harness, { maxFailed: '25%' })).toEqual([])
  expect(await wrong(harness, { maxFailed: { low: 0, '*': '50%' } })).toEqual([])
  harness.clock.advance(7 * MINUTE)
  expect(await wrong(harness, { maxFailed: 0 })).toEqual([])
  expect(await wrong(harness, { maxFailed: 0, within: '10m' })).toEqual(['emails failed 1'])
})

test('a limit of workers counts those that take jobs, and a queue that is no longer configured counts only while it has jobs', async () => {
  await using harness = await make()
  const { store } = harness
  const worker = { host: 'h', pid: 1, strict: false, concurrency: 1, running: 0, keys: [], startedAt: 0 }
  await store.announce({ ...worker, id: 'a', queues: ['emails'], state: 'running' }, MINUTE)
  await store.announce({ ...worker, id: 'b', queues: ['emails', 'low'], state: 'quiet' }, MINUTE)
  expect(await wrong(harness, { minWorkers: 1 })).toEqual(['low workers 0'])
  expect(await wrong(harness, { minWorkers: { emails: 2 } })).toEqual(['emails workers 1'])
  const old = harness.caller('ada', 'old')
  await old.enqueue(...jobs(1))
  expect(await wrong(harness, { minWorkers: 1 })).toEqual(['low workers 0', 'old workers 0'])
  const [claimed] = await old.claim(1)
  await old.settle(claimed!, completed)
  expect(await wrong(harness, { minWorkers: 1 })).toEqual(['low workers 0'])
})

class LowJob extends Job {
  override queueName = 'low'
  handle() {}
}

const folder = mkdtempSync(join(tmpdir(), 'lark-monitor-'))
let files = 0
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true }))

test('the command reports the result in one line and with its exit code', async () => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  const lark = async (...words: string[]) => {
    const console = new MemoryConsole()
    const code = await run(['jobs:monitor', ...words], { commands: [JobsMonitorCommand], console })
    // A warning about the SQLite version of this machine is left out.
    const stdout = console.stdout.replace(/^! .* \(sqlite-version\)\n/m, '')
    return { code, stdout, stderr: console.stderr }
  }
  const nothing = await lark()
  expect(nothing.code).toBe(2)
  expect(nothing.stderr).toContain('There is nothing to compare with: no queue has a target')
  expect(nothing.stderr).toContain('Give --max-age, --max-failed, --max-waiting or --min-workers')
  const idle = '! default: no worker serves it; it has no jobs now (queue-served)\n'
  const fine = await lark('--max-age=30s', '--max-failed=1%', '--max-waiting', 'default=10')
  expect([fine.code, fine.stdout]).toEqual([
    0,
    `OK: no job waits, 0 of 0 failed in 5 min, 0 wait (default)\n${idle}`,
  ])
  expect((await lark('--max-age=30s', '--strict')).code).toBe(1)
  await using jobs = createJobs({ connection, queues: ['default', 'low'] })
  await jobs.dispatch(new LowJob())
  // No limit is set for the age of jobs in this queue, so only the doctor reports that no job will begin.
  const others = await lark('--max-age=default=1h')
  expect(others).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^NOT OK: low: no worker serves it, and 1 job waits \(queue-served\); without a target: low \(1 wait, the oldest for .+\)\n/,
    ),
  })
  expect(others.stdout).toContain(
    `\n${idle}! low: has 1 job that has not ended, and is not in jobs.queues (queue-configured)\n`,
  )
  // The limit of the queue decides how long the queue may be without a worker.
  const patient = await lark('--max-age=1h')
  expect(patient.code).toBe(0)
  expect(patient.stdout).toContain('\n! low: no worker serves it, and 1 job waits (queue-served)\n')
  const counted = await lark('--max-age=default=1h', '--max-waiting=low=0')
  expect([counted.code, counted.stdout]).toEqual([
    1,
    expect.stringMatching(/^NOT OK: low: 1 jobs wait, at most 0\n! /),
  ])
  await jobs.cancel({ queue: 'low' })
  await jobs.schedules.set('nightly', LowJob.with(), every('1h'))
  await jobs.schedules.pause('nightly')
  const paused = await lark('--max-age=30s')
  expect([paused.code, paused.stdout]).toEqual([
    0,
    `OK: no job waits\n${idle}! nightly: is a schedule, and paused: it does not tick (schedule-paused)\n`,
  ])
  await jobs.schedules.remove('nightly')
  const none = await lark('--max-age', '30s', '--min-workers', '2')
  expect([none.code, none.stdout]).toEqual([1, `NOT OK: default: no workers, at least 2\n${idle}`])
  const json = await lark('--min-workers=1', '--json')
  const check = { queue: 'default', what: 'workers', ok: false, found: 0, limit: 1 }
  const { findings, ...report } = JSON.parse(json.stdout) as { findings: { code: string }[] }
  const named = findings.filter(({ code }) => code !== 'sqlite-version')
  expect([json.code, { ...report, findings: named }]).toEqual([
    1,
    {
      ...{ ok: false, within: 300_000, checks: [check], unlimited: [] },
      findings: [
        {
          ...{ code: 'queue-served', level: 'warning', subject: 'default' },
          ...{ text: 'no worker serves it; it has no jobs now', remedy: 'lark jobs:work --queue=default' },
        },
      ],
    },
  ])
})

test.each([
  [['--max-age', 'soon'], "--max-age is 'soon'; it must be milliseconds, or a text like '30s'"],
  [['--max-age', '30'], "--max-age is '30'"],
  [['--max-failed', 'default=101%'], "--max-failed is '101%'; it must be a whole number of jobs, or a share"],
  [['--min-workers', '0'], '--min-workers is 0; it must be a whole number from 1'],
  [['--max-age', '1m', '--within', '10s'], "--within is '10s'; it must be a time from '1m' to '1h'"],
  [['--max-age', '1m,default=2m,default=3m'], '--max-age came twice for default'],
])('a wrong limit is a mistake in the command line: %j', async (words, text) => {
  const console = new MemoryConsole()
  vi.stubEnv('LARK_JOBS_URL', 'sqlite::memory:')
  const code = await run(['jobs:monitor', ...words], { commands: [JobsMonitorCommand], console })
  expect([code, console.stderr]).toEqual([2, expect.stringContaining(text)])
})

test('an unknown queue is refused', async () => {
  await using jobs = createJobs({ connection: 'sqlite::memory:' })
  await expect(operate(jobs).monitor({ maxAge: { emial: '30s' } })).rejects.toMatchObject({
    code: 'UNKNOWN_QUEUE',
  })
  await expect(operate(jobs).monitor({ maxAge: {} })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
})
