/**
 * Files of other versions of Lark: an earlier layout is migrated, other layouts are refused with one line and
 * not changed, and two versions never write to a file at the same time. The later layouts are invented.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { nameOf, versionOf } from '../../src/store/sqlite/layout.ts'
import { type FileLayout, layout as present } from '../../src/store/sqlite/schema.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { goesOn, leave } from '../conformance/earlier.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { Random } from '../conformance/random.ts'
import { Record } from '../working/bench.ts'
import { Child } from './child.ts'
import { Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

function layoutIn(file: string): string {
  const other = openRaw(file)
  const { user_version } = other.prepare('PRAGMA user_version').get([]) as { user_version: number }
  other.close()
  return nameOf(user_version)
}

function inOther(file: string, sql: string): void {
  const other = openRaw(file)
  other.exec(sql)
  other.close()
}

const colour = 'ALTER TABLE jobs ADD COLUMN colour TEXT'
const colours = 'CREATE TABLE colours (seq INTEGER PRIMARY KEY, colour TEXT NOT NULL)'
const NEXT = '2.0c0de'
/** The invented layout of a version two releases later. */
const later: FileLayout = {
  name: '3.0c0de',
  steps: [
    [present.name, colour],
    [NEXT, `${colours}; INSERT INTO colours SELECT seq, coalesce(colour, 'red') FROM jobs`],
  ],
  tables: `${present.tables}; ${colour}; ${colours}`,
}
const [own] = present.name.split('.')

const refusals = [
  [
    'of a later release',
    versionOf(NEXT),
    `has layout 2; this version of Lark reads layout ${own}`,
    'Use the version of Lark that made it, or another file',
  ],
  ...[versionOf(`${own}.0beef`), 18].map(
    (version) =>
      [
        'of a build that was never released',
        version,
        `was made by a build of Lark that was never released: it has layout ${nameOf(version)}, and this build ${present.name}`,
        'Take its jobs along with lark jobs:export of that build and lark jobs:import, or use another file',
      ] as const,
  ),
] as const

test.each(refusals)('a file %s is refused with one line, and not changed', async (_, version, says, hint) => {
  await using folder = await Folder.make()
  const store = await folder.store()
  await new Caller(store, 'web', 'emails').enqueue(...jobs(3))
  await store.close()
  inOther(folder.file, `PRAGMA user_version = ${version}`)
  const refusal = { code: 'LAYOUT_UNKNOWN', message: `sqlite:${folder.file} ${says}`, hint }
  for (let attempt = 0; attempt < 2; attempt += 1) await expect(folder.store()).rejects.toMatchObject(refusal)
  inOther(folder.file, `PRAGMA user_version = ${versionOf(present.name)}`)
  await using again = await folder.store()
  expect(await again.counts('emails')).toMatchObject({ waiting: 3 })
})

test('a version with later steps refuses the file of a build that was never released', async () => {
  await using folder = await Folder.make()
  await (await folder.store()).close()
  inOther(folder.file, `PRAGMA user_version = ${versionOf('2.0beef')}`)
  const says = expect.stringContaining('never released: it has layout 2.0beef, and this build 3.0c0de')
  await expect(folder.store(later)).rejects.toMatchObject({ code: 'LAYOUT_UNKNOWN', message: says })
  expect(layoutIn(folder.file)).toBe('2.0beef')
})

/** Returns the tables, indexes and columns, as SQLite lists them. */
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

test('a file is migrated step by step to the layout of a new file, and its jobs go on', async () => {
  await using folder = await Folder.make()
  await using made = await Folder.make()
  await (await made.store(later)).close()
  const earlier = await folder.store()
  await leave(earlier)
  await earlier.close()
  // Two stores open the file at the same time. The second store finds the file already migrated.
  const [store, other] = await Promise.all([folder.store(later), folder.store(later)])
  await using _ = other
  await using __ = store
  expect(layoutIn(folder.file)).toBe(later.name)
  expect(schemaOf(folder.file)).toEqual(schemaOf(made.file))
  await goesOn(store, other)
})

