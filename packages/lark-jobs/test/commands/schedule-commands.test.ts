/**
 * The output and the effects of the commands `schedule:*` on both stores, also for names with escape
 * sequences.
 */

import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, MemoryConsole, run } from '@s18i/lark'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { ScheduleExplainCommand } from '../../src/commands/schedules/schedule-explain.ts'
import { ScheduleListCommand } from '../../src/commands/schedules/schedule-list.ts'
import { SchedulePauseCommand } from '../../src/commands/schedules/schedule-pause.ts'
import { ScheduleRemoveCommand } from '../../src/commands/schedules/schedule-remove.ts'
import { ScheduleResumeCommand } from '../../src/commands/schedules/schedule-resume.ts'
import { ScheduleRunCommand } from '../../src/commands/schedules/schedule-run.ts'
import { ScheduleShowCommand } from '../../src/commands/schedules/schedule-show.ts'
import { declaredBy, partitionOf } from '../../src/dispatch/schedule-definition.ts'
import { cron, daily, every, Job, type Jobs } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { bookOf } from '../../src/operate/schedules/schedule-info.ts'
import { classOf } from '../../src/options/job-class.ts'
import type { ScheduleState } from '../../src/schedule/state.ts'
import { Bench, Record, redisPrefix, sqliteFile } from '../working/bench.ts'
import { damageSchedule } from '../working/setting-schedules.ts'

const commands: (new () => Command)[] = [
  ScheduleExplainCommand,
  ScheduleListCommand,
  SchedulePauseCommand,
  ScheduleRemoveCommand,
  ScheduleResumeCommand,
  ScheduleRunCommand,
  ScheduleShowCommand,
]
const HOUR = 3_600_000
const PARIS = { timezone: 'Europe/Paris' } as const
const evil = 'the bank\u001b[2J is closed'

class ReportJob extends Job {
  static override readonly redact = ['secret']
  override readonly key = 'report'
  handle({ tenant }: { tenant: number; secret?: string }) {
    return tenant
  }
}

class NightlyJob extends Job {
  override readonly key = 'nightly'
  override schedule = daily('03:00')
  handle() {}
}

