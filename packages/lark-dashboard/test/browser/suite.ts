/**
 * Tests the dashboard in a browser on one store. The conformance suite tests on each store what changes do,
 * so most buttons are pressed only on the first store.
 */

import { readFileSync } from 'node:fs'
import type { JobsConfig } from '@s18i/lark-jobs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Shown, startBrowser } from './browser.ts'
import { examined } from './examined.ts'
import { EMAILS, HOSTILE, makeScene, ReportJob, type Scene } from './scene.ts'

export interface Place {
  config: JobsConfig
  remove(): Promise<void>
}

/**
 * @param isFirst whether to run the tests that do not depend on the store, too: accessibility, hostile texts,
 *   the rights of viewers, and drawings
 */
export function describeDashboard(find: () => Promise<Place>, isFirst = false): void {
  let place: Place
  let scene: Scene
  let browser: Browser
  let shown: Shown

  beforeAll(async () => {
    place = await find()
    scene = await makeScene(place.config)
    browser = await startBrowser()
    shown = await Shown.start(browser, scene.jobs)
  }, 120_000)

  afterAll(async () => {
    await browser?.close()
    await shown?.[Symbol.asyncDispose]()
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
  })

  /** Opens a page, which is closed when the test ends. */
  async function opened(
    path: string,
    role: 'read' | 'operate' | 'admin' = 'admin',
  ): Promise<Page & AsyncDisposable> {
    const page = await shown.open(path, role)
    return Object.assign(page, { [Symbol.asyncDispose]: () => page.context().close() })
  }

  /** A test that does not depend on the store. */
  const onFirst = (name: string, act: () => Promise<void>) => void (isFirst && test(name, act))

  // What a person sees: the layout counts.
  // biome-ignore lint/performance/useDomNodeTextContent: textContent joins the cells of a row
  const text = (page: Page) => page.locator('main').innerText()

  /** Each page, with a text that it must show. */
  const pages = (): [path: string, shows: string | RegExp][] => {
    const { ids } = scene
    return [
      ['/', /stands still: 1 waiting, none started, no worker serves it/],
      ['/queues', 'unserved'],
      ['/queues/reports', /paused.*the bank is closed/],
      ['/queues/unserved', 'No living worker serves its queue unserved'],
      ['/jobs', 'send-email'],
      ['/jobs?state=failed&queue=emails', 'no such user'],
      [`/jobs/${ids.paused}`, /paused.*the bank is closed/],
      [`/jobs/${ids.failed}?tab=errors`, /Error[\s\S]*The server refused user0@example\.com/],
      [`/jobs/${ids.slow}?tab=log`, 'Reading customers.csv'],
      [`/jobs/${ids.retrying}`, /Due|delayed/],
      [`/jobs/${ids.delayed}?tab=raw`, '"state": "delayed"'],
      ['/jobs/nobody', 'There is no job with this id'],
      ['/classes', /send-email[\s\S]*cleanup/],
      ['/classes/send-email', /The day before[\s\S]*r1[\s\S]*no such user/],
      ['/classes/nobody', 'No run of this class is known'],
      ['/failures', `${EMAILS + 7} failed jobs of 4 kinds`],
      ['/changes', 'No change goes on'],
      ['/flows', 'newsletter'],
      [`/flows/${ids.batch}?tab=members`, 'no such user'],
      [`/flows/${ids.workflow}`, /order[\s\S]*2 of 4 nodes completed/],
      [`/flows/${ids.workflow}?tab=table`, 'ship'],
      ['/schedules', 'every day at 03:00'],
      ['/schedules/nightly', 'Next ticks'],
      ['/limiters', '2 at a time, 100 in 1 min'],
      ['/outbox', /2 rows cannot become jobs[\s\S]*the field <img[\s\S]*newer[\s\S]*its form is 9/],
      ['/workers', /1 worker on 1 host, 1 of 4 slots in use/],
      ['/audit', /pause[\s\S]*queue reports|Nobody has changed/],
      ['/dispatch?key=send-email', 'Different from its class'],
      ['/doctor', /unserved[\s\S]*no worker serves it[\s\S]*Start a worker that serves unserved, where/],
      ['/nowhere', 'There is no page nowhere'],
    ]
  }

  test('every page shows what the store has', async () => {
    const findings: string[] = []
    await using page = await opened('/')
    for (const [path, shows] of pages()) {
      await page.goto(`${shown.url}${path}`)
      const pattern =
        typeof shows === 'string' ? new RegExp(shows.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : shows
      await expect.poll(() => text(page), { timeout: 15_000, message: path }).toMatch(pattern)
      if (isFirst) findings.push(...(await examined(page)).map((finding) => `${path}: ${finding}`))
    }
    expect(findings.join('\n')).toBe('')
    expect(shown.complaints).toEqual([])
  }, 180_000)

  test('a class is compared by release, as charts, as tables and as a file', async () => {
    await using page = await opened('/failures', 'read')
    await page
      .getByRole('row', { name: /ECONNREFUSED/ })
      .getByRole('link')
      .first()
      .click()
    await page.getByRole('link', { name: 'send-email' }).click()
    await page.getByRole('heading', { name: 'send-email' }).waitFor()
    const release = page.getByRole('region', { name: 'By release' }).getByRole('row', { name: /r1/ })
    // biome-ignore lint/performance/useDomNodeTextContent: textContent joins the cells of a row
    expect(await release.innerText()).toMatch(/66\s+\d+ \(\d+ %\)/)
    const ended = page.getByRole('region', { name: 'Ended runs' })
    await ended.getByRole('button', { name: '90 days' }).click()
    await page.keyboard.press('t')
    await expect.poll(() => ended.textContent()).toMatch(/r1: 66, \d+ failed/)
    const download = page.waitForEvent('download')
    await ended.getByRole('button', { name: 'CSV' }).click()
    const file = await download
    expect(file.suggestedFilename()).toBe('send-email-90d.csv')
    const [heads, day] = readFileSync(await file.path(), 'utf8').split('\r\n')
    expect(heads).toMatch(/^from,completed,failed,retried,wait_p50_ms,.*,run_p99_ms$/)
    expect(day).toMatch(/^\d{4}-\d\d-\d\dT00:00:00.000Z,\d+,\d+,\d+,[\d.]+,/)
    await page.setViewportSize({ width: 390, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    await page.keyboard.press('g')
    await page.keyboard.press('e')
    await page.getByRole('link', { name: 'send-email' }).first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
  })

  onFirst('who may operate lets the relay take a row of the outbox again', async () => {
    await using page = await opened('/outbox?only=bad', 'operate')
    // A long error of a row is broken into several lines, so that the button stays visible.
    await page.setViewportSize({ width: 760, height: 800 })
    await page.getByRole('button', { name: 'Retry newer' }).waitFor()
    const over =
      "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.scroll'))"
    expect(await page.evaluate(over)).toBe(0)
    await page.getByRole('button', { name: 'Retry newer' }).click()
    await page.getByText('The relay takes 1 row again').waitFor()
    await using reader = await opened('/outbox', 'read')
    await expect.poll(() => text(reader)).toContain('its form is 9')
    expect(await reader.getByRole('button', { name: 'Retry' }).count()).toBe(0)
  })

  if (isFirst)
    describe('a hostile job', () => {
      test('is shown as text everywhere, and runs no code', async () => {
        const { hostile } = scene.ids
        const paths = [
          '/jobs?key=hostile',
          `/jobs/${hostile}`,
          ...['log', 'errors', 'raw'].map((tab) => `/jobs/${hostile}?tab=${tab}`),
        ]
        for (const path of paths) {
          await using page = await opened(path)
          await expect.poll(() => text(page), { message: path }).toContain('<img src=x onerror=')
          expect(await page.evaluate('window.hacked'), path).toBeUndefined()
          expect(await page.locator('main img, main script').count(), path).toBe(0)
        }
        await using page = await opened('/failures')
        await page.getByText(HOSTILE.slice(0, 12)).first().waitFor()
        expect(await page.evaluate('window.hacked')).toBeUndefined()
      })
    })

  describe('changes', () => {
    onFirst('a paused queue is found, explained and resumed with the mouse, and undone', async () => {
      await using page = await opened('/')
      await page.getByRole('table').getByRole('link', { name: 'reports', exact: true }).click()
      await page.getByText('the bank is closed').first().waitFor()
      await page.getByRole('button', { name: /Resume/ }).click()
      await page.getByText('reports goes on').waitFor()
      await page.getByRole('button', { name: /Undo/ }).click()
      await page.getByText('Undone').waitFor()
      const { queues } = await scene.jobs.status()
      expect(queues.find(({ queue }) => queue === 'reports')).toMatchObject({
        paused: true,
        pausedBecause: 'the bank is closed',
      })
    })

    test('failures are shown by kind, and one kind can be retried with the mouse', async () => {
      await using page = await opened('/failures')
      await page
        .getByRole('row', { name: /ECONNREFUSED/ })
        .getByRole('link')
        .first()
        .click()
      await page.getByRole('button', { name: /Retry all/ }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
      await page.getByText(/22 jobs queued again/).waitFor()
      const waiting = await scene.jobs.list({ queue: 'emails', state: 'waiting' })
      expect(waiting.jobs).toHaveLength(22)
      await expect.poll(() => text(page)).toContain(`${EMAILS + 7 - 22} failed jobs of 3 kinds`)
      await scene.runAll()
    })

    onFirst('chosen jobs are retried by keys, and u takes it back', async () => {
      await using page = await opened('/jobs?state=failed&queue=emails')
      await page.getByText('no such user').first().waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('x')
      await page.keyboard.press('j')
      await page.keyboard.press('x')
      await page.getByText('2 jobs chosen').waitFor()
      await page.keyboard.press('r')
      await page.getByText('2 jobs queued again').waitFor()
      await page.keyboard.press('u')
      await page.getByText('Undone').waitFor()
      expect((await scene.jobs.list({ queue: 'emails', state: 'waiting' })).jobs).toEqual([])
    })

    onFirst('a payload is edited, with what is wrong said before it is sent', async () => {
      await using page = await opened(`/jobs/${scene.ids.failed}?tab=payload`)
      await page.getByRole('button', { name: 'Edit the payload' }).click()
      const area = page.getByRole('textbox', { name: 'Payload as JSON' })
      await area.fill('{"to": ')
      await page.getByText('This is not JSON').waitFor()
      await area.fill('{"to": "ada@example.com", "n": 4}')
      await page.getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByText('The payload is changed').waitFor()
      expect((await scene.jobs.find(scene.ids.failed))?.payload).toEqual({ to: 'ada@example.com', n: 4 })
    })

    onFirst(
      'a long payload is shown, searched and edited as a whole, and its hidden characters stay',
      async () => {
        const long = { month: 7, text: `${'a'.repeat(100_000)}needle\u202e` }
        const [made] = await scene.jobs.dispatch([new ReportJob().with(long).delayed('9h')])
        await using page = await opened(`/jobs/${made!.id}`)
        await page.getByText(/more characters are not shown/).waitFor()
        await page.getByRole('button', { name: 'Edit the payload' }).click()
        const area = page.getByRole('textbox', { name: 'Payload as JSON' })
        await expect.poll(() => area.inputValue()).toMatch(/needle\\u202e"/)
        await area.fill((await area.inputValue()).replace('"month": 7', '"month": 8'))
        await page.getByRole('button', { name: 'Save', exact: true }).click()
        await page.getByText('The payload is changed').waitFor()
        expect((await scene.jobs.find(made!.id))?.payload).toEqual({ ...long, month: 8 })
        await page.getByRole('button', { name: 'Show all' }).click()
        await page.getByRole('searchbox', { name: 'Search in it' }).fill('needle')
        // The page may still show the old payload.
        await expect.poll(() => page.locator('.json-found').count()).toBe(1)
        const [file] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('button', { name: 'Download' }).click(),
        ])
        expect(file.suggestedFilename()).toBe(`${made!.id} payload.json`)
        await scene.jobs.remove(made!.id)
      },
    )

    onFirst('Back leads to the same place of a list, with the jobs that were loaded', async () => {
      const many = Array.from({ length: 500 }, (_, n) =>
        new ReportJob().with({ month: n }).tagged('far').delayed('1h'),
      )
      await scene.jobs.dispatch(many)
      await using page = await opened('/jobs?state=delayed&tag=far')
      const scrolled = () => page.locator('html').evaluate((html) => html.scrollTop)
      await page.getByText(/200\+ delayed jobs/).waitFor()
      await page.mouse.wheel(0, 20_000)
      await page.getByText(/400\+? delayed jobs/).waitFor()
      await page.mouse.wheel(0, -3_000)
      await expect.poll(scrolled).toBeGreaterThan(1_000)
      const link = page.locator('tbody a[data-row]').nth(20)
      const before = await scrolled()
      await link.evaluate((a) => (a as unknown as { click(): void }).click())
      await page.getByRole('tab', { name: /Payload/ }).waitFor()
      await page.goBack()
      await expect.poll(scrolled).toBe(before)
      expect(await page.getByText(/400\+? delayed jobs/).count()).toBe(1)
      await scene.jobs.remove({ tag: 'far' })
    })

    test('groups are found by a part of their names, and the audit links to the queue of one', async () => {
      for (const group of ['acme-1', 'acme-2', 'globex']) await scene.jobs.pause({ queue: 'idle', group })
      await using page = await opened('/queues/idle', 'operate')
      const rows = page.getByRole('region', { name: 'Groups' }).getByRole('row')
      await expect.poll(() => rows.count()).toBe(4)
      await page.getByRole('searchbox', { name: 'Name' }).fill('ACME')
      await page.keyboard.press('Enter')
      await expect.poll(() => rows.count()).toBe(3)
      await page.getByRole('combobox', { name: 'Sorted' }).selectOption('name')
      expect(page.url()).toContain('group=ACME&order=name')
      await page.reload()
      await expect.poll(() => rows.nth(1).textContent()).toMatch(/^acme-1paused/)
      await rows.nth(1).getByRole('button', { name: 'Resume' }).click()
      await page.getByText('Group acme-1 goes on').waitFor()
      await page.goto(`${shown.url}/audit?what=resume`)
      const entry = page.getByRole('row', { name: /group acme-1 of queue idle/ }).first()
      await entry.getByRole('link', { name: 'idle' }).click()
      await page.getByRole('heading', { name: 'idle', level: 1 }).waitFor()
      for (const group of ['acme-2', 'globex']) await scene.jobs.resume({ queue: 'idle', group })
    })

    onFirst('a job is dispatched with a form, and a second one with its id is rejected', async () => {
      await using page = await opened('/dispatch', 'operate')
      await page.getByRole('combobox', { name: 'Class' }).selectOption('mail-report')
      await page.getByRole('textbox', { name: 'to email', exact: true }).fill('ada@example.com')
      await page.getByRole('textbox', { name: 'pages (optional)' }).fill('12')
      await page.getByRole('textbox', { name: 'Delay' }).fill('2h')
      await page.getByRole('textbox', { name: 'Id', exact: true }).fill('report-7')
      await page.getByRole('button', { name: 'Dispatch', exact: true }).click()
      await page.locator('main').getByText('Queued mail-report in default').waitFor()
      expect(await scene.jobs.find('report-7')).toMatchObject({
        state: 'delayed',
        payload: { to: 'ada@example.com', pages: 12 },
      })
      await page.getByRole('button', { name: 'Dispatch', exact: true }).click()
      await page.locator('main').getByText('default has a job with this id, which is delayed').waitFor()
      await page.getByRole('textbox', { name: 'pages (optional)' }).fill('many')
      await page.getByRole('button', { name: 'Dispatch', exact: true }).click()
      await page.getByText(/payload\.pages/).waitFor()
      await page.goto(`${shown.url}/audit?what=dispatch`)
      await expect.poll(() => text(page)).toMatch(/operate@example\.com[\s\S]*class mail-report/)
      await page.getByRole('link', { name: 'mail-report' }).first().click()
      await page.getByRole('heading', { name: 'mail-report' }).waitFor()
    })

    if (isFirst)
      test('the layers of a flow can be closed and opened', async () => {
        await using page = await opened(`/flows/${scene.ids.workflow}`)
        await page.getByRole('button', { name: 'Close 2 nodes' }).click()
        await page.locator('svg.flow-graph').getByText('2 nodes', { exact: true }).waitFor()
        expect(await page.locator('svg.flow-graph').getByText('pack').count()).toBe(0)
        await page.getByRole('button', { name: 'Open 2 nodes' }).click()
        await page.locator('svg.flow-graph text', { hasText: 'pack' }).waitFor()
      })

    test('before several jobs are removed, the page asks with their number and samples', async () => {
      await using page = await opened('/jobs?state=failed&queue=emails')
      await page.getByText('no such user').first().waitFor()
      const before = (await scene.jobs.list({ queue: 'emails', state: 'failed' })).jobs.length
      await page.getByRole('button', { name: 'Remove', exact: true }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('heading', { name: `Remove ${before} jobs` }).waitFor()
      await dialog.getByRole('button', { name: `Remove ${before} jobs` }).waitFor()
      await dialog.getByRole('button', { name: 'Go back' }).waitFor()
      expect(await dialog.locator('li').count()).toBe(3)
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'hidden' })
      expect((await scene.jobs.list({ queue: 'emails', state: 'failed' })).jobs).toHaveLength(before)
    })

    onFirst(
      'in production, more jobs than 1,000 are cancelled only with their number, and all come back',
      async () => {
        const many = Array.from({ length: 1_005 }, (_, n) =>
          new ReportJob().with({ month: n }).tagged('many').delayed('1h'),
        )
        await scene.jobs.dispatch(many)
        await using page = await opened('/jobs?state=delayed&tag=many')
        await page.locator('html').evaluate((html) => html.setAttribute('data-environment', 'production'))
        await page.getByRole('button', { name: 'Cancel', exact: true }).click()
        const dialog = page.getByRole('dialog')
        const button = dialog.getByRole('button', { name: 'Cancel 1,005 jobs' })
        await button.waitFor()
        expect(await button.isDisabled()).toBe(true)
        await dialog.getByRole('textbox').fill('1004')
        expect(await button.isDisabled()).toBe(true)
        await dialog.getByRole('textbox').fill('1,005')
        await button.click()
        await page.getByText('1,005 jobs cancelled').waitFor()
        await page.keyboard.press('u')
        await page.getByText('Undone').waitFor()
        const { cancelled } = await scene.jobs.cancel({ state: 'delayed', tag: 'many' }, { dryRun: true })
        expect(cancelled).toBe(1_005)
        await scene.jobs.remove({ tag: 'many' })
      },
    )

    onFirst(
      'a key acts on nothing while another row has the focus, and the keys can be switched off',
      async () => {
        await using page = await opened('/jobs?state=failed&queue=emails')
        const waiting = async () => (await scene.jobs.list({ queue: 'emails', state: 'waiting' })).jobs.length
        await page.getByText('no such user').first().waitFor()
        await page.keyboard.press('?')
        await page.getByRole('dialog').getByRole('checkbox').uncheck()
        await page.keyboard.press('Escape')
        await page.keyboard.press('j')
        await page.keyboard.press('r')
        expect(await page.locator('[data-row]:focus').count()).toBe(0)
        await page.keyboard.press('?')
        await page.getByRole('dialog').getByRole('checkbox').check()
        await page.keyboard.press('Escape')
        expect(await waiting()).toBe(0)
        // If no row is chosen, the key retries the job of the focused row.
        await page.keyboard.press('j')
        await page.keyboard.press('r')
        await page.getByText('1 job queued again').waitFor()
        await page.keyboard.press('u')
        await page.getByText('Undone').waitFor()
        expect(await waiting()).toBe(0)
      },
    )

    onFirst('a schedule runs now, pauses and resumes', async () => {
      await using page = await opened('/schedules/nightly')
      await page.getByRole('button', { name: /Run now/ }).click()
      await page.getByText('A job is queued').waitFor()
      await page.getByRole('button', { name: /Pause/ }).click()
      await page.getByText('nightly is paused').waitFor()
      expect((await scene.jobs.schedules.get('nightly'))?.state).toBe('paused')
      await page.getByRole('button', { name: /Undo/ }).click()
      await page.getByText('Undone').waitFor()
      expect((await scene.jobs.schedules.get('nightly'))?.state).toBe('running')
    })

    onFirst('the worker is told to be quiet with the mouse, and it is undone', async () => {
      await using page = await opened('/workers', 'operate')
      await page.getByRole('button', { name: 'Quiet' }).click()
      await page.getByText('1 worker told to take no more jobs').waitFor()
      expect(await page.getByRole('button', { name: 'Restart' }).count()).toBe(0)
      await page.getByRole('button', { name: /Undo/ }).click()
      await page.getByText('Undone').waitFor()
    })

    if (isFirst)
      test('a viewer who may only read sees no button that changes anything, and no payload', async () => {
        for (const path of [
          `/jobs/${scene.ids.failed}`,
          '/jobs?state=failed',
          '/queues/reports',
          '/schedules/nightly',
          '/failures',
          '/workers',
        ]) {
          await using page = await opened(path, 'read')
          await page.locator('main h1').first().waitFor()
          await page.getByText('read@example.com').waitFor()
          const verbs = /^(Retry|Run now|Cancel|Remove|Pause|Resume|Edit|Quiet|Restart)/
          expect(await page.locator('main').getByRole('button', { name: verbs }).count(), path).toBe(0)
          expect(await text(page), path).not.toContain('acme')
        }
      })
  })

  onFirst(
    'ended runs are a chart of a range that the address names, and a table of the same figures',
    async () => {
      await using page = await opened('/queues/emails')
      const chart = page.getByRole('img', { name: /^Ended runs a minute, 1 hour: 0 completed, \d+ failed$/ })
      await chart.locator('canvas').waitFor()
      const times = page.getByRole('img', { name: /^Run times; the last: \d/ })
      await times.locator('canvas').waitFor()
      await times.hover()
      // The pointer is on the same time in all charts.
      await expect
        .poll(() => page.locator('.ended-pointed').allTextContents())
        .toEqual([
          expect.stringMatching(/· \d\d:\d\d: /),
          expect.stringMatching(/· \d\d:\d\d: /),
          expect.stringMatching(/· \d\d:\d\d: /),
        ])
      await page.getByRole('button', { name: '90 days' }).click()
      await expect.poll(() => page.url()).toContain('range=90d')
      await page.getByRole('img', { name: /^Ended runs a day, 90 days/ }).waitFor()
      await page.keyboard.press('t')
      await page.getByRole('columnheader', { name: 'To be retried' }).waitFor()
      await page.getByRole('columnheader', { name: 'Waited: 50 %' }).waitFor()
      expect(await page.locator('.ended-table tbody tr').count()).toBeGreaterThan(0)
      expect(page.url()).toContain('ended=table')
    },
  )

  onFirst(
    'a link to another page is followed without loading the document, and the way back works',
    async () => {
      await using page = await opened('/')
      await page.evaluate('window.mark = 1')
      await page.getByRole('link', { name: 'Jobs', exact: true }).click()
      await page.getByRole('combobox', { name: 'State' }).selectOption('delayed')
      await expect.poll(() => page.url()).toContain('/jobs?state=delayed')
      await page.getByRole('link', { name: scene.ids.delayed }).click()
      await page.getByText('Still delayed for').waitFor()
      await page.goBack()
      await expect.poll(() => page.url()).toContain('/jobs?state=delayed')
      expect(await page.evaluate('window.mark')).toBe(1)
      await page.keyboard.press('/')
      await page.getByRole('combobox', { name: 'A page, a queue' }).waitFor()
      await page.keyboard.type(scene.ids.paused)
      await page.keyboard.press('Enter')
      await expect.poll(() => page.url()).toContain(`/jobs/${scene.ids.paused}`)
    },
  )
}
