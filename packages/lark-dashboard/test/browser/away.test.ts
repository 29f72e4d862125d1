/**
 * Tests what the dashboard shows when the store hangs, is killed and comes back, is slow, fails over or is
 * locked, and when the dashboard's own server restarts. Also tests that a hidden page sends no requests.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import Driver from 'libsql'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { slotOf } from '../../../lark-jobs/src/store/redis/client/hash-slot.ts'
import { startCluster } from '../../../lark-jobs/test/redis/cluster.ts'
import { TcpProxy } from '../../../lark-jobs/test/redis/proxy.ts'
import { type Server, startRedis } from '../../../lark-jobs/test/redis/server.ts'
import { Shown, startBrowser } from './browser.ts'

class SendJob extends Job {
  override key = 'send'
  override queueName = 'emails'
  async handle() {}
}

let server: Server
let jobs: Jobs
let browser: Browser
let shown: Shown

beforeAll(async () => {
  server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  jobs = createJobs({ connection: server.url, jobs: [SendJob], queues: ['emails'] })
  await jobs.dispatch([new SendJob().with(), new SendJob().with(), new SendJob().with()])
  browser = await startBrowser()
  shown = await Shown.start(browser, jobs)
})

afterAll(async () => {
  await browser?.close()
  await shown?.[Symbol.asyncDispose]()
  await jobs?.close()
  await server?.[Symbol.asyncDispose]()
})

const isAway = (page: Page) => page.getByText('The store is away since').waitFor()
/** Resolves when the page shows fresh data again. */
const isBack = (page: Page) =>
  expect.poll(() => page.locator('.stale, .problem').count(), { timeout: 20_000 }).toBe(0)

test('when a store hangs or is killed, the page says so, shows its last data in grey, and recovers by itself', async () => {
  const page = await shown.open('/')
  const row = page.getByRole('row', { name: /emails/ })
  await row.waitFor()
  const list = await shown.open('/jobs')
  await list.getByText('3 jobs').waitFor()
  const failing = [
    [() => server.signal('SIGSTOP'), () => server.signal('SIGCONT')],
    [() => server.kill(), () => server.start()],
  ]
  for (const [fail, mend] of failing) {
    await fail!()
    await isAway(page)
    await isAway(list)
    // Neither the page that was open nor a page that is opened now looks empty.
    expect(
      await page
        .locator('.stale')
        .getByRole('row', { name: /emails/ })
        .count(),
    ).toBe(1)
    expect(await list.locator('.stale').getByRole('row', { name: /send/ }).count()).toBe(3)
    await page.getByRole('link', { name: 'Failures', exact: true }).click()
    await page
      .locator('.stale')
      .getByText(/Loading|not answered|unreachable|cannot be reached/i)
      .first()
      .waitFor()
    expect(await page.locator('main').getByText('No failed jobs').count()).toBe(0)
    await mend!()
    await isBack(page)
    await isBack(list)
    await page.getByText('No failed jobs are kept').waitFor()
    await page.getByRole('link', { name: 'Overview', exact: true }).click()
    await row.waitFor()
  }
  await page.context().close()
  await list.context().close()
}, 90_000)