describe.each([
  ['sqlite', () => sqliteFile()],
  ['redis', () => redisPrefix(inject('redisUrl'))()],
] as const)('%s', (_name, connect) => {
  /** Each command closes the instance that it has used, so the test has its own instance. */
  let jobs: Jobs
  let bench: Bench
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lark-schedules-'))
    const { remove, ...place } = await connect()
    const config = { jobs: { ...place, queues: ['default', 'emails', 'low'] } }
    writeFileSync(join(folder, 'lark.config.mjs'), `export default ${JSON.stringify(config)}`)
    vi.stubEnv('LARK_CONFIG', join(folder, 'lark.config.mjs'))
    bench = await Bench.make(async () => ({ ...place, remove }))
    jobs = bench.jobs
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await bench[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  const lark = (...words: string[]) => asked([], ...words)

  /**
   * @param answers the answers to the questions of the command; without them, the command runs as if nobody
   * could answer
   */
  async function asked(answers: string[], ...words: string[]) {
    const console = new MemoryConsole(answers.length === 0 ? {} : { answers })
    const code = await run(words, { commands, console })
    const said = console.stdout + console.stderr
    expect(said).not.toContain('\u001b[2J')
    return { code, said, json: () => JSON.parse(console.stdout) }
  }

  /** Changes the stored state of a schedule, to simulate that time has passed. */
  async function make(id: string, state: (now: number) => Partial<ScheduleState>) {
    await bookOf(await insideOf(jobs).open()).change(id, (found) => ({
      state: { ...found.state, ...state(found.at) },
    }))
  }

  async function declare(Class: new () => Job) {
    const opened = await insideOf(jobs).open()
    for (const { id, definition } of declaredBy(classOf(Class), 'UTC'))
      await bookOf(opened).set(id, definition, partitionOf(id, definition, opened.settings.partitions))
  }

  const setReport = (id: string, when = cron('0 8 * * 1-5', PARIS)) =>
    jobs.schedules.set(id, ReportJob.with({ tenant: 7, secret: 'x' }), when)

  test('the commands say that a store has no schedules', async () => {
    expect(await lark('schedule:list')).toMatchObject({ code: 0, said: '✓ No schedules\n' })
    expect((await lark('schedule:list', '--json')).json()).toEqual({ schedules: [] })
    vi.stubEnv('NODE_ENV', 'development')
    expect((await lark('schedule:list')).said).toContain('i Schedules are off here, so workers declare none')
    vi.stubEnv('NODE_ENV', 'test')
    expect((await lark('schedule:list', '--state=paused')).said).toBe(
      '✓ No such schedules: see lark schedule:list\n',
    )
    expect(await lark('schedule:list', '--state=asleep')).toMatchObject({ code: 2 })
    const { code, said } = await lark('schedule:list', '--job=report')
    expect([code, said]).toEqual([2, expect.stringContaining("No schedule has the key 'report'")])
    expect((await lark('schedule:show', 'report')).said).toBe(
      "✗ There is no schedule 'report'\n  See lark schedule:list\n",
    )
  })

  test('for a misspelled name, the commands suggest the right one', async () => {
    await setReport('report-7')
    for (const command of ['show', 'run', 'pause', 'resume', 'explain', 'remove']) {
      const { code, said } = await lark(
        `schedule:${command}`,
        'reprot-7',
        ...(command === 'remove' ? ['-y'] : []),
      )
      expect([code, said]).toEqual([1, expect.stringContaining('Did you mean report-7?')])
    }
    expect((await lark('schedule:list', '--job=repotr')).said).toContain('Did you mean report?')
  })

  test('schedule:list shows the times, the next tick, the end of the last run, and problems', async () => {
    await setReport('report-7')
    await setReport('report-8', every('15m'))
    await setReport('report-9', cron('30 8-18 * * *'))
    await declare(NightlyJob)
    const none = await lark('schedule:list')
    expect(none.said).toMatch(/^SCHEDULE +WHEN +NEXT +LAST RUN *\n/)
    expect(none.said).toMatch(/^nightly +every day at 03:00, UTC +in .+$/m)
    expect(none.said).toMatch(/^report-7 +weekdays at 08:00, Paris +in .+$/m)
    expect(none.said).toContain('! No worker is running, so nothing ticks: start one with lark jobs:work\n')
    const report = new Record()
    const ended = report.ends(1)
    await jobs.schedules.runNow('report-7')
    await bench.work([ReportJob], { report })
    await ended
    await vi.waitFor(async () => expect((await jobs.schedules.get('report-7'))!.lastRun).toBeDefined())
    await jobs.schedules.pause('report-9', { because: evil })
    await make('report-8', (now) => ({
      skipped: [{ from: now - 2 * HOUR, to: now - HOUR, count: 4, why: 'missed' }],
    }))
    const { said, code } = await lark('schedule:list')
    expect(code).toBe(0)
    expect(said).toMatch(/^report-7 +weekdays at 08:00, Paris +in .+ +completed in \S+ ms, \S+ m?s ago *$/m)
    expect(said).toMatch(/^report-8 +every 15 minutes +in .+$/m)
    expect(said).toMatch(/^report-9 +every hour from 08:30 to 18:30, UTC +paused *$/m)
    expect(said).toContain('! report-8 missed 4 ticks, the last 1 h ago: see lark schedule:show report-8\n')
    expect(said).toMatch(
      /^i report-9 has been paused for \S+ m?s \(the bank\\x1b\[2J is closed\): it does not tick until lark schedule:resume report-9$/m,
    )
    expect(said).toContain("! No live worker knows 'nightly': ticks wait, and then count as missed\n")
    const ids = async (...words: string[]) =>
      (await lark('schedule:list', '--json', ...words)).json().schedules.map(({ id }: { id: string }) => id)
    expect(await ids('--job=nightly')).toEqual(['nightly'])
    expect(await ids('--queue=default')).toHaveLength(4)
    expect(await ids('--state=paused')).toEqual(['report-9'])
    const [nightly] = (await lark('schedule:list', '--json')).json().schedules
    expect(nightly).toMatchObject({ id: 'nightly', unknownKey: true, ofClass: true })
  })

  test('schedule:list shows ended schedules, schedules that nobody declares, and late schedules', async () => {
    await setReport('report-7')
    await setReport('report-8')
    await setReport('report-9')
    await declare(NightlyJob)
    await make('report-7', (at) => ({ ended: { at: at - HOUR, why: 'limit' }, ticks: 1 }))
    await make('report-8', (at) => ({ ended: { at: at - HOUR, why: 'dropped' } }))
    await make('report-9', (at) => ({ next: at - HOUR }))
    await make('nightly', (at) => ({ undeclaredSince: at - 120_000 }))
    const { said } = await lark('schedule:list')
    expect(said).toMatch(/^report-7 .+ ended *$/m)
    expect(said).toMatch(/^report-8 .+ dropped *$/m)
    expect(said).toMatch(/^report-9 .+ late by 1 h *$/m)
    expect(said).toContain('i report-7 has ended 1 h ago: it has had its 1 tick\n')
    expect(said).toContain('i report-8 has ended 1 h ago: no class declares it any more\n')
    expect(said).toMatch(/^! No living worker has declared nightly for 2 min: it is dropped after 10 min$/m)
    // A worker that announces no list of keys counts as a worker that knows all keys of its queues.
    const { store } = await insideOf(jobs).open()
    const worker = { host: 'h', pid: 1, strict: false, concurrency: 1, running: 0, startedAt: 0 }
    await store.announce({ ...worker, id: 'every', queues: ['low'], keys: ['*'], state: 'running' }, HOUR)
    expect((await lark('schedule:list')).said).toContain("! No live worker knows 'nightly', 'report': ticks")
    await store.announce({ ...worker, id: 'all', queues: ['default'], keys: ['*'], state: 'running' }, HOUR)
    expect((await lark('schedule:list')).said).not.toContain('No live worker knows')
    expect((await lark('schedule:show', 'report-9', '--json')).json()).toMatchObject({ unknownKey: false })
    for (const id of ['every', 'all']) await store.retire(id)
  })

  test('one schedule is shown with its definition, the next ten ticks, the last runs, and the missed ticks', async () => {
    const when = cron('0 8 * * 1-5', { ...PARIS, missed: 'once', overlap: 'skip', jitter: '1m', limit: 30 })
    await setReport('report-7', when)
    await jobs.schedules.runNow('report-7')
    await (await bench.work([ReportJob], { stopWhenEmpty: true })).done
    await make('report-7', () => ({
      next: Date.UTC(2027, 0, 4, 7),
      ahead: [Date.UTC(2027, 0, 5, 7)],
      skipped: [
        { from: Date.UTC(2026, 10, 2, 7), to: Date.UTC(2026, 10, 4, 7), count: 3, why: 'missed' },
        { from: Date.UTC(2026, 10, 5, 7), to: Date.UTC(2026, 10, 5, 7), count: 1, why: 'overlap' },
      ],
    }))
    const { said, code } = await lark('schedule:show', 'report-7')
    expect(code).toBe(0)
    const steady = said
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([^)]+ ago\)/g, 'TIME')
      .replace(/next in [^\n]+/, 'next in SOME TIME')
      .replace(/^ {2}\S+ \S+ UTC {2}completed in .+$/m, '  INSTANT  completed in TIME')
    expect(steady).toBe(`report-7 weekdays at 08:00, Paris

State      no worker lives, next in SOME TIME
Written    0 8 * * 1-5, in Europe/Paris
Job        report, in queue default
Set by     Jobs.schedules.set()
Since      TIME, 0 ticks
Limit      30 ticks, 30 left
Missed     ticks that are late by more than 1 min become one job, at the instant of the last
Overlap    a run is left out while the one before has not ended
Jitter     up to 1 min later

Next
  2027-01-04 07:00:00 UTC  Mon 4 Jan, 08:00:00, Europe/Paris
  2027-01-05 07:00:00 UTC  Tue 5 Jan, 08:00:00, Europe/Paris
  2027-01-06 07:00:00 UTC  Wed 6 Jan, 08:00:00, Europe/Paris
  2027-01-07 07:00:00 UTC  Thu 7 Jan, 08:00:00, Europe/Paris
  2027-01-08 07:00:00 UTC  Fri 8 Jan, 08:00:00, Europe/Paris
  2027-01-11 07:00:00 UTC  Mon 11 Jan, 08:00:00, Europe/Paris
  2027-01-12 07:00:00 UTC  Tue 12 Jan, 08:00:00, Europe/Paris
  2027-01-13 07:00:00 UTC  Wed 13 Jan, 08:00:00, Europe/Paris
  2027-01-14 07:00:00 UTC  Thu 14 Jan, 08:00:00, Europe/Paris
  2027-01-15 07:00:00 UTC  Fri 15 Jan, 08:00:00, Europe/Paris

Last runs
  INSTANT  completed in TIME

Ticks that became no jobs
  2026-11-05 07:00:00 UTC  1 tick: the run before had not ended
  2026-11-02 07:00:00 UTC to 2026-11-04 07:00:00 UTC  3 ticks: missed, no worker was there in time

Payload
  {
    "tenant": 7,
    "secret": "[redacted]"
  }
`)
    const json = (await lark('schedule:show', 'report-7', '--json')).json()
    expect(json).toMatchObject({ id: 'report-7', missed: 'once', unknownKey: false })
    expect(json.following).toHaveLength(9)
  })

  test('schedule:run dispatches the job of a schedule now', async () => {
    await setReport('report-7')
    const { code, said } = await lark('schedule:run', 'report-7')
    expect([code, said]).toEqual([
      0,
      expect.stringMatching(/^report-7@\S+Z\n✓ Queued a job of report-7 in default\n$/),
    ])
    const json = (await lark('schedule:run', 'report-7', '--json')).json()
    expect(json).toMatchObject({ schedule: 'report-7', queue: 'default', queued: true })
    expect(await jobs.find(json.id)).toMatchObject({ key: 'report' })
  })

  test('schedule:pause pauses a schedule, and schedule:resume shows the missed ticks', async () => {
    await setReport('report-7', every('1h'))
    expect(await lark('schedule:pause', 'report-7', `--because=${evil}`)).toMatchObject({
      code: 0,
      said: '✓ report-7 is paused: it does not tick until lark schedule:resume report-7\n',
    })
    expect((await lark('schedule:pause', 'report-7')).said).toMatch(
      /^i report-7 has been paused for \S+ m?s already by \S+ at \S+ \(the bank\\x1b\[2J is closed\): it does not tick/,
    )
    const again = (await lark('schedule:pause', 'report-7', '--json')).json()
    expect(again).toMatchObject({ schedule: 'report-7', state: 'paused', wasPaused: true, because: evil })
    await make('report-7', (at) => ({ next: at - 2.5 * HOUR, ahead: [] }))
    const { said } = await lark('schedule:resume', 'report-7', '--missed=once')
    expect(said).toMatch(/^✓ report-7 goes on: next in .+\ni 1 tick of the pause became a job\n/)
    expect(said).toMatch(/i [23] ticks of the pause were skipped\n$/)
    expect((await lark('schedule:resume', 'report-7')).said).toBe(
      'i report-7 was not paused: see lark schedule:list\n',
    )
    expect(await lark('schedule:resume', 'report-7', '--missed=some')).toMatchObject({ code: 2 })
    await lark('schedule:pause', 'report-7')
    const json = (await lark('schedule:resume', 'report-7', '--json')).json()
    expect(json).toMatchObject({ schedule: 'report-7', wasPaused: true, queued: 0, skipped: 0 })
    await make('report-7', (at) => ({ ended: { at, why: 'over' } }))
    expect((await lark('schedule:pause', 'report-7')).said).toContain('report-7 has ended')
  })

  test('schedule:remove asks first, and warns that the schedule of a job class comes back', async () => {
    await setReport('report-7')
    await declare(NightlyJob)
    const unasked = await lark('schedule:remove', 'report-7')
    expect([unasked.code, unasked.said]).toEqual([2, expect.stringContaining('--yes removes it')])
    expect((await lark('schedule:remove', 'report-7', '--dry-run')).said).toBe(
      '✓ Would remove schedule report-7 (weekdays at 08:00, Paris)\n',
    )
    const dry = (await lark('schedule:remove', 'report-7', '--dry-run', '--json')).json()
    expect(dry).toEqual({ schedule: 'report-7', removed: false, ofClass: false, dryRun: true })
    expect((await jobs.schedules.list()).map(({ id }) => id)).toEqual(['nightly', 'report-7'])
    expect(await lark('schedule:remove', 'report-7', '--yes')).toMatchObject({
      code: 0,
      said: '✓ Removed schedule report-7 (weekdays at 08:00, Paris)\n',
    })
    const { said } = await lark('schedule:remove', 'nightly', '-y')
    expect(said).toContain('! Its class declares it: it comes back, running and without its history')
    expect(said).toContain('lark schedule:pause nightly')
    expect(await jobs.schedules.list()).toEqual([])
  })

  test('schedule:remove removes the schedule only after yes', async () => {
    await declare(NightlyJob)
    const no = await asked(['n'], 'schedule:remove', 'nightly')
    expect(no.code).toBe(1)
    expect(no.said).toMatch(/Its class declares it.*Nothing was removed/s)
    expect(await jobs.schedules.list()).toHaveLength(1)
    expect(await asked(['y'], 'schedule:remove', 'nightly')).toMatchObject({ code: 0 })
    expect(await jobs.schedules.list()).toEqual([])
  })

  test('a schedule whose record is damaged can be removed', async () => {
    await setReport('report-7')
    await damageSchedule(jobs, 'report-7')
    const shown = await lark('schedule:show', 'report-7')
    expect([shown.code, shown.said]).toEqual([1, expect.stringContaining('lark schedule:remove report-7')])
    expect((await lark('schedule:remove', 'report-7', '--dry-run')).said).toBe(
      '✓ Would remove schedule report-7 (its record is damaged)\n',
    )
    expect(await lark('schedule:remove', 'report-7', '--yes')).toMatchObject({
      code: 0,
      said: '✓ Removed schedule report-7 (its record is damaged)\n',
    })
    expect((await lark('schedule:show', 'report-7')).said).toContain('There is no schedule')
  })

  test('the schedule of a command is shown with the command line', async () => {
    const opened = await insideOf(jobs).open()
    const { definition } = declaredBy(classOf(NightlyJob), 'UTC')[0]!
    const job = { ...definition.job, key: 'lark:command', payload: '{"command":"shops:sync"}' }
    await bookOf(opened).set('shops:sync', { ...definition, job, ofClass: 'lark:command' }, 'default')
    await bookOf(opened).set('sync', { ...definition, job, ofClass: 'lark:command' }, 'default')
    await expect(setReport('sync')).rejects.toThrow('A command declares the schedule sync')
    const { said } = await lark('schedule:show', 'shops:sync')
    expect(said).toMatch(/^Job +command shops:sync, in queue default\nSet by +its command$/m)
    expect((await lark('schedule:remove', 'shops:sync', '-y')).said).toContain('Its command declares it')
  })

  test('schedule:explain lists the unusual runs of a year', async () => {
    await setReport('report-7', cron('30 2 * * *', PARIS))
    await setReport('report-8', every('15m'))
    expect((await lark('schedule:explain', 'report-7', '--year=2027')).said).toBe(
      `report-7 every day at 02:30, Paris

Sunday, 28 March 2027: the clock skips 02:00 to 03:00.
  The run of 02:30 is at 03:00 (01:00 UTC).
Sunday, 31 October 2027: the clock shows 02:00 to 03:00 twice.
  Runs at 02:30 once, the first time (00:30 UTC).
`,
    )
    expect((await lark('schedule:explain', 'report-8')).said).toContain('no clock change moves a run')
    const json = (await lark('schedule:explain', 'report-7', '--year=2027', '--json')).json()
    expect(json).toMatchObject({ when: '30 2 * * *', timezone: 'Europe/Paris', year: 2027 })
    expect(json.unusual).toHaveLength(2)
  })
})

describe('schedule:explain of a cron expression', () => {
  async function explain(...words: string[]) {
    const console = new MemoryConsole()
    const code = await run(['schedule:explain', '--year=2027', ...words], { commands, console })
    return [code, console.stdout + console.stderr] as const
  }

  test('shows its runs in the time zones of Cairo, Lord Howe, Paris and Kathmandu', async () => {
    expect(await explain('0 0 * * *', '--timezone=Africa/Cairo')).toEqual([
      0,
      `0 0 * * * every day at 00:00, Cairo

Friday, 30 April 2027: the clock skips 00:00 to 01:00.
  The run of 00:00 is at 01:00 (22:00 UTC).
Thursday, 28 October 2027: the clock shows 23:00 to 00:00 twice.
  Every run is at its usual time.
`,
    ])
    const [, howe] = await explain('15 2 * * *', '--timezone=Australia/Lord_Howe')
    expect(howe).toMatchInlineSnapshot(`
      "15 2 * * * every day at 02:15, Lord Howe

      Sunday, 4 April 2027: the clock shows 01:30 to 02:00 twice.
        Every run is at its usual time.
      Sunday, 3 October 2027: the clock skips 02:00 to 02:30.
        The run of 02:15 is at 02:30 (15:30 UTC).
      "
    `)
    const [, paris] = await explain('*/30 * * * *', '--timezone=Europe/Paris')
    expect(paris).toMatchInlineSnapshot(`
      "*/30 * * * * every 30 minutes, Paris

      Sunday, 28 March 2027: the clock skips 02:00 to 03:00.
        Runs go on at the same intervals.
      Sunday, 31 October 2027: the clock shows 02:00 to 03:00 twice.
        Runs go on at the same intervals.
      "
    `)
    const [, some] = await explain('*/20 1-4 * * *', '--timezone=Europe/Paris')
    expect(some).toMatchInlineSnapshot(`
      "*/20 1-4 * * * every 20 minutes from 01:00 to 04:40, Paris

      Sunday, 28 March 2027: the clock skips 02:00 to 03:00.
        Left out: 02:00, 02:20, 02:40, because an expression with a * or a step in its times counts only times that exist.
      Sunday, 31 October 2027: the clock shows 02:00 to 03:00 twice.
        Runs at 02:00, 02:20, 02:40 both times: 6 runs.
      "
    `)
    const [, moved] = await explain('0,30 2,3 * * *', '--timezone=Europe/Paris')
    expect(moved).toContain('The runs of 02:00, 02:30 become one, at 03:00 (01:00 UTC).')
    const [, nuuk] = await explain('30 23 * * *', '--timezone=America/Nuuk')
    expect(nuuk).toContain('skips 23:00 to 00:00.\n  The run of 23:30 is at 00:00 (01:00 UTC).')
    // At the end of the summer time of Lord Howe, there is an hour and a half between two runs.
    const [, hourly] = await explain('0 * * * *', '--timezone=Australia/Lord_Howe')
    expect(hourly).toContain('01:30 to 02:00 twice.\n  Every run is at its usual time.')
    expect(hourly).toContain('02:00 to 02:30.\n  Left out: 02:00, because')
    expect((await explain('@daily', '--timezone=Asia/Kathmandu'))[1]).toContain(
      'The clocks of Asia/Kathmandu are not changed in 2027: every run is at its usual time.',
    )
  })

  test('refuses a wrong expression and wrong arguments', async () => {
    expect(await explain('30 25 * * *')).toEqual([2, expect.stringContaining("its hour, '25',")])
    expect(await explain('0 0 30 2 *')).toEqual([2, expect.stringContaining('this one never ticks')])
    expect(await explain('\x1b[31m * * * *')).toEqual([2, expect.not.stringContaining('\x1b')])
    expect(await explain('30 2 * * *', '--timezone=Europe/Pris')).toEqual([
      2,
      expect.stringContaining('Did you mean Europe/Paris?'),
    ])
    expect(await explain('30 2 * * *', '--year=12')).toEqual([2, expect.stringContaining('--year is 12')])
  })
})
