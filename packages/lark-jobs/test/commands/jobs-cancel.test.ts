/** `jobs:cancel` with a filter: its counts, its question and its output. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsCancelCommand } from '../../src/commands/change/jobs-cancel.ts'
import { JobsRetryCommand } from '../../src/commands/change/jobs-retry.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { createJobs, group, Job, Jobs, tags } from '../../src/index.ts'
import { Record, signal } from '../working/bench.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-cancel-'))
let files = 0

class MailJob extends Job {
  override readonly key = 'mail'
  handle() {}
}
class OtherJob extends Job {
  override readonly key = 'other'
  handle() {}
}

beforeEach(async () => {
  vi.stubEnv('LARK_JOBS_URL', `sqlite:${join(folder, `${++files}.db`)}`)
  const late = new MailJob()
  late.delay = '1h'
  await Promise.all([
    new MailJob().dispatchMany([undefined, undefined]),
    late.dispatch(),
    new OtherJob().dispatch(),
  ])
})
afterEach(async () => {
  await Jobs.close()
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function cancel(words: string[], answers?: string[]) {
  const console = new MemoryConsole({ ...(answers && { answers }) })
  const code = await run(['jobs:cancel', ...words], { commands: [JobsCancelCommand], console })
  const { waiting, delayed, cancelled } = (await Jobs.status()).queues[0]!.counts
  return { code, said: console.stdout + console.stderr, left: waiting + delayed, cancelled }
}

test('jobs:cancel counts the jobs and asks, and only yes confirms', async () => {
  const words = ['--queue=default', '--job=mail']
  for (const answers of [['n'], ['']]) {
    expect(await cancel(words, answers)).toEqual({
      code: 1,
      said: '? Cancel 3 jobs of queue default, key mail? [y/N] \ni Nothing was cancelled\n',
      left: 4,
      cancelled: 0,
    })
  }
  expect(await cancel(words, ['Yes'])).toEqual({
    code: 0,
    said: '? Cancel 3 jobs of queue default, key mail? [y/N] \n✓ Cancelled 3 jobs\n',
    left: 1,
    cancelled: 3,
  })
})

test('if nobody can answer, jobs:cancel is refused without --yes', async () => {
  for (const words of [['--all'], ['--queue=default', '--json']]) {
    const { code, said, left } = await cancel(words, words.includes('--json') ? ['y'] : undefined)
    expect({ code, left }).toEqual({ code: 2, left: 4 })
    expect(said).toContain('--yes cancels without asking; --dry-run says how many jobs there are')
  }
  expect(await cancel(['--all', '-y'])).toMatchObject({ code: 0, said: '✓ Cancelled 4 jobs\n', left: 0 })
})

test('--dry-run prints how many jobs a filter or ids would cancel, and cancels no job', async () => {
  const job = new MailJob()
  await job.dispatch()
  const dry = (...words: string[]) => cancel(['--dry-run', ...words])
  expect(await dry('--state=delayed')).toMatchObject({
    code: 0,
    said: '✓ Would cancel 1 job of state delayed\n',
  })
  expect(await dry('--all')).toMatchObject({ said: '✓ Would cancel 5 jobs of every queue\n' })
  expect(await dry(job.id!)).toMatchObject({ said: '✓ Would cancel 1 job\n' })
  expect(await dry('--job=mail', '--json')).toMatchObject({
    said: '{"cancelled":4,"asked":0,"dryRun":true}\n',
    left: 5,
  })
})

test('running jobs are asked to end, and are counted separately', async () => {
  const begun = signal()
  class LongJob extends Job {
    override readonly key = 'long'
    override queueName = 'default'
    async handle() {
      begun.resolve()
      await new Promise((_, reject) =>
        this.signal.addEventListener('abort', () => reject(this.signal.reason)),
      )
    }
  }
  // The command has closed its instance, so the test needs a new client.
  await using other = createJobs({ connection: process.env.LARK_JOBS_URL! })
  const worker = await other.work({ jobs: [LongJob], report: new Record(), concurrency: 1 })
  await new LongJob().dispatch()
  await begun.promise
  expect((await cancel(['--job=long', '--dry-run'])).said).toBe(
    '✓ Would cancel 1 job of key long that runs\n',
  )
  expect((await cancel(['--job=long'], ['y'])).said).toMatch(
    /that runs\? .*\n✓ Told 1 job to end\ni It ends when its handler does, its worker stops, or its steps are undone: see lark jobs:why ID\n$/,
  )
  await worker.stop(0)
})

test('an unknown key causes a warning with a suggestion', async () => {
  await (await Jobs.work({ jobs: [MailJob, OtherJob], report: new Record(), stopWhenEmpty: true })).done
  expect(await cancel(['--job=mial', '--yes'])).toMatchObject({
    code: 2,
    said: "✗ No job has the key 'mial', and no worker ever had it\n  Did you mean mail?\n",
  })
  expect((await cancel(['--job=x', '--dry-run', '--json'])).said).toContain(
    '"hint":"Known keys: lark:command, mail, other"',
  )
  expect(await cancel(['--job=other', '--yes'])).toMatchObject({
    code: 0,
    said: '✓ Nothing to cancel: no such job is waiting or running\n',
  })
})

test('jobs:cancel says so if the queue keeps fewer cancelled jobs than it cancels, and jobs:status has a column for cancelled jobs', async () => {
  await new OtherJob().dispatchMany(Array.from({ length: 1_000 }, () => undefined))
  expect((await cancel(['--job=other', '--yes'])).said).toBe(
    '✓ Cancelled 1,001 jobs\ni Each queue keeps its newest 1,000 cancelled jobs, for 1 d: see lark jobs:status\n',
  )
  const console = new MemoryConsole()
  await run(['jobs:status'], { commands: [JobsStatusCommand], console })
  expect(console.stdout).toMatch(
    /^QUEUE +WAITING .* COMPLETED +CANCELLED .*\ndefault +2 +1 +0 +0 +0 +0 +1000\+ /,
  )
  expect(console.stderr).toContain('i +: each queue keeps only its newest 1,000 cancelled jobs\n')
})

test('jobs:cancel and jobs:retry take tags, groups and values of payloads', async () => {
  class ShopJob extends Job {
    override readonly key = 'shop'
    override group = group((payload: { shop: number; name: string }) => payload.shop)
    override tags = tags((payload: { shop: number; name: string }) => [payload.name])
    handle(_: { shop: number; name: string }) {}
  }
  await new ShopJob().dispatchMany([
    { shop: 1, name: 'ada' },
    { shop: 1, name: 'bob' },
    { shop: 7, name: 'bob' },
  ])
  const dry = async (command: string, ...words: string[]) => {
    const console = new MemoryConsole()
    const commands = [JobsCancelCommand, JobsRetryCommand]
    await run([command, '--dry-run', ...words], { commands, console })
    return console.stdout + console.stderr
  }
  expect(await dry('jobs:cancel', '--tag=bob', '--group=1')).toBe(
    '✓ Would cancel 1 job of group 1, tag bob\n',
  )
  expect(await dry('jobs:cancel', '--where=shop=7', '--where=name=bob', '--since=1h')).toBe(
    '✓ Would cancel 1 job since 1h where shop is 7 and name is "bob"\n',
  )
  expect(await dry('jobs:cancel', '--queue=default', '--where=name=bob')).toBe(
    '✓ Would cancel 2 jobs of queue default where name is "bob"\n',
  )
  expect(await dry('jobs:cancel', '--where=shop="7"')).toContain('Nothing to cancel')
  expect(await dry('jobs:cancel', '--where=name=bob', '--where=name=ada')).toBe(
    '✗ --where has two values for name; a job has one\n  Leave out one of them.\n',
  )
  // A value may contain commas, so the second part is not a separate condition.
  expect(await dry('jobs:cancel', '--where=name=bob,shop=7')).toContain('Nothing to cancel')
  expect(await dry('jobs:cancel', '--since=soon')).toContain('--since is')
  await Jobs.cancel({ key: 'shop' })
  expect(await dry('jobs:retry', '--tag=bob')).toBe('✓ Would put 0 jobs back to work\n')
  expect(await dry('jobs:retry', '--tag=bob', '--state=cancelled')).toBe('✓ Would put 2 jobs back to work\n')
  expect(await dry('jobs:retry', '--all', '--queue=default')).toBe('✓ Would put 0 jobs back to work\n')
  expect(await dry('jobs:retry', '--all')).toBe('✓ Would put 0 jobs back to work\n')
  for (const words of [['--state=cancelled'], ['--state=cancelled', '--queue=default']])
    expect(await dry('jobs:retry', '--all', ...words)).toBe(
      '✗ --all must be the only condition, but --state came with it\n  Leave out one of them.\n',
    )
})

test('the key of a job class that no worker ever had is refused, also by jobs:retry', async () => {
  const console = new MemoryConsole()
  expect(await run(['jobs:retry', '--job=mial'], { commands: [JobsRetryCommand], console })).toBe(2)
  expect(console.stderr).toContain("No job has the key 'mial', and no worker ever had it")
})

test('jobs:cancel says that the steps of a suspended job are undone before it is cancelled', async () => {
  class TripJob extends Job {
    override readonly key = 'trip'
    async handle() {
      await this.step('book', () => 1, { undo: () => {} })
      await this.sleep('travel', '1d')
    }
  }
  const { id } = await new TripJob().with().dispatch()
  const report = new Record()
  const worker = await Jobs.work({ jobs: [TripJob], queues: ['default'], report })
  await vi.waitFor(async () => expect((await Jobs.find(id))?.suspended).toEqual([]))
  await worker.stop()
  const { said } = await cancel([id])
  expect(said).toBe(
    `✓ Told 1 job to end\ni Its steps are undone first, and then it is cancelled: see lark jobs:why ${id}\n`,
  )
})
