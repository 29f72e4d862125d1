/**
 * The output of commands that the manual shows must be real. Every block of text in `docs/` is compared with
 * the output of a command in this file, or `elsewhere` names the file that compares it. Parts that differ
 * from run to run (ids, times, hosts, numbers) are left out of the comparison.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { Command, flag, MemoryConsole, run } from '@s18i/lark'
import { afterAll, expect, test, vi } from 'vitest'
import { blocksOf } from '../../../../test/markdown.ts'
import type { FlowHandle } from '../../src/api/flows/flow-handle.ts'
import { JobsRetryCommand } from '../../src/commands/change/jobs-retry.ts'
import { JobsFlowCommand } from '../../src/commands/flows/jobs-flow.ts'
import { JobsAuditCommand } from '../../src/commands/look/jobs-audit.ts'
import { JobsDoctorCommand } from '../../src/commands/look/jobs-doctor.ts'
import { JobsFailedCommand } from '../../src/commands/look/jobs-failed.ts'
import { JobsListCommand } from '../../src/commands/look/jobs-list.ts'
import { JobsMonitorCommand } from '../../src/commands/look/jobs-monitor.ts'
import { JobsQueuesCommand } from '../../src/commands/look/jobs-queues.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { JobsTailCommand } from '../../src/commands/look/jobs-tail.ts'
import { ScheduleExplainCommand } from '../../src/commands/schedules/schedule-explain.ts'
import { ScheduleListCommand } from '../../src/commands/schedules/schedule-list.ts'
import { SchedulePauseCommand } from '../../src/commands/schedules/schedule-pause.ts'
import { ScheduleResumeCommand } from '../../src/commands/schedules/schedule-resume.ts'
import { ScheduleRunCommand } from '../../src/commands/schedules/schedule-run.ts'
import { createJobs, cron, daily, every, Job, type Jobs, type JobsConfig, workflow } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { startRedis } from '../redis/server.ts'
import { Record as Reported, signal } from '../working/bench.ts'

const commands: (new () => Command)[] = [
  ...[JobsDoctorCommand, JobsFailedCommand, JobsFlowCommand, JobsListCommand, JobsMonitorCommand],
  ...[JobsQueuesCommand, JobsRetryCommand, JobsStatusCommand, JobsTailCommand],
  ...[ScheduleExplainCommand, ScheduleListCommand, SchedulePauseCommand, ScheduleResumeCommand],
  ...[ScheduleRunCommand, JobsAuditCommand],
]
const docs = new URL('../../../../docs/', import.meta.url)
const source = ['../../src', '../../../lark/src']
  .map((path) => new URL(`${path}/`, import.meta.url))
  .flatMap((path) => filesIn(path))
  .join('\n')
const folder = mkdtempSync(join(tmpdir(), 'lark-screens-'))
/** The blocks that were compared, each by its page and its first line. */
const compared = new Set<string>()
/** The other blocks, each with the file that compares it, or with the reason why no file does. */
const elsewhere = {
  'errors:': 'test/errors-page.test.ts',
  'first-job:': 'test/first-job.test.ts',
  'broken-on-purpose:': 'figures of a day, of npm run chaos',
  'testing: assertDispatched()': 'testing/asserting.test.ts',
  'redis: # one server': 'redis/rights.ts',
  'monitoring: * * * * *': 'a crontab',
  'finding-commands: npx --no': 'ways to type a command',
  'terminal: $ npx lark init': 'packages/lark/test/init.test.ts',
  'terminal: npx @s18i/lark init': 'packages/lark/test/init.test.ts',
  'many-jobs: $ lark jobs:retry --kind=398f --limit': 'paced-commands.test.ts',
  'finding-commands: lark complete': 'what a script of a shell calls',
  'recipes/tasks-to-steps: export async function sealDocument':
    'code before it is moved, of no declared library',
  'commands: $ lark users:greet': 'a question, which @clack/prompts draws',
  'terminal-screens: sync-shop': 'jobs-why.test.ts',
  'terminal-screens: $ lark jobs:why': 'jobs-why.test.ts',
  'monitoring: ✗ emails': 'incident-words.test.ts',
  'terminal-screens: $ lark jobs:classes': 'jobs-classes.test.ts',
  'steps-in-operation: $ lark jobs:steps': 'jobs-steps.test.ts',
  'check-bullmq: $ lark jobs:check-bullmq': 'packages/lark-bullmq/test/usage.test.ts',
  'bullmq-import: $ lark jobs:import-bullmq': 'packages/lark-bullmq/test/import/import-words.test.ts',
}

