/**
 * `jobs:failed --group`, and the commands that change, remove, export and import many jobs: their questions,
 * their output, and which jobs remain.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { MemoryConsole, run } from '@s18i/lark'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { JobsCancelCommand } from '../../src/commands/change/jobs-cancel.ts'
import { JobsEditCommand } from '../../src/commands/change/jobs-edit.ts'
import { JobsExportCommand } from '../../src/commands/change/jobs-export.ts'
import { JobsImportCommand } from '../../src/commands/change/jobs-import.ts'
import { JobsMoveCommand } from '../../src/commands/change/jobs-move.ts'
import { JobsPrioritizeCommand } from '../../src/commands/change/jobs-prioritize.ts'
import { JobsPurgeCommand } from '../../src/commands/change/jobs-purge.ts'
import { JobsRemoveCommand } from '../../src/commands/change/jobs-remove.ts'
import { JobsRescheduleCommand } from '../../src/commands/change/jobs-reschedule.ts'
import { JobsRetryCommand } from '../../src/commands/change/jobs-retry.ts'
import { JobsRunNowCommand } from '../../src/commands/change/jobs-run-now.ts'
import { JobsTagCommand } from '../../src/commands/change/jobs-tag.ts'
import { JobsUntagCommand } from '../../src/commands/change/jobs-untag.ts'
import { JobsAuditCommand } from '../../src/commands/look/jobs-audit.ts'
import { JobsFailedCommand } from '../../src/commands/look/jobs-failed.ts'
import { chain, createJobs, cron, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { operate } from '../../src/operate.ts'
import { open as raw } from '../sqlite/raw.ts'
import { Record } from '../working/bench.ts'
import { damageSchedule } from '../working/setting-schedules.ts'

const folder = mkdtempSync(join(tmpdir(), 'lark-mending-'))
let files = 0
const commands = [
  ...[JobsEditCommand, JobsExportCommand, JobsFailedCommand, JobsImportCommand],
  ...[JobsPurgeCommand, JobsRemoveCommand, JobsRetryCommand, JobsRunNowCommand],
  ...[JobsAuditCommand, JobsCancelCommand, JobsMoveCommand],
  ...[JobsPrioritizeCommand, JobsRescheduleCommand, JobsTagCommand, JobsUntagCommand],
]

/** Each command closes the instance that it has used, so the test has its own instance. */
let jobs: Jobs

class ChargeJob extends Job {
  override readonly key = 'charge'
  override tries = 1
  handle({ n }: { n: number }) {
    if (n < 4) throw new Error(`Card ${n} was declined`, { cause: new Error('no\u001b[2J') })
    JSON.parse('nothing')
  }
}

