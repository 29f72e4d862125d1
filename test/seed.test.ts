/**
 * The founding page, docs/dispatching-jobs.md: its first snippets (```typescript and ```javascript) are there
 * letter for letter, compile in a strict application that has the packed packages installed, and do what the page
 * says, on the embedded store and on Redis.
 *
 * A snippet may be given only what it leaves out: declarations, `export`, `catch (error: any)`, the payload behind
 * an elision, and a union for the payload of the line marked "Avoid".
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Status } from '@s18i/lark-jobs'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { App, Result } from '../packages/lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../packages/lark-jobs/test/redis/place.ts'
import { blocksOf } from './markdown.ts'
import { compile, installPacked, lark, makeApp, packInto, runScript } from './program.ts'
import { read } from './source.ts'

const page = read('docs/dispatching-jobs.md')
const founding = blocksOf(page).filter(({ language }) => ['typescript', 'javascript'].includes(language))
/** Of all founding snippets, in their order: they are not ours to change. */
const FINGERPRINT = '42b0aceba150e63bd1f02b2e1ee575d64d17f1f4c4f20911f2b16be4008a242c'

/** By the first line that tells a snippet from the others. */
function snippet(line: string): string {
  const found = founding.filter(({ text }) => text.includes(line))
  if (found.length !== 1) throw new Error(`${found.length} snippets have the line: ${line}`)
  return found[0]!.text
}

const exported = (text: string) => text.replace(/^class /gm, 'export class ')
/** Adds members that a class leaves out, before its end. */
const withMembers = (text: string, members: string) => text.replace(/\n}\n$/, `\n\n${members}\n}\n`)

const job = (name: string, payload: string, fields = '') => `
export class ${name} extends Job {
  ${fields}
  async handle(payload: ${payload}) {
    this.info(JSON.stringify(payload))
    return { done: '${name}' }
  }
}`

const files = {
  'lark.config.js': snippet('// lark.config.js'),
  'src/welcome.ts': snippet("import { SendEmailJob } from './jobs/SendEmailJob'"),
  'src/urgent.ts': `import { SendEmailJob } from './jobs/SendEmailJob'\n${snippet('dispatchNow({')}`,
  'src/remind.ts': `import { SendReminderJob } from './jobs/leftOut'\n${snippet('job.delay = 60000')}`,
  'src/delays.ts': `import { SendReminderJob } from './jobs/leftOut'
const job = new SendReminderJob()
${snippet('// Seconds')}`,
  'src/handleErrors.ts': `import { SendEmailJob } from './jobs/SendEmailJob'
${snippet('try {').replace('catch (error)', 'catch (error: any)')}`,
  'src/checkStatus.ts': `import { MyJob } from './jobs/leftOut'
const payload = { name: 'Ada' }
${snippet('const dispatched = ')}`,
  'src/storeIds.ts': `import { ProcessUserJob } from './jobs/ProcessUserJob'
const largeUserObject = { id: 123, notes: 'x'.repeat(10_000) }
${snippet('// Avoid - storing large objects')}`,
  'src/useQueues.ts': `import { GenerateReportJob } from './jobs/queues'
import { SendPasswordResetJob, UpdateSearchIndexJob } from './jobs/leftOut'
const payload = { userId: 1, month: '2026-11' }
${snippet('// Critical - user-facing').replaceAll('{ ... }', '{ ...payload }')}`,
  'src/commands/ProcessAllUsersCommand.ts': exported(snippet('class ProcessAllUsersCommand')),
  'src/commands/BulkProcessCommand.ts': `import { Command } from '@s18i/lark'
import { ProcessItemJob } from '../jobs/leftOut'
${withMembers(
  exported(snippet('class BulkProcessCommand')),
  `  private async getItems() {
    return Array.from({ length: 10_000 }, (_, id) => ({ id }))
  }`,
)}`,
  'src/jobs/ProcessOrderJob.ts': exported(snippet('class ProcessOrderJob')),
  'src/jobs/queues.ts': `import { Job } from '@s18i/lark-jobs'
interface EmailPayload { to: string }
interface ReportPayload { month: string }
${exported(snippet('class UrgentEmailJob'))}`,
  'src/jobs/ProcessPaymentJob.ts': `import { Job } from '@s18i/lark-jobs'
${withMembers(
  exported(snippet('class ProcessPaymentJob')),
  `  static readonly processed = new Set<string>()
  private async isAlreadyProcessed(paymentId: string) {
    return ProcessPaymentJob.processed.has(paymentId)
  }
  private async processPayment(paymentId: string) {
    ProcessPaymentJob.processed.add(paymentId)
  }`,
)}`,
  'src/jobs/SendEmailJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('SendEmailJob', '{ to: string; subject: string; body?: string }', "queueName = 'emails'")}`,
  'src/jobs/UpdateStatsJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('UpdateStatsJob', '{ type: string; orderId: string }')}`,
  'src/jobs/ProcessUserJob.ts': `import { Job } from '@s18i/lark-jobs'
${job('ProcessUserJob', '{ userId: number } | { user: { id: number; notes: string } }')}`,
  'src/jobs/leftOut.ts': `import { Job } from '@s18i/lark-jobs'
${job('SendReminderJob', '{ userId: number; message: string }')}
${job('ProcessItemJob', '{ itemId: number }')}
${job('MyJob', '{ name: string }')}
${job('SendPasswordResetJob', '{ userId: number }', "queueName = 'high-priority'")}
${job('UpdateSearchIndexJob', '{ userId: number }')}`,
  // What the page shows as classes only, dispatched.
  'src/others.ts': `import { ProcessOrderJob } from './jobs/ProcessOrderJob'
import { ProcessPaymentJob } from './jobs/ProcessPaymentJob'
import { RegularEmailJob, UrgentEmailJob } from './jobs/queues'
await new ProcessOrderJob().dispatch({ orderId: 'A-1' })
await new UrgentEmailJob().dispatch({ to: 'ada@example.com' })
await new RegularEmailJob().dispatch({ to: 'ada@example.com' })
await new ProcessPaymentJob().dispatch({ paymentId: 'P-1' })
`,
  'src/payTwice.ts': `import { ProcessPaymentJob } from './jobs/ProcessPaymentJob'
await new ProcessPaymentJob().dispatchNow({ paymentId: 'P-2' })
await new ProcessPaymentJob().dispatchNow({ paymentId: 'P-2' })
`,
}

