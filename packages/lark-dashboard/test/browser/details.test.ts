/**
 * Tests the accessibility of dialogs, editing many payloads together, large and running flows, live progress,
 * the history of a job that failed often, and workers with hostile names.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chain, createJobs, cron, defineSignal, every, Job, type Jobs, workflow } from '@s18i/lark-jobs'
import { operate, type WorkerRecord } from '@s18i/lark-jobs/operate'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Facade, insideOf } from '../../../lark-jobs/src/model/copies.ts'
import type { Operated } from '../../../lark-jobs/src/operate/operated.ts'
import { Shown, startBrowser } from './browser.ts'
import { examined } from './examined.ts'
import { harmOn } from './harm.ts'
import { HOSTILE } from './scene.ts'

const silent = { wrote() {}, ended() {}, warn() {}, info() {} }
/** Milliseconds. */
const LEASE = 60_000

class MailJob extends Job {
  override key = 'mail'
  override tries = 1
  async handle({ to }: { to: string; retries?: number }) {
    if (!to.includes('@')) throw new Error(`550 no such user '${to}'`)
  }
}

/** A job that goes on when a test says so. */
class ImportJob extends Job {
  static goOn: () => void = () => {}
  override key = 'import'
  override queueName = 'imports'
  async handle({ rows }: { rows: number }) {
    for (let done = 1; done <= rows; done++) {
      this.info(`row ${done}`)
      this.progress({ done, of: rows })
      await new Promise<void>((resolve) => {
        ImportJob.goOn = resolve
        this.signal.addEventListener('abort', () => resolve())
      })
      this.signal.throwIfAborted()
    }
  }
}

class StepJob extends Job {
  override key = 'step'
  override queueName = 'steps'
  async handle({ waits }: { waits?: boolean }) {
    if (!waits) return
    await new Promise<void>((resolve) => this.signal.addEventListener('abort', () => resolve()))
    throw this.signal.reason
  }
}

class FlakyJob extends Job {
  override key = 'flaky'
  override queueName = 'flaky'
  override tries = 5
  override backoff = [150, 300, 600, 300]
  async handle({ url }: { url: string }) {
    await new Promise((resolve) => setTimeout(resolve, 20 * this.attempt ** 2))
    throw new Error(`POST ${url} answered 503`, { cause: new Error('socket hang up') })
  }
}

const approved = defineSignal<{ by: string }>('approved')

class PublishJob extends Job {
  override key = 'publish'
  override queueName = 'articles'
  override tries = 1
  async handle() {
    await this.step('draft', () => 'text', { backoff: '1h', undo: () => Promise.reject(new Error('down')) })
    await this.step('cover', () => 'picture', { undo: () => {} })
    const answer = await this.waitFor(approved)
    throw new Error(`no place for what ${answer!.value.by} approved`)
  }
}

let folder: string
let jobs: Jobs
let browser: Browser
let shown: Shown
let page: Page

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lark-'))
  jobs = createJobs({
    connection: `sqlite:${join(folder, 'jobs.db')}`,
    jobs: [MailJob, ImportJob, StepJob, FlakyJob, PublishJob],
    queues: ['default', 'imports', 'steps', 'flaky', 'articles'],
  })
  browser = await startBrowser()
  shown = await Shown.start(browser, jobs)
  page = await shown.open('/')
})

afterAll(async () => {
  await browser?.close()
  await shown?.[Symbol.asyncDispose]()
  await jobs?.close()
  await rm(folder, { recursive: true })
})

// What a person sees: the layout counts.
// biome-ignore lint/performance/useDomNodeTextContent: textContent joins the cells of a row
const text = () => page.locator('main').innerText()
const goTo = (path: string) => page.goto(`${shown.url}${path}`)
const button = (name: string | RegExp) => page.getByRole('button', { name })

async function run(queue: string): Promise<void> {
  const worker = await jobs.work({ stopWhenEmpty: true, queues: [queue], report: silent })
  await worker.done
}

