/** The commands of the outbox, and the output of status, doctor and metrics about the outbox. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { JobsAuditCommand } from '../../src/commands/look/jobs-audit.ts'
import { JobsDoctorCommand } from '../../src/commands/look/jobs-doctor.ts'
import { JobsStatusCommand } from '../../src/commands/look/jobs-status.ts'
import { JobsWhyCommand } from '../../src/commands/look/jobs-why.ts'
import { OutboxInstallCommand } from '../../src/commands/outbox/outbox-install.ts'
import { OutboxListCommand } from '../../src/commands/outbox/outbox-list.ts'
import { OutboxRetryCommand } from '../../src/commands/outbox/outbox-retry.ts'
import { OutboxSqlCommand } from '../../src/commands/outbox/outbox-sql.ts'
import { Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import type { AuditEntry } from '../../src/operate.ts'
import { dialects } from '../../src/outbox/dialect.ts'
import { OUTBOX, OutboxTable } from '../../src/outbox/table.ts'
import { scrape } from '../../src/telemetry/prometheus/scrape.ts'
import { Application, mail } from '../outbox/application.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-outbox-'))
const commands = [
  ...[OutboxSqlCommand, OutboxInstallCommand, OutboxListCommand, OutboxRetryCommand],
  ...[JobsStatusCommand, JobsDoctorCommand, JobsAuditCommand, JobsWhyCommand],
]
let files = 0
let application: Application

beforeEach(() => {
  files++
  application = new Application()
})
afterEach(() => Jobs.close())
afterAll(() => rmSync(folder, { recursive: true }))

/**
 * Configures the outbox as a `lark.config` would. Call this function before each command, because a command
 * closes the instance that it has used.
 */
function configure(): void {
  Jobs.configure({ connection: `sqlite:${join(folder, `${files}.db`)}`, outbox: application.outbox })
}

async function lark(words: string[], answers?: string[]) {
  configure()
  const console = new MemoryConsole(answers && { answers })
  const code = await run(words, { commands, console })
  await Jobs.close()
  return { code, said: console.stdout + console.stderr, json: () => JSON.parse(console.stdout) }
}

test.each(dialects)('outbox:sql prints the statements that create the tables: %s', async (dialect) => {
  const statements = new OutboxTable(dialect).create()
  const { code, said } = await lark(['outbox:sql', `--for=${dialect}`])
  // The output begins with an empty line, because the file that drizzle-kit makes ends with a comment and no
  // line break.
  expect([code, said]).toEqual([0, `\n${statements.join(';\n')};\n`])
  expect((await lark(['outbox:sql', `--for=${dialect}`, '--json'])).json()).toEqual({
    for: dialect,
    statements,
  })
})

test('outbox:install asks first, and then creates the tables', async () => {
  application = new Application(false)
  const { code, said } = await lark(['outbox:list'])
  expect(code).toBe(1)
  expect(said).toContain('has no table lark_outbox of version 1')
  expect(said).toContain('lark outbox:sql --for=sqlite')
  expect((await lark(['outbox:install', '--dry-run'])).said).toContain(`Would create the table ${OUTBOX}`)
  expect((await lark(['outbox:install'], ['n'])).said).toContain('Nothing was created')
  expect(() => application.rows).toThrow()
  expect((await lark(['outbox:install'], ['y'])).said).toContain(`The table ${OUTBOX} is there`)
  expect((await lark(['outbox:install', '--yes', '--json'])).json()).toEqual({
    table: OUTBOX,
    installed: true,
  })
  expect(application.rows).toEqual([])
  const { entries } = (await lark(['jobs:audit', '--json'])).json()
  expect(entries).toMatchObject(Array(2).fill({ what: 'install-outbox', count: 1, outcome: 'done' }))
})

test('jobs:doctor says that a column of the outbox is missing', async () => {
  application.run('ALTER TABLE lark_steps DROP COLUMN result')
  expect((await lark(['jobs:doctor'])).said).toMatch(/of version 1, or not all of its columns: .*result/)
})