const packs = mkdtempSync(join(tmpdir(), 'lark-packs-'))
let tarballs: string[]
beforeAll(() => {
  tarballs = packInto(packs)
})
afterAll(() => rmSync(packs, { recursive: true }))

async function install(more: Record<string, string> = {}, env: Record<string, string> = {}): Promise<App> {
  const app = await makeApp({ ...files, ...more }, env)
  await installPacked(app, tarballs)
  return app
}

describe('the page', () => {
  it('has the founding snippets, letter for letter', () => {
    expect(founding).toHaveLength(14)
    const text = founding.map((block) => block.text).join('\0')
    expect(createHash('sha256').update(text).digest('hex')).toBe(FINGERPRINT)
  })

  it('keeps its front matter', () => {
    expect(page).toMatch(
      /^---\nsidebar_position: 3\ntitle: Dispatching Jobs\ndescription: .+\nkeywords: \[.+\]\n---\n\n# Dispatching Jobs\n/,
    )
  })

  it('compiles in a strict application', async () => {
    await using app = await install()
    expect(await compile(app)).toBe('')
  })
})

/** Nobody listens there. */
const NOWHERE = 'redis://127.0.0.1:1'

describe('on the embedded store', () => {
  let app: App
  beforeAll(async () => {
    app = await install()
  })
  afterAll(() => app?.[Symbol.asyncDispose]())
  doesWhatThePageSays(() => app)
})

describe('on Redis', () => {
  let app: App
  const url = inject('redisUrl')
  const prefix = newPrefix()
  beforeAll(async () => {
    const config = `import founding from './lark.config.js'
export default { jobs: { ...founding.jobs, prefix: '${prefix}' } }`
    // A prefix, because other tests use the server too. In one folder, `.ts` goes before `.js`.
    app = await install({ 'lark.config.ts': config }, { REDIS_URL: url })
    app.atEnd(() => removeKeys(url, prefix))
  })
  afterAll(() => app?.[Symbol.asyncDispose]())
  doesWhatThePageSays(() => app)
})

