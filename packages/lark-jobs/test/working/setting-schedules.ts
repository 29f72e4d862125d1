import { expect, test } from 'vitest'
import { declaredBy, partitionOf } from '../../src/dispatch/schedule-definition.ts'
import {
  createJobs,
  cron,
  daily,
  every,
  group,
  Job,
  type Jobs,
  type ScheduleInfo,
  unique,
} from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { bookOf } from '../../src/operate/schedules/schedule-info.ts'
import { operate } from '../../src/operate.ts'
import { classOf } from '../../src/options/job-class.ts'
import { Bench, type Connect, Record } from './bench.ts'

const HOUR = 3_600_000

class ReportJob extends Job {
  static override readonly redact = ['secret']
  override readonly key = 'report'
  override tries = 1
  handle({ tenant }: { tenant: number; secret?: string }) {
    if (tenant < 0) throw new Error('no such tenant')
    return { tenant, for: this.scheduledFor?.toISOString() }
  }
}

class PlainJob extends Job {
  override readonly key = 'plain'
  handle() {}
}

class NightlyJob extends Job {
  override readonly key = 'nightly'
  override queueName = 'emails'
  override schedule = daily('03:00')
  handle() {}
}

/** Declares the schedules of a class, as a worker does. */
async function declare(jobs: Jobs, Class: new () => Job): Promise<void> {
  const opened = await insideOf(jobs).open()
  for (const { id, definition } of declaredBy(classOf(Class), 'UTC'))
    await bookOf(opened).set(id, definition, partitionOf(id, definition, opened.settings.partitions))
}

/** Writes other data in the place of a schedule. */
export async function damageSchedule(jobs: Jobs, id: string): Promise<void> {
  const opened = await insideOf(jobs).open()
  const { partition, rev } = (await bookOf(opened).get(id))!
  const write = { id, rev, definition: 'damaged', state: 'damaged', next: Date.now() }
  await opened.store.schedules.write(partition, [write])
}

/** Returns a schedule without values that differ between runs. */
const said = ({ since: _, next: __, ...rest }: ScheduleInfo) => rest