/** Returns the texts of all files in a folder. */
function filesIn(path: URL): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(file, path), 'utf8'))
}

afterAll(() => rmSync(folder, { recursive: true }))

const screens = readdirSync(docs, { recursive: true, encoding: 'utf8' })
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) =>
    blocksOf(readFileSync(new URL(page, docs), 'utf8'))
      .filter(({ language }) => language === 'text')
      .map(({ text }) => ({ page: page.slice(0, -'.md'.length), first: text.split('\n', 1)[0]!, text })),
  )

/** Returns the block of a page that begins with this line. */
function raw(page: string, first: string): string {
  const found = screens.filter((each) => each.page === page && each.text.startsWith(first))
  expect(found, `${page}: ${first}`).toHaveLength(1)
  compared.add(`${page}: ${found[0]!.first}`)
  return found[0]!.text
}

function screen(page: string, first: string): string {
  return steady(raw(page, first))
}

/** Returns the text without the parts that differ from run to run. */
function steady(text: string): string {
  return text
    .replace(/\bV[0-9A-Za-z]{12}\b/g, 'ID')
    .replace(/\bworker \w{8}\b/g, 'worker W')
    .replace(/^[0-9a-f]{4} /gm, 'KIND ')
    .replace(/--kind=[0-9a-f]{4}/g, '--kind=KIND')
    .replace(/redis:\/\/\S+:\d+\/0/g, 'redis://HOST/0')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'DATE')
    .replace(/\b\d\d:\d\d:\d\d\b/g, 'CLOCK')
    .replace(/\d[\d.]* (ms|s|min|h|d)\b( \d+ (ms|s|min|h)\b)?/g, 'T')
    .replace(/ at \w+Job\.handle \S+/g, ' at handle')
    .replace(/\d[\d,.]*/g, '#')
    .replace(/ +/g, ' ')
    .replace(/ $/gm, '')
    .trim()
}

/** Splits a command line into words, as a shell does with quotes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word)
}

function start(line: string, columns?: number) {
  const console = new MemoryConsole(columns === undefined ? {} : { isTTY: true, columns })
  const ended = run(wordsOf(line).slice(1), { commands, console })
  /** Returns the typed line and the output to stdout so far, in the form of the manual. */
  const shown = () => steady(`$ ${line}\n${stripVTControlCharacters(console.stdout)}`)
  const all = () => steady(`$ ${line}\n${console.stdout}${console.stderr}`)
  return { ended, console, shown, all, stop: () => process.emit('SIGINT') }
}

/** Runs the command line of a block, and compares the output with the block. */
async function shows(page: string, line: string, columns?: number): Promise<void> {
  const expected = screen(page, `$ ${line}\n`)
  const running = start(line, columns)
  await running.ended
  expect(running.shown()).toBe(expected)
}

let files = 0

/** Makes a new store, for the commands and for a client of the test. */
function place(config: JobsConfig = {}): Jobs {
  const whole = { connection: `sqlite:${join(folder, `${++files}.db`)}`, ...config }
  writeFileSync(join(folder, `lark.config.${files}.mjs`), `export default ${JSON.stringify({ jobs: whole })}`)
  vi.stubEnv('LARK_CONFIG', join(folder, `lark.config.${files}.mjs`))
  return createJobs(whole)
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 20 })

let go = signal()
/** What the import job does next: it reports how many files it has read, or ends. */
let steps: ReturnType<typeof signal<number>>[] = []

class ImportJob extends Job {
  override readonly key = 'import'
  async handle() {
    this.info('reading a.csv')
    for (const step of steps) {
      const done = await step.promise
      if (done > 0) this.progress(done, 10, 'a.csv')
    }
  }
}
class SendEmailJob extends Job {
  override readonly key = 'send-email'
  override tries = 1
  override queueName = 'emails'
  override limiter = 'mail-api'
  async handle({ how }: { how: 'ok' | 'full' | 'held' }) {
    if (how === 'full') throw new Error('mailbox full')
    if (how === 'held') await go.promise
  }
}

