/**
 * Files of other versions of Lark: an earlier layout is brought forward, other layouts are refused with one line and
 * not changed, and no file is written by two versions at the same time.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { open } from '../../src/api/jobs.ts'
import { createJobs, Job } from '../../src/index.ts'
import { NODES } from '../../src/model/flow.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { goesOn } from '../conformance/earlier.ts'
import { take } from '../conformance/effects.ts'
import { ids, job, jobs } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** The layout of this version. */
async function present(): Promise<number> {
  await using folder = await Folder.make()
  await (await folder.store()).close()
  return versionOf(folder.file)
}

function versionOf(file: string): number {
  const other = openRaw(file)
  const { user_version } = other.prepare('PRAGMA user_version').get([]) as { user_version: number }
  other.close()
  return user_version
}

function inOther(file: string, sql: string): void {
  const other = openRaw(file)
  other.exec(sql)
  other.close()
}

/** The earliest layout that is brought forward. `layouts/` has a file of each layout, made by the Lark that had it. */
const EARLIEST = 6

for (const name of ['too old a', 'a newer'] as const) {
  test(`${name} layout is refused with a hint, and its file is not changed`, async () => {
    await using folder = await Folder.make()
    const store = await folder.store()
    await new Caller(store, 'web', 'emails').enqueue(...jobs(3))
    await store.close()
    const own = versionOf(folder.file)
    const layout = name === 'a newer' ? own + 1 : EARLIEST - 1
    inOther(folder.file, `PRAGMA user_version = ${layout}`)
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(folder.store()).rejects.toMatchObject({
        code: 'LAYOUT_UNKNOWN',
        message: `sqlite:${folder.file} holds layout ${layout}; this version of Lark reads layout ${own}`,
        hint: 'Use the version of Lark that made the file, or give this one a file of its own.',
      })
    }
    inOther(folder.file, `PRAGMA user_version = ${own}`)
    await using again = await folder.store()
    expect(await again.counts('emails')).toMatchObject({ waiting: 3 })
  })
}

/** The tables, indexes and columns, as SQLite lists them. */
function schemaOf(file: string): object {
  const other = openRaw(file)
  const tables = other.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all([])
  const others = other
    .prepare("SELECT type, name, tbl_name FROM sqlite_schema WHERE type <> 'table' ORDER BY name")
    .all([])
  const columns = (tables as { name: string }[]).map(({ name }) => [
    name,
    other.prepare(`PRAGMA table_info(${name})`).all([]),
  ])
  other.close()
  return { ...Object.fromEntries(columns), others }
}

test('a file of an earlier layout has the present layout after it was opened', async () => {
  await using present = await Folder.make()
  await (await present.store()).close()
  for (let layout = EARLIEST; layout < versionOf(present.file); layout += 1) {
    await using folder = await Folder.make()
    await folder.earlier(layout)
    await (await folder.store()).close()
    expect(versionOf(folder.file)).toBe(versionOf(present.file))
    expect(schemaOf(folder.file)).toEqual(schemaOf(present.file))
  }
})

test.each([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17])(
  'jobs of layout %i go on, and what their ends have yet to do elsewhere',
  async (layout) => {
    await using folder = await Folder.make()
    await folder.earlier(layout)
    // Two stores open the file at the same time. The later one finds the work done.
    const [store, other] = await Promise.all([folder.store(), folder.store()])
    await using _ = other
    await using __ = store
    const effects = await take(store)
    expect(effects).toMatchObject([
      { kind: 'hook', job: { state: 'cancelled', reason: 'user', key: 'send-email' } },
    ])
    expect(await take(store, effects)).toEqual([])
    await goesOn(store, other)
  },
)

test('of layout 17, jobs that have failed and wait for their next try are counted', async () => {
  await using folder = await Folder.make()
  await folder.earlier(17)
  inOther(
    folder.file,
    "UPDATE jobs SET runs = 2, failures = 1 WHERE id IN ('000000waiting', '0000000failed')",
  )
  await using store = await folder.store()
  expect((await store.standings(['emails']))[0]!.retrying).toBe(1)
})

