/**
 * Tests in a browser, on both kinds of stores, how a person begins, watches, pauses and stops changes at a
 * pace.
 */
import { createJobs, Job, type Jobs } from '@s18i/lark-jobs'
import { operate } from '@s18i/lark-jobs/operate'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { redisPrefix, sqliteFile } from '../../../lark-jobs/test/working/bench.ts'
import { Shown, startBrowser } from './browser.ts'
import { examined } from './examined.ts'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }
const JOBS = 30

class ChargeJob extends Job {
  override readonly key = 'charge'
  override queueName = 'payments'
  override tries = 1
  handle(_: { n: number }) {
    throw new Error('The bank is down')
  }
}

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser?.close())

describe.each([
  ['an embedded store', () => sqliteFile],
  ['Redis', () => redisPrefix(inject('redisUrl'))],
] as const)('changes at a pace on %s', (_, connect) => {
  let place: Awaited<ReturnType<typeof sqliteFile>>
  let jobs: Jobs
  let shown: Shown

  beforeEach(async () => {
    place = await connect()()
    const { connection, prefix } = place
    const queues = ['payments', 'bulk', 'other']
    jobs = createJobs({ connection, jobs: [ChargeJob], queues, ...(prefix !== undefined && { prefix }) })
    await jobs.dispatch(Array.from({ length: JOBS }, (_, n) => new ChargeJob().with({ n })))
    await charge()
    // A worker of any queue can continue a change.
    await jobs.work({ queues: ['other'], report: silent })
    shown = await Shown.start(browser, jobs)
  })

  afterEach(async () => {
    expect(shown.complaints).toEqual([])
    await shown[Symbol.asyncDispose]()
    await jobs.close()
    await place.remove()
  })

  async function charge(): Promise<void> {
    const worker = await jobs.work({ queues: ['payments'], stopWhenEmpty: true, report: silent })
    await worker.done
  }

  async function opened(path: string, role: 'read' | 'operate' = 'operate'): Promise<Page & AsyncDisposable> {
    const page = await shown.open(path, role)
    return Object.assign(page, { [Symbol.asyncDispose]: () => page.context().close() })
  }

  // biome-ignore lint/performance/useDomNodeTextContent: the layout counts
  const text = (page: Page) => page.locator('main').innerText()
  const line = (page: Page) => page.getByRole('region', { name: 'Changes at a pace' })

  async function countsOf(queue: string) {
    return (await jobs.status()).queues.find((each) => each.queue === queue)!.counts
  }

  test('a kind of failures is retried slowly, and the change is paused, resumed and stopped', async () => {
    await using page = await opened('/failures')
    await page
      .getByRole('row', { name: /bank is down/ })
      .getByRole('link')
      .first()
      .click()
    await page.getByRole('button', { name: 'Retry slowly' }).click()
    const dialog = page.getByRole('dialog', { name: 'Retry slowly' })
    await dialog.getByText(/^30 jobs: failed jobs of the kind/).waitFor()
    await dialog.getByText('Some 3.6 s in all').waitFor()
    await dialog.getByRole('textbox', { name: 'At most' }).fill('1000000')
    await dialog.getByRole('button', { name: 'Retry 30 jobs slowly' }).click()
    await dialog.getByText(/is no pace: at most 500 a second/).waitFor()
    // The browser itself logs the refusal.
    expect(shown.complaints.splice(0)).toEqual([expect.stringContaining('400 (Bad Request)')])
    await dialog.getByRole('textbox', { name: 'At most' }).fill('3')
    await dialog.getByRole('combobox', { name: 'jobs in' }).selectOption('1 h')
    await dialog.getByText('Some 10 h in all').waitFor()
    expect(await examined(page, 'dialog')).toEqual([])
    await dialog.getByRole('button', { name: 'Retry 30 jobs slowly' }).click()
    await page.getByText('Begun: 30 jobs, 3 in 1 h').waitFor()
    const row = page.getByRole('row', { name: /Retry jobs of kind/ })
    await row.getByText('1 of 30 jobs').waitFor()
    await row.getByText(/goes on: some 9 h/).waitFor()
    expect(await row.getAttribute('aria-current')).toBe('true')
    expect(await examined(page, 'main')).toEqual([])

    await row.getByRole('button', { name: 'Pause' }).click()
    await row.getByText(/paused .*by operate@example\.com at/).waitFor()
    await page.getByRole('button', { name: /Undo/ }).click()
    await row.getByText('goes on').waitFor()
    await page.goto(`${shown.url}/`)
    await expect
      // biome-ignore lint/performance/useDomNodeTextContent: the layout counts
      .poll(() => line(page).innerText())
      .toMatch(/Retry jobs of kind \w+, state failed, 3 in 1 h:\s+1 of 30 jobs; goes on: some 9 h/)
    await line(page).getByRole('link').click()
    await row.getByRole('button', { name: 'Pause' }).click()
    await page.goto(`${shown.url}/`)
    await line(page)
      .getByText(/paused .*by operate@example\.com/)
      .waitFor()
    // Only the line of the change contains the text.
    expect(await page.getByText('change at a pace').count()).toBe(0)
    await page.goto(`${shown.url}/changes`)
    await row.getByRole('button', { name: 'Resume' }).click()
    await row.getByText('goes on').waitFor()

    await row.getByRole('button', { name: 'Stop' }).click()
    const question = page.getByRole('dialog', { name: 'Stop the change for good?' })
    await question.getByText(/1 job stay changed|1 job stays changed/).waitFor()
    await question.getByRole('button', { name: 'Stop, and leave 29 jobs' }).click()
    await page.getByText('Stopped: 29 jobs stay as they were').waitFor()
    await page.getByRole('region', { name: 'Ended in the last seven days' }).waitFor()
    await row.getByText(/stopped .*by operate@example\.com/).waitFor()
    expect(await countsOf('payments')).toMatchObject({ waiting: 1, failed: JOBS - 1 })
    const { entries } = await operate(jobs).audit()
    const changes = entries.filter(({ what }) => what.endsWith('-change')).map(({ what }) => what)
    expect(new Set(changes)).toEqual(
      new Set(['begin-change', 'pause-change', 'resume-change', 'stop-change']),
    )
    for (const { who, from } of entries) expect([who, from]).toEqual(['operate@example.com', 'dashboard'])
  }, 90_000)

  test('the overview, the list and the head of the page say why a change has stopped by itself', async () => {
    await operate(jobs).changes.begin(
      'retry',
      { queue: 'payments' },
      { limit: JOBS, per: '1s', maxFailed: '10%' },
    )
    await expect.poll(async () => (await countsOf('payments')).waiting).toBe(JOBS)
    await charge()
    await using page = await opened('/')
    await line(page)
      .getByText(/stopped by itself .*: \d+ of the last \d+ jobs failed again/)
      .waitFor({ timeout: 30_000 })
    await page.getByRole('navigation').getByTitle('1 change that ended by itself within a day').waitFor()
    await page.goto(`${shown.url}/doctor`)
    await page.getByText(/has ended by itself/).waitFor()
    await page.getByRole('link', { name: /^change / }).click()
    await expect.poll(() => text(page)).toMatch(/stopped by itself[\s\S]*30 of 30 failed again/)
  }, 90_000)

  test('on a phone and with the keyboard, a person can make jobs of a filter due, or move them, at a pace', async () => {
    const later = Array.from({ length: 4 }, (_, n) => new ChargeJob().with({ n }).delayed('1d'))
    await jobs.dispatch(later)
    await using page = await opened('/jobs?state=delayed&queue=payments')
    await page.setViewportSize({ width: 390, height: 800 })
    await page.getByText('4 delayed jobs').waitFor()
    const narrow = async () =>
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
    await narrow()
    await page.getByRole('button', { name: 'Run now, slowly' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Run now 4 jobs slowly' }).waitFor()
    await narrow()
    await dialog.getByRole('textbox', { name: 'At most' }).focus()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('2')
    await page.keyboard.press('Enter')
    await page.getByText('Begun: 4 jobs, 2 in 1 min').waitFor()
    await page.getByText('1 of 4 jobs').waitFor()
    await narrow()
    await page.getByRole('button', { name: /Stop/ }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: 'Stop, and leave 3 jobs' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText('Stopped: 3 jobs stay as they were').waitFor()
    await narrow()

    await page.goto(`${shown.url}/jobs?state=delayed&queue=payments`)
    await page.getByText('3 delayed jobs').waitFor()
    await page.getByRole('button', { name: 'Move slowly' }).click()
    await dialog.getByRole('combobox', { name: 'To the queue' }).selectOption('bulk')
    expect(await dialog.getByText('fail again').count()).toBe(0)
    await dialog.getByRole('button', { name: 'Move 3 jobs slowly' }).click()
    await page.getByText(/Move jobs of .* to queue bulk/).waitFor()
    await expect.poll(async () => (await countsOf('bulk')).delayed).toBe(3)
    await narrow()
  }, 90_000)

  test('a viewer who may only read sees the changes, but no button', async () => {
    await operate(jobs).changes.begin('retry', { queue: 'payments' }, { limit: 1, per: '1h' })
    for (const path of ['/changes', '/jobs?state=failed&queue=payments', '/failures']) {
      await using page = await opened(path, 'read')
      await page.locator('main h1').first().waitFor()
      await page.getByText('read@example.com').waitFor()
      if (path === '/changes') await page.getByText('Retry jobs of queue payments').waitFor()
      else
        await page
          .getByText(/bank is down/)
          .first()
          .waitFor()
      const verbs = /^(Retry|Pause|Resume|Stop)/
      expect(await page.locator('main').getByRole('button', { name: verbs }).count(), path).toBe(0)
    }
  })
})
