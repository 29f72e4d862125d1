/**
 * A file is moved or deleted while processes have it open. Jobs that were accepted before stay in the moved
 * file, and all processes go on with the next file at the path.
 */
import { renameSync } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Caller } from '../conformance/caller.ts'
import { ids, job, jobs } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { Child } from './child.ts'
import { connections, Folder, options } from './folder.ts'
import { open as openRaw } from './raw.ts'

let warn: MockInstance<typeof process.emitWarning>
beforeEach(() => {
  warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
})
afterEach(() => {
  vi.restoreAllMocks()
})

const logs = ['-wal', '-shm']

/** Makes the last check of the file `ms` milliseconds older. */
function later(ms: number): void {
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms)
}

async function waitingIn(file: string): Promise<string[]> {
  await using store = new SqliteStore(file, options)
  await store.open()
  return ids((await store.list('emails', { state: 'waiting', limit: 1_000 })).jobs)
}

/** Opens a store, and queues two jobs. */
async function use(folder: Folder): Promise<{ store: SqliteStore; web: Caller; before: string[] }> {
  const store = await folder.store()
  const web = new Caller(store, 'web', 'emails')
  const given = jobs(2)
  await web.enqueue(...given)
  return { store, web, before: ids(given) }
}

test('if the file is moved, the next job is in a new file, and the old file has all jobs that were accepted before', async () => {
  await using folder = await Folder.make()
  const { store, web, before } = await use(folder)
  const moved = `${folder.file}.old`
  await rename(folder.file, moved)
  // A call within a tenth of a second after a check would still use the old file.
  later(101)
  const next = job()
  expect(await web.enqueue(next)).toEqual(['queued'])
  expect(await web.enqueue(job({ id: 'b' }))).toEqual(['queued'])
  expect(await store.counts('emails')).toMatchObject({ waiting: 2 })
  await store.close()
  expect(await waitingIn(folder.file)).toEqual([next.id, 'b'])
  // The log was moved into the file, so the file alone has all jobs.
  expect(await waitingIn(moved)).toEqual(before)
  expect(warn).toHaveBeenCalledTimes(1)
  const words = `moved to ${moved} while this process had it open, with 2 waiting or delayed jobs and 0 active ones`
  expect(warn).toHaveBeenCalledWith(expect.stringContaining(words), { code: 'LARK_STORE_MOVED' })
})

test.each([
  ['with its log', ['', ...logs]],
  ['without its log', ['']],
  ['with its log and the bell', ['', ...logs, '-bell']],
])('if the file is deleted %s, the next job is in a new file', async (_, suffixes) => {
  await using folder = await Folder.make()
  const { store, web } = await use(folder)
  for (const suffix of suffixes) await rm(`${folder.file}${suffix}`)
  const next = job()
  expect(await web.enqueue(next)).toEqual(['queued'])
  await store.close()
  expect(await waitingIn(folder.file)).toEqual([next.id])
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('was deleted while'), expect.anything())
})

test.each([
  ['deleted', (path: string) => rm(path, { recursive: true })],
  ['moved', (path: string) => rename(path, `${path}-old`)],
])('if the folder is %s, it is created again', async (_, go) => {
  await using folder = await Folder.make()
  const file = join(folder.path, '.lark', 'jobs.db')
  await using store = new SqliteStore(file, options)
  await store.open()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(...jobs(2))
  await go(join(folder.path, '.lark'))
  await web.enqueue(job({ id: 'next' }))
  expect(await waitingIn(file)).toEqual(['next'])
  expect((await stat(join(folder.path, '.lark'))).mode & 0o777).toBe(0o700)
})

test('if a copy without a log is opened and then moved, its new log is written into the moved file', async () => {
  await using folder = await Folder.make()
  const original = await folder.store()
  await new Caller(original, 'first', 'emails').enqueue(job({ id: 'copied' }))
  const copy = join(folder.path, 'copy.db')
  const database = openRaw(folder.file)
  database.exec(`VACUUM INTO '${copy}'`)
  database.close()
  await original.close()
  await using store = new SqliteStore(copy, options)
  await store.open()
  const web = new Caller(store, 'web', 'emails')
  await web.enqueue(job({ id: 'before' }))
  await rename(copy, `${copy}.old`)
  later(101)
  expect(await web.enqueue(job({ id: 'next' }))).toEqual(['queued'])
  expect(await waitingIn(copy)).toEqual(['next'])
  expect(await waitingIn(`${copy}.old`)).toEqual(['copied', 'before'])
})