async function announce(worker: Partial<WorkerRecord>): Promise<void> {
  const { store } = await insideOf(jobs as unknown as Facade<Operated>).open()
  const plain = { id: 'w', host: 'web-1', pid: 7, queues: ['default'], strict: false, keys: ['mail'] }
  await store.announce(
    { ...plain, concurrency: 3, running: 1, startedAt: 0, state: 'running', ...worker },
    LEASE,
  )
}

test('a dialog is accessible, and can be closed with the keyboard', async () => {
  const [failed] = await jobs.dispatch(['ada', 'bob', 'eve'].map((to) => new MailJob().with({ to })))
  await run('default')
  await using worker = await jobs.work({ queues: ['imports'], report: silent })
  const [running] = await jobs.dispatch([new ImportJob().with({ rows: 3 })])
  const flow = await jobs.dispatch(chain([new StepJob().with({}), new StepJob().with({})]))
  await jobs.schedules.set('nightly', new MailJob().with({ to: 'ada' }), cron('0 3 * * *'))
  await announce({ restarts: true })
  await goTo('/failures')
  const kind = (await page.locator('main a[data-row]').first().getAttribute('href'))!.split('/').at(-1)
  const questions: [path: string, press: string | RegExp, title: RegExp][] = [
    ['/jobs?state=failed', 'Remove', /Remove 3 jobs/],
    [`/jobs/${running.id}`, 'Cancel', /Cancel this job while it runs/],
    [`/jobs/${failed!.id}?tab=payload`, 'Edit the payload', /Edit the payload/],
    [`/flows/${flow.id}`, 'Cancel', /Cancel this flow/],
    [`/failures/${kind}`, /^Remove all/, /Remove 3 jobs of the kind/],
    [`/failures/${kind}`, 'Change and retry', /Change the payloads and retry/],
    ['/schedules/nightly', /^Remove/, /nightly/],
    ['/workers', 'Restart', /Restart/],
  ]
  const findings: string[] = []
  for (const [path, press, title] of questions) {
    await goTo(path)
    await button(press).first().click()
    const dialog = page.getByRole('dialog', { name: title })
    await dialog.waitFor()
    findings.push(...(await examined(page, 'dialog')).map((finding) => `${path}: ${finding}`))
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
  }
  expect(findings.join('\n')).toBe('')
  await worker.stop(0)
}, 60_000)

test('the payloads of one kind of failure are edited together, and the new payloads are shown before the change', async () => {
  await goTo('/failures')
  await page
    .getByRole('row', { name: /no such user/ })
    .getByRole('link')
    .first()
    .click()
  await button('Change and retry').click()
  const dialog = page.getByRole('dialog')
  const fields = dialog.getByRole('textbox', { name: 'Changed fields as JSON' })
  expect(await dialog.getByRole('button', { name: 'Change and retry' }).isDisabled()).toBe(true)
  await fields.fill('["no object"]')
  await dialog.getByRole('button', { name: 'Try it' }).click()
  await dialog.getByText(/patch is .* it must be an object/).waitFor()
  await fields.fill('{"to": "ada@example.com", "retries": 1}')
  await dialog.getByRole('button', { name: 'Try it' }).click()
  const sample = dialog.locator('.patch-sample').first()
  await sample.waitFor()
  expect(await sample.locator('pre').allTextContents()).toEqual([
    expect.stringMatching(/^\{"to":"(ada|bob|eve)"\}$/),
    '{"to":"ada@example.com","retries":1}',
  ])
  expect((await jobs.list({ key: 'mail', state: 'failed' })).jobs).toHaveLength(3)
  await dialog.getByRole('button', { name: 'Change and retry 3 jobs' }).click()
  await page.getByText('3 payloads changed, 3 jobs queued again').waitFor()
  await run('default')
  expect(
    (await jobs.list<MailJob>({ key: 'mail', state: 'completed' })).jobs.map(({ payload }) => payload),
  ).toEqual(Array(3).fill({ to: 'ada@example.com', retries: 1 }))
})

