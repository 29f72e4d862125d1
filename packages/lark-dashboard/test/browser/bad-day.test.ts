/**
 * A bad day: queues that are stuck for every possible reason, thousands of failures, and texts with HTML and
 * escape sequences.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  batch,
  circuitBreaker,
  createJobs,
  cron,
  type Draft,
  every,
  group,
  Job,
  type Jobs,
  limiter,
  unique,
  workflow,
} from '@s18i/lark-jobs'
import { operate, type ReasonKind, reasonKinds, type WorkerRecord } from '@s18i/lark-jobs/operate'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Facade, insideOf } from '../../../lark-jobs/src/model/copies.ts'
import { memberId } from '../../../lark-jobs/src/model/effect.ts'
import { indexOf } from '../../../lark-jobs/src/model/flow.ts'
import type { Operated } from '../../../lark-jobs/src/operate/operated.ts'
import { bookOf } from '../../../lark-jobs/src/operate/schedules/schedule-info.ts'
import { Shown, startBrowser } from './browser.ts'
import { harmOn } from './harm.ts'
import { HOSTILE } from './scene.ts'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }

/** A job of one queue that runs until its worker stops. */
class Long extends Job {
  async handle(_: { shop?: string }) {
    await new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve()))
    throw this.signal.reason
  }
}
class PausedJob extends Long {
  override key = 'paused'
  override queueName = 'paused'
}
class UnservedJob extends Long {
  override key = 'unserved'
  override queueName = 'unserved'
}
class RenamedJob extends Long {
  override key = 'renamed'
  override queueName = 'renamed'
}
class ShopJob extends Long {
  override key = 'shop'
  override queueName = 'paused-group'
  override group = group((payload: { shop?: string }) => payload.shop ?? 'acme')
}
class GroupJob extends Long {
  override key = 'group'
  override queueName = 'group-limit'
  override group = group(() => 'acme', { concurrency: 1 })
}
class StrictJob extends Long {
  override key = 'strict'
  override queueName = 'strict'
  override group = group(() => 'acme', { strict: true })
}
class LimitedJob extends Long {
  override key = 'limited'
  override queueName = 'limiter'
  override limiter = 'stripe'
}
class ClassLimitedJob extends Long {
  override key = 'class-limited'
  override queueName = 'class-limit'
  override limiter = limiter({ concurrency: 1 })
}
class QueueLimitedJob extends Long {
  override key = 'queue-limited'
  override queueName = 'queue-limit'
}
class BusyJob extends Long {
  override key = 'busy'
  override queueName = 'busy'
}
class PlainJob extends Long {
  override key = 'plain'
}
class KeepLastJob extends Long {
  override key = 'keep-last'
  override queueName = 'lock'
  override unique = unique({ keepLast: true })
}
class TurnJob extends Long {
  override key = 'turn'
  override queueName = 'turn'
  override group = group((payload: { shop?: string }) => payload.shop ?? 'acme')
}
class CircuitJob extends Job {
  override key = 'circuit'
  override queueName = 'circuit'
  override tries = 1
  override middleware() {
    return [circuitBreaker({ failures: 1, pause: '10m', name: 'sms' })]
  }
  async handle(_: object) {
    throw new Error('the service is down')
  }
}
class MailJob extends Job {
  override key = 'mail'
  override queueName = 'mail'
  override tries = 1
  async handle({ n }: { n: number }) {
    if (n % 3 === 0) throw new Error(`550 no such user ${n}`)
    if (n % 3 === 1) throw new TypeError('Cannot read properties of undefined')
    throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:25'), { code: 'ECONNREFUSED' })
  }
}
class BulkJob extends Job {
  override key = 'bulk'
  override queueName = 'bulk'
  async handle(_: { n: number }) {}
}
class HostileJob extends Job {
  override key = 'hostile'
  override queueName = 'hostile'
  override tries = 1
  override tags = [HOSTILE.slice(0, 60)]
  override group = group(() => HOSTILE)
  async handle(_: object) {
    this.info('y'.repeat(1_000_000))
    this.warn(HOSTILE)
    const error = new Error(`${HOSTILE} ${'wide'.repeat(5_000)}`, { cause: new Error(HOSTILE) })
    error.name = HOSTILE.slice(0, 60)
    throw error
  }
}

