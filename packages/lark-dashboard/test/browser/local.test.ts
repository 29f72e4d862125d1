/**
 * Tests the dashboard of `lark jobs:dashboard` in a browser. The printed link gives access to all tabs of
 * this browser, and to no other browser.
 */
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LocalDashboard } from '../../src/server/serve/local.ts'
import { startBrowser } from './browser.ts'

class SendJob extends Job {
  override key = 'send'
  override queueName = 'emails'
  async handle() {}
}

let jobs: Jobs
let local: LocalDashboard
let browser: Browser

beforeAll(async () => {
  jobs = createJobs({ connection: 'sqlite::memory:', jobs: [SendJob], queues: ['emails'] })
  await jobs.dispatch([new SendJob().with()])
  local = await LocalDashboard.start({ jobs, port: 0, role: 'operate' })
  browser = await startBrowser()
})

afterAll(async () => {
  await browser?.close()
  await local?.close()
  await jobs?.close()
})

test('the link opens the dashboard, the key disappears from the address, and other tabs and a reload need no link', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(local.link)
  await page.getByRole('row', { name: /emails/ }).waitFor()
  expect(page.url()).toBe(local.url)
  await page.reload()
  await page.getByRole('row', { name: /emails/ }).waitFor()
  const tab = await context.newPage()
  await tab.goto(`${local.url}queues`)
  await tab.getByRole('row', { name: /emails/ }).waitFor()
  // A browser with only the cookie, and without the key, sees nothing.
  const other = await browser.newContext()
  await other.addCookies(await context.cookies())
  const stolen = await other.newPage()
  await stolen.goto(`${local.url}jobs`)
  await stolen.getByRole('alert').getByText('open the link that it prints').waitFor()
  expect(await stolen.locator('body').textContent()).not.toContain('emails')
  await stolen.goto(local.link)
  await stolen.getByRole('row', { name: /emails/ }).waitFor()
})