test('progress and log lines are shown at once, before the next renewal of the lease', async () => {
  const [job] = await jobs.dispatch([new ImportJob().with({ rows: 3 })])
  await using worker = await jobs.work({ queues: ['imports'], lease: LEASE, report: silent })
  await vi.waitFor(async () => expect((await jobs.find(job!.id))?.progress).toEqual({ done: 1, of: 3 }))
  await goTo(`/jobs/${job!.id}?tab=result`)
  for (const done of [1, 2]) {
    await expect.poll(text).toMatch(new RegExp(`done\\s*${done}\\s*of\\s*3`))
    ImportJob.goOn()
  }
  await page.getByRole('tab', { name: /^Log/ }).click()
  await page.getByRole('list', { name: 'Log' }).getByText('row 3').waitFor()
  ImportJob.goOn()
  await page.getByText('Ended').waitFor()
  await worker.stop(0)
})

/** No worker of this file knows this class. */
class SweepJob extends Job {
  override readonly key = 'sweep'
  handle() {}
}

test('a schedule whose class no worker knows is shown as standing still, with the reason', async () => {
  await jobs.schedules.set('hourly', new SweepJob().with(), every('1h'))
  await using worker = await jobs.work({ jobs: [StepJob], queues: ['steps'], report: silent })
  await goTo('/schedules')
  const row = page.getByRole('row', { name: /hourly/ })
  await row.getByText('stands still').waitFor()
  expect(await row.locator('.bad').allInnerTexts()).toContain('no worker knows sweep')
  await row.getByRole('link', { name: 'hourly' }).click()
  await page.getByText('It stands still: no worker knows sweep.').waitFor()
  await goTo('/doctor')
  await page.getByText("stands still: no live worker knows 'sweep'").waitFor()
  await worker.stop(0)
  await jobs.schedules.remove('hourly')
})

test('the history of a job that failed five times shows each run, wide enough to be visible', async () => {
  const [job] = await jobs.dispatch([new FlakyJob().with({ url: 'https://shop.example/hook' })])
  await run('flaky')
  await goTo(`/jobs/${job!.id}`)
  await page.getByRole('figure', { name: 'The way of the job' }).waitFor()
  const widths = await page
    .locator('.timeline-bar .span-failed-run')
    .evaluateAll((spans) => spans.map((span) => (span as unknown as { offsetWidth: number }).offsetWidth))
  expect(widths).toHaveLength(5)
  expect(Math.min(...widths)).toBeGreaterThan(3)
  expect(await text()).toMatch(/Run 1 failed[\s\S]*Backoff[\s\S]*Run 5 failed[\s\S]*5 runs, 5 failed/)
})

test('a flow of 10,000 nodes is drawn, and its layers can be opened', async () => {
  const [layers, each] = [100, 100]
  const flow = await jobs.dispatch(
    workflow('large', (w) => {
      let before: ReturnType<typeof w.add>[] = []
      for (let layer = 0; layer < layers; layer++)
        before = Array.from({ length: each }, (_, i) =>
          w.add(new StepJob().with({}), {
            name: `${layer}-${i}`,
            ...(layer > 0 && { after: [before[i]!, before[(i * 7) % each]!] }),
          }),
        )
    }),
  )
  await goTo('/flows')
  await page.getByRole('link', { name: 'large' }).first().click()
  const drawing = page.locator('svg.flow-graph')
  await drawing
    .locator('.node-layer')
    .nth(layers - 1)
    .waitFor()
  await button('Open 100 nodes').first().click()
  await drawing.locator('text', { hasText: /\b0-99$/ }).waitFor()
  expect(await drawing.locator('.node').count()).toBe(layers - 1 + each)
  await operate(jobs).flows.cancel(flow.id)
}, 60_000)

