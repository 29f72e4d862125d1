/** The embedded store cannot write for longer than a lease, while isolated jobs run and end. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { insideOf } from '../../src/model/copies.ts'
import type { Store } from '../../src/store/contract/store.ts'
import type { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { connections, Folder } from '../sqlite/folder.ts'
import { Bench } from '../working/bench.ts'
import { StepsJob, WaitJob } from './outage-jobs.ts'

const LEASE = 1_500
const COUNT = 4
const patiently = { timeout: 50_000 }

afterEach(() => {
  vi.restoreAllMocks()
})

/** Starts a process that holds the write lock until it is killed. */
async function locks(file: string): Promise<ChildProcess> {
  const code = `
    import Libsql from 'libsql'
    const driver = new Libsql(${JSON.stringify(file)})
    driver.exec('PRAGMA busy_timeout = 5000')
    driver.exec('BEGIN IMMEDIATE')
    driver.exec('CREATE TABLE other (a)')
    process.send('locked')
    setInterval(() => {}, 60_000)`
  const words = ['--input-type=module', '-e', code]
  const child = fork('-', [], { execArgv: words, cwd: import.meta.dirname })
  await once(child, 'message')
  return child
}

/** @returns a function that ends the outage */
type Outage = (database: SqliteDatabase, file: string, store: Store) => Promise<() => void>

const outages: [name: string, Outage][] = [
  [
    'the disk is full',
    async (database, _, store) => {
      const size = database.get<{ page_count: number }>('PRAGMA page_count')!.page_count
      database.exec(`PRAGMA max_page_count = ${size}`)
      // The results of the jobs need more room than is left in the file.
      const web = new Caller(store, 'web', 'low')
      const fill = async () => {
        for (;;) await web.enqueue(job({ payload: JSON.stringify('x'.repeat(1_000)) }))
      }
      await expect(fill()).rejects.toMatchObject({ code: 'STORE_REFUSED' })
      return () => database.exec('PRAGMA max_page_count = 1000000')
    },
  ],
  [
    'another process holds the lock',
    async (_, file) => {
      const child = await locks(file)
      return () => child.kill('SIGKILL')
    },
  ],
  [
    'the file is read-only',
    async (database) => {
      database.exec('PRAGMA query_only = 1')
      return () => database.exec('PRAGMA query_only = 0')
    },
  ],
]

test.each(outages)(
  'if %s for longer than a lease, isolated jobs that end meanwhile run once and are completed',
  async (_, outage) => {
    await using folder = await Folder.make()
    const opened = connections()
    const connect = async () => ({ connection: `sqlite:${folder.file}`, remove: async () => {} })
    await using bench = await Bench.make(connect)
    const worker = await bench.work([WaitJob, StepsJob], {
      queues: 'default',
      concurrency: COUNT,
      lease: LEASE,
    })
    const database = await opened[0]!
    const { store } = await insideOf(bench.jobs).open()
    const numbers = Array.from({ length: 2 * COUNT }, (_, n) => n)
    const handles = await bench.jobs.dispatch(
      numbers.map((n) => (n % 2 ? WaitJob : StepsJob).with({ n, folder: folder.path })),
    )
    const journal = async () => (await readFile(`${folder.path}/journal`, 'utf8')).trim().split('\n').sort()
    const begun = async () => (await journal().catch(() => [])).length
    await expect.poll(begun, patiently).toBe(COUNT)
    const ends = await outage(database, folder.file, store)
    await writeFile(`${folder.path}/go`, '')
    await pause(3 * LEASE)
    expect(await store.counts('default')).toMatchObject({ active: COUNT, completed: 0 })
    ends()
    const results = await Promise.all(handles.map((handle) => handle.result({ timeout: '50s' })))
    expect(results.map(({ n }) => n)).toEqual(numbers)
    expect(await journal()).toEqual(numbers.flatMap((n) => [`begin ${n}`, `end ${n}`]).sort())
    for (const { id } of handles)
      expect(await bench.jobs.find(id)).toMatchObject({ state: 'completed', runs: 1, crashes: 0, errors: [] })
    await worker.stop()
  },
)