function doesWhatThePageSays(app: () => App): void {
  // Scripts are started outside of the application, and find the same configuration and store as the worker.
  const script = (name: string, env: Record<string, string> = {}) =>
    runScript(app(), `src/${name}.ts`, '..', env)
  const statusOf = async () => {
    const { queues } = JSON.parse((await lark(app(), 'jobs:status', '--json')).stdout) as Status
    return Object.fromEntries(
      queues.map(({ queue, counts }) => [queue, [counts.waiting, counts.delayed, counts.completed]]),
    )
  }

  it('dispatches from commands', async () => {
    const users = await lark(app(), 'users:process')
    expect(users).toMatchObject({ code: 0, stdout: '' })
    expect(users.stderr).toContain('Queueing 3 jobs...')
    expect(users.stderr).toContain('Queued 3 jobs')

    const bulk = await lark(app(), 'bulk:process')
    expect(bulk).toMatchObject({ code: 0 })
    expect(bulk.stderr).toContain('Dispatching 10000 jobs...')
    expect(bulk.stderr).toContain('Dispatched 10000/10000')
    expect(bulk.stderr).toContain('All jobs dispatched')
  })

  it('dispatches from scripts, which then end', async () => {
    for (const name of ['welcome', 'remind', 'delays', 'storeIds', 'useQueues', 'others']) {
      expect(await script(name), name).toMatchObject({ code: 0, stdout: '', stderr: '' })
    }
    expect(await script('handleErrors')).toMatchObject({
      code: 0,
      stdout: 'Job dispatched successfully\n',
      stderr: '',
    })
    expect(await script('checkStatus')).toMatchObject({
      code: 0,
      stdout: 'Job queued successfully\n',
      stderr: '',
    })
  })

  it('tells of a dispatch that failed, within 5 seconds', async () => {
    const result = await script('handleErrors', { LARK_JOBS_URL: NOWHERE })
    expect(result).toMatchObject({ code: 0, stdout: '' })
    expect(result.stderr).toMatch(/^Failed to dispatch job: .*127\.0\.0\.1:1/)
    expect(result.took).toBeLessThan(6_000)
  })

  it('runs a job at once, without a store', async () => {
    const before = await statusOf()
    const result = await script('urgent', { LARK_JOBS_URL: NOWHERE })
    expect(result).toMatchObject({ code: 0, stdout: '' })
    expect(result.stderr).toMatch(/SendEmailJob \w{13} {2}.*admin@example\.com/)
    expect(await statusOf()).toEqual(before)
  })

  it('skips a payment that was made already', async () => {
    const { code, stderr } = await script('payTwice')
    expect(code).toBe(0)
    expect(stderr.match(/Payment already processed, skipping/g)).toHaveLength(1)
  })

  it('has each job in the queue of its class', async () => {
    // Waiting, delayed, completed. Default: users, items, a status, two ids, an index, an order, a payment.
    expect(await statusOf()).toEqual({
      default: [3 + 10_000 + 1 + 2 + 1 + 1 + 1, 1, 0],
      'high-priority': [1 + 1, 0, 0],
      emails: [1 + 1 + 1, 0, 0],
      'low-priority': [1, 0, 0],
    })
  })

  it('runs each job once, and those that they dispatch; the delayed one waits', async () => {
    // As above, and the two that the order dispatches.
    const count = 10_009 + 2 + 3 + 1 + 2
    const result = await lark(app(), 'jobs:work', '--json', `--max-jobs=${count}`, '--concurrency=100')
    expect(result.code).toBe(0)
    const events = eventsOf(result)
    const jobs = events.filter(({ event }) => event === 'job')
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(count)
    expect(jobs.filter(({ outcome, attempt }) => outcome !== 'completed' || attempt !== 1)).toEqual([])
    expect(countBy(jobs.map(({ key }) => key))).toEqual({
      ProcessUserJob: 5,
      ProcessItemJob: 10_000,
      SendEmailJob: 3,
      UpdateStatsJob: 1,
      ProcessOrderJob: 1,
      ProcessPaymentJob: 1,
      UrgentEmailJob: 1,
      RegularEmailJob: 1,
      GenerateReportJob: 1,
      SendPasswordResetJob: 1,
      UpdateSearchIndexJob: 1,
      MyJob: 1,
    })
    expect(events.at(-1)).toMatchObject({ event: 'summary', completed: count, retried: 0, failed: 0 })

    const said = events.filter(({ event }) => event === 'log').map(({ name, text }) => `${name}: ${text}`)
    expect(said).toContain('ProcessOrderJob: Order processed and follow-up jobs queued')
    expect(said).toContain(
      'SendEmailJob: {"to":"customer@example.com","subject":"Order Confirmed","body":"Your order A-1 has been processed."}',
    )
    expect(said).toContain('UpdateStatsJob: {"type":"order_completed","orderId":"A-1"}')

    const after = await statusOf()
    expect(Object.values(after).map(([waiting]) => waiting)).toEqual([0, 0, 0, 0])
    expect(after.default?.[1]).toBe(1)
  })
}

interface Event {
  event: string
  id: string
  key: string
  name: string
  outcome: string
  attempt: number
  text: string
}

/** What `jobs:work --json` printed. */
function eventsOf({ stdout }: Result): Event[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function countBy(words: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
