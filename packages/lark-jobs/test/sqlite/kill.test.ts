/**
 * Processes are killed many times, at any instant of their work. The file must never be damaged, every change
 * that a process has reported must be kept, and every count must be correct. Two processes use the file at
 * any time, so a kill may happen in the middle of a call of the other process.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { states } from '../../src/model/record.ts'
import type { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Random } from '../conformance/random.ts'
import { Child } from './child.ts'
import { Folder } from './folder.ts'
import { open as openRaw } from './raw.ts'

/** The seed of the schedule of kills. `LARK_SEED=7` makes another schedule. */
const SEED = Number(process.env.LARK_SEED ?? 1)
const KILLS = 24

interface Told {
  queued?: string[]
  ended?: [id: string, state: string][]
}

/** The changes that processes reported as certain before they were killed. */
class Certain {
  readonly queued = new Set<string>()
  readonly ended = new Map<string, string>()

  hear({ queued = [], ended = [] }: Told): void {
    for (const id of queued) this.queued.add(id)
    for (const [id, state] of ended) this.ended.set(id, state)
  }
}

/** Starts a process, and kills it some time after its first message. */
async function liveAndDie(file: string, name: string, certain: Certain, random: Random): Promise<void> {
  await using child = new Child('churn', file, name)
  let words = 1 + random.below(60)
  // The kill comes up to 3 ms later, in the middle of the work.
  const later = random.below(4)
  const enough = new Promise<void>((resolve) => {
    child.onMessage((told: Told) => {
      certain.hear(told)
      words -= 1
      if (words === 0) resolve()
    })
  })
  const tooEarly = child.ended().then((code) => {
    throw new Error(`${name} ended by itself (${code})`)
  })
  await Promise.race([enough, tooEarly])
  await sleep(later)
  await child.kill()
}

interface Row {
  [column: string]: number
}

/** Checks that the file is not damaged, and that its counts are correct. */
function check(file: string): void {
  const database = openRaw(file)
  const one = (sql: string) => Object.values(database.prepare(sql).get([])!) as number[]
  const all = (sql: string) =>
    database
      .prepare(sql)
      .all([])
      .map((row) => Object.values(row))
  expect(one('PRAGMA integrity_check')).toEqual(['ok'])
  const { asOf, ...kept } = database.prepare('SELECT * FROM partitions').get([]) as Row
  const real = (where: string) => one(`SELECT count(*) FROM jobs WHERE ${where}`)[0]
  expect({
    waiting: kept.waiting,
    delayed: kept.delayed,
    active: kept.active,
    completed: kept.completed,
    failed: kept.failed,
    cancelled: kept.cancelled,
  }).toEqual({
    waiting: real(`state = 0 AND dueAt <= ${asOf}`),
    delayed: real(`state = 0 AND dueAt > ${asOf}`),
    active: real('state = 1'),
    completed: real('state = 2'),
    failed: real('state = 3'),
    cancelled: real('state = 4'),
  })
  // Every active job must belong to the lease that it names, and no lease may be without jobs.
  expect(all('SELECT token, held FROM leases ORDER BY token')).toEqual(
    all('SELECT token, count(*) FROM jobs WHERE state = 1 GROUP BY token ORDER BY token'),
  )
  expect(
    one(
      `SELECT count(*) FROM jobs JOIN leases USING (token) JOIN json_each(seqs) ON value = seq WHERE state = 1`,
    ),
  ).toEqual([kept.active])
  const [completed, failed] = one('SELECT total(completed), total(failed) FROM minutes')
  expect([completed! + kept.minuteCompleted!, failed! + kept.minuteFailed!]).toEqual([
    kept.completed,
    kept.failed,
  ])
  database.close()
}

/** Returns for each job the states in which it is found. */
async function find(store: SqliteStore): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  for (const state of states) {
    let cursor: string | undefined
    do {
      const page = await store.list('emails', { state, limit: 1_000, ...(cursor && { cursor }) })
      for (const { id } of page.jobs) found.set(id, [...(found.get(id) ?? []), state])
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  return found
}

test(`${KILLS} kills at any instant lose nothing and damage nothing (seed ${SEED})`, {
  timeout: 120_000,
}, async () => {
  await using folder = await Folder.make()
  const certain = new Certain()
  try {
    for (let kill = 0; kill < KILLS; kill += 2) {
      const lives = [kill, kill + 1].map((n) => {
        return liveAndDie(folder.file, `life-${n}`, certain, new Random(SEED * 1_000 + n))
      })
      await Promise.all(lives)
      check(folder.file)
    }
    await using store = await folder.store()
    // A job that becomes due between two lists would be in neither of them.
    await vi.waitFor(async () => expect(await store.counts('emails')).toMatchObject({ delayed: 0 }))
    const found = await find(store)
    expect([...certain.queued].filter((id) => found.get(id)?.length !== 1)).toEqual([])
    expect([...certain.ended].filter(([id, state]) => found.get(id)?.[0] !== state)).toEqual([])
    expect([...found].filter(([, all]) => all.length > 1)).toEqual([])
    const counts = await store.counts('emails')
    expect(Object.values(counts).reduce((sum, count) => sum + count)).toBe(found.size)
    expect(certain.ended.size).toBeGreaterThan(KILLS)
  } catch (error) {
    throw new Error(`LARK_SEED=${SEED}`, { cause: error })
  }
})
