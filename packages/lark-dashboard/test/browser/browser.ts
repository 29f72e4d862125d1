/**
 * A real Chromium, and a dashboard of a scene in front of it.
 */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Jobs } from '@s18i/lark-jobs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { type Dashboard, dashboard, type Role, toNode } from '../../src/index.ts'

/**
 * The first program has no window and draws less: a page takes a third of the CPU time that it takes in the
 * whole browser (0.6 s instead of 2.1 s, and the pages of `sqlite.test.ts` 49 s instead of 152 s,
 * 2026-12-02).
 */
const places = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(
  (name) => `/usr/bin/${name}`,
)

/** @throws if there is none */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? places.find((path) => existsSync(path))
  if (executablePath === undefined)
    throw new Error(
      'The tests of the dashboard need Chromium: apt-get install chromium-headless-shell, or name one in CHROMIUM',
    )
  return await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

export class Shown implements AsyncDisposable {
  readonly url: string
  readonly dashboard: Dashboard
  readonly #browser: Browser
  readonly #close: () => Promise<void>
  /** The errors that the pages have logged. */
  readonly complaints: string[] = []

  private constructor(browser: Browser, dashboard: Dashboard, url: string, close: () => Promise<void>) {
    this.#browser = browser
    this.dashboard = dashboard
    this.url = url
    this.#close = close
  }

  /**
   * Starts a dashboard. A header of the browser says which role the viewer has.
   *
   * @param at the port; 0 stands for any free port
   */
  static async start(browser: Browser, jobs: Jobs, base = '/admin/jobs', at = 0): Promise<Shown> {
    const made = dashboard({
      jobs,
      base,
      environment: { name: 'test', colour: 'violet' },
      authorize: (request) => {
        const role = request.headers.get('x-role') as Role | null
        return role === null ? undefined : { role, user: `${role}@example.com` }
      },
    })
    const handle = toNode(made)
    const server = createServer((request, response) => void handle(request, response))
    await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return new Shown(browser, made, `http://127.0.0.1:${port}${base}`, async () => {
      await made.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    })
  }

  /** Opens a page of the dashboard in a separate browser context. */
  async open(path: string, role: Role = 'admin', options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1280, height: 800 },
      extraHTTPHeaders: { 'x-role': role },
      reducedMotion: 'reduce',
      ...options,
    })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    page.on('pageerror', (error) => this.complaints.push(`${path}: ${error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        this.complaints.push(`${path}: ${message.text()}`)
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(this.url).origin))
        this.complaints.push(`${path}: asked ${request.url()}`)
    })
    await page.goto(`${this.url}${path}`)
    return page
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}
