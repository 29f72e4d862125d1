/**
 * The parts of the demo, as a user runs them: the built `lark`, the embedded store, and a real SMTP server.
 * The application is copied to a temporary folder, so that its store and its files are not in the working
 * copy.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MailServer } from '../mail-server.js'
import { blocks, smallBlocks, users } from '../src/registry'

const USERS = 200
const ITEMS = 500
const SMALL = 300
/** The time limit in milliseconds. The test takes about 5,000. */
const LIMIT = 60_000
const QUEUES = '--queue=high-priority,emails,default,low-priority'

const example = fileURLToPath(new URL('..', import.meta.url))
const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url))
const mail = new MailServer()
let app: string
let smtpUrl: string

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'mac-registry-'))
  for (const part of ['package.json', 'lark.config.ts', 'src']) {
    await cp(join(example, part), join(app, part), { recursive: true })
  }
  await symlink(modules, join(app, 'node_modules'))
  smtpUrl = await mail.start()
})

afterAll(async () => {
  await mail.stop()
  await rm(app, { recursive: true })
})

/** Runs `lark` in the copy, and returns its output to stdout. */
async function lark(...args: string[]): Promise<string> {
  const { REDIS_URL, LARK_JOBS_URL, LARK_CONFIG, NODE_ENV, ...env } = process.env
  const options = {
    cwd: app,
    env: { ...env, SMTP_URL: smtpUrl },
    timeout: LIMIT,
    maxBuffer: Number.POSITIVE_INFINITY,
  }
  const { stdout } = await promisify(execFile)(join(modules, '.bin', 'lark'), args, options)
  return stdout
}

test(
  'all dispatched jobs end, and the mail server has every e-mail that a job has reported as sent',
  async () => {
    await lark('users:process', '--limit', `${USERS}`)
    await lark('bulk:process', '--limit', `${ITEMS}`)
    await lark('index:build', '--limit', `${SMALL}`)
    const events = parseLines(await lark('jobs:work', QUEUES, '--stop-when-empty', '--json'))

    // A registrant without a country gets nothing. Any other registrant gets two e-mails, an order and an
    // entry in the statistics.
    const reachable = users.slice(0, USERS).filter((user) => user.country).length
    // The chain of the report has two steps, and the batch of small blocks a callback.
    const dispatched = USERS + 4 * reachable + ITEMS + 2 + SMALL + 1
    const all = events.filter(({ event }) => event === 'job')
    const [runs, scheduled] = [
      all.filter(({ key }) => key !== 'NoteProgressJob'),
      all.filter(({ key }) => key === 'NoteProgressJob'),
    ]
    const completed = runs.filter(({ outcome }) => outcome === 'completed')
    const failed = runs.filter(({ outcome, retryIn }) => outcome === 'failed' && retryIn === undefined)
    const ids = new Set([...completed, ...failed].map(({ id }) => id))
    expect(completed.length + failed.length).toBe(dispatched)
    expect(ids.size).toBe(dispatched)

    const sent = completed.filter(({ key }) => key === 'SendEmailJob')
    expect(mail.received.size).toBe(sent.length)
    for (const { id } of sent) expect(mail.received.has(`<${id}@registry.test>`)).toBe(true)

    // The e-mails of greylisted recipients were sent again.
    expect(mail.greylisted).toBeGreaterThan(0)
    expect(sent.filter(({ attempt }) => attempt === 2)).toHaveLength(mail.greylisted)

    const { jobs } = JSON.parse(await lark('jobs:failed', '--json', '--limit', '1000'))
    expect(idsOf(jobs)).toEqual(idsOf(failed))
    const reasons = jobs.map(({ errors }: { errors: { message: string }[] }) => errors.at(-1)?.message)
    expect(reasons).toContain('The registry names no country for Intrusion.com, Inc.')
    expect(reasons).toContain(
      'hostmaster@soft-*-rite-inc.us.test is refused: 501 Error: Bad recipient address syntax',
    )

    const found = JSON.parse(await lark('items:find', 'cisco', 'sys', '--json'))
    const ciscos = blocks.slice(0, ITEMS).filter((block) => block.registrant === 'Cisco Systems, Inc')
    expect(idsOf(found)).toEqual(idsOf(ciscos))
    expect((await readFile(join(app, 'var', 'sales.jsonl'), 'utf8')).split('\n')).toHaveLength(reachable + 1)
    const { flows } = JSON.parse(await lark('jobs:flows', '--json'))
    expect(flows).toMatchObject([
      { kind: 'batch', name: 'small blocks', state: 'completed', counts: { total: SMALL, completed: SMALL } },
      { kind: 'chain', name: 'report', state: 'completed', counts: { total: 2, completed: 2 } },
    ])
    // The callback ran once, after the last member.
    expect(completed.filter(({ key }) => key === 'DescribeIndexJob')).toHaveLength(1)
    const index = JSON.parse(await readFile(join(app, 'var', 'index.json'), 'utf8'))
    expect(index).toMatchObject({ added: SMALL })
    expect(index.blocks).toBeGreaterThanOrEqual(SMALL)
    expect(await lark('items:find', smallBlocks[0]!.id)).toContain(smallBlocks[0]!.registrant)
    // Each tick ran once, at an instant of the schedule.
    const noted = parseLines(await readFile(join(app, 'var', 'progress.jsonl'), 'utf8'))
    const instants = idsOf(noted)
    expect(scheduled.map(({ id }) => id).sort()).toEqual(
      instants.map((at) => `NoteProgressJob@${at.replace('.000Z', 'Z')}`),
    )
    expect(instants.every((at) => Date.parse(at) % 2_000 === 0)).toBe(true)
    const { schedules } = JSON.parse(await lark('schedule:list', '--json'))
    expect(schedules).toMatchObject([{ id: 'NoteProgressJob', when: 'every 2s', state: 'running' }])
    // The worker may have ended before the first tick.
    const now = (await lark('schedule:run', 'NoteProgressJob')).trim().split('@')[1]!
    await lark('jobs:work', QUEUES, '--stop-when-empty')
    const { runs: last } = JSON.parse(await lark('schedule:show', 'NoteProgressJob', '--json'))
    expect(last).toContainEqual(expect.objectContaining({ tick: Date.parse(now), state: 'completed' }))
    const report = await readFile(join(app, 'var', 'report.csv'), 'utf8')
    expect(report).toMatch(/^country,orders,addresses\nus,\d+,\d+\n/)
    // The second step of the chain has sent the report of the first step.
    const reports = [...mail.received.values()].filter((text) => text.includes('To: director@registry.test'))
    expect(reports).toHaveLength(1)
    expect(reports[0]!.replaceAll('\r\n', '\n')).toContain(report.trim())
  },
  LIMIT,
)

interface Event {
  event: string
  id: string
  key: string
  outcome: string
  attempt: number
  retryIn?: number
}

function parseLines(text: string): Event[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): Event => JSON.parse(line))
}

function idsOf(things: { id: string }[]): string[] {
  return things.map(({ id }) => id).sort()
}