const classes = [
  ...[
    PausedJob,
    UnservedJob,
    ShopJob,
    GroupJob,
    StrictJob,
    LimitedJob,
    ClassLimitedJob,
    QueueLimitedJob,
    BusyJob,
  ],
  ...[PlainJob, KeepLastJob, TurnJob],
  ...[CircuitJob, MailJob, BulkJob, HostileJob],
]

/** Each stuck queue, the kind of its reason, and the words of the page for it. */
const standing: [queue: string, kind: ReasonKind, words: RegExp][] = [
  ['paused', 'paused-queue', /paused.*the bank is closed[\s\S]*→ Queue paused › Resume/],
  [
    'unserved',
    'no-worker',
    /No living worker serves its queue unserved\s+→ Start a worker that serves unserved, where the others run: Workers/,
  ],
  ['renamed', 'unknown-key', /knows? .*renamed/],
  ['paused-group', 'paused-group', /group acme.*paused/i],
  ['group-limit', 'group-limit', /group acme runs as many jobs as it may \(1\)/],
  ['strict', 'strict', /group acme is strict, and job .* goes first/],
  ['limiter', 'limiter', /Limiter stripe has no free permit until a job ends/],
  ['class-limit', 'class-limit', /limiter of its class has no free permit/],
  ['queue-limit', 'queue-limit', /queue queue-limit runs as many jobs as it may \(1\)/],
  ['busy', 'busy-workers', /slot/],
  ['circuit', 'circuit', /circuit sms is open/i],
]

/** All other reasons why a job does not run, with the words of the job's page. */
const waiting: [kind: ReasonKind, words: RegExp][] = [
  ['lock', /It is unique, and job \S+ goes first/],
  ['queue-order', /serves other queues before last: 2 jobs wait in first/],
  ['turn', /1 group has its turn before its group b/],
  ['behind', /1 job of queue behind goes before it/],
  ['silent-worker', /Worker ghost \(web-1, pid 7\) holds it, and is silent: its lease ends in/],
  ['prefetched', /Worker slow \(web-1, pid 7\) took it .* ago, and has not begun/],
  ['unreadable', /Its record is damaged: options(?!\s+→)/],
  ['blocked', /It waits for node charge of workflow order, which has not ended/],
  ['next', /Nothing keeps it from beginning: the next free worker takes it/],
]
/** Reasons that other tests cover. */
const others: ReasonKind[] = ['ended', 'running', 'delayed', 'suspended', 'store', 'undoing']

/** Milliseconds. */
const LEASE = 30_000
const FAILURES = 2_000
const BULK = 2_000

let folder: string
let jobs: Jobs
/** The instance of an application that was not deployed again, so it does not know RenamedJob. */
let older: Jobs
let browser: Browser
let shown: Shown
let page: Page

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-'))
  const names = [
    ...standing.map(([queue]) => queue),
    ...waiting.map(([kind]) => kind),
    ...['first', 'last', 'mail', 'bulk', 'hostile'],
  ]
  const config = {
    connection: `sqlite:${join(folder, 'jobs.db')}`,
    queues: { ...Object.fromEntries(names.map((name) => [name, {}])), 'queue-limit': { concurrency: 1 } },
    limiters: { stripe: { concurrency: 1 } },
  }
  jobs = createJobs({ ...config, jobs: [...classes, RenamedJob] })
  older = createJobs({ ...config, jobs: classes })
  browser = await startBrowser()
  shown = await Shown.start(browser, jobs)
  page = await shown.open('/')
})

afterAll(async () => {
  await browser?.close()
  await shown?.[Symbol.asyncDispose]()
  await older?.close()
  await jobs?.close()
  await rm(folder, { recursive: true })
})

// What a person sees: the layout counts.
// biome-ignore lint/performance/useDomNodeTextContent: textContent joins the cells of a row
const text = () => page.locator('main').innerText()

/** Runs jobs until no job is left that can run. */
async function run(...queues: string[]): Promise<void> {
  const worker = await jobs.work({ stopWhenEmpty: true, queues, concurrency: 20, report: silent })
  await worker.done
}

