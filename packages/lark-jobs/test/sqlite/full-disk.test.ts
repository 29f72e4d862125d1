/**
 * A full disk: calls that need space are refused, accepted jobs are not lost, and everything works again when
 * there is space.
 *
 * `small-disk.ts` fills a real disk in a separate process. The other tests simulate a full disk in two ways
 * that need no permissions: SQLite's limit on the pages of a file, which causes the same SQLITE_FULL, and the
 * system's limit on the size of files, with which writing really fails half-way.
 */
import { afterEach, expect, test, vi } from 'vitest'
import type { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { ids, job, jobs, settlement } from '../conformance/jobs.ts'
import { Child } from './child.ts'
import { connections, Folder } from './folder.ts'
import { onSmallDisk } from './small-disk.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Limits the file to its present size and `pages` more pages. */
function leaveRoom(database: SqliteDatabase, pages: number): void {
  const size = database.get<{ page_count: number }>('PRAGMA page_count')!.page_count
  database.exec(`PRAGMA max_page_count = ${size + pages}`)
}

/** Queues jobs one by one until a call is refused. */
async function fill(
  caller: Caller,
): Promise<{ accepted: string[]; refused: ReturnType<typeof job>; error: unknown }> {
  const accepted: string[] = []
  for (;;) {
    const given = job({ payload: JSON.stringify('x'.repeat(1_000)) })
    try {
      await caller.enqueue(given)
      accepted.push(given.id)
    } catch (error) {
      return { accepted, refused: given, error }
    }
  }
}

test('jobs that do not fit are refused, accepted jobs stay, and later there is room again', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  await using store = await folder.store()
  const database = await opened[0]!
  const web = new Caller(store, 'web', 'emails')
  leaveRoom(database, 20)
  const { accepted, refused, error } = await fill(web)
  expect(error).toMatchObject({
    code: 'STORE_REFUSED',
    message: `sqlite:${folder.file} refused to write: database or disk is full`,
    hint: 'Free space on its disk. This call changed nothing, and jobs that were queued before are safe.',
  })
  expect(accepted.length).toBeGreaterThan(20)
  expect(await store.get('emails', refused.id)).toBeUndefined()
  expect(await store.counts('emails')).toMatchObject({ waiting: accepted.length })
  await expect(store.enqueue('emails', web.last(), [refused])).rejects.toMatchObject({
    code: 'STORE_REFUSED',
  })
  // A batch is queued completely or not at all.
  await expect(web.enqueue(...jobs(500))).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  expect(await store.counts('emails')).toMatchObject({ waiting: accepted.length })

  leaveRoom(database, 10_000)
  expect(await web.enqueue(refused)).toEqual(['queued'])
  expect(ids(await web.claim(1_000))).toEqual([...accepted, refused.id])
  expect(database.get('PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' })
})

test('a refused settle does not fail the job, and the worker can settle the job when there is space', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  await using store = await folder.store()
  const database = await opened[0]!
  const ada = new Caller(store, 'ada', 'emails')
  await ada.enqueue(...jobs(3))
  const held = await ada.claim(2)
  leaveRoom(database, 0)
  await fill(new Caller(store, 'web', 'emails'))
  const outcome = { kind: 'completed', result: JSON.stringify('x'.repeat(50_000)) } as const
  const settlements = held.map((claimed) => settlement(claimed, outcome))
  const want = { limit: 1, leaseMs: LEASE }
  for (const call of [ada.next(), ada.last()]) {
    await expect(store.exchange('emails', call, settlements, want)).rejects.toMatchObject({
      code: 'STORE_REFUSED',
    })
  }
  for (const { id } of held) {
    expect(await store.get('emails', id)).toMatchObject({
      state: 'active',
      holder: 'ada',
      failures: 0,
      errors: [],
    })
  }
  expect(await ada.extend(held)).toEqual({ lost: [], notices: [] })

  leaveRoom(database, 10_000)
  const exchange = await store.exchange('emails', ada.last(), settlements, want)
  expect(exchange.verdicts).toEqual(['settled', 'settled'])
  expect(exchange.jobs).toHaveLength(1)
  expect(await store.counts('emails')).toMatchObject({ completed: 2, active: 1, failed: 0 })
})