test('the drawing of a flow follows its running jobs', async () => {
  // The drawing folds no layer that has only two nodes.
  const flow = await jobs.dispatch(
    workflow('long', (w) => {
      let before: ReturnType<typeof w.add>[] = []
      for (let layer = 0; layer < 30; layer++)
        before = ['a', 'b'].map((name) =>
          w.add(new StepJob().with({ waits: layer === 24 && name === 'a' }), {
            name: `${name}${layer}`,
            ...(layer > 0 && { after: before }),
          }),
        )
    }),
  )
  await goTo(`/flows/${flow.id}`)
  await page.getByRole('checkbox', { name: 'Follow what runs' }).check()
  const scrolled = () =>
    page.locator('.flow-scroll').evaluate((box) => (box as unknown as { scrollLeft: number }).scrollLeft)
  expect(await scrolled()).toBe(0)
  await using worker = await jobs.work({ queues: ['steps'], report: silent })
  const inSight = () =>
    page.evaluate<boolean>(`{
      const { left, right } = document.querySelector('.node-started').getBoundingClientRect()
      0 <= left && right <= innerWidth
    }`)
  await expect.poll(scrolled, { timeout: 20_000 }).toBeGreaterThan(4_000)
  expect(await inSight()).toBe(true)
  await worker.stop(0)
}, 60_000)

test('the page of a failed chain of 30 steps shows the failed node first, and the page of its job shows the error first', async () => {
  const steps = Array.from({ length: 30 }, (_, i) => new MailJob().with({ to: i === 19 ? 'nobody' : 'a@b' }))
  const flow = await jobs.dispatch(chain(steps))
  const worker = await jobs.work({ queues: ['default'], report: silent, stopWhenEmpty: true })
  await worker.done
  await goTo(`/flows/${flow.id}`)
  const failed = page.getByRole('region', { name: 'What failed' })
  await failed.getByText("550 no such user 'nobody'").waitFor()
  const drawing = page.locator('svg.flow-graph')
  // The 19 nodes before it are one box, and so are the 10 behind it.
  await drawing.locator('.node-aimed').waitFor()
  expect(await drawing.locator('.node').count()).toBe(3)
  await button('Open 19 nodes').click()
  await expect.poll(() => drawing.locator('.node').count()).toBe(21)
  await failed.getByRole('button', { name: /^Show / }).click()
  const inSight = () =>
    page.evaluate<boolean>(`{
      const { left, right } = document.querySelector('.node-aimed').getBoundingClientRect()
      0 <= left && right <= innerWidth
    }`)
  await expect.poll(inSight).toBe(true)
  await page.getByRole('tab', { name: 'Timeline' }).click()
  await expect.poll(() => page.locator('.flow-times li').count()).toBe(20)
  expect(await page.locator('.flow-time-failed').count()).toBe(1)
  await page.setViewportSize({ width: 390, height: 800 })
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  await page.setViewportSize({ width: 1_280, height: 800 })
  await failed.getByRole('link').first().click()
  await page.getByRole('tab', { name: /^Errors/, selected: true }).waitFor()
  await page.locator('.job-error').getByText("550 no such user 'nobody'").waitFor()
}, 60_000)