test('the page of a stuck queue shows why, for every reason', async () => {
  const served = standing.map(([queue]) => queue).filter((queue) => !['unserved', 'busy'].includes(queue))
  await jobs.pause({ queue: 'paused', because: 'the bank is closed' })
  await jobs.pause({ queue: 'paused-group', group: 'acme' })
  const two = [
    ...[UnservedJob, RenamedJob, PausedJob, ShopJob, GroupJob, StrictJob, LimitedJob, ClassLimitedJob],
    ...[QueueLimitedJob, BusyJob],
  ].flatMap((Class) => [new Class().with({}), new Class().with({})])
  // The first job opens the circuit.
  await jobs.dispatch([new CircuitJob().with({})])
  await run('circuit')
  await jobs.dispatch([...two, new CircuitJob().with({})])
  const workers = [
    await older.work({ queues: served, concurrency: 20, report: silent }),
    await older.work({ queues: ['busy'], concurrency: 1, report: silent }),
  ]
  const kept = operate(jobs)
  for (const [queue, kind, words] of standing) {
    const kinds = async () => {
      // Jobs may be waiting or delayed, because a circuit, or a worker that does not know their key, puts
      // them back.
      for (const state of ['waiting', 'delayed'] as const) {
        const [first] = (await kept.list({ queue, state }, { limit: 1 })).jobs
        if (first) return (await kept.why(first.id))?.reasons.map((reason) => reason.kind) ?? []
      }
      return []
    }
    await expect.poll(kinds, { message: queue }).toContain(kind)
    await page.goto(`${shown.url}/queues/${queue}`)
    await expect.poll(text, { message: queue }).toMatch(words)
  }
  await Promise.all(workers.map((worker) => worker.stop(0)))
  expect(shown.complaints).toEqual([])
}, 90_000)

test('the page of a waiting job shows why, for every reason', async () => {
  const { store } = await insideOf(jobs as unknown as Facade<Operated>).open()
  const plain = (queue: string, count = 1) =>
    Array.from({ length: count }, () => new PlainJob().with({}).onQueue(queue))
  const worker = (id: string, queue: string, running: number): WorkerRecord => ({
    ...{ id, host: 'web-1', pid: 7, queues: [queue], strict: false, keys: ['plain'], startedAt: 0 },
    ...{ concurrency: 1, running, state: 'running' },
  })
  const take = async (caller: string, queue: string) => {
    await store.announce(worker(caller, queue, 1), LEASE)
    await store.exchange(queue, { caller, number: 1 }, [], { limit: 1, prefetch: 1, leaseMs: LEASE })
  }
  const workers = [
    await jobs.work({ queues: ['lock'], report: silent }),
    await jobs.work({ queues: ['first', 'last'], concurrency: 1, report: silent }),
    await jobs.work({ queues: ['turn'], concurrency: 1, report: silent }),
  ]
  const run = async (queue: string) =>
    await expect.poll(async () => (await store.counts(queue)).active).toBe(1)
  const ids: Partial<Record<ReasonKind, string>> = {}
  const last = async (...drafts: Draft[]) => (await jobs.dispatch(drafts)).at(-1)!.id

  await last(new KeepLastJob().with({}))
  await last(...plain('first', 3))
  await last(new TurnJob().with({ shop: 'own' }))
  for (const queue of ['lock', 'first', 'turn']) await run(queue)
  ids.lock = await last(new KeepLastJob().with({}))
  ids['queue-order'] = await last(...plain('last'))
  ids.turn = await last(new TurnJob().with({ shop: 'a' }), new TurnJob().with({ shop: 'b' }))
  ids.behind = await last(...plain('behind', 2))
  ids['silent-worker'] = await last(...plain('silent-worker'))
  await take('ghost', 'silent-worker')
  await store.retire('ghost')
  ids.prefetched = await last(...plain('prefetched', 2))
  await take('slow', 'prefetched')
  ids.unreadable = 'aunreadable01'
  const damaged = { id: ids.unreadable, key: 'plain', payload: '{}', options: [] as never }
  await store.enqueue('unreadable', { caller: 'web', number: 1 }, [damaged])
  const flow = await jobs.dispatch(
    workflow('order', (w) => {
      const charge = w.add(new PlainJob().with({}).onQueue('blocked'), { name: 'charge' })
      w.add(new PlainJob().with({}).onQueue('blocked'), { name: 'pack', after: charge })
    }),
  )
  const { home } = (await operate(jobs).flows.get(flow.id))!
  ids.blocked = memberId({ flow: flow.id, home, index: indexOf(1, 0) })
  ids.next = await last(...plain('next'))
  await store.announce(worker('idle', 'next', 0), LEASE)

  for (const [kind, words] of waiting) {
    const kinds = async () => (await operate(jobs).why(ids[kind]!))?.reasons.map((reason) => reason.kind)
    await expect.poll(kinds, { message: kind }).toContain(kind)
    await page.goto(`${shown.url}/jobs/${ids[kind]}`)
    await expect.poll(text, { message: kind }).toMatch(words)
  }
  await Promise.all(workers.map((each) => each.stop(0)))
  expect(shown.complaints).toEqual([])
  const seen = [...standing.map(([, kind]) => kind), ...waiting.map(([kind]) => kind), ...others]
  expect(seen.sort()).toEqual([...reasonKinds].sort())
}, 90_000)

