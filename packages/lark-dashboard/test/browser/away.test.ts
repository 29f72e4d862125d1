/**
 * What the dashboard says when the store hangs, is killed and comes back, when its own server restarts, and what it asks
 * while nobody looks.
 */
import { createServer } from 'node:http'
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
/** The page is of now again. */
const isBack = (page: Page) =>
  expect.poll(() => page.locator('.stale, .problem').count(), { timeout: 20_000 }).toBe(0)

test('a store that hangs or is killed is away, what was seen stays in grey, and it comes back by itself', async () => {
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
    // Neither what was seen nor what is opened now looks empty.
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

test('the page goes on when the server of the dashboard has restarted, behind a proxy too', async () => {
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
  // A proxy answers for a server that is not there yet, after which a browser does not ask again for a stream.
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

test('a page that nobody sees asks nothing, and is of now when it is seen again', async () => {
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