beforeEach(async () => {
  const connection = `sqlite:${join(folder, `${++files}.db`)}`
  vi.stubEnv('LARK_JOBS_URL', connection)
  jobs = createJobs({ connection })
  await jobs.dispatchMany(new ChargeJob(), [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
  await (await jobs.work({ jobs: [ChargeJob], report: new Record(), stopWhenEmpty: true })).done
})
afterEach(async () => {
  await jobs.close()
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})
afterAll(() => rmSync(folder, { recursive: true }))

async function lark(words: string[], answers?: string[]) {
  const console = new MemoryConsole(answers && { answers })
  const code = await run(words, { commands, console })
  const said = console.stdout + console.stderr
  expect(said).not.toContain('\u001b[2J')
  return { code, said, json: () => JSON.parse(console.stdout) }
}

const path = (name: string) => join(folder, `${files}-${name}.jsonl`)
const count = async (state: 'failed' | 'waiting') => (await jobs.status()).queues[0]!.counts[state]

/** The note about lost data that each import and each export prints. */
const lost =
  'i Not in such a file: logs, unique locks, how long a class keeps its jobs, limits of groups without other jobs\n'

test('jobs:failed --group lists the kinds of failures, and jobs:retry retries the jobs of one kind', async () => {
  const { said } = await lark(['jobs:failed', '--group'])
  expect(said).toMatch(/^KIND +JOBS +SHARE +JOB +FIRST +LAST +LAST ERROR/m)
  const [, kind] =
    /^(\w+) +4 +80% +charge .*Card \d was declined \(cause: no\S+\) at ChargeJob\.handle/m.exec(said)!
  const { kinds } = (await lark(['jobs:failed', '--group', '--json'])).json()
  expect(kinds).toMatchObject([
    { kind, count: 4 },
    { count: 1, name: 'SyntaxError' },
  ])
  expect((await lark(['jobs:failed', `--kind=${kind}`, '--limit=3', '--json'])).json().jobs).toHaveLength(3)
  expect(await lark(['jobs:retry', `--kind=${kind}`])).toMatchObject({
    code: 0,
    said: '✓ Put 4 jobs back to work\n',
  })
  expect(await lark(['jobs:retry', '--kind=xyz'])).toMatchObject({ code: 2 })
  expect([await count('waiting'), await count('failed')]).toEqual([4, 1])
})

test('jobs:remove writes the jobs to a file before it removes them, and jobs:import can bring them back', async () => {
  const file = path('removed')
  const refused = await lark(['jobs:remove', '--job=charge', `--file=${file}`])
  expect(refused).toMatchObject({ code: 2 })
  expect(refused.said).toContain('This would remove 5 jobs, and there is no terminal to ask on')
  expect(await lark(['jobs:remove', '--job=charge', '--dry-run'])).toMatchObject({
    code: 0,
    said: '✓ Would remove 5 jobs of key charge\n',
  })
  expect(await lark(['jobs:remove', '--job=charge', `--file=${file}`], ['no'])).toMatchObject({ code: 1 })
  expect(await count('failed')).toBe(5)
  const { said } = await lark(['jobs:remove', '--job=charge', `--file=${file}`], ['yes'])
  expect(said).toContain('✓ Removed 5 jobs\n')
  expect(said).toContain(`To undo it: lark jobs:import ${file}`)
  expect([await count('failed'), statSync(file).mode & 0o777]).toEqual([0, 0o600])
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(5)
  expect(await lark(['jobs:import', file])).toMatchObject({ code: 0, said: `✓ Imported 5 jobs\n${lost}` })
  expect((await lark(['jobs:import', file, '--json'])).json()).toEqual({ imported: 0, existing: 5 })
  expect(await count('failed')).toBe(5)
  expect((await lark(['jobs:remove', '--all', '--yes', `--file=${file}`])).said).toContain('exists already')
  expect(await count('failed')).toBe(5)
})

test('if the store fails while jobs are removed, the command names the file, and the jobs that are not yet removed stay', async () => {
  const file = path('half')
  const database = raw(join(folder, `${files}.db`))
  database.exec("CREATE TRIGGER full BEFORE DELETE ON jobs BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END")
  database.close()
  const { code, said } = await lark(['jobs:remove', '--job=charge', '--yes', `--file=${file}`])
  expect(code, said).toBe(1)
  expect(said).toContain(`What was removed is in ${file}. Its last 50 jobs may still be in the store`)
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(5)
  expect((await lark(['jobs:import', file, '--json'])).json()).toEqual({ imported: 0, existing: 5 })
})

test('jobs:remove of one job asks no question; jobs:import names the line of a mistake in the file', async () => {
  const [{ id } = { id: '' }] = await jobs.failed({ limit: 1 })
  const file = path('one')
  expect((await lark(['jobs:remove', id, `--file=${file}`, '--json'])).json()).toEqual({
    removed: 1,
    running: 0,
    left: 0,
    file,
  })
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"id":`)
  expect(await lark(['jobs:import', file])).toMatchObject({
    code: 2,
    said: expect.stringContaining('✗ Line 2 of'),
  })
  writeFileSync(file, '{"id":"x"}\n')
  const wrong = await lark(['jobs:import', file])
  expect(wrong).toMatchObject({
    code: 2,
    said: expect.stringContaining('Lines 1 to 1: The record of x cannot be imported'),
  })
  expect(await lark(['jobs:import', path('none')])).toMatchObject({ code: 2 })
})

test('jobs:import imports jobs that run commands only with a flag', async () => {
  const { id } = await jobs.dispatchCommand('list')
  const file = path('commands')
  const { said } = await lark(['jobs:remove', id, `--file=${file}`])
  expect(said).toContain(`To undo it: lark jobs:import ${file} --commands`)
  const refused = await lark(['jobs:import', file])
  expect(refused).toMatchObject({ code: 2, said: expect.stringContaining('it runs a command of lark') })
  expect(await jobs.find(id)).toBeUndefined()
  expect((await lark(['jobs:import', file, '--commands'])).said).toContain('✓ Imported 1 job\n')
  expect((await jobs.find(id))?.key).toBe('lark:command')
})

test('jobs:purge writes no file and says so, and jobs:export writes the jobs that meet a filter', async () => {
  const file = path('exported')
  expect(await lark(['jobs:export'])).toMatchObject({ code: 2 })
  expect((await lark(['jobs:export', '--state=failed', `--file=${file}`])).said).toBe(
    `✓ Exported 5 jobs to ${file}\n${lost}`,
  )
  const { said } = await lark(['jobs:purge', '--state=failed', '--yes'])
  expect(said).toContain('✓ Purged 5 jobs\n')
  expect(said).toContain('this cannot be undone')
  expect((await lark(['jobs:export', '--all', '--json'])).json()).toEqual({
    exported: 0,
    left: { flows: 0, schedules: [] },
  })
  expect((await lark(['jobs:import', file])).said).toContain('✓ Imported 5 jobs\n')
})

test('an interrupted export says what the file contains', async () => {
  const interrupted = (words: string[]) => {
    vi.spyOn(JobsExportCommand.prototype, 'signal', 'get')
      .mockReturnValue(AbortSignal.abort())
      .mockReturnValueOnce(new AbortController().signal)
    return lark(['jobs:export', '--all', ...words])
  }
  const file = path('interrupted')
  expect(await interrupted([`--file=${file}`])).toMatchObject({
    code: 130,
    said: `! Interrupted: 5 jobs are in ${file}, and no more\n`,
  })
  const json = await interrupted(['--json', `--file=${path('as-json')}`])
  expect(json).toMatchObject({ code: 130 })
  expect(json.json()).toMatchObject({ exported: 5, interrupted: true })
})

test('an export of the whole store says which other data of the store it leaves out', async () => {
  await jobs.schedules.set('each-day', ChargeJob.with({ n: 1 }), cron('0 8 * * *'))
  await jobs.dispatch(chain([ChargeJob.with({ n: 9 }).delayed('1h'), ChargeJob.with({ n: 9 })]))
  await jobs.schedules.set('broken', ChargeJob.with({ n: 2 }), cron('0 9 * * *'))
  await damageSchedule(jobs, 'broken')
  const file = path('exported')
  const { said } = await lark(['jobs:export', '--all', `--file=${file}`])
  expect(said).toMatch(/✓ Exported \d+ jobs and 1 schedule to/)
  expect(said).toContain(
    '! The store also has 1 flow that has not ended: let workers finish what is in no file\n',
  )
  expect(said).toContain('! The store also has 1 schedule with a damaged record, not in the file: broken\n')
  const { exported, ...rest } = (await lark(['jobs:export', '--all', '--json'])).json()
  expect(rest).toMatchObject({ schedules: 1, left: { flows: 1, schedules: ['broken'] } })
  expect(readFileSync(rest.file, 'utf8').trim().split('\n')).toHaveLength(exported + 1)
  await jobs.schedules.remove('each-day')
  const again = await lark(['jobs:import', file])
  expect(again.said).toContain('✓ Imported 0 jobs and 1 schedule; ')
  expect((await jobs.schedules.get('each-day'))!.when).toBe('0 8 * * *')
  expect((await lark(['jobs:export', '--state=failed', '--json'])).json()).not.toHaveProperty('left')
})

test('jobs:edit changes a payload, and jobs:run-now makes a job due', async () => {
  const [job] = await jobs.failed()
  expect(await lark(['jobs:edit', job!.id, '--payload={"n":']).then(({ code }) => code)).toBe(2)
  expect(await lark(['jobs:edit', job!.id, '--payload={"n":9}'])).toMatchObject({
    code: 0,
    said: '✓ Edited 1 job\n',
  })
  expect((await jobs.find(job!.id))!.payload).toEqual({ n: 9 })
  const later = await jobs.dispatch(ChargeJob.with({ n: 1 }).delayed('1h'))
  expect(await lark(['jobs:run-now', '--job=charge'])).toMatchObject({ code: 0, said: '✓ Made due 1 job\n' })
  expect(await later.status()).toMatchObject({ state: 'waiting' })
  expect(await lark(['jobs:run-now', later.id, '--all'])).toMatchObject({ code: 2 })
  expect(await lark(['jobs:run-now'])).toMatchObject({ code: 2 })
})

test('jobs:move by ids, by filter, as a dry run, and with mistakes', async () => {
  const wrong = createJobs({
    connection: process.env.LARK_JOBS_URL!,
    queues: ['emials'],
  })
  await using _ = wrong
  const [a] = await wrong.dispatch([1, 2, 3].map((n) => ChargeJob.with({ n }).onQueue('emials')))
  expect(await lark(['jobs:move', '--queue=emials', '--to=default', '--dry-run'])).toMatchObject({
    code: 0,
    said: '✓ Would move 3 jobs of queue emials\n',
  })
  expect((await lark(['jobs:move', '--queue=emials', '--to=default', '--dry-run', '--json'])).json()).toEqual(
    {
      moved: 3,
      left: 0,
      dryRun: true,
    },
  )
  expect(await lark(['jobs:move', a!.id, '--to=default'])).toMatchObject({
    code: 0,
    said: '✓ Moved 1 job\n',
  })
  // The command in the form in which doctor and status print it.
  expect(await lark(['jobs:move', '--queue=emials', '--to=default'])).toMatchObject({
    code: 0,
    said: '✓ Moved 2 jobs\n',
  })
  expect((await lark(['jobs:move', '--queue=emials', '--to=default', '--json'])).json()).toEqual({
    moved: 0,
    left: 0,
  })
  expect(await count('waiting')).toBe(3)
  expect((await lark(['jobs:audit'])).said).toContain('jobs of queue emials to queue default')
  for (const [words, code, said] of [
    [['--queue=emials'], 2, '--to'],
    [['--to=default'], 2, 'Which jobs?'],
    [['--all', '--to=defualt'], 1, 'Did you mean default?'],
    [['--queue=default', '--to=default'], 2, 'the jobs of default are in default already'],
    [['--queue=default', '--to='], 2, '--to is'],
    [['--state=failed', '--to=default'], 2, '--state'],
    [[(await jobs.failed())[0]!.id, '--to=default'], 1, 'only a job that waits or is delayed can be moved'],
  ] as const)
    expect(await lark(['jobs:move', ...words])).toMatchObject({ code, said: expect.stringContaining(said) })
})

test('jobs:reschedule, jobs:prioritize, jobs:tag and jobs:untag by filter and by id, as a dry run, and with mistakes', async () => {
  const [a, b] = await jobs.dispatch([1, 2].map((n) => ChargeJob.with({ n }).delayed('1h')))
  const status = async (id: string) => (await jobs.find(id))!
  expect(await lark(['jobs:reschedule', '--state=delayed', '--delay=2h', '--dry-run'])).toMatchObject({
    said: '✓ Would reschedule 2 jobs of state delayed\n',
  })
  expect(await lark(['jobs:reschedule', a!.id, '--delay=0s'])).toMatchObject({
    said: '✓ Rescheduled 1 job\n',
  })
  expect(await status(a!.id)).toMatchObject({ state: 'waiting' })
  const soon = (await status(b!.id)).dueAt!
  await lark(['jobs:reschedule', '--state=delayed', '--delay=2h'])
  expect((await status(b!.id)).dueAt!).toBeGreaterThan(soon + 1_800_000)
  expect((await lark(['jobs:prioritize', '--job=charge', '--priority=-7', '--json'])).json()).toEqual({
    prioritized: 2,
    left: 0,
  })
  expect(await status(a!.id)).toMatchObject({ priority: -7 })
  expect(await lark(['jobs:tag', b!.id, '--add=vip', '--add=looked at'])).toMatchObject({
    said: '✓ Tagged 1 job\n',
  })
  expect(await status(b!.id)).toMatchObject({ options: { tags: ['vip', 'looked at'] } })
  const many = Array.from({ length: 9 }, (_, n) => `--add=t${n}`)
  expect((await lark(['jobs:tag', b!.id, ...many])).said).toContain('a job has at most 10 tags')
  expect(await lark(['jobs:untag', '--tag=vip', '--remove=vip'])).toMatchObject({
    said: '✓ Untagged 1 job\n',
  })
  expect(await status(b!.id)).toMatchObject({ options: { tags: ['looked at'] } })
  const ended = (await jobs.failed())[0]!.id
  for (const [words, code, said] of [
    [['jobs:reschedule', '--all'], 2, '--delay'],
    [['jobs:reschedule', '--all', '--delay=soon'], 2, "--delay is 'soon'"],
    [['jobs:reschedule', ended, '--delay=1m'], 1, 'only a waiting or delayed job'],
    [['jobs:prioritize', '--all', '--priority=1001'], 2, '--priority is 1001'],
    [['jobs:prioritize', '--priority=1'], 2, 'Which jobs?'],
    [['jobs:tag', '--all', `--add=${'x'.repeat(65)}`], 2, '--add is'],
    [['jobs:tag', '--all'], 2, '--add'],
    [['jobs:untag', '--all', '--remove='], 2, '--remove needs a value'],
  ] as const)
    expect(await lark([...words])).toMatchObject({ code, said: expect.stringContaining(said) })
})

/** Sets the contents of the standard input. */
function given(text: string): void {
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([text]) as never)
}

test('commands read ids from the standard input: as words, or as lines of JSON', async () => {
  const [a, b, c, d] = (await jobs.failed()).map(({ id }) => id)
  given(`${a} failed 3 s ago\n\n  {"id":"${b}","key":"charge"}\n`)
  expect(await lark(['jobs:retry', '-', c!])).toMatchObject({ code: 0, said: '✓ Put 3 jobs back to work\n' })
  given(`{"key":"${d}\u001b[2J"}\n`)
  expect(await lark(['jobs:retry', '-'])).toMatchObject({
    code: 2,
    said: expect.stringContaining('✗ A line of the standard input has no id: {"key":"'),
  })
  given('')
  expect(await lark(['jobs:retry', '-'])).toMatchObject({ code: 0, said: '✓ Put 0 jobs back to work\n' })
  expect([await count('waiting'), await count('failed')]).toEqual([3, 2])
})

test('jobs:cancel asks before it cancels several jobs by their ids, but not before it cancels one job', async () => {
  const handles = await jobs.dispatch([1, 2, 3].map((n) => ChargeJob.with({ n })))
  const [a, b, c] = handles.map(({ id }) => id)
  const refused = await lark(['jobs:cancel', a!, b!])
  expect(refused).toMatchObject({ code: 2 })
  expect(refused.said).toContain('Cancelling several jobs needs a confirmation, and there is no terminal')
  expect(await lark(['jobs:cancel', a!, b!], ['no'])).toMatchObject({ code: 1 })
  expect(await lark(['jobs:cancel', c!])).toMatchObject({ code: 0, said: '✓ Cancelled 1 job\n' })
  expect(await lark(['jobs:cancel', a!, b!], ['yes'])).toMatchObject({
    code: 0,
    said: '? Cancel 2 jobs? [y/N] \n✓ Cancelled 2 jobs\n',
  })
  expect(await lark(['jobs:cancel', a!, b!, '--yes'])).toMatchObject({ code: 1 })
})

test('if the process of a change died, jobs:audit says how many jobs were changed at least', async () => {
  const { store } = await insideOf(jobs).open()
  const text = {
    who: 'ada',
    host: 'web-1',
    from: 'code',
    what: 'edit',
    on: 'jobs of key charge',
    count: 1_200,
  }
  for (const outcome of ['running', 'interrupted'])
    await store.audit.write(outcome, JSON.stringify({ ...text, outcome }), { count: 9, age: 3_600_000 })
  const file = raw(join(folder, `${files}.db`))
  file.exec('UPDATE audit SET writtenAt = writtenAt - 60000, at = at - 60000')
  file.close()
  const { said } = await lark(['jobs:audit'])
  expect(said).toMatch(/ interrupted, at least 1,200$/m)
  expect(said).toMatch(/ interrupted at 1,200$/m)
})

test('jobs:audit lists who changed what, the last change first', async () => {
  expect((await lark(['jobs:audit'])).said).toBe('✓ No such changes\n')
  await operate(jobs, { actor: { name: 'ada\u001b[2J', host: 'web-1', from: 'dashboard' } }).pause({
    queue: 'default',
  })
  await lark(['jobs:retry', '--all'])
  await lark(['jobs:retry', 'none'])
  const { said } = await lark(['jobs:audit'])
  expect(said).toMatch(/^WHEN +WHO +FROM +WHAT +ON +OUTCOME$/m)
  expect(said).toMatch(/ ago +\S+@\S+ +command +retry +job: none +failed at 0: JOB_NOT_FOUND: /m)
  expect(said).toMatch(/ ago +\S+@\S+ +command +retry +jobs of state failed +5 jobs$/m)
  expect(said).toMatch(/ ago +ada\S+@web-1 +dashboard +pause +queue default +done$/m)
  const { entries, cursor } = (await lark(['jobs:audit', '--limit=1', '--json'])).json()
  expect(entries).toMatchObject([{ what: 'retry', outcome: 'failed' }])
  const next = (await lark(['jobs:audit', '--what=retry', '--json'])).json()
  expect(next.entries).toHaveLength(2)
  expect((await lark(['jobs:audit', `--cursor=${cursor}`, '--json'])).json().entries).toHaveLength(2)
  expect(await lark(['jobs:audit', `--cursor=${cursor}`, '--what=pause'])).toMatchObject({ code: 2 })
  expect((await lark(['jobs:audit', '--limit=1'])).said).toContain(`the same command with --cursor=${cursor}`)
})