test('jobs:tail, jobs:list, jobs:status and jobs:queues print the blocks of the manual while a worker runs jobs', async () => {
  await using jobs = place({
    queues: { default: { keep: { completed: { count: 1 } } }, emails: { target: '30s' } },
    limiters: { 'mail-api': { concurrency: 5, rate: { limit: 5, per: '1h' } } },
  })
  go = signal()
  steps = Array.from({ length: 6 }, () => signal<number>())
  const worker = await jobs.work({ jobs: [ImportJob, SendEmailJob], lease: 3_000, report: new Reported() })
  const email = (how: 'ok' | 'full' | 'held') => new SendEmailJob().with({ how })

  const tail = start('lark jobs:tail --queue=emails')
  const [importing] = await jobs.dispatch([new ImportJob().with()])
  const one = start(`lark jobs:tail ${importing!.id}`)
  await eventually(() => expect(one.shown()).toContain('reading'))
  for (const [i, step] of steps.slice(0, 5).entries()) {
    step.resolve(i + 1)
    await eventually(() => expect(one.shown().match(/progress/g)).toHaveLength(i + 1))
  }
  expect(one.shown()).toBe(screen('terminal-screens', '$ lark jobs:tail V'))

  await jobs.dispatch([email('ok'), email('full'), email('held'), email('held')])
  await eventually(() => expect(tail.shown()).toMatch(/failed.*mailbox full/))
  for (const line of screen('terminal-screens', '$ lark jobs:tail --queue').split('\n'))
    expect(tail.shown().split('\n')).toContain(line)

  // The commands below close the client that these two commands use, so these two commands are stopped first.
  tail.stop()
  await Promise.all([one.ended, tail.ended])
  await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(3))
  await shows('terminal-screens', 'lark jobs:list --state=active')
  await jobs.dispatch([email('ok').delayed('1h')])
  go.resolve()
  await eventually(async () => expect((await jobs.list({ state: 'active' })).jobs).toHaveLength(1))
  await shows('terminal-screens', 'lark jobs:list --since=1h --limit=3')

  steps[5]!.resolve(0)
  await jobs.dispatch([email('ok'), email('ok')])
  await eventually(async () => expect((await operate(jobs).limiters())[0]!.waits).toHaveLength(1))
  worker.quiet()
  await shows('terminal-screens', 'lark jobs:queues')
  await shows('terminal-screens', 'lark jobs:status')
})

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle({ order }: { order: number }) {
    if (order % 10 < 6) throw new Error(`Card of '${order}@example.com' was declined`)
    if (order % 10 < 9)
      throw new Error(`Order ${order} could not be saved`, {
        cause: new Error('connect ECONNREFUSED 10.0.0.1:5432'),
      })
    return (null as unknown as { id: number }).id
  }
}

test('jobs:failed --group and jobs:retry of one kind print the blocks of the manual', async () => {
  await using jobs = place()
  await jobs.dispatch(Array.from({ length: 10 }, (_, order) => new ChargeJob().with({ order })))
  await (await jobs.work({ jobs: [ChargeJob], report: new Reported(), stopWhenEmpty: true })).done
  const expected = screen('many-jobs', '$ lark jobs:failed --group')
  const group = start('lark jobs:failed --group')
  await group.ended
  const [kind] = /^[0-9a-f]{4}(?= .*could not be saved)/m.exec(group.console.stdout)!
  const retry = start(`lark jobs:retry --kind=${kind}`)
  await retry.ended
  expect(`${group.shown()}\n${retry.all()}`).toBe(expected)
})