test('if another file replaces the file, all processes use the new file, even those that only read', async () => {
  await using folder = await Folder.make()
  const other = new SqliteStore(`${folder.file}.other`, options)
  await other.open()
  await new Caller(other, 'web', 'emails').enqueue(job({ id: 'other' }))
  await other.close()
  const { store, web } = await use(folder)
  await using reader = await folder.store()
  await rename(folder.file, `${folder.file}.old`)
  await web.enqueue(job({ id: 'between' }))
  await store.close()
  await rename(folder.file, `${folder.file}.between`)
  for (const suffix of logs) await rm(`${folder.file}${suffix}`, { force: true })
  await rename(`${folder.file}.other`, folder.file)
  await vi.waitFor(async () => expect(await reader.counts('emails')).toMatchObject({ waiting: 1 }))
  expect(await reader.get('emails', 'other')).toBeDefined()
})

test('if the file is moved during a call, the jobs of this call are in the next file', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  const { store, before } = await use(folder)
  const database = await opened[0]!
  let attempts = 0
  const key = await database.accept(() => {
    attempts += 1
    database.run("INSERT INTO keys (key) VALUES ('send-email')")
    if (attempts === 1) renameSync(folder.file, `${folder.file}.old`)
    return database.get('SELECT key FROM keys')
  })
  expect([attempts, key]).toEqual([2, { key: 'send-email' }])
  expect(await store.keys()).toEqual(['send-email'])
  expect(await waitingIn(`${folder.file}.old`)).toEqual(before)
  await store.close()
})

test('if a second file is removed before a process checks the path, this process waits for the process that has the second file open', async () => {
  await using folder = await Folder.make()
  const { store, web } = await use(folder)
  await using other = await folder.store()
  await rm(folder.file)
  await web.enqueue(job({ id: 'between' }))
  await rename(folder.file, `${folder.file}.between`)
  later(101)
  // Only `store` may remove the log of the second file, and it has not checked yet.
  const counted = other.counts('emails')
  await new Promise((resolve) => setImmediate(resolve))
  await web.enqueue(job({ id: 'last' }))
  expect(await counted).toMatchObject({ waiting: 1 })
  await store.close()
  expect(await waitingIn(`${folder.file}.between`)).toEqual(['between'])
})

test.each(['moved', 'deleted'])(
  'if the file is %s and its log a moment later, the log of the next file is not changed',
  async (how) => {
    await using folder = await Folder.make()
    const { store, web, before } = await use(folder)
    const old = `${folder.file}.old`
    const away = (suffix: string) =>
      how === 'moved' ? rename(`${folder.file}${suffix}`, `${old}${suffix}`) : rm(`${folder.file}${suffix}`)
    await away('')
    later(101)
    const queued = web.enqueue(job({ id: 'next' }))
    await pause(20)
    for (const suffix of logs) await away(suffix)
    expect(await queued).toEqual(['queued'])
    // A store that opens the file now finds no log, and makes a new one.
    expect(await waitingIn(folder.file)).toEqual(['next'])
    await store.close()
    if (how === 'moved') expect(await waitingIn(old)).toEqual(before)
  },
)

test('if the file is moved and put back before any check, nothing happens', async () => {
  await using folder = await Folder.make()
  const { store, web } = await use(folder)
  await rename(folder.file, `${folder.file}.old`)
  await rename(`${folder.file}.old`, folder.file)
  expect(await web.enqueue(job())).toEqual(['queued'])
  expect(await store.counts('emails')).toMatchObject({ waiting: 3 })
  expect(warn).not.toHaveBeenCalled()
  await store.close()
})

test('if only the log of a moved file is left, a new process makes no file, because a new file would use this log', async () => {
  await using folder = await Folder.make()
  const { store, web } = await use(folder)
  await rename(folder.file, `${folder.file}.old`)
  await expect(folder.store()).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    message: `sqlite:${folder.file} is gone, but ${folder.file}-wal and ${folder.file}-shm are still there`,
    hint: expect.stringContaining('removes the files beside it within seconds'),
  })
  // The process that has the old file open moves the log.
  await web.enqueue(job())
  await using again = await folder.store()
  expect(await again.counts('emails')).toMatchObject({ waiting: 1 })
  await store.close()
})