test('on the steps of a job, an operator lets a step run again and sends a signal, other viewers only look, and an undo is shown', async () => {
  const { id } = await jobs.dispatch(new PublishJob().with())
  await using worker = await jobs.work({ queues: ['articles'], report: silent })
  const path = `/jobs/${id}?queue=articles&tab=steps`
  const suspended = async () => (await jobs.find(id))?.suspended
  await expect.poll(suspended, { timeout: 20_000 }).toEqual(['approved'])
  const viewer = await shown.open(path, 'read')
  await viewer.getByRole('row', { name: /draft done .* ms .* ago .* B/ }).waitFor()
  await viewer.getByRole('row', { name: /approved waiting/ }).waitFor()
  expect(await viewer.getByRole('button', { name: /Forget|Send approved/ }).count()).toBe(0)
  await viewer.close()
  const operator = await shown.open(path, 'operate')
  const press = (name: string, within: Page | Locator = operator) =>
    within.getByRole('button', { name, exact: true }).click()
  await press('Forget', operator.getByRole('row', { name: /draft/ }))
  await operator.getByRole('row', { name: /draft forgotten/ }).waitFor()
  expect(await operator.getByRole('row', { name: /draft/ }).getByRole('button').count()).toBe(0)
  await press('Send approved')
  const dialog = operator.getByRole('dialog')
  await dialog.getByRole('textbox').fill('{"by":')
  expect(await dialog.getByRole('button', { name: 'Send approved' }).isDisabled()).toBe(true)
  await dialog.getByRole('textbox').fill('{"by":"ada"}')
  await press('Send approved', dialog)
  await operator.getByText('delayed (undoing)').waitFor()
  await operator.getByText('Its steps are undone, and then it ends.').waitFor()
  await operator.getByRole('row', { name: /draft undoing, 1 try failed/ }).waitFor()
  await operator.getByRole('row', { name: /cover undone/ }).waitFor()
  expect(
    await operator
      .getByRole('row', { name: /cover undone/ })
      .getByRole('button')
      .count(),
  ).toBe(0)
  await operator.getByRole('row', { name: /approved done, by approved/ }).waitFor()
  await operator.getByText('approved: taken, 12 B').waitFor()
  await operator.getByText('and then it fails: Error: no place for what ada approved').first().waitFor()
  await operator.goto(`${shown.url}/jobs?queue=articles`)
  await operator.getByRole('row', { name: /publish .* undoing/ }).waitFor()
  await operator.close()
  await worker.stop(0)
}, 180_000)

test('dead workers, and a worker that runs a suspect job alone, are shown, and their names are text', async () => {
  const name = HOSTILE.repeat(3)
  const { store } = await insideOf(jobs as unknown as Facade<Operated>).open()
  const all = { host: name, version: name, queues: [name], keys: [name] }
  await announce({ ...all, id: 'harm', alone: { job: name, until: Date.now() + LEASE } })
  await announce({ ...all, id: 'dead' })
  const [held] = await jobs.dispatch([new FlakyJob().with({ url: '' })])
  await store.exchange('flaky', { caller: 'dead', number: 1 }, [], { limit: 1, leaseMs: LEASE })
  await store.retire('dead')
  await store.recover('flaky', { holder: 'dead', by: name })
  await announce({ ...all, id: 'mute' })
  await jobs.dispatch([new FlakyJob().with({ url: '' })])
  await store.exchange('flaky', { caller: 'mute', number: 1 }, [], { limit: 2, leaseMs: LEASE })
  await store.retire('mute')
  const itsJob = new RegExp(`1 job: ${held!.id}`)
  const shows: [path: string, ...texts: RegExp[]][] = [
    ['/workers', /harm starts no other job beside <img/, /Died within the last hour[\s\S]*dead/, itsJob],
    ['/workers/mute', /mute on <img[\s\S]*its leases last: perhaps a handler blocks it/],
    ['/workers/dead', /It died on <img/, itsJob, /taken back by <img/],
  ]
  const findings: string[] = []
  for (const [path, ...texts] of shows) {
    await goTo(path)
    for (const each of texts) await expect.poll(text, { message: path }).toMatch(each)
    findings.push(...(await examined(page)).map((finding) => `${path}: ${finding}`))
  }
  expect(findings).toEqual([])
  const ill: string[] = []
  for (const path of ['/workers', '/workers/harm', '/workers/dead', '/']) {
    await goTo(path)
    await expect.poll(text, { message: path }).toContain('<img src=x')
    ill.push(...(await harmOn(page, path)))
  }
  expect(ill).toEqual([])
  // The browser itself logs the answer 400 to the refused patch.
  expect(shown.complaints.filter((each) => !each.endsWith('400 (Bad Request)'))).toEqual([])
})