test('jobs:audit', async () => {
  await using jobs = place({ queues: ['default', 'emails'] })
  await jobs.dispatch([1, 2, 3].map((order) => new ChargeJob().with({ order })))
  await (await jobs.work({ jobs: [ChargeJob], report: new Reported(), stopWhenEmpty: true })).done
  const ada = operate(jobs, { actor: { name: 'ada', host: 'web-1', from: 'command' } })
  await ada.retry('failed')
  await operate(jobs, { actor: { name: 'bob', host: 'ops', from: 'dashboard' } }).pause({ queue: 'emails' })
  const over = new AbortController()
  const removed: unknown[] = []
  const before = (jobs: readonly unknown[]) => {
    removed.push(...jobs)
    over.abort()
  }
  await ada.remove({ queue: 'default' }, { signal: over.signal, before })
  await ada.import(removed, { source: '2026-11-27T04-18-54.676Z.jsonl' })
  await shows('audit', 'lark jobs:audit')
})

/** Makes a job without a payload. A job in the queue `printers` waits until the test lets it go on. */
const step = (key: string, queue = 'default') => {
  const known = stepsByKey.get(key)
  if (known !== undefined) return new known().with()
  class StepJob extends Job {
    override readonly key = key
    override queueName = queue
    handle(): unknown {
      return queue === 'printers' ? go.promise : undefined
    }
  }
  stepsByKey.set(key, StepJob)
  return new StepJob().with()
}
const stepsByKey = new Map<string, new () => Job & { handle(): unknown }>()
const stepClasses = () => [...stepsByKey.values(), Refund]

class Refund extends Job {
  override readonly key = 'refund'
  handle() {}
}

test('jobs:flow of a workflow with an inner workflow prints the block of the manual', async () => {
  await using jobs = place({ queues: ['default', 'printers', 'scales'] })
  go = signal()
  const ship = workflow('ship', (w) => {
    const pack = w.add(step('pack'), { name: 'pack' })
    const weigh = w.add(step('weigh', 'scales'), { name: 'weigh', after: pack })
    w.add(step('call'), { name: 'call', after: weigh })
  })
  const order = workflow('order', (w) => {
    const charge = w.add(step('charge'), { name: 'charge' })
    const invoice = w.add(step('invoice'), { name: 'invoice', after: charge })
    const label = w.add(step('label'), { name: 'label', after: charge })
    const print = w.add(step('print', 'printers'), { name: 'print', after: label })
    const shipped = w.add(ship, { name: 'ship', after: label })
    w.add(step('send'), { name: 'send', after: [invoice, print, shipped], ifFailed: 'run' })
  })
  const draft = order.within('2h').onFailed(new Refund().with())
  const { id } = (await insideOf(jobs).dispatchFlow(draft)) as FlowHandle
  await jobs.work({ jobs: stepClasses(), queues: ['default', 'printers'], report: new Reported() })
  const expected = screen('terminal-screens', '$ lark jobs:flow V')
  await eventually(async () => {
    const shown = start(`lark jobs:flow ${id}`)
    await shown.ended
    expect(shown.shown()).toBe(expected)
  })
  go.resolve()
})

test('schedule:list, schedule:resume and schedule:explain print the blocks of the manual', async () => {
  await using jobs = place()
  await jobs.schedules.set('report', step('report'), cron('0 8 * * 1-5', { timezone: 'Europe/Paris' }))
  await jobs.schedules.set('sync/acme', step('sync'), every('15m'))
  await jobs.schedules.set('sync/globex', step('sync'), daily('03:00', { timezone: 'America/New_York' }))
  await jobs.schedules.pause('sync/globex', { because: 'the shop is closed' })
  await jobs.work({ jobs: stepClasses(), report: new Reported() })
  for (const id of ['report', 'sync/acme']) await start(`lark schedule:run ${id}`).ended
  await eventually(async () => expect((await jobs.list({ state: 'completed' })).jobs).toHaveLength(2))
  const lines = ['schedule:list', 'schedule:resume sync/globex']
  const shown: string[] = []
  for (const line of [...lines, "schedule:explain '0 0 * * *' --timezone=Africa/Cairo --year=2027"]) {
    const running = start(`lark ${line}`)
    await running.ended
    shown.push(running.all())
  }
  expect(shown.join('\n\n')).toBe(screen('schedules-at-run-time', '$ lark schedule:list'))
})

test('jobs:doctor', async () => {
  await using server = await startRedis({
    args: ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'],
  })
  await using jobs = place({ connection: server.url, queues: ['default', 'emails'] })
  await jobs.dispatch([step('mail', 'emails')])
  const running = start('lark jobs:doctor', 80)
  expect(await running.ended).toBe(1)
  // The lines break at other words if the address of the store is longer, so only the words are compared.
  const words = (text: string) => text.split(/\s+/)
  expect(words(running.shown())).toEqual(words(screen('doctor', '$ lark jobs:doctor')))
})

