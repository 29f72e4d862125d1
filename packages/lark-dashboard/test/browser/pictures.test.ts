/**
 * Opens the important pages on screens and phones, in both themes, and tests that no page is wider than the
 * window. `LARK_PICTURES=1 npx vitest run pictures` makes the pictures of the manual again.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Shown, startBrowser } from './browser.ts'
import { examined } from './examined.ts'
import { takePicture } from './picture.ts'
import { openShop, type Shop } from './shop.ts'

const isForManual = process.env.LARK_PICTURES === '1'
const manual = fileURLToPath(new URL('../../../../docs/images/dashboard', import.meta.url))
/**
 * How long the shop runs before the pictures, so that the trends of the queues have values, in milliseconds.
 */
const AFTERNOON = 65_000

const screen = { width: 1_280, height: 720 }
const phone = { width: 390, height: 780 }
const widths = [390, 720, 1_280, 1_920]

let folder: string
let shop: Shop
let browser: Browser
let shown: Shown
let page: Page
let blank: Page

beforeAll(async () => {
  folder = await mkdtemp(join(isForManual ? '/tmp' : tmpdir(), 'shop-'))
  shop = await openShop({ connection: `sqlite:${join(folder, 'jobs.db')}` })
  browser = await startBrowser()
  shown = await Shown.start(browser, shop.jobs)
  page = await shown.open('/')
  blank = await browser.newPage()
})

afterAll(async () => {
  await browser?.close()
  await shown?.[Symbol.asyncDispose]()
  await shop?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Goes to a page by a link, as people do, so that the data that the browser already has stay. */
async function goTo(path: string, shows: string | RegExp): Promise<void> {
  await page.evaluate(`{
    const link = document.createElement('a')
    link.href = ${JSON.stringify(`${shown.url}${path}`)}
    document.body.append(link)
    link.click()
    link.remove()
  }`)
  await page.locator('main').getByText(shows).first().waitFor()
}

test('the important pages look right on a screen and on a phone', async () => {
  const { running, workflow } = shop.ids
  const pictures: [
    name: string,
    path: string,
    shows: string | RegExp,
    size: typeof screen,
    theme: 'light' | 'dark',
  ][] = [
    ['overview-light', '/', 'stands still', screen, 'light'],
    ['overview-dark', '/', 'stands still', screen, 'dark'],
    ['overview-phone', '/', 'stands still', phone, 'dark'],
    ['queue-light', '/queues/stock', 'No living worker', screen, 'light'],
    ['jobs-light', '/jobs?state=failed&queue=webhooks', 'answered 503', screen, 'light'],
    ['jobs-phone', '/jobs?state=failed&queue=webhooks', 'answered 503', phone, 'light'],
    ['job-dark', `/jobs/${running}?tab=log`, 'has no price', screen, 'dark'],
    ['job-phone', `/jobs/${running}`, 'catalogue-2026-11.csv', phone, 'dark'],
    ['failures-light', '/failures', 'TypeError', screen, 'light'],
    ['flow-light', `/flows/${workflow}`, 'nodes completed', screen, 'light'],
  ]
  const into = isForManual ? manual : folder
  await mkdir(into, { recursive: true })
  if (isForManual) await page.waitForTimeout(AFTERNOON)
  let bytes = 0
  for (const [name, path, shows, size, colorScheme] of pictures) {
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme })
    await goTo(path, shows)
    const { width, height, colours, png } = await takePicture(page, blank)
    expect({ width, height }, name).toEqual(size)
    // A page with text alone already has dozens of colours.
    expect(colours, name).toBeGreaterThan(40)
    bytes += png.length
    await writeFile(join(into, `${name}.png`), png)
  }
  expect(bytes).toBeLessThan(600_000)
  expect(shown.complaints).toEqual([])
}, 240_000)

test('no page is wider than the window', async () => {
  const { running, failed, workflow, batch } = shop.ids
  const paths: [path: string, shows: string | RegExp][] = [
    ['/', 'stands still'],
    ['/queues', 'to look at'],
    ['/queues/payments', 'wait p50'],
    ['/jobs', 'What happened last'],
    [`/jobs/${running}?tab=raw`, '"state": "active"'],
    [`/jobs/${failed}?tab=errors`, 'socket hang up'],
    ['/failures', 'failed jobs'],
    ['/changes', 'No change goes on'],
    ['/flows', 'newsletter November'],
    [`/flows/${workflow}`, 'nodes completed'],
    [`/flows/${batch}?tab=members`, 'no such user'],
    ['/schedules', 'month-end'],
    ['/schedules/stock-levels', 'Next ticks'],
    ['/limiters', 'stripe'],
    ['/workers', 'emails › webhooks'],
    ['/doctor', 'no worker serves it'],
  ]
  const wide: string[] = []
  for (const [path, shows] of paths) {
    await page.setViewportSize({ width: 1_280, height: 800 })
    await goTo(path, shows)
    for (const width of widths) {
      await page.setViewportSize({ width, height: 800 })
      const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
      if (over > 0) wide.push(`${path} at ${width}: ${over} too wide`)
    }
  }
  expect(wide).toEqual([])
})

test('the keyboard reaches everything, the focus is visible, and dialogs keep the focus and give it back', async () => {
  const findings: string[] = []
  const focus = () =>
    page.evaluate<string>(`{
      const { activeElement: at } = document
      const { outlineStyle, outlineWidth } = getComputedStyle(at)
      const ring = outlineStyle === 'solid' && outlineWidth === '2px' ? 'seen' : 'hidden';
      \`\${at.closest('dialog') ? 'dialog' : at.dataset.row ?? at.id} \${ring}\`
    }`)
  await page.setViewportSize(screen)
  await goTo('/jobs?state=failed&queue=webhooks', 'answered 503')
  expect(await focus()).toBe('content hidden')
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  const row = await focus()
  expect(row).toMatch(/^webhooks .* seen$/)
  await page.keyboard.press('x')
  await page.getByText('1 job chosen').waitFor()
  await page.keyboard.press('x')
  for (const [key, title] of [
    ['?', 'Keys'],
    ['/', 'Search'],
  ] as const) {
    await page.keyboard.press(key)
    await page.getByRole('dialog', { name: title }).waitFor()
    findings.push(...(await examined(page)))
    for (let times = 0; times < 3; times++) {
      await page.keyboard.press('Tab')
      // After the last element of a dialog, the focus goes to the browser, and not to the page behind the
      // dialog.
      expect(await focus()).toMatch(/^(dialog|undefined| )/)
    }
    await page.keyboard.press('Escape')
    await expect.poll(focus).toBe(row)
  }
  await page.keyboard.press('Enter')
  await page.getByRole('tab', { name: 'Errors 1' }).waitFor()
  await page.keyboard.press('r')
  await page.getByText('1 job queued again').waitFor()
  await page.keyboard.press('u')
  await page.getByText(/Undone|0 undone/).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('q')
  await page.getByRole('heading', { name: 'Queues', level: 1 }).waitFor()
  // Screen readers announce results, but not ages that change each second.
  const ticking = '[role=status] time:not([aria-live=off]), [role=alert] time:not([aria-live=off])'
  expect(await page.locator(ticking).count()).toBe(0)
  await page.setViewportSize(phone)
  findings.push(...(await examined(page)))
  await page.getByRole('button', { name: 'More' }).click()
  await page.getByRole('link', { name: 'Jobs', exact: true }).click()
  await page.getByText('What happened last').first().waitFor({ state: 'attached' })
  findings.push(...(await examined(page)))
  expect(findings.join('\n')).toBe('')
}, 90_000)
