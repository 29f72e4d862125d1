/**
 * A file of an earlier layout is brought forward while a worker of that time uses it, and by processes that are killed
 * while they do it.
 */
import { copyFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { open } from '../../src/api/jobs.ts'
import { createJobs, Job } from '../../src/index.ts'
import { take } from '../conformance/effects.ts'
import { Random } from '../conformance/random.ts'
import { DISPATCHED, Older } from '../layouts/older.ts'
import { Record } from '../working/bench.ts'
import { Child } from './child.ts'
import { Folder } from './folder.ts'
import { open as openRaw } from './raw.ts'

const LONG = { timeout: 30_000, interval: 50 }

test('an older worker says in one line that it cannot go on, and none of its jobs is lost', async () => {
  await using folder = await Folder.make()
  const connection = `sqlite:${folder.file}`
  await using older = await Older.start(connection)
  await vi.waitFor(() => expect(older.ran.length).toBeGreaterThan(50), LONG)
  const ran: number[] = []
  class CountJob extends Job {
    override readonly key = 'count'
    handle({ n }: { n: number }) {
      ran.push(n)
    }
  }
  await using jobs = createJobs({ connection })
  const { store } = await jobs[open]()
  // The older worker can settle nothing more from here on.
  const { jobs: done } = await store.list('default', { state: 'completed', limit: DISPATCHED })
  await jobs.work({ jobs: [CountJob], report: new Record(), lease: 1_000 })
  await vi.waitFor(
    async () => expect(await store.counts('default')).toMatchObject({ completed: DISPATCHED }),
    LONG,
  )
  expect(done.length).toBeGreaterThan(0)
  expect(older.ran.length).toBeLessThan(DISPATCHED)
  expect(new Set([...older.ran, ...ran]).size).toBe(DISPATCHED)
  const settled = done.map(({ payload }) => JSON.parse(payload).n as number)
  expect(ran.filter((n) => settled.includes(n))).toEqual([])
  expect(new Set(ran).size).toBe(ran.length)
  expect(older.warnings.filter((text) => text.includes('this version of Lark reads layout 7'))).toHaveLength(
    1,
  )
  expect(older.errors).toEqual([])
  expect(await older.stop()).toBe(0)
})

/** A file of layout 7 with many jobs whose classes have yet to hear of their end: its migration takes a while. */
async function writeSeven(folder: Folder, count: number): Promise<void> {
  await folder.earlier(7)
  const other = openRaw(folder.file)
  other.exec(`
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO jobs (partition, id, state, priority, queuedAt, dueAt, finishedAt, hooked, endingAt, reason, key, payload)
    SELECT 1, 'old-' || i, 4, 0, 1, 1, i, 1, i, 'user', 'send-email', '{}' FROM n;
    UPDATE partitions SET cancelled = cancelled + ${count} WHERE id = 1`)
  other.close()
}

test('a process that is killed while it brings the file forward leaves it as it was, or done', async () => {
  await using made = await Folder.make()
  const random = new Random(Number(process.env.LARK_SEED ?? 1))
  const count = 5_000
  await writeSeven(made, count)
  const present = await presentLayout()
  for (let kill = 0; kill < 6; kill++) {
    await using folder = await Folder.make()
    await copyFile(made.file, folder.file)
    await using child = new Child('open', folder.file, `n${kill}`)
    await child.message()
    child.tell('go')
    await sleep(random.below(60))
    await child.kill()
    const other = openRaw(folder.file)
    expect(other.prepare('PRAGMA integrity_check').get([])).toMatchObject({ integrity_check: 'ok' })
    other.close()
    expect([7, present]).toContain(layoutOf(folder.file))
    await using store = await folder.store()
    expect(await store.counts('emails')).toMatchObject({ cancelled: count + 1, active: 2 })
    const effects = await take(store)
    expect(effects[0]).toMatchObject({
      kind: 'hook',
      job: { id: 'old-1', state: 'cancelled', reason: 'user' },
    })
  }
})

/** The layout of a new file. */
async function presentLayout(): Promise<number> {
  await using folder = await Folder.make()
  await using _ = await folder.store()
  return layoutOf(folder.file)
}

function layoutOf(file: string): number {
  const database = openRaw(file)
  const { user_version } = database.prepare('PRAGMA user_version').get([]) as { user_version: number }
  database.close()
  return user_version
}