/** Programs and people set and change schedules. */
export function settingSchedules(connect: Connect): void {
  test('schedules move to another store and back unchanged, with their pauses, and a repeated import changes nothing', async () => {
    await using bench = await Bench.make(connect)
    await using other = createJobs({ connection: 'sqlite::memory:', queues: ['default', 'emails'] })
    const { schedules } = bench.jobs
    await schedules.set(
      'report',
      ReportJob.with({ tenant: 7, secret: 'x' }).withOptions({ priority: 3 }),
      every('1h', { limit: 9 }),
    )
    await schedules.set(
      'yearly',
      ReportJob.with({ tenant: 8 }),
      cron('0 3 1 1 *', { timezone: 'Europe/Paris' }),
    )
    await declare(bench.jobs, NightlyJob)
    await schedules.pause('nightly', { because: 'the bank is closed' })
    await schedules.runNow('report')
    const before = await schedules.list()
    const records = JSON.parse(JSON.stringify(await schedules.records()))
    expect(JSON.stringify(records)).toContain('secret')
    expect(await operate(other).import(records)).toEqual({ imported: 0, existing: 0, schedules: 3 })
    expect(await other.schedules.list()).toEqual(before)
    await other.schedules.pause('yearly')
    expect(await operate(other).import(records)).toEqual({ imported: 0, existing: 3 })
    expect((await other.schedules.get('yearly'))!.state).toBe('paused')
    await other.schedules.resume('yearly')
    for (const { id } of before) await schedules.remove(id)
    expect(await operate(bench.jobs).import(await other.schedules.records())).toMatchObject({ schedules: 3 })
    expect(await schedules.list()).toEqual(before)
    // The class declares the schedule that already exists.
    await declare(bench.jobs, NightlyJob)
    expect((await schedules.get('nightly'))!.paused).toMatchObject({ because: 'the bank is closed' })
    await schedules.remove('report')
    const [{ schedule, definition, state }] = records
    const wrong = [
      { schedule: 'no id:' },
      { definition: 1 },
      { definition: { ...definition, timing: { kind: 'cron', expression: '99 * * * *' } } },
      { definition: { ...definition, queue: 5 } },
      { definition: { ...definition, job: { ...definition.job, payload: {} } } },
      { definition: { ...definition, job: { ...definition.job, key: 'lark:command' } } },
      { definition: { ...definition, job: { ...definition.job, options: 'x' } } },
      { state: { ...state, ahead: ['soon'] } },
      { state: { ...state, next: '1' } },
    ]
    for (const each of wrong)
      await expect(operate(other).import([{ schedule, definition, state, ...each }])).rejects.toMatchObject({
        code: 'IMPORT_INVALID',
        message: expect.stringMatching(/^The record of schedule '.+' cannot be imported: it/),
      })
    const elsewhere = { schedule, state, definition: { ...definition, queue: 'nowhere' } }
    await expect(operate(other).import([elsewhere])).rejects.toMatchObject({ code: 'UNKNOWN_QUEUE' })
  })

  test('any process sets, sees and removes a schedule', async () => {
    await using bench = await Bench.make(connect)
    const when = cron('0 8 * * 1-5', { timezone: 'Europe/Paris', missed: 'once', jitter: '1m', limit: 9 })
    const made = await bench.jobs.schedules.set('report-7', ReportJob.with({ tenant: 7, secret: 'x' }), when)
    expect(said(made)).toEqual({
      id: 'report-7',
      key: 'report',
      queue: 'default',
      when: '0 8 * * 1-5',
      timezone: 'Europe/Paris',
      state: 'running',
      ofClass: false,
      ticks: 0,
      runs: [],
      skipped: [],
      missed: 'once',
      grace: 60_000,
      overlap: 'allow',
      jitter: 60_000,
      limit: 9,
      payload: { tenant: 7, secret: '[redacted]' },
    })
    const other = bench.client()
    const found = { ...made, unserved: 'no-worker' }
    expect(await other.schedules.get('report-7')).toEqual(found)
    expect(await operate(other).schedules.list()).toEqual([found])
    const following = (await other.schedules.get('report-7', { following: 20 }))!.following!
    expect(following).toHaveLength(8)
    expect(
      [made.next!, ...following].every((at) => /T0[67]:00:00.000Z/.test(new Date(at).toISOString())),
    ).toBe(true)
    expect(await other.schedules.remove('report-7')).toBe(true)
    expect(await bench.jobs.schedules.get('report-7')).toBeUndefined()
    expect(await bench.jobs.schedules.remove('report-7')).toBe(false)
    expect(await bench.jobs.schedules.list()).toEqual([])
  })

  test('a schedule stands still while no living worker knows its class, unless it is paused', async () => {
    await using bench = await Bench.make(connect)
    const { schedules } = bench.jobs
    await schedules.set('report', ReportJob.with({ tenant: 1 }), every('1h'))
    const unserved = async () => [
      (await bench.client().schedules.get('report'))?.unserved,
      ...(await schedules.list()).map((each) => each.unserved),
    ]
    expect(await unserved()).toEqual(['no-worker', 'no-worker'])
    const stranger = await bench.jobs.work({ jobs: [PlainJob], report: new Record() })
    expect(await unserved()).toEqual(['unknown-key', 'unknown-key'])
    await schedules.pause('report')
    expect(await unserved()).toEqual([undefined, undefined])
    await schedules.resume('report')
    const worker = await bench.jobs.work({ jobs: [ReportJob], report: new Record() })
    expect(await unserved()).toEqual([undefined, undefined])
    await Promise.all([stranger.stop(), worker.stop()])
  })

  test('an equal definition from any process changes nothing, and a different one replaces the schedule', async () => {
    await using bench = await Bench.make(connect)
    const clients = [bench.jobs, bench.client(), bench.client()]
    const set = (jobs: Jobs, tenant: number) =>
      jobs.schedules.set('report', ReportJob.with({ tenant }), every('1h'))
    const all = await Promise.all([...clients, ...clients].map((jobs) => set(jobs, 1)))
    expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(1)
    const changed = await set(bench.jobs, 2)
    expect(changed).toMatchObject({ payload: { tenant: 2 }, when: 'every 1h' })
    expect(changed.since).toBeGreaterThanOrEqual(all[0]!.since)
    await Promise.all(clients.map((jobs, i) => set(jobs, i)))
    expect(await bench.jobs.schedules.list()).toHaveLength(1)
  })

  test('a list has the schedules that match the filter, in the order of their ids', async () => {
    await using bench = await Bench.make(connect)
    const { schedules } = bench.jobs
    await schedules.set('b', ReportJob.with({ tenant: 1 }), every('90s'))
    await schedules.set('a', ReportJob.with({ tenant: 1 }).onQueue('low'), every('1500ms'))
    await declare(bench.jobs, NightlyJob)
    await schedules.pause('b')
    const ids = async (filter: Parameters<typeof schedules.list>[0]) =>
      (await schedules.list(filter)).map(({ id }) => id)
    expect(await ids({})).toEqual(['a', 'b', 'nightly'])
    expect(await ids({ queue: 'low' })).toEqual(['a'])
    expect(await ids({ key: 'report' })).toEqual(['a', 'b'])
    expect(await ids({ state: 'paused' })).toEqual(['b'])
    expect(await ids({ ofClass: true })).toEqual(['nightly'])
    expect(await ids({ ofClass: false, state: 'running' })).toEqual(['a'])
    expect((await schedules.list()).map(({ when }) => when)).toEqual([
      'every 1500ms',
      'every 90s',
      '0 3 * * *',
    ])
    await expect(schedules.list({ state: 'away' as never })).rejects.toMatchObject({ code: 'FILTER_INVALID' })
    await expect(schedules.list({ queue: undefined as never })).rejects.toMatchObject({
      code: 'FILTER_INVALID',
    })
  })

  test('a pause outlasts a new definition, and a resume returns what it did', async () => {
    await using bench = await Bench.make(connect)
    const { schedules } = bench.jobs
    await schedules.set('report', ReportJob.with({ tenant: 1 }), every('1h'))
    const paused = await schedules.pause('report', { because: 'the bank is closed' })
    expect(paused).toMatchObject({ state: 'paused', paused: { because: 'the bank is closed' } })
    expect(paused.next).toBeUndefined()
    expect(await schedules.pause('report', { because: 'again' })).toEqual(paused)
    const replaced = await schedules.set('report', ReportJob.with({ tenant: 2 }), every('1h'))
    expect(replaced).toMatchObject({ state: 'paused', payload: { tenant: 2 } })
    const resumed = await schedules.resume('report')
    expect(resumed).toEqual({ wasPaused: true, queued: 0, skipped: 0, next: expect.any(Number) })
    expect(resumed.next! % HOUR).toBe(0)
    expect(await schedules.resume('report')).toEqual({ ...resumed, wasPaused: false })
    expect((await schedules.get('report'))!.state).toBe('running')
    const long = await schedules.pause('report', { because: 'x'.repeat(300) })
    expect(long.paused?.because).toHaveLength(200)
  })

  test('a job queued by hand now runs as a job of the schedule, and is in the history', async () => {
    await using bench = await Bench.make(connect)
    const heard: unknown[] = []
    const jobs = bench.client({ hooks: { completed: ({ id, schedule }) => heard.push([id, schedule]) } })
    const { schedules } = jobs
    const before = await schedules.set('report', ReportJob.with({ tenant: 7 }), every('1d'))
    await schedules.pause('report')
    const first = await schedules.runNow('report')
    expect(first).toMatchObject({ queue: 'default', queued: true })
    const events = await jobs.events({ kinds: ['completed'] }).ready()
    await (await bench.work([ReportJob], { stopWhenEmpty: true }, jobs)).done
    const at = Date.parse(first.id.replace('report@', ''))
    expect(heard).toEqual([[first.id, { id: 'report', at }]])
    expect((await events.next()).value).toMatchObject({ id: first.id, schedule: { id: 'report', at } })
    await events.return?.()
    expect((await jobs.find<ReportJob>(first.id))!.result).toEqual({
      tenant: 7,
      for: new Date(at).toISOString(),
    })
    await schedules.set('report', ReportJob.with({ tenant: -7 }), every('1d'))
    await schedules.runNow('report')
    await (await bench.work([ReportJob], { stopWhenEmpty: true, report: new Record() }, jobs)).done
    await schedules.resume('report')
    const after = (await schedules.get('report'))!
    expect(after).toMatchObject({
      next: before.next,
      ticks: 0,
      runs: [{ tick: at, state: 'completed' }, { state: 'failed' }],
      lastRun: { state: 'failed' },
    })
  })

  test('each of many simultaneous calls of run gets its own job', async () => {
    await using bench = await Bench.make(connect)
    const clients = [bench.jobs, bench.client()]
    await bench.jobs.schedules.set('report', ReportJob.with({ tenant: 1 }), every('1d'))
    const runs = await Promise.all(
      [...clients, ...clients, ...clients].map(({ schedules }) => schedules.runNow('report')),
    )
    expect(new Set(runs.map(({ id }) => id)).size).toBe(6)
    const { jobs } = await bench.jobs.list({ state: 'waiting' })
    expect(jobs.map(({ id }) => id).sort()).toEqual(runs.map(({ id }) => id).sort())
  })

  test('run says if it queued no job', async () => {
    await using bench = await Bench.make(connect)
    class OnceJob extends ReportJob {
      override unique = unique()
    }
    const { schedules } = bench.jobs
    await schedules.set('once', OnceJob.with({ tenant: 1 }), every('1d'))
    expect(await schedules.runNow('once')).toMatchObject({ queued: true })
    expect(await schedules.runNow('once')).toMatchObject({ queued: false })
    expect((await schedules.get('once'))!.lastRun).toMatchObject({ state: 'rejected' })
  })

  test('a job that belongs to no tick has no instant', async () => {
    await using bench = await Bench.make(connect)
    const [handle] = await bench.jobs.dispatch([ReportJob.with({ tenant: 1 })])
    await (await bench.work([ReportJob], { stopWhenEmpty: true })).done
    expect((await handle.find())!.result).toEqual({ tenant: 1 })
  })

  test('the time zone of the configuration applies to schedules without a zone', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ schedules: { timezone: 'Asia/Kathmandu' } })
    const info = await jobs.schedules.set('report', ReportJob.with({ tenant: 1 }), daily('08:00'))
    expect(info.timezone).toBe('Asia/Kathmandu')
    expect(new Date(info.next!).toISOString()).toMatch(/T02:15:00.000Z$/)
  })

  test('a schedule moves to another queue with its jobs', async () => {
    await using bench = await Bench.make(connect)
    const jobs = bench.client({ queues: { default: { partitions: 4 }, low: {} } })
    class ShopJob extends ReportJob {
      override group = group(({ tenant }: { tenant: number }) => tenant)
    }
    const { schedules } = jobs
    for (const tenant of [1, 2, 3, 4]) await schedules.set('report', ShopJob.with({ tenant }), every('1h'))
    const moved = await schedules.set('report', ShopJob.with({ tenant: 4 }).onQueue('low'), every('1h'))
    expect(moved).toMatchObject({ queue: 'low', state: 'running' })
    expect(await schedules.list()).toEqual([{ ...moved, unserved: 'no-worker' }])
  })

  test('a schedule with a damaged record is reported by its id, stops no other, and can be removed', async () => {
    await using bench = await Bench.make(connect)
    const { schedules } = bench.jobs
    for (const id of ['a', 'b', 'c']) await schedules.set(id, ReportJob.with({ tenant: 1 }), every('1h'))
    await damageSchedule(bench.jobs, 'b')
    expect((await schedules.list()).map(({ id }) => id)).toEqual(['a', 'c'])
    const damaged = { code: 'STORE_DAMAGED', message: expect.stringContaining("a schedule 'b'") }
    await expect(schedules.get('b')).rejects.toMatchObject(damaged)
    await expect(schedules.set('b', ReportJob.with({ tenant: 1 }), every('1h'))).rejects.toMatchObject(
      damaged,
    )
    expect(await schedules.remove('b')).toBe(true)
    expect(await schedules.remove('b')).toBe(false)
    await schedules.set('b', ReportJob.with({ tenant: 1 }), every('1h'))
    expect(await schedules.list()).toHaveLength(3)
  })

  test("code cannot use the id of a class's schedule", async () => {
    await using bench = await Bench.make(connect)
    await declare(bench.jobs, NightlyJob)
    const set = bench.jobs.schedules.set('nightly', ReportJob.with({ tenant: 1 }), every('1h'))
    await expect(set).rejects.toMatchObject({
      code: 'SCHEDULE_TAKEN',
      message: "The job class 'nightly' declares the schedule nightly",
    })
    expect(await bench.jobs.schedules.get('nightly')).toMatchObject({ ofClass: true, queue: 'emails' })
  })

  test('wrong schedules are refused', async () => {
    await using bench = await Bench.make(connect)
    const { schedules } = bench.jobs
    const draft = ReportJob.with({ tenant: 1 })
    const wrong: [() => Promise<unknown>, string, string][] = [
      [
        () => schedules.set('a b', draft, every('1h')),
        'SCHEDULE_INVALID',
        "the id is 'a b'; it must be a text of 1 to 75",
      ],
      [() => schedules.set('a:b', draft, every('1h')), 'SCHEDULE_INVALID', "the id is 'a:b'"],
      [() => schedules.set('a'.repeat(76), draft, every('1h')), 'SCHEDULE_INVALID', 'the id is'],
      [
        () => schedules.set('a', new ReportJob() as never, every('1h')),
        'SCHEDULE_INVALID',
        'it must be a draft',
      ],
      [
        () => schedules.set('a', draft, '* * * * *' as never),
        'SCHEDULE_INVALID',
        "the third argument is '* * * * *'",
      ],
      [() => schedules.set('a', draft, cron('0 0 30 2 *')), 'SCHEDULE_INVALID', 'never ticks'],
      [() => schedules.set('a', draft.withId('mine'), every('1h')), 'SCHEDULE_INVALID', 'has an id'],
      [() => schedules.set('a', draft.onQueue('away'), every('1h')), 'UNKNOWN_QUEUE', 'away'],
      [() => schedules.set('a', draft.withTries(0), every('1h')), 'JOB_INVALID', 'tries is 0'],
      [() => schedules.get(undefined as never), 'SCHEDULE_INVALID', 'the id is undefined'],
      [() => schedules.get('a', { following: -1 }), 'SCHEDULE_INVALID', 'following is -1'],
      [() => schedules.pause('a', { because: 1 as never }), 'SCHEDULE_INVALID', 'because is 1'],
      [() => schedules.pause('a'), 'SCHEDULE_NOT_FOUND', "There is no schedule 'a'"],
      [() => schedules.resume('a', { missed: 'most' as never }), 'SCHEDULE_INVALID', "missed is 'most'"],
      [() => schedules.resume('a'), 'SCHEDULE_NOT_FOUND', "There is no schedule 'a'"],
      [() => schedules.runNow('a'), 'SCHEDULE_NOT_FOUND', "There is no schedule 'a'"],
      [() => schedules.remove('' as never), 'SCHEDULE_INVALID', "the id is ''"],
    ]
    for (const [act, code, message] of wrong)
      await expect(act(), message).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    expect(await schedules.list()).toEqual([])
  })
}