test('a limiter of layout 16 goes on, and the permits that it granted before are not refunded', async () => {
  await using folder = await Folder.make()
  await folder.earlier(16)
  await using store = await folder.store()
  const rate = { limit: 1, per: 3_600_000, kind: 'bucket', burst: 1 } as const
  const call = { holder: 'ada', number: 7, limits: { rate }, held: 0, wanted: 1, lease: LEASE }
  expect(await store.limiters.permit('stripe', call)).toEqual({ granted: 1 })
  const { granted, mark } = await store.limiters.permit('stripe', { ...call, number: 8 })
  expect(granted).toBe(1)
  const unused = [{ number: 8, mark: mark!, count: 1 }]
  expect(await store.limiters.permit('stripe', { ...call, number: 9, after: 8, unused })).toMatchObject({
    granted: 1,
  })
})

test('schedules of layout 11 are due as before, beside flows', async () => {
  await using folder = await Folder.make()
  await folder.earlier(11)
  await using store = await folder.store()
  const { schedules, flows } = store
  expect(await schedules.home('nightly')).toBe('{"queue":"reports","partition":"reports"}')
  await flows.write('reports', { id: 'flow', rev: 0, definition: '{}', state: '{}', next: 0 })
  const found = await schedules.due('reports', 9, LEASE)
  expect([ids(found.due), ids(found.flows)]).toEqual([['nightly'], ['flow']])
})