test('a process waits while another process writes to the old file', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  const { store, web, before } = await use(folder)
  const database = await opened[0]!
  await using other = await folder.store()
  const blocker = await opened[1]!
  blocker.exec('BEGIN IMMEDIATE')
  await rename(folder.file, `${folder.file}.old`)
  later(101)
  await expect(database.accept(() => undefined, 50)).rejects.toMatchObject({
    code: 'STORE_UNREACHABLE',
    message: `sqlite:${folder.file} was moved or deleted, and another process still writes to it`,
  })
  const queued = web.enqueue(job({ id: 'next' }))
  await new Promise((resolve) => setImmediate(resolve))
  blocker.exec('ROLLBACK')
  expect(await queued).toEqual(['queued'])
  expect(await other.counts('emails')).toMatchObject({ waiting: 1 })
  await store.close()
  expect(await waitingIn(`${folder.file}.old`)).toEqual(before)
})

test('if the file is moved again and again while three processes use it, each accepted job is in one of the moved files or in the last file', async () => {
  await using folder = await Folder.make()
  const accepted: string[] = []
  const children = ['ada', 'bob', 'eve'].map((name) => new Child('accept', folder.file, name))
  for (const child of children)
    child.onMessage((message: string[] | string) => {
      if (Array.isArray(message)) accepted.push(...message)
    })
  const moved: string[] = []
  // A process that starts while only the log exists is refused.
  const names = () => new Set(accepted.map((id) => id.slice(0, 3)))
  await vi.waitFor(() => expect(names().size).toBe(3), { timeout: 20_000, interval: 5 })
  for (let round = 1; round <= 5; round += 1) {
    const target = accepted.length + 200
    await vi.waitFor(() => expect(accepted.length).toBeGreaterThan(target), { timeout: 20_000, interval: 5 })
    const old = join(folder.path, `old-${round}`)
    if (round % 2 === 0) {
      await mkdir(old)
      for (const suffix of ['', ...logs])
        await rename(`${folder.file}${suffix}`, join(old, `jobs.db${suffix}`)).catch(() => {})
      moved.push(join(old, 'jobs.db'))
    } else {
      await rename(folder.file, old)
      moved.push(old)
    }
  }
  for (const child of children) {
    const ended = child.ended()
    child.tell('end')
    expect(await ended).toBe(0)
  }
  const found = new Set<string>()
  for (const file of [...moved, folder.file]) {
    await using store = new SqliteStore(file, options)
    await store.open()
    let page = await store.list('emails', { state: 'waiting', limit: 1_000 })
    for (;;) {
      for (const { id } of page.jobs) found.add(id)
      if (page.cursor === undefined) break
      page = await store.list('emails', { state: 'waiting', limit: 1_000, cursor: page.cursor })
    }
  }
  expect(accepted.length).toBeGreaterThan(1_000)
  expect(accepted.filter((id) => !found.has(id))).toEqual([])
})

test('a worker whose file is deleted serves the new file, and reports no outage', async () => {
  await using folder = await Folder.make()
  const connection = `sqlite:${folder.file}`
  await using web = createJobs({ connection })
  await using jobs = createJobs({ connection })
  class NextJob extends Job {
    handle() {}
  }
  const report = new Record()
  await jobs.work({ jobs: [NextJob], report, lease: 1_500 })
  await web.dispatch(new NextJob())
  await report.ends(1)
  for (const suffix of ['', ...logs]) await rm(`${folder.file}${suffix}`)
  expect(await web.dispatch(new NextJob())).toBe(true)
  await report.ends(2)
  const said = report.warnings.filter((text) => /answers again|goes on trying/.test(text))
  expect(said).toEqual([])
})

test('a store in memory has no file that could be moved', async () => {
  await using folder = await Folder.make()
  await using store = folder.inMemory()
  await store.open()
  expect(await new Caller(store, 'web', 'emails').enqueue(job())).toEqual(['queued'])
})