test('the overview and the page of a queue begin with the incidents: since when, why, and what to do', async () => {
  // biome-ignore lint/performance/useDomNodeTextContent: the layout counts
  const incident = () => page.getByRole('region', { name: 'What stands still or fails' }).innerText()
  const unserved =
    /unserved stands still since (\d\d \w+ \d+, )?\d\d:\d\d:\d\d, for [\s\S]*2 jobs wait[\s\S]*No living worker serves its queue unserved[\s\S]*→ Start a worker that serves unserved/
  await page.goto(`${shown.url}/queues/unserved`)
  await expect.poll(incident).toMatch(unserved)
  await page.goto(`${shown.url}/queues/paused`)
  await expect
    .poll(incident)
    .toMatch(/paused is paused since [\s\S]*the bank is closed[\s\S]*→ Queue paused › Resume/)
  await page.goto(`${shown.url}/`)
  await expect.poll(incident).toMatch(/stands still since/)
  const main = await text()
  expect(main.search(/stands still since/)).toBeLessThan(
    main.indexOf('WORKERS') < 0 ? main.indexOf('Workers') : main.indexOf('WORKERS'),
  )
  for (const width of [390, 1_440]) {
    await page.setViewportSize({ width, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  }
  await page.setViewportSize({ width: 1_280, height: 800 })
  expect(shown.complaints).toEqual([])
}, 60_000)

test('thousands of failures of three kinds are resolved with the mouse alone', async () => {
  await jobs.dispatch(Array.from({ length: FAILURES }, (_, n) => new MailJob().with({ n })))
  await run('mail')
  await page.goto(`${shown.url}/`)
  await page
    .getByRole('navigation')
    .getByRole('link', { name: /^Failures/ })
    .click()
  await page.getByText(/2,00\d failed jobs of 4 kinds/).waitFor()
  const solve = async (kind: RegExp, verb: 'Retry' | 'Remove', done: RegExp) => {
    await page.getByRole('row', { name: kind }).getByRole('link').first().click()
    await page.getByRole('button', { name: new RegExp(`^${verb} all`) }).click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: new RegExp(`^${verb} [0-9,]+ jobs$`) })
      .click()
    await page.getByText(done).waitFor()
    await page.getByRole('row', { name: kind }).waitFor({ state: 'hidden' })
  }
  // The first failures are retried, because the service is back; the second are retried with mended payloads;
  // the third are removed, because their addresses do not exist.
  await solve(/ECONNREFUSED/, 'Retry', /666 jobs queued again/)
  await solve(/Cannot read properties/, 'Retry', /667 jobs queued again/)
  await solve(/no such user/, 'Remove', /667 jobs removed/)
  expect((await jobs.list({ queue: 'mail', state: 'failed' })).jobs).toEqual([])
  expect((await operate(jobs).status()).queues.find(({ queue }) => queue === 'mail')?.counts).toMatchObject({
    waiting: 1_333,
    failed: 0,
  })
})

