/** The output of `jobs:tail` and `jobs:queues`, also for names and texts with escape sequences. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsQueuesCommand } from '../../src/commands/look/jobs-queues.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { JobsTailCommand } from '../../src/commands/look/jobs-tail.ts'
import { createJobs, defineSignal, Job, Jobs, limiter } from '../../src/index.ts'
import { Record } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-tail-'))
const commands = [JobsQueuesCommand, JobsStatusCommand, JobsTailCommand]
const approved = defineSignal('approved')
let files = 0
let jobs: Jobs

class SendJob extends Job {
  override readonly key = 'send'
  override tries = 1
  override limiter = limiter({ concurrency: 5 })
  handle({ fails }: { fails?: boolean }) {
    this.info('to \u001b[2Jada')
    if (fails) throw new Error('mailbox full')
  }
}

beforeEach(() => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection, queues: { default: { target: '30s' } } })
})
afterEach(async () => {
  await Promise.all([jobs.close(), Jobs.close()])
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

function start(words: string[], columns?: number) {
  const output = new MemoryConsole(columns === undefined ? {} : { isTTY: true, columns })
  return { output, ended: run(words, { commands, console: output }) }
}

async function lark(words: string[], columns?: number) {
  const { output, ended } = start(words, columns)
  const code = await ended
  expect(output.stdout + output.stderr).not.toContain('\u001b')
  return { code, stdout: output.stdout, stderr: output.stderr }
}

test('jobs:tail of one job prints its log and its end, and has the exit code of its state', async () => {
  const [sent, failed, cancelled] = await jobs.dispatch([
    new SendJob().with({}),
    new SendJob().with({ fails: true }),
    new SendJob().with({}).delayed('1h'),
  ] as const)
  await (await jobs.work({ jobs: [SendJob], report: new Record(), stopWhenEmpty: true })).done
  const done = await lark(['jobs:tail', sent.id])
  expect(done.code).toBe(0)
  expect(done.stdout).toMatch(
    /^\d\d:\d\d:\d\d info {7}to \\x1b\[2Jada\n\d\d:\d\d:\d\d completed {2}after 1 run\n$/,
  )
  const other = await lark(['jobs:tail', failed.id, '--queue=default'])
  expect(other).toMatchObject({ code: 1, stdout: expect.stringMatching(/failed {5}mailbox full\n$/) })
  const tail = start(['jobs:tail', cancelled.id, '--json'])
  await vi.waitFor(() => expect(tail.output.stdout).toContain('"state":"delayed"'))
  await jobs.cancel(cancelled.id, { because: 'sold out' })
  expect(await tail.ended).toBe(3)
  const last = JSON.parse(tail.output.stdout.trim().split('\n').at(-1)!)
  expect(last).toMatchObject({ kind: 'state', job: { state: 'cancelled', because: 'sold out' } })
  expect(await lark(['jobs:tail', 'nobody'])).toMatchObject({ code: 1 })
  expect(await lark(['jobs:tail', sent.id, '--job=send'])).toMatchObject({ code: 2 })
})

test('jobs:tail says what a suspended job waits for', async () => {
  class AskJob extends Job {
    override readonly key = 'ask'
    async handle() {
      await this.sleep('nap', '1h')
      await this.waitFor(approved)
    }
  }
  const { id } = await jobs.dispatch(new AskJob().with())
  const report = new Record()
  const worker = await jobs.work({ jobs: [AskJob], report })
  await report.ends(1)
  const tail = start(['jobs:tail', id])
  await vi.waitFor(() => expect(tail.output.stdout).toMatch(/delayed {4}ask in default, suspended, due in /))
  await jobs.runNow(id)
  await report.ends(2)
  await vi.waitFor(() => expect(tail.output.stdout).toMatch(/ask in default, suspended until approved\n/))
  expect(tail.output.stdout).not.toMatch(/due in \d+ d/)
  await jobs.cancel(id)
  expect(await tail.ended).toBe(3)
  await worker.stop()
})

test('jobs:tail prints log lines of a running job before the next renewal of its lease', async () => {
  let goOn = () => {}
  class WriteJob extends Job {
    override readonly key = 'write'
    async handle() {
      this.info('reading')
      await new Promise<void>((resolve) => {
        goOn = resolve
      })
    }
  }
  const { id } = await jobs.dispatch(new WriteJob().with())
  await using worker = await jobs.work({ jobs: [WriteJob], lease: 100_000, report: new Record() })
  await vi.waitFor(async () => expect((await jobs.find(id))?.state).toBe('active'), 10_000)
  const tail = start(['jobs:tail', id])
  await vi.waitFor(() => expect(tail.output.stdout).toMatch(/info {7}reading$/m), 10_000)
  goOn()
  expect(await tail.ended).toBe(0)
  await worker.stop()
})

test('jobs:tail prints the events of all jobs until Ctrl-C, one or several on a line, with the time of day', async () => {
  const tail = start(['jobs:tail', '--job=send'])
  await using worker = await jobs.work({ jobs: [SendJob], report: new Record() })
  // Events that happen before the command listens are not shown.
  await vi.waitFor(async () => {
    await jobs.dispatch([new SendJob().with({ fails: true })])
    expect(tail.output.stdout).toMatch(/^\d\d:\d\d:\d\d failed {5}send \S+ {2}default {2}mailbox full$/m)
  }, 10_000)
  expect(tail.output.stdout).toMatch(/^\d\d:\d\d:\d\d started {4}send \S+ {2}default$/m)
  process.emit('SIGINT')
  expect([await tail.ended, tail.output.stderr]).toEqual([0, ''])
  const many = start(['jobs:tail', '--queue=default'])
  await vi.waitFor(
    async () => {
      await jobs.dispatch(Array.from({ length: 60 }, () => new SendJob().with({})))
      expect(many.output.stdout).toMatch(/ second {5}.*\d+ completed/)
    },
    { timeout: 15_000, interval: 500 },
  )
  process.emit('SIGINT')
  expect(await many.ended).toBe(0)
  await worker.stop()
})

test('jobs:queues prints counts, times, the oldest job, used permits of limits, and pauses of all queues', async () => {
  await jobs.dispatch([new SendJob().with({}), new SendJob().with({ fails: true })])
  await (await jobs.work({ jobs: [SendJob], report: new Record(), stopWhenEmpty: true })).done
  await jobs.pause({ queue: 'default', because: 'a deploy' })
  await jobs.dispatch([new SendJob().with({})])
  const { stdout, stderr } = await lark(['jobs:queues'])
  expect(stdout).toMatch(
    /^QUEUE +WAITING +DELAYED +RETRYING +ACTIVE +FAILED +COMPLETED +CANCELLED +WORKERS\n/,
  )
  expect(stdout).toMatch(/^default +1 +0 +0 +0 +1 +1 +0 +0$/m)
  expect(stdout).toMatch(/^QUEUE +IN\/MIN +OUT\/MIN +WAIT P50 +P95 +P99 +RUN P50 +P95 +OLDEST\n/m)
  expect(stdout).toMatch(/^default +\d+ +2 +([\d.]+ m?s +){5}[\d.]+ m?s$/m)
  expect(stderr).toMatch(/^! No worker is running/m)
  expect(stderr).toContain(
    'Queue default is paused (a deploy): none of its jobs starts until lark jobs:resume default',
  )
  const json = JSON.parse((await lark(['jobs:queues', '--json', '--queue=default'])).stdout)
  expect(json).toMatchObject({
    queues: [{ queue: 'default', out: 2, wait: { count: 2 }, paused: true }],
    limiters: [],
  })
  for (const columns of [40, 80])
    for (const words of [['jobs:queues'], ['jobs:status']])
      for (const line of (await lark(words, columns)).stdout.split('\n'))
        expect(line.length).toBeLessThanOrEqual(columns)
  expect(await lark(['jobs:queues', '--queue=emials'])).toMatchObject({ code: 1 })
})

test('output that is not a terminal is not redrawn, and a wrong interval is refused', async () => {
  for (const words of [['--watch'], ['--watch', '--every=1ms'], ['--every=2s'], ['--watch', '--json']])
    expect(await lark(['jobs:status', ...words])).toMatchObject({ code: 2 })
})