test('a flow of layout 12 has its results, and room for others', async () => {
  await using folder = await Folder.make()
  await folder.earlier(12)
  await using store = await folder.store()
  const { flows } = store
  const next = { flow: 'chain', index: NODES + 2, state: 'completed', result: '{"n":3}', at: 1 } as const
  expect(await flows.apply('reports', [next])).toMatchObject({ verdicts: ['counted'] })
  const ends = await flows.ends('reports', 'chain', [NODES, NODES + 1, NODES + 2])
  expect(ends.map(({ result }) => result)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
})

test('pauses of layout 13 go on, and a person may pause a group there', async () => {
  await using folder = await Folder.make()
  await folder.earlier(13)
  await using store = await folder.store()
  const acme = { group: 'acme' }
  const paused = { paused: true, because: 'the mail server|\nis down' }
  expect(await store.configure('reports', {})).toEqual({ ...paused, groups: [acme] })
  await store.pause('reports', 'acme', undefined, 'ada')
  expect((await store.configure('reports', {})).groups).toMatchObject([{ ...acme, by: 'ada' }])
  expect((await store.audit.list(9)).entries).toEqual([])
})

test('while a file is brought forward, the effects of each partition are found by an index', async () => {
  await using folder = await Folder.make()
  await folder.earlier(7)
  const exec = vi.spyOn(SqliteDatabase.prototype, 'exec')
  await (await folder.store()).close()
  const statements = exec.mock.calls.flatMap(([sql]) => sql.split(';'))
  const [update] = statements.filter((sql) => sql.trimStart().startsWith('UPDATE partitions SET nextEffect'))
  const file = openRaw(folder.file)
  const plan = file.prepare(`EXPLAIN QUERY PLAN ${update}`).all([]) as { detail: string }[]
  file.close()
  const details = plan.map(({ detail }) => detail).filter((detail) => detail.includes('effects'))
  expect(details).toEqual([expect.stringMatching(/^SEARCH effects USING .*INDEX effectTimes/)])
})

test('while an older version has the file open, this version is refused, and the older one goes on', async () => {
  await using folder = await Folder.make()
  const older = openRaw(folder.file)
  older.exec('PRAGMA journal_mode = WAL')
  older.exec('CREATE TABLE jobs (id TEXT); PRAGMA application_id = 0x4c61726b; PRAGMA user_version = 1')
  const insert = older.prepare('INSERT INTO jobs VALUES (?)')
  insert.run(['one'])
  await expect(folder.store()).rejects.toMatchObject({ code: 'LAYOUT_UNKNOWN' })
  insert.run(['two'])
  await expect(folder.store()).rejects.toMatchObject({ code: 'LAYOUT_UNKNOWN' })
  expect(older.prepare('SELECT count(*) AS count FROM jobs').get([])).toMatchObject({ count: 2 })
  expect(older.prepare('PRAGMA integrity_check').get([])).toMatchObject({ integrity_check: 'ok' })
  older.close()
})

test('if two versions make the file at the same time, the second one is refused', async () => {
  await using folder = await Folder.make()
  const older = openRaw(folder.file)
  older.exec('PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
  const write = vi.spyOn(SqliteDatabase.prototype, 'write')
  const opening = folder.store().catch((error) => error)
  // The store has found the file empty, and waits for the lock to make the tables.
  await vi.waitFor(() => expect(write).toHaveBeenCalled())
  older.exec(
    'CREATE TABLE jobs (id TEXT); PRAGMA application_id = 0x4c61726b; PRAGMA user_version = 1; COMMIT',
  )
  expect(await opening).toMatchObject({ code: 'LAYOUT_UNKNOWN' })
  expect(older.prepare('SELECT name FROM sqlite_schema').all([])).toMatchObject([{ name: 'jobs' }])
  older.close()
})

test('a file that a newer version changes while it is open here is not written or read any more', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  await ada.enqueue(...jobs(3))
  const held = await ada.claimOne()
  const waiting = store.wait('bob', 60_000)
  const layout = (await present()) + 1
  const newer = openRaw(folder.file)
  newer.exec(
    `BEGIN IMMEDIATE; ALTER TABLE jobs ADD COLUMN colour TEXT; PRAGMA user_version = ${layout}; COMMIT`,
  )
  const before = newer.prepare('SELECT * FROM jobs').all([])

  const unknown = {
    code: 'LAYOUT_UNKNOWN',
    message: expect.stringContaining(
      `holds layout ${layout}; this version of Lark reads layout ${layout - 1}`,
    ),
  }
  await expect(ada.enqueue(job())).rejects.toMatchObject(unknown)
  await expect(ada.claim(2)).rejects.toMatchObject(unknown)
  await expect(ada.settle(held, { kind: 'completed' })).rejects.toMatchObject(unknown)
  await expect(ada.extend([held], LEASE)).rejects.toMatchObject(unknown)
  await expect(store.recover('emails', { holder: 'ada' })).rejects.toMatchObject(unknown)
  await expect(store.counts('emails')).rejects.toMatchObject(unknown)
  await expect(waiting).rejects.toMatchObject(unknown)
  expect(newer.prepare('SELECT * FROM jobs').all([])).toEqual(before)
  newer.close()
})

test('if a newer version changes the file of a worker, the worker reports it, goes on, and stops in order', async () => {
  await using folder = await Folder.make()
  await using jobs = createJobs({ connection: `sqlite:${folder.file}` })
  class IdleJob extends Job {
    handle() {}
  }
  const report = new Record()
  const worker = await jobs.work({ jobs: [IdleJob], report })
  await jobs.dispatch(new IdleJob())
  await report.ends(1)
  const { store } = await jobs[open]()
  const [survey, exchange] = [vi.spyOn(store, 'survey'), vi.spyOn(store, 'exchange')]
  inOther(folder.file, `PRAGMA user_version = ${(await present()) + 1}`)
  await vi.waitFor(
    () => expect(report.warnings.at(-1)).toContain('this version of Lark reads layout'),
    10_000,
  )
  // The worker looks again by itself, and is refused.
  await vi.waitFor(() => expect(survey.mock.calls.length).toBeGreaterThan(1), 10_000)
  const calls = exchange.mock.calls.length
  const began = performance.now()
  await worker.stop()
  expect(exchange.mock.calls.length - calls).toBeLessThan((performance.now() - began) / 50 + 5)
})

test('an empty file gets its tables', async () => {
  await using folder = await Folder.make()
  openRaw(folder.file).close()
  await using store = new SqliteStore(folder.file, options)
  expect(await store.open()).toEqual([])
})
