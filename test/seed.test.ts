/**
 * Tests the founding page: its snippets are unchanged, compile in a strict application with the packed
 * packages, and do what the page says on the embedded store and on Redis.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Status } from '@s18i/lark-jobs'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { App, Result } from '../packages/lark-jobs/test/processes/app.ts'
import { newPrefix, removeKeys } from '../packages/lark-jobs/test/redis/place.ts'
import { files, founding, page } from './founding-app.ts'
import { compile, installPacked, lark, makeApp, packInto, runScript } from './program.ts'
import { read } from './source.ts'

/** The hash of all founding snippets, in their order. They must not change. */
const FINGERPRINT = '42b0aceba150e63bd1f02b2e1ee575d64d17f1f4c4f20911f2b16be4008a242c'

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
  it('has the unchanged founding snippets', () => {
    expect(founding).toHaveLength(14)
    const text = founding.map((block) => block.text).join('\0')
    expect(createHash('sha256').update(text).digest('hex')).toBe(FINGERPRINT)
  })

  it('has every line of the founding page, in its order', () => {
    // Links to other pages are relative now, because people also read the pages on GitHub.
    const founded = read('test/founding-page.md').replaceAll(/\(\/lark-jobs\/([a-z-]+)\)/g, '(./$1.md)')
    const lines = page.split('\n')
    let from = 0
    const missing = founded.split('\n').filter((line) => {
      const at = lines.indexOf(line, from)
      if (at >= 0) from = at + 1
      return at < 0
    })
    expect(missing).toEqual([])
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

/** This script prints on a separate line how many milliseconds it took. */
const timed = `import './jobs/SendEmailJob'
const began = performance.now()
await import('./handleErrors')
console.log(performance.now() - began)`

/** An address where no server listens. */
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
    // The configuration has a prefix, because other tests use the same server. The configuration is a `.ts`
    // file, which counts before the `.js` file in the same folder.
    app = await install({ 'lark.config.ts': config }, { REDIS_URL: url })
    app.atEnd(() => removeKeys(url, prefix))
  })
  afterAll(() => app?.[Symbol.asyncDispose]())
  doesWhatThePageSays(() => app)
})

function doesWhatThePageSays(app: () => App): void {
  // Scripts are started outside of the folder of the application, and must find the same configuration and
  // store as the worker.
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
    for (const name of ['welcome', 'delays', 'storeIds', 'useQueues', 'others']) {
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

  it('reports a failed dispatch within 5 seconds', async () => {
    await app().write({ 'src/timed.ts': timed })
    const { code, stdout, stderr } = await script('timed', { LARK_JOBS_URL: NOWHERE })
    expect({ code, lines: stdout.trim().split('\n').length }).toEqual({ code: 0, lines: 1 })
    expect(stderr).toMatch(/^Failed to dispatch job: .*127\.0\.0\.1:1/)
    expect(Number(stdout)).toBeLessThan(6_000)
  })

  it('runs a job at once, without a store', async () => {
    const before = await statusOf()
    const result = await script('urgent', { LARK_JOBS_URL: NOWHERE })
    expect(result).toMatchObject({ code: 0, stdout: '' })
    expect(result.stderr).toMatch(/SendEmailJob \w{13} {2}.*admin@example\.com/)
    expect(await statusOf()).toEqual(before)
  })

  it('skips a payment that was already made', async () => {
    const { code, stderr } = await script('payTwice')
    expect(code).toBe(0)
    expect(stderr.match(/Payment already processed, skipping/g)).toHaveLength(1)
  })

  /** When the delayed job was dispatched. */
  let reminded: number

  it('has each job in the queue of its class', async () => {
    // This test is one of the last, because its job waits for a minute, and a busy machine may need this
    // minute for the tests before.
    reminded = Date.now()
    expect(await script('remind')).toMatchObject({ code: 0, stdout: '', stderr: '' })
    // The numbers are waiting, delayed and completed jobs. The queue `default` has the jobs for users, items,
    // a status, two ids, an index, an order and a payment.
    expect(await statusOf()).toEqual({
      default: [3 + 10_000 + 1 + 2 + 1 + 1 + 1, 1, 0],
      'high-priority': [1 + 1, 0, 0],
      emails: [1 + 1 + 1, 0, 0],
      'low-priority': [1, 0, 0],
    })
  })

  it('runs each job once, including jobs that jobs dispatch, and the delayed job waits', async () => {
    // The jobs above, and the two jobs that the order dispatches.
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

    const { default: own, ...others } = await statusOf()
    const isDue = Date.now() - reminded > 60_000
    expect(own?.slice(0, 2)).toEqual(isDue && own?.[1] === 0 ? [1, 0] : [0, 1])
    expect(Object.values(others).map(([waiting]) => waiting)).toEqual([0, 0, 0])
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

/** Returns the events that `jobs:work --json` has printed. */
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
