/** `jobs:classes`: the runs of each class, of one class in full, and as CSV. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { blocksOf } from '../../../../test/markdown.ts'
import { JobsClassesCommand } from '../../src/commands/look/jobs-classes.ts'
import { createJobs, Job } from '../../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-classes-'))
const connection = `sqlite:${join(folder, 'jobs.db')}`

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  async handle({ order }: { order: number }) {
    await pause(105)
    if (order > 400) throw new TypeError(`no price of ${order}`)
  }
}

class MailJob extends Job {
  override readonly key = 'mail'
  handle() {}
}

beforeAll(async () => {
  vi.stubEnv('LARK_JOBS_URL', connection)
  for (const [release, orders] of [
    ['r1', [1, 2, 3]],
    ['r2', [4, 500]],
  ] as const) {
    await using jobs = createJobs({ connection, release })
    for (const order of orders) await jobs.dispatch(new ChargeJob(), { order })
    await jobs.dispatch(new MailJob())
    const worker = await jobs.work({ jobs: [ChargeJob, MailJob] })
    const left = async () =>
      (await jobs.status()).queues.flatMap(({ counts }) => [counts.waiting, counts.active])
    await vi.waitFor(async () => expect(await left()).toEqual([0, 0]), { timeout: 10_000 })
    await worker.stop()
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

async function printed(...args: string[]): Promise<string> {
  const console = new MemoryConsole()
  const code = await run(['jobs:classes', ...args], { commands: [JobsClassesCommand], console })
  expect([code, console.stderr.replace(/^. .*\n/gm, '')]).toEqual([0, ''])
  return console.stdout + console.stderr
}

test('jobs:classes lists all classes, those with the most runs first', async () => {
  const text = await printed('--by=day')
  expect(text).toMatch(/CLASS +RUNS +FAILED .*\ncharge +5 +1 \(20%\) +0 .*\nmail +2 +0 +0 /)
  expect(await printed()).toContain('DAY BEFORE')
})

test('jobs:classes of one class prints its days, its releases, its slowest runs and the kinds of its failures', async () => {
  const text = await printed('charge', '--by=day')
  expect(text).toMatch(/\n\d{4}-\d\d-\d\d .*(r1, r2|r2, r1)\n/)
  expect(text).toMatch(/RELEASE .*\nr2 +2 +1 \(50%\) .*\nr1 +3 +0 /)
  expect(text).toMatch(/Slowest runs of the last day\n {2}1\d\d ms {2}\w{13} in default, /)
  expect(text).toMatch(/Failures by kind\n {2}[0-9a-f]{4} {2}1, the last .* ago: TypeError: no price of …\n/)
  expect(await printed('charge')).toContain('a week before')
})

test('docs/terminal-screens.md shows the real output of jobs:classes', async () => {
  const page = readFileSync(new URL('../../../../docs/terminal-screens.md', import.meta.url), 'utf8')
  const screens = blocksOf(page).map(({ text }) => text)
  const shown = screens.find((text) => text.startsWith('$ lark jobs:classes'))!
  /**
   * Returns the lines without the parts that differ from run to run. Lines that become equal are returned
   * once.
   */
  const steady = (text: string) => {
    const lines = text.split('\n').map((line) =>
      line
        .replace(/\b\w{13}\b in \w+/, 'ID')
        .replace(/^ {2}[0-9a-f]{4} {2}/, 'KIND ')
        .replace(/r[12], r[12]|\br[12]\b/g, 'R')
        .replace(/\d+ \(\d+%\)|\d[\d.,-]*/g, 'N')
        .replace(/N (ms|s|min|h)\b( N (ms|s)\b)?/g, 'T')
        .replace(/ +/g, ' ')
        .trim(),
    )
    return lines.filter((line, i) => line !== lines[i - 1] && line !== '')
  }
  const printedText = await printed('charge', '--by=day')
  expect(steady(shown.slice(shown.indexOf('\n') + 1))).toEqual(steady(printedText))
})

test('jobs:classes distinguishes a class without runs from a class that no worker has', async () => {
  expect(await printed('nobody')).toContain('No worker has ever had a class with the key nobody')
})

test('jobs:classes can print JSON and CSV', async () => {
  const found = JSON.parse(await printed('charge', '--by=day', '--json'))
  expect(found).toMatchObject({ unit: 'days', classes: [{ key: 'charge', total: { failed: 1 } }] })
  expect(found.kinds).toMatchObject([{ key: 'charge', count: 1 }])
  const [head, ...rows] = (await printed('--by=day', '--csv')).trim().split('\n')
  expect(head).toMatch(/^from,class,completed,failed,retried,wait_p50_ms,run_p50_ms,/)
  expect(rows.find((row) => row.includes(',charge,'))).toMatch(/^\d{4}-\d\d-\d\dT00:00:00.000Z,charge,4,1,0,/)
  const console = new MemoryConsole()
  const args = ['jobs:classes', '--csv', '--json']
  expect(await run(args, { commands: [JobsClassesCommand], console })).toBe(2)
})