interface Filled {
  accepted: string[]
  queueing: unknown
  settling: unknown
}

test('if the system refuses to write in the middle of a call, the call changes nothing', async () => {
  await using folder = await Folder.make()
  await using child = new Child('fill', folder.file, 'web', { largest: 1_000 })
  const { accepted, queueing, settling } = await child.message<Filled>()
  const refusal = {
    code: 'STORE_REFUSED',
    message: `sqlite:${folder.file} refused to write: disk I/O error (SQLite's code 778)`,
    hint: expect.stringContaining('Check its disk'),
  }
  expect(queueing).toEqual(refusal)
  expect(settling).toEqual(refusal)
  expect(accepted.length).toBeGreaterThan(5)
  {
    await using store = await folder.store()
    expect(await store.counts('emails')).toMatchObject({ waiting: accepted.length, active: 1, completed: 0 })
    const { jobs: waiting } = await store.list('emails', { state: 'waiting', limit: 1_000 })
    expect(ids(waiting)).toEqual(accepted)
    // Closing moves the log into the file, so that the log may grow again.
  }
  child.tell('there is room')
  expect(await child.message()).toEqual({ queued: ['queued'], verdicts: ['settled'] })
  expect(await child.ended()).toBe(0)
  await using store = await folder.store()
  expect(await store.counts('emails')).toMatchObject({
    waiting: accepted.length + 1,
    active: 0,
    completed: 1,
  })
})

test('if there is not even space to create the file, the store cannot be opened', async () => {
  await using folder = await Folder.make()
  await using child = new Child('try', folder.file, 'web', { largest: 8 })
  expect(await child.message()).toMatchObject({
    code: 'STORE_REFUSED',
    message: expect.stringContaining(`sqlite:${folder.file} refused to write: `),
  })
  expect(await child.ended()).toBe(0)
  await using store = await folder.store()
  expect(await new Caller(store, 'web', 'emails').enqueue(job())).toEqual(['queued'])
})

test('if the file is not writable, calls are refused', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  await using store = await folder.store()
  const database = await opened[0]!
  database.exec('PRAGMA query_only = 1')
  await expect(new Caller(store, 'web', 'emails').enqueue(job())).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    hint: 'Let this process write to the file and to its folder.',
  })
})

test.each([
  ['tmpfs', 6],
  ['ext4', 8],
] as const)(
  'dispatches that fill a disk (%s of %i MiB) leave room for jobs to end, which makes room for more',
  async (kind, size) => {
    await using folder = await Folder.make()
    const outcome = await onSmallDisk(kind, size, 'dispatches', folder.path)
    expect(outcome.first).toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringMatching(
        /takes no more jobs: \d\.\d MiB are free on its disk, and \d\.\d MiB are kept/,
      ),
    })
    expect(outcome.before).toBeGreaterThan(500)
    expect(outcome).toMatchObject({ isDone: true, isDoneAgain: true })
    expect(outcome.again).toBeGreaterThanOrEqual(outcome.before!)
    expect(outcome.completed).toBe(outcome.accepted)
    expect(outcome.ended).toBe(outcome.accepted)
    expect(outcome.said.filter((text) => /goes on trying|answers again|lost/.test(text))).toEqual([])
  },
  180_000,
)

test('if another program fills the disk, one warning is printed, and work goes on as soon as there is space', async () => {
  await using folder = await Folder.make()
  const outcome = await onSmallDisk('tmpfs', 24, 'neighbour', folder.path)
  expect(outcome.first).toMatchObject({ code: 'STORE_REFUSED' })
  expect(outcome).toMatchObject({ isRefused: true, isDone: true, isDoneAgain: true })
  expect(outcome.completed).toBe(outcome.accepted)
  const said = outcome.said.filter((text) => /goes on trying|answers again/.test(text))
  expect(said).toEqual([
    expect.stringContaining('refused to write: database or disk is full. The worker goes on trying.'),
    expect.stringContaining('answers again'),
  ])
}, 180_000)
