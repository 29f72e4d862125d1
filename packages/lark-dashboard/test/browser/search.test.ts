/** A search in a browser, on each store: progress, stop, and going on after the connection broke off. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startRedis } from '../../../lark-jobs/test/redis/server.ts'
import { Shown, startBrowser } from './browser.ts'

class OrderJob extends Job {
  override readonly key = 'order'
  handle(_: { order: { id: string }; n: number }): void {}
}

/** A search looks at 120 jobs in a millisecond. */
const COUNT = 60_000

interface Place {
  connection: string
  remove(): Promise<void>
}

const places: [name: string, find: () => Promise<Place>][] = [
  [
    'sqlite',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lark-'))
      return {
        connection: `sqlite:${join(folder, 'jobs.db')}`,
        remove: () => rm(folder, { recursive: true }),
      }
    },
  ],
  [
    'redis',
    async () => {
      const server = await startRedis()
      return { connection: server.url, remove: () => server[Symbol.asyncDispose]() }
    },
  ],
]

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser?.close())

describe.each(places)('on %s', (_, find) => {
  let place: Place
  let jobs: Jobs
  let shown: Shown

  beforeAll(async () => {
    place = await find()
    jobs = createJobs({ connection: place.connection, jobs: [OrderJob], queues: ['default'] })
    const all = Array.from({ length: COUNT }, (_, n) => ({ order: { id: `A-${n}` }, n }))
    for (let from = 0; from < COUNT; from += 5_000)
      await jobs.dispatchMany(new OrderJob(), all.slice(from, from + 5_000) as [(typeof all)[number]])
    shown = await Shown.start(browser, jobs)
  }, 120_000)

  afterAll(async () => {
    await shown?.[Symbol.asyncDispose]()
    await jobs?.close()
    await place?.remove()
  })

  const where = (id: string) => `/jobs?where=${encodeURIComponent(`order.id=${id}`)}`
  const rows = (page: Page) => page.locator('tbody a[data-row]').count()

  test('a value in a payload is found among all jobs, without another click', async () => {
    const page = await shown.open(where(`A-${COUNT - 1}`))
    await page.getByText(/^Looked at all 60,000 jobs/).waitFor()
    expect(await rows(page)).toBe(1)
    await page.context().close()
  })

  test('a search is stopped where it is, and goes on there', async () => {
    const page = await shown.open(where(`A-${COUNT - 1}`))
    await page.getByRole('progressbar').waitFor()
    await page.getByRole('button', { name: 'Stop' }).press('Enter')
    const stopped = page.getByText(/^Stopped: looked at [\d,]+ of about 60,000 jobs/)
    await stopped.waitFor()
    expect(await rows(page)).toBe(0)
    await page.waitForTimeout(700)
    await stopped.waitFor()
    await page.getByRole('button', { name: 'Go on' }).press('Enter')
    await page.getByText(/^Looked at all 60,000 jobs/).waitFor()
    expect(await rows(page)).toBe(1)
    await page.context().close()
  })

  test('a search that breaks off goes on by itself where it was', async () => {
    const page = await shown.open('/jobs?key=nothing')
    await page.getByText(/^Looked at all 60,000 jobs/).waitFor()
    const asked: string[] = []
    await page.route('**/api/search*', async (route) => {
      asked.push(route.request().url())
      if (asked.length === 1) return await route.abort()
      await route.continue()
    })
    await page.goto(`${shown.url}${where('A-7')}`)
    await page.getByText(/^Looked at all 60,000 jobs/).waitFor()
    expect(asked).toHaveLength(2)
    expect(await rows(page)).toBe(1)
    await page.context().close()
  })

  test('a list of many jobs shows a page, and loads more at its end, on a phone too', async () => {
    const page = await shown.open('/jobs?key=order', 'read', { viewport: { width: 390, height: 844 } })
    await page.getByText(/^200\+ jobs/).waitFor()
    await page.getByRole('button', { name: 'Show more' }).press('Enter')
    await page.getByText(/^400\+ jobs/).waitFor()
    const isWide = await page.locator('html').evaluate((html) => html.scrollWidth > html.clientWidth)
    expect(isWide).toBe(false)
    await page.context().close()
  })
})