test('a schedule that does not tick is marked on its page and in the list, where the doctor says why', async () => {
  await jobs.schedules.set('hourly', new BulkJob().with({ n: 1 }), every('1h'))
  const opened = await insideOf(jobs as unknown as Facade<Operated>).open()
  await bookOf(opened).change('hourly', ({ at, state }) => ({ state: { ...state, next: at - 7_200_000 } }))
  await page.goto(`${shown.url}/schedules/hourly`)
  await page.getByText(/late by 2 h/).waitFor()
  expect(await page.locator('.page-head .state').textContent()).toBe('!stands still')
  expect(await page.getByText(/was due/).count()).toBe(1)
  await page.goto(`${shown.url}/schedules`)
  const state = page.getByRole('row', { name: /hourly/ }).locator('.state')
  expect(await state.textContent()).toBe('!stands still')
  await page
    .getByRole('row', { name: /hourly/ })
    .getByText(/late by 2 h/)
    .click()
  await page.getByText(/has not ticked for 2 h after it was due/).waitFor()
  await jobs.schedules.remove('hourly')
})

test('of thousands of rows, only those near the visible rows are drawn', async () => {
  await jobs.dispatch(Array.from({ length: BULK }, (_, n) => new BulkJob().with({ n })))
  await page.goto(`${shown.url}/jobs?queue=bulk`)
  const rows = page.locator('.job-table tbody tr:not(.spacer)')
  await rows.first().waitFor()
  const all = page.getByText('2,000 jobs of bulk', { exact: true })
  await expect
    .poll(
      async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
        expect(await rows.count()).toBeLessThan(120)
        return await all.count()
      },
      { timeout: 30_000 },
    )
    .toBe(1)
  // The last row is drawn at the end of the list, and the first row is drawn again at its beginning.
  const { jobs: listed } = await jobs.list({ queue: 'bulk' }, { limit: 1_000 })
  await page.evaluate('scrollTo(0, 0)')
  await page.getByRole('link', { name: listed[0]!.id, exact: true }).waitFor()
  expect(await rows.count()).toBeLessThan(120)
})

test('hostile texts are shown as text on every page, and make no page wider', async () => {
  await jobs.schedules.set(
    '<b>nightly</b><img/src=x/onerror="window.hacked=1">',
    new BulkJob().with({ n: 1 }),
    cron('0 3 * * *'),
  )
  let deep: unknown = { [HOSTILE]: HOSTILE, big: 1e308, long: '9'.repeat(5_000), wide: 'w'.repeat(50_000) }
  for (let level = 0; level < 190; level++) deep = [deep]
  const flow = await jobs.dispatch(
    batch([new HostileJob().with({ deep })])
      .name(HOSTILE.replaceAll(/\p{C}/gu, ''))
      .allowFailures(1),
  )
  const [job] = await jobs.dispatch([new HostileJob().with({ deep })])
  await run('hostile')
  await jobs.pause({ queue: 'hostile', group: HOSTILE })
  const ill: string[] = []
  const paths = [
    '/queues/hostile',
    '/jobs?queue=hostile',
    ...['payload', 'log', 'errors', 'raw'].map((tab) => `/jobs/${job.id}?tab=${tab}`),
    '/failures?queue=hostile',
    '/flows',
    `/flows/${flow.id}?tab=members`,
    '/schedules',
    '/doctor',
    `/jobs/${encodeURIComponent(HOSTILE)}`,
    `/queues/${encodeURIComponent(HOSTILE)}`,
  ]
  for (const path of paths) {
    await page.setViewportSize({ width: 1_280, height: 800 })
    await page.goto(`${shown.url}${path}`)
    await expect
      .poll(text, { message: path })
      .toMatch(/doctor|s.hostile/.test(path) ? /check|paused/ : /<img.src=x/)
    if (path.endsWith('payload')) await page.getByRole('searchbox', { name: 'Search in it' }).fill('img')
    ill.push(...(await harmOn(page, path)))
  }
  expect(ill).toEqual([])
  await page.setViewportSize({ width: 1_280, height: 800 })
}, 90_000)
