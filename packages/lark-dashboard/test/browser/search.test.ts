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

  test('one box finds a job by a value, its id, the beginning of its id, its class, tag or group', async () => {
    const page = await shown.open('/jobs')
    const box = page.getByRole('combobox', { name: 'Search' })
    const option = (name: string) => page.getByRole('option', { name })
    await box.fill(`A-${COUNT - 1}`)
    await option(`order.id=A-${COUNT - 1} value in payloads`).waitFor()
    await box.press('Enter')
    await page.getByText(/^Looked at all 60,000 jobs/).waitFor()
    expect(await rows(page)).toBe(1)
    expect(new URL(page.url()).searchParams.get('where')).toBe(`order.id=A-${COUNT - 1}`)
    const id = await page.locator('tbody a[data-row]').textContent()
    await page.getByRole('button', { name: /^Remove the condition payload/ }).press('Enter')
    await page.getByText(/^200\+ jobs/).waitFor()
    await box.fill('orde')
    await option('order class').click()
    await expect.poll(() => new URL(page.url()).searchParams.get('key')).toBe('order')
    await box.fill(`id:${id!.slice(0, -1)}`)
    await box.press('Enter')
    await expect.poll(() => new URL(page.url()).searchParams.get('idPrefix')).toBe(id!.slice(0, -1))
    await expect.poll(() => page.locator('tbody a[data-row]').allTextContents()).toContain(id)
    await box.fill('tag:none')
    await box.press('Enter')
    await page.getByText(/^There are no jobs, class order, tag none/).waitFor()
    await box.fill(id!)
    await option(`${id} job with this id, waiting`).waitFor()
    await box.press('Enter')
    await page.getByRole('tab', { name: /Payload/ }).waitFor()
    await page.context().close()
  })

  test('the search offers no payload fields to a viewer who may not see payloads', async () => {
    const page = await shown.open('/jobs', 'operate')
    const box = page.getByRole('combobox', { name: 'Search' })
    await box.fill('A-1')
    await page.getByRole('option', { name: 'A-1 tag' }).waitFor()
    await page.waitForTimeout(500)
    expect(await page.getByRole('option', { name: /payloads/ }).count()).toBe(0)
    await box.fill('order.id=A-1')
    expect(await page.getByRole('listbox').getByRole('option').count()).toBe(0)
    await page.context().close()
  })

  test('a person can stop a search and let it go on from the same place', async () => {
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

  test('a search whose connection breaks goes on by itself from the same place', async () => {
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

  test('a list of many jobs shows a page and loads more at its end, also on a phone', async () => {
    const page = await shown.open('/jobs?key=order', 'read', { viewport: { width: 390, height: 844 } })
    await page.getByText(/^200\+ jobs/).waitFor()
    await page.getByRole('button', { name: 'Show more' }).press('Enter')
    await page.getByText(/^400\+ jobs/).waitFor()
    const isWide = await page.locator('html').evaluate((html) => html.scrollWidth > html.clientWidth)
    expect(isWide).toBe(false)
    await page.context().close()
  })
})
