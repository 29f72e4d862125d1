/**
 * Schedules in a file: processes that handle ticks are killed at any instant, rows are damaged, and the disk
 * is full.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import type { Outcome } from '../../src/model/record.ts'
import { MAX_RUNS } from '../../src/store/contract/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, ids, jobs } from '../conformance/jobs.ts'
import { Random } from '../conformance/random.ts'
import { tick } from '../conformance/schedules.ts'
import { Child } from './child.ts'
import { connections, Folder } from './folder.ts'
import { open as openRaw } from './raw.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const START = Date.parse('2026-01-01T00:00:00Z')

/** Makes schedules that are due now. */
function made(...names: string[]) {
  return names.map((id) => ({ id, rev: 0, definition: id, state: '0', next: Date.now() }))
}

test('if processes that handle ticks are killed, one of them with a clock that is an hour fast, each tick still has one job', {
  timeout: 60_000,
}, async () => {
  await using folder = await Folder.make()
  const random = new Random(Number(process.env.LARK_SEED ?? 1))
  const names = ['a', 'b', 'c', 'd']
  const certain = new Set<string>()
  {
    await using store = await folder.store()
    await store.schedules.write('emails', made(...names))
  }
  for (let kill = 0; kill < 4; kill++) {
    await Promise.all(
      [0, 3_600_000].map(async (clock) => {
        await using child = new Child('tick', folder.file, `n${kill}-${clock}`, { clock })
        child.onMessage((told: string[]) => {
          for (const id of told) certain.add(id)
        })
        await child.message()
        await sleep(random.below(60))
        await child.kill()
      }),
    )
  }
  await using store = await folder.store()
  const { found } = await store.schedules.get('emails', names)
  const file = openRaw(folder.file)
  const sql = 'SELECT id, state, finishedAt FROM jobs WHERE id LIKE ? ORDER BY seq'
  let ticks = 0
  for (const schedule of found) {
    const { id, state, runs } = schedule!
    const rows = file.prepare(sql).all([`${id}@%`]) as { id: string; state: number; finishedAt: number }[]
    const all = Array.from({ length: Number(state) }, (_, n) => tick((n + 1) * 1_000, id).id)
    expect(ids(rows)).toEqual(all)
    ticks += all.length
    for (const each of all) certain.delete(each)
    const ended = rows.filter((row) => row.state === 2).map((row) => row.finishedAt)
    const last = ended.sort((one, other) => one - other).slice(-MAX_RUNS)
    expect(runs.map(({ at }) => at)).toEqual(last)
  }
  file.close()
  expect([...certain]).toEqual([])
  expect(ticks).toBeGreaterThan(0)
})

test('a damaged schedule does not stop other schedules, and a write replaces it', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const names = ['definition', 'state', 'rev', 'runs', 'dueAt', 'good']
  await store.schedules.write('emails', made(...names))
  const file = openRaw(folder.file)
  for (const name of names.slice(0, -1))
    file
      .prepare(`UPDATE schedules SET ${name} = ? WHERE id = ?`)
      .run([Buffer.from('\u0000{') as unknown as string, name])
  file.close()
  const { due, nextTick } = await store.schedules.due('emails', 9, LEASE)
  expect(ids(due).sort()).toEqual(['definition', 'good', 'rev', 'runs', 'state'])
  expect(nextTick).toBe(LEASE)
  expect(due.find(({ id }) => id === 'runs')).toMatchObject({ state: '0', runs: [] })
  for (const id of ['definition', 'state'] as const)
    expect(typeof due.find((each) => each.id === id)![id]).toBe('string')
  const { found } = await store.schedules.get('emails', names)
  const ada = new Caller(store, 'ada', 'emails')
  const { written } = await store.schedules.write(
    'emails',
    found.map((each) => {
      const { id, rev } = each!
      return { id, rev, definition: 'new', state: '1', next: Date.now() + LEASE, jobs: [tick(0, id)] }
    }),
  )
  expect(written.map(({ isWritten }) => isWritten)).toEqual(names.map(() => true))
  for (const _ of names) await ada.settle(await ada.claimOne(), completed)
  const after = (await store.schedules.get('emails', names)).found
  for (const each of after)
    expect(each).toMatchObject({
      definition: 'new',
      state: '1',
      rev: expect.any(Number),
      runs: [{ tick: 0 }],
    })
})

test('damaged lines in the stored runs of a schedule are left out', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  await store.schedules.write('emails', made('nightly'))
  const file = openRaw(folder.file)
  const runs = ['1 completed 2 3', 'x completed 2', '4 failed 5', '{"tick":1}', '7 completed 8 y']
  file.prepare('UPDATE schedules SET runs = ?').run([runs.join('\n')])
  file.close()
  const { found } = await store.schedules.get('emails', ['nightly'])
  expect(found[0]!.runs).toEqual([
    { tick: 1, state: 'completed', at: 2, took: 3 },
    { tick: 4, state: 'failed', at: 5 },
  ])
})

test('the stored text of runs is bounded, and has room for all kept runs even if all have the maximum length', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  await store.schedules.write('emails', made('nightly'))
  const ada = new Caller(store, 'ada', 'emails')
  const instants = Array.from({ length: 3 * MAX_RUNS }, (_, n) => START + n)
  await ada.enqueue(...instants.map((at) => tick(at, 'nightly')))
  const longest: Outcome = { kind: 'completed', took: 31_536_000_000 }
  for (const held of await ada.claim(instants.length)) await ada.settle(held, longest)
  const { found } = await store.schedules.get('emails', ['nightly'])
  expect(found[0]!.runs.map((run) => run.tick)).toEqual(instants.slice(-MAX_RUNS))
  const file = openRaw(folder.file)
  expect(file.prepare('SELECT octet_length(runs) <= 1000 AS isBounded FROM schedules').get([])).toEqual({
    isBounded: 1,
  })
  file.close()
})

test('a tick that does not fit on the disk changes nothing and is due again, and a schedule can be removed', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  await using store = await folder.store()
  const database = await opened[0]!
  const { schedules } = store
  await schedules.write('emails', made('nightly', 'weekly'))
  const { due } = await schedules.due('emails', 9, 1)
  const size = database.get<{ page_count: number }>('PRAGMA page_count')!.page_count
  database.exec(`PRAGMA max_page_count = ${size}`)
  const list = jobs(50, { payload: JSON.stringify('x'.repeat(3_000)) })
  const [nightly, weekly] = due.map(({ id, rev }) => ({ id, rev, state: '1', jobs: list }))
  await expect(schedules.write('emails', [nightly!, weekly!])).rejects.toMatchObject({
    code: 'STORE_REFUSED',
  })
  await vi.waitFor(async () => expect((await schedules.due('emails', 9, 1)).due).toMatchObject(due))
  expect(await store.counts('emails')).toMatchObject({ waiting: 0 })
  const { id, rev } = weekly!
  expect((await schedules.write('emails', [{ id, rev, remove: true }])).written).toMatchObject([
    { isWritten: true },
  ])
  database.exec('PRAGMA max_page_count = 100000')
  expect((await schedules.write('emails', [nightly!])).written).toMatchObject([{ isWritten: true }])
  expect(await store.counts('emails')).toMatchObject({ waiting: 50 })
})