test('a file with the present layout can be migrated to a later layout', async () => {
  await using folder = await Folder.make()
  const earlier = await folder.store()
  await new Caller(earlier, 'web', 'emails').enqueue(job())
  await earlier.close()
  inOther(folder.file, `${colour}; UPDATE jobs SET colour = 'blue'; PRAGMA user_version = ${versionOf(NEXT)}`)
  await (await folder.store(later)).close()
  const other = openRaw(folder.file)
  expect(other.prepare('SELECT colour FROM colours').all([])).toEqual([{ colour: 'blue' }])
  other.close()
})

test('if a process is killed while it migrates the file, the file has the old layout or the new layout', async () => {
  await using made = await Folder.make()
  await using before = await made.store()
  await new Caller(before, 'web', 'emails').enqueue(...jobs(3))
  const numbers =
    'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n'
  const slow = {
    ...later,
    steps: [
      ...later.steps.slice(0, 1),
      [NEXT, `${colours}; INSERT INTO colours SELECT i, 'red' FROM (${numbers})`],
    ],
  } satisfies FileLayout
  const random = new Random(Number(process.env.LARK_SEED ?? 1))
  for (let kill = 0; kill < 4; kill++) {
    await using folder = await Folder.make()
    inOther(made.file, `VACUUM INTO '${folder.file}'`)
    await using child = new Child('forward', folder.file, `n${kill}`)
    await child.message()
    child.tell(JSON.stringify(slow))
    await sleep(random.below(150))
    await child.kill()
    const other = openRaw(folder.file)
    expect(other.prepare('PRAGMA integrity_check').get([])).toMatchObject({ integrity_check: 'ok' })
    other.close()
    expect([present.name, later.name]).toContain(layoutIn(folder.file))
    await using store = await folder.store(slow)
    expect(await store.counts('emails')).toMatchObject({ waiting: 3 })
  }
})

test('while an older version has the file open, this version is refused, and the older version goes on', async () => {
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

test('if two versions create the file at the same time, the second version is refused', async () => {
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

test('if a newer version migrates a file that this version has open, this version no longer reads or writes the file', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const ada = new Caller(store, 'ada', 'emails')
  await ada.enqueue(...jobs(3))
  const held = await ada.claimOne()
  const waiting = store.wait('bob', 60_000)
  await using newer = await folder.store(later)
  const other = openRaw(folder.file)
  const before = other.prepare('SELECT * FROM jobs').all([])

  const unknown = {
    code: 'LAYOUT_UNKNOWN',
    message: expect.stringContaining(`has layout 3; this version of Lark reads layout ${own}`),
  }
  await expect(ada.enqueue(job())).rejects.toMatchObject(unknown)
  await expect(ada.claim(2)).rejects.toMatchObject(unknown)
  await expect(ada.settle(held, { kind: 'completed' })).rejects.toMatchObject(unknown)
  await expect(ada.extend([held], LEASE)).rejects.toMatchObject(unknown)
  await expect(store.recover('emails', { holder: 'ada' })).rejects.toMatchObject(unknown)
  await expect(store.counts('emails')).rejects.toMatchObject(unknown)
  await expect(waiting).rejects.toMatchObject(unknown)
  expect(other.prepare('SELECT * FROM jobs').all([])).toEqual(before)
  other.close()
  // No job of this version is lost.
  await newer.recover('emails', { holder: 'ada' })
  expect(await new Caller(newer, 'bob', 'emails').claim(9)).toHaveLength(3)
})

test('if a newer version migrates the file of a worker, the worker reports this, does not end, and stops as usual', async () => {
  await using folder = await Folder.make()
  await using jobs = createJobs({ connection: `sqlite:${folder.file}` })
  class IdleJob extends Job {
    handle() {}
  }
  const report = new Record()
  const worker = await jobs.work({ jobs: [IdleJob], report })
  await jobs.dispatch(new IdleJob())
  await report.ends(1)
  const { store } = await insideOf(jobs).open()
  const [survey, exchange] = [vi.spyOn(store, 'survey'), vi.spyOn(store, 'exchange')]
  await (await folder.store(later)).close()
  await vi.waitFor(
    () => expect(report.warnings.at(-1)).toContain('this version of Lark reads layout'),
    10_000,
  )
  // The worker makes another call by itself, and is refused.
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