test('jobs:monitor', async () => {
  await using server = await startRedis({ args: ['--appendonly', 'yes'] })
  const queues = { default: {}, emails: { target: '30s' } }
  await using jobs = place({ connection: server.url, queues })
  await jobs.dispatch([step('mail', 'emails')])
  await shows('monitoring', 'lark jobs:monitor')
  const late = start('lark jobs:monitor --max-age emails=1ms')
  expect(await late.ended).toBe(1)
  expect(late.shown().replace('#ms', '#s')).toBe(screen('monitoring', '$ lark jobs:monitor --max-age'))
})

test('the message for a mistake in the configuration is the block of the manual', async () => {
  const file = join(folder, 'mistaken.mjs')
  writeFileSync(file, 'export default { jobs: { qeues: [] } }')
  vi.stubEnv('LARK_CONFIG', file)
  const running = start('lark jobs:status')
  expect(await running.ended).not.toBe(0)
  const said = running.console.stderr.replace(file, '/app/lark.config.js')
  expect(steady(said)).toBe(screen('configuration', '✗ /app/lark.config.js: jobs.qeues'))
})

test('the message for a wrong flag is the block of the manual', async () => {
  class ExportReport extends Command {
    readonly key = 'reports:export'
    limit = flag.number('At most so many rows')
    handle() {}
  }
  const console = new MemoryConsole()
  expect(await run(['reports:export', '--limit=ten'], { commands: [ExportReport], console })).toBe(2)
  expect(steady(console.stderr)).toBe(screen('commands', '✗ --limit must be'))
})

test('the block of jobs:bench in the manual has the figures that the command prints', () => {
  const [head = '', ...rows] = raw('measuring', 'FIGURE').trimEnd().split('\n')
  const bench = filesIn(new URL('../../../lark-jobs-bench/src/', import.meta.url)).join('\n')
  for (const word of [...head.split(/ {2,}/), ...rows.map((row) => row.split(/ {2,}/, 1)[0]!)])
    expect(bench, word).toContain(word.replace(/\d[\d,]*.*$/, ''))
})

/** Messages of one line: the fixed words of each message are in the source. */
test.each([
  ['frameworks', '! lark-jobs', ['! lark-jobs ']],
  ['health', 'The worker has not run', ['The worker ']],
  ['health', 'emails: the oldest job', ['emails: ']],
  ['when-a-worker-dies', '! ReportJob blocked', ['! ', 'ReportJob ', ': ']],
  ['worker-processes', '! Worker process 2', ['! ', '(pid ', 'SIGKILL', 'jobs', 'now', ';']],
  [
    'when-a-worker-dies',
    '! This process ends',
    ['! ', '/app/jobs/ReportJob.js:7:37', 'ReportJob', '.handle', ';', 'exit code', 'at '],
  ],
  ['workers-in-code', 'i /app/src/worker.ts', ['i /app/src/worker.ts ']],
  [
    'configured-in-code',
    'i Serving',
    ['i ', 'redis://cache:6379/0', 'default', '/srv/app/.next/standalone', ';', 'at a time', 'in '],
  ],
])('a message: %s: %s', (page, first, names) => {
  const left = names.reduce((text, name) => text.replaceAll(name, '#'), raw(page, first))
  const pieces = steady(left)
    .split(/[#T]+(?= |$|:)|#|\bID\b|\bT\b/)
    .map((piece) => piece.replace(/^[\s,;:().]+|[\s,;:(.]+$/g, ''))
  for (const piece of pieces.filter((each) => each.length > 3))
    expect(source.includes(piece), piece).toBe(true)
})

test('every block of text in the manual was compared here, or is listed in `elsewhere`', () => {
  const all = screens.map(({ page, first }) => `${page}: ${first}`)
  const here = (name: string) =>
    compared.has(name) || Object.keys(elsewhere).some((each) => name.startsWith(each))
  expect(all.filter((name) => !here(name))).toEqual([])
})
