/**
 * The site of the manual in a real Chromium, served by a static host. `npm test` builds the site before,
 * under a path of its own. Without `npm test`, build it with `npm run docs -- --build`.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import axe, { type AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBrowser } from '../../packages/lark-dashboard/test/browser/browser.ts'
import { contents, routeOf } from '../../site/contents.mjs'
import { read, root } from '../source.ts'

const built = join(root, 'site/build')
const pages = contents.flatMap((section) => section.pages)
/** Most decisions have only a heading and paragraphs, so only the first decision is tested. */
const looked = pages.filter(
  (name, i) =>
    !name.startsWith('decisions/') ||
    !pages[i - 1]?.startsWith('decisions/') ||
    /^(\||##|```)/m.test(read(`docs/${name}.md`)),
)
const types: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
}

/** A server that serves files, and the index file of a folder. */
const host = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url!, 'http://host').pathname)
  const named = join(built, path.startsWith(base) ? path.slice(base.length) : 'nothing')
  const file = existsSync(named) && statSync(named).isDirectory() ? join(named, 'index.html') : named
  const found = existsSync(file) ? file : join(built, '404.html')
  response.writeHead(found === file ? 200 : 404, { 'content-type': types[extname(found)] ?? 'text/plain' })
  response.end(readFileSync(found))
})
/** The URL of the site, with a slash at the end. */
let base: string
let origin: string
let browser: Browser
const complaints: string[] = []

beforeAll(async () => {
  expect(existsSync(built), 'build it first: npm run docs -- --build').toBe(true)
  base = /href="?([^" >]*)assets\/css\//.exec(readFileSync(join(built, 'index.html'), 'utf8'))![1]!
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(host.address() as AddressInfo).port}`
  browser = await startBrowser()
})

afterAll(async () => {
  await browser.close()
  host.closeAllConnections()
  await new Promise((resolve) => host.close(resolve))
})

const address = (route: string) => `${origin}${base}${route.replace(/^\//, '')}`

async function open(route: string, options: BrowserContextOptions = {}): Promise<Page> {
  const viewport = { width: 1280, height: 900 }
  const page = await browser.newPage({ viewport, reducedMotion: 'reduce', ...options })
  page.setDefaultTimeout(20_000)
  page.on('pageerror', ({ message }) => complaints.push(`${route}: ${message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${route}: ${message.text()}`)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`${route}: asked ${request.url()}`)
  })
  await page.goto(address(route))
  return page
}

test('the pages that the founding page links to exist under these paths', async () => {
  // Cancel the body, because an answer that is not read keeps its connection open until it is garbage
  // collected.
  for (const route of ['/lark-jobs/queue-workers', '/lark-jobs/creating-jobs'])
    expect((await fetch(address(route), { method: 'HEAD' })).status).toBe(200)
})

test('no page requests anything from another host, logs an error, or must be scrolled sideways on a phone', async () => {
  const page = await open('/', { viewport: { width: 390, height: 800 } })
  for (const name of looked) {
    await page.goto(address(routeOf(name)))
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth')
    expect({ name, wide }).toEqual({ name, wide: 390 })
    expect(await page.locator('h1').first().textContent(), name).toMatch(/\w/)
  }
  await page.close()
  expect(complaints).toEqual([])
}, 180_000)

test.each(['/', '/lark-jobs/dispatching-jobs/', '/lark/commands/', '/api/@s18i/lark-jobs/classes/Job/'])(
  'axe finds no accessibility problem on %s in both themes',
  async (route) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await open(route, { colorScheme })
      await page.evaluate(axe.source)
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
      // The second theme differs only in its colours. The results of passed rules are left out, because
      // collecting them takes a fifth of the time.
      const runOnly = colorScheme === 'light' ? tags : { type: 'rule', values: ['color-contrast'] }
      const options = JSON.stringify({ runOnly, resultTypes: ['violations'] })
      const { violations } = await page.evaluate<AxeResults>(`axe.run(${options})`)
      const found = violations.flatMap(({ id, nodes }) =>
        nodes.map(
          ({ html, failureSummary }) => `${colorScheme}, ${id}: ${html.slice(0, 160)} ${failureSummary}`,
        ),
      )
      expect(found.slice(0, 10)).toEqual([])
      await page.close()
    }
  },
)

test('by keyboard, the first Tab stop leads to the text, and Ctrl-K opens the search', async () => {
  const page = await open('/lark-jobs/flows/')
  await page.keyboard.press('Tab')
  expect(await page.locator(':focus').textContent()).toBe('Skip to main content')
  await search(page, 'run a job every night', 'every night?')
  await page.keyboard.press('Enter')
  await page.waitForURL(/lark-jobs\/questions/)
  await page.close()
})

/** Words that a newcomer searches for, and the pages that answer them. */
const questions: [words: string, answer: string][] = [
  ['retry only on 5xx', 'How do I retry only on 5xx?'],
  ['why does my job wait', 'Why does my job wait?'],
  ['test that an e-mail is queued', 'How do I test that an e-mail is queued?'],
  ['one job at a time', 'How do I run one job at a time?'],
  ['cancel running job', 'Can I cancel a running job?'],
  ['run twice', 'Why did my job run twice?'],
  ['every night', 'How do I run a job every night?'],
  ['need redis', 'Do I need Redis?'],
  ['every monday', 'How do I run a job every Monday?'],
  ['graceful shutdown', 'Questions'],
  ['dead letter', 'Is there a dead letter queue?'],
  ['dashboard password', 'There is no password in Lark'],
  ['result of a job', 'How do I get the result of a job?'],
  ['show progress', 'How do I show progress to a user?'],
  ['deploy running jobs', 'What happens to running jobs when I deploy?'],
  ['transaction database', 'Can I dispatch in the transaction of my database?'],
  ['payload date', 'May I put a Date or a whole object into a payload?'],
  ['minify class names', 'Give each class a key'],
  ['important jobs first', 'How do I let important jobs go first?'],
  ['rate limit api', 'Rate-Limited API'],
  ['webhook', 'Webhooks'],
  ['kubernetes', 'Kubernetes'],
  ['systemd', 'systemd'],
  ['from laravel', 'From Laravel'],
]

describe('the search', () => {
  let page: Page
  beforeAll(async () => {
    page = await open('/')
  })
  afterAll(() => page.close())

  test.each(questions)('%s', async (words, answer) => {
    await search(page, words, answer)
  })

  test('the reference has its own search', async () => {
    const reference = await open('/api/')
    await search(reference, 'dispatchMany', 'Jobs')
    await reference.close()
  })
})

/** Searches for words, and waits until a result has this text. */
async function search(page: Page, words: string, answer: string): Promise<void> {
  // The page listens to keys only after it is hydrated.
  await page.locator('html[data-has-hydrated=true]').waitFor({ state: 'attached' })
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await page.locator('.navbar__search-input:focus').fill(words)
  const suggested = async () => (await page.locator('[class*=suggestion_]').allInnerTexts()).join('\n')
  await expect.poll(suggested).toContain(answer)
}