test('outbox:list shows waiting rows and rows that cannot become jobs; outbox:retry lets the relay try a row again', async () => {
  expect((await lark(['outbox:list'])).said).toContain('0 rows wait for the relay')
  const [bad, good] = application.write({ ...mail(1), body: '{' }, mail(2))
  application.run(
    `UPDATE ${OUTBOX} SET error = 'no JSON\u001b[2J', written = written - 90000 WHERE id = '${bad}'`,
  )
  const { said } = await lark(['outbox:list'])
  expect(said).not.toContain('\u001b[2J')
  expect(said).toMatch(new RegExp(`${bad} +unreadable +emails +1 min 30 s +no JSON`))
  expect(said).toMatch(new RegExp(`${good} +mail +emails`))
  expect(said).toMatch(/1 row waits for the relay, the oldest for .+; 1 row cannot become jobs/)
  const { rows, ...rest } = (await lark(['outbox:list', '--bad', '--json'])).json()
  expect(rest).toEqual({ waiting: 1, bad: 1, age: expect.any(Number) })
  expect(rows).toMatchObject([{ id: bad, queue: 'emails', kind: 'unreadable' }])
  const page = (await lark(['outbox:list', '--limit=1', '--json'])).json()
  expect((await lark(['outbox:list', `--after=${page.after}`, '--json'])).json().rows).toMatchObject([
    { id: good },
  ])
  expect(await lark(['outbox:list', '--after=x'])).toMatchObject({
    code: 2,
    said: expect.stringContaining('--after'),
  })
  expect((await lark(['outbox:retry', good!])).said).toContain(
    'There is no such row that could not become a job',
  )
  expect((await lark(['outbox:retry', bad!, good!])).said).toContain('The relay takes 1 row again')
  expect(application.rows.map(({ error }) => error)).toEqual([null, null])
  expect((await lark(['outbox:retry', '--json'])).json()).toEqual({ rows: 0, ids: [] })
  const { entries } = (await lark(['jobs:audit', '--what=retry-rows', '--json'])).json()
  expect(entries.map(({ on, count, from }: AuditEntry) => [on, count, from])).toEqual([
    ['every row of the outbox', 0, 'command'],
    [`rows of the outbox: ${bad}, ${good}`, 1, 'command'],
    [`rows of the outbox: ${good}`, 0, 'command'],
  ])
})

test('jobs:why says of a job in the outbox that it waits for the relay, or why it cannot become a job', async () => {
  const [waiting, marked] = application.write(mail(1), mail(2))
  application.run(`UPDATE ${OUTBOX} SET error = 'the store refused it' WHERE id = '${marked}'`)
  const why = await lark(['jobs:why', waiting!])
  expect(why).toMatchObject({ code: 1, said: expect.stringContaining('waits in the outbox for the relay') })
  expect(why.said).toContain('lark outbox:list')
  const refused = (await lark(['jobs:why', marked!])).said
  expect(refused).toContain('cannot become a job: the store refused it')
  expect(refused).toContain(`lark outbox:retry ${marked}`)
})

test('jobs:status, jobs:doctor and the metrics show waiting rows, a stuck relay, rows that cannot become jobs, and an unreachable database', async () => {
  configure()
  expect(await Jobs.status()).toMatchObject({ outbox: { waiting: 0, bad: 0, age: 0 }, alarms: [] })
  const metrics = await scrape(insideOf(Jobs))
  expect(metrics).toContain('lark_jobs_outbox_rows{state="waiting"} 0')
  application.write(mail(1), mail(2))
  application.run(`UPDATE ${OUTBOX} SET written = written - 120000`)
  application.run(`UPDATE ${OUTBOX} SET error = 'no' WHERE place = 2`)
  const { outbox, alarms } = await Jobs.status()
  expect(outbox).toMatchObject({ waiting: 1, bad: 1 })
  expect(outbox!.age).toBeGreaterThanOrEqual(120_000)
  expect(alarms).toMatchObject([
    {
      code: 'outbox-relayed',
      level: 'error',
      text: expect.stringMatching(/^stands still: 1 row waits, the oldest for 2 min/),
    },
    { code: 'outbox-rows', level: 'warning', text: 'has 1 row that cannot become jobs' },
  ])
  await Jobs.close()
  expect((await lark(['jobs:status'])).said).toContain('stands still')
  expect((await lark(['jobs:doctor'])).said).toContain('has 1 row that cannot become jobs')
  application.isAway = true
  expect((await lark(['jobs:status'])).said).toContain('The database of the outbox does not answer')
})