test('the overview reports a store that may evict jobs, and the doctor counts the error', async () => {
  await server.send('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', '1gb')
  await using board = await Shown.start(browser, jobs)
  const page = await board.open('/')
  await page.getByText(/drops jobs when its memory is full: maxmemory-policy is allkeys-lru/).waitFor()
  await page.getByRole('link', { name: /^Doctor 2/ }).waitFor()
  await page.context().close()
  await server.send('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '0')
})

/** Opens a dashboard of a store with three jobs, and closes it when the test ends. */
async function opened(connection: string) {
  const own = createJobs({ connection, jobs: [SendJob], queues: ['emails'] })
  await own.dispatch([new SendJob().with(), new SendJob().with(), new SendJob().with()])
  const board = await Shown.start(browser, own)
  const page = await board.open('/')
  await waits(page, 3)
  // From now on, a script in the page notes each number of jobs that the page shows, and whether it shows
  // none.
  await page.evaluate(`{
    window.shownCounts = []
    const note = () => {
      const count = document.querySelector('.queue-row td[data-label=waiting]')?.textContent ?? 'nothing'
      if (shownCounts.at(-1) !== count) shownCounts.push(count)
    }
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true })
    note()
  }`)
  return {
    jobs: own,
    page,
    counts: () => page.evaluate<string[]>('shownCounts'),
    async [Symbol.asyncDispose]() {
      await page.context().close()
      await board[Symbol.asyncDispose]()
      await own.close()
    },
  }
}

const waits = (page: Page, count: number) =>
  expect
    .poll(() => page.locator('.queue-row td[data-label=waiting]').textContent(), { timeout: 20_000 })
    .toBe(`${count}`)

test('a store that answers slowly does not count as unreachable, and the page shows the age of its data', async () => {
  await using own = await startRedis()
  await using proxy = await TcpProxy.start(own.port)
  await using board = await opened(proxy.url)
  const { page } = board
  proxy.delay = 800
  const age = page.getByText(/^\s*[\d.]+ s old$/)
  await age.waitFor()
  await board.jobs.dispatch([new SendJob().with()])
  await waits(page, 4)
  expect(await page.locator('.stale, .problem').count()).toBe(0)
  proxy.delay = 0
  await age.waitFor({ state: 'hidden' })
  expect(await board.counts()).toEqual(['3', '4'])
}, 60_000)

test('while a primary of a cluster fails over, the page keeps its data and goes on by itself', async () => {
  await using cluster = await startCluster({ nodeTimeout: 3_000 })
  await using board = await opened(cluster.url)
  const { page } = board
  const primary = await cluster.owner(slotOf('{emails}'))
  await primary.send('WAIT', '1', '5000')
  await primary.kill()
  await isAway(page)
  await isBack(page)
  await board.jobs.dispatch([new SendJob().with()])
  await waits(page, 4)
  expect(await board.counts()).toEqual(['3', '4'])
}, 60_000)

test('a file that another program has locked can still be read, and a change waits for the lock', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lark-'))
  const file = join(folder, 'jobs.db')
  try {
    await using board = await opened(`sqlite:${file}`)
    const { page } = board
    await page.goto(page.url().replace(/\/*$/, '/queues/emails'))
    const button = page.getByRole('button', { name: /Pause/ })
    const paused = page.locator('.notice').getByText('emails is paused')
    await button.waitFor()
    const locker = new Driver(file)
    locker.exec('BEGIN IMMEDIATE')
    await button.click()
    // The page still gets answers, but the queue is not paused yet.
    await page.waitForResponse((answer) => answer.url().includes('api/queues.next') && answer.ok())
    expect(await page.locator('.stale, .problem').count()).toBe(0)
    expect(await paused.count()).toBe(0)
    locker.exec('ROLLBACK')
    locker.close()
    await paused.waitFor()
    expect((await board.jobs.status()).queues[0]).toMatchObject({ queue: 'emails', paused: true })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the page goes on after the server of the dashboard has restarted, also behind a proxy', async () => {
  const page = await shown.open('/')
  await page.getByRole('row', { name: /emails/ }).waitFor()
  const port = Number(new URL(shown.url).port)
  await shown[Symbol.asyncDispose]()
  await page.getByText('The server of the dashboard has not answered').waitFor()
  expect(
    await page
      .locator('.stale')
      .getByRole('row', { name: /emails/ })
      .count(),
  ).toBe(1)
  // A proxy answers with an error while the server is still starting. After an answer with an error, a
  // browser does not reconnect a stream by itself.
  await new Promise<void>((resolve) => {
    const proxy = createServer(({ url }, response) => {
      response.writeHead(502, { connection: 'close' }).end('Bad gateway')
      if (url?.endsWith('/api/live')) proxy.close(() => resolve())
    }).listen(port, '127.0.0.1')
  })
  shown = await Shown.start(browser, jobs, '/admin/jobs', port)
  await isBack(page)
  await page.context().close()
})

test('a hidden page sends no requests, and shows fresh data when it becomes visible again', async () => {
  const page = await shown.open('/')
  await page.clock.install()
  await page.goto(`${shown.url}/jobs`)
  await page.getByText('3 jobs').waitFor()
  const look = async (isSeen: boolean) =>
    await page.evaluate(`{
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${!isSeen} })
      document.dispatchEvent(new Event('visibilitychange'))
    }`)
  const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/api/live'))
  await look(false)
  await ended
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.clock.runFor(60_000)
  expect(asked).toEqual([])
  await jobs.dispatch([new SendJob().with()])
  await look(true)
  await page.clock.runFor(6_000)
  await page.getByText('4 jobs').waitFor()
  expect(asked).toContainEqual(expect.stringMatching('/api/live$'))
  await page.context().close()
})
