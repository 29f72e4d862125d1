/**
 * Flows in a file. Processes that count ends and advance flows are killed at any instant, rows are damaged,
 * and the disk is full. Nothing must be left of a removed flow.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { NODES } from '../../src/model/flow.ts'
import { openFlow } from '../conformance/effects.ts'
import { end, node } from '../conformance/flow-home.ts'
import { ids, jobs } from '../conformance/jobs.ts'
import { Random } from '../conformance/random.ts'
import { Child } from './child.ts'
import { connections, Folder } from './folder.ts'
import { open as openRaw } from './raw.ts'

const LEASE = 15_000

afterEach(() => {
  vi.restoreAllMocks()
})

test('if processes that count ends and advance a flow are killed, each end counts once and is handed out once', {
  timeout: 60_000,
}, async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const random = new Random(Number(process.env.LARK_SEED ?? 1))
  const size = 100_000
  await openFlow(store, size)
  const certain = new Set<number>()
  for (let kill = 0; kill < 8; kill += 2) {
    await Promise.all(
      [kill, kill + 1].map(async (child) => {
        await using process = new Child('flow', folder.file, String(child * 10_000))
        process.onMessage((told: number[]) => {
          for (const index of told) certain.add(index)
        })
        await process.message()
        await sleep(20 + random.below(60))
        await process.kill()
      }),
    )
  }
  const { found } = await store.flows.get('home', 'flow')
  const { state, news, crowd } = found!
  const heard = state.split(' ').slice(1).map(Number)
  expect(new Set(heard).size).toBe(heard.length)
  const file = openRaw(folder.file)
  const rows = file.prepare('SELECT id FROM jobs').all([]) as { id: string }[]
  file.close()
  expect(ids(rows).sort()).toEqual(heard.map((index) => `job-${index}`).sort())
  const known = new Set([...heard, ...news.map(({ index }) => index)])
  const members = [...certain].filter((index) => index < NODES)
  expect([...certain].filter((index) => index >= NODES && !known.has(index))).toEqual([])
  expect(crowd.completed).toBeGreaterThanOrEqual(members.length)
  const again = await store.flows.apply(
    'home',
    members.map((index) => end(index)),
  )
  expect(new Set(again.verdicts)).toEqual(new Set(['repeated']))
  expect(heard.length).toBeGreaterThan(0)
})

test('nothing is left of a flow that was removed', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const { flows } = store
  await openFlow(store, 5_000)
  await openFlow(store, 5, 'other')
  await flows.apply('home', [end(0), end(4_000, { state: 'failed' }), node(0), node(1, { result: '7' })])
  const { found } = await flows.get('home', 'flow')
  await flows.write('home', { id: 'flow', rev: found!.rev, remove: true })
  const file = openRaw(folder.file)
  const count = (table: string) => file.prepare(`SELECT count(*) AS count FROM ${table}`).get([])
  for (const table of ['flows', 'definitions']) expect(count(table)).toMatchObject({ count: 1 })
  for (const table of ['members', 'ends']) expect(count(table)).toMatchObject({ count: 0 })
  file.close()
})

test('a damaged flow does not stop other flows, and a write replaces its damaged texts', async () => {
  await using folder = await Folder.make()
  await using store = await folder.store()
  const { flows, schedules } = store
  const names = ['definition', 'state', 'dueAt', 'good']
  for (const id of names)
    await flows.write('home', { id, rev: 0, definition: id, state: '0', next: Date.now() })
  const file = openRaw(folder.file)
  const damage = Buffer.from('\u0000{') as unknown as string
  for (const name of ['state', 'dueAt'])
    file.prepare(`UPDATE flows SET ${name} = ? WHERE id = ?`).run([damage, name])
  const damagedDefinition = 'UPDATE definitions SET definition = ? WHERE definition = ?'
  file.prepare(damagedDefinition).run([damage, 'definition'])
  file.close()
  const { flows: due, nextTick } = await schedules.due('home', 9, LEASE)
  expect(ids(due).sort()).toEqual(['definition', 'good', 'state'])
  expect(nextTick).toBe(LEASE)
  for (const id of names) {
    const { found } = await flows.get('home', id)
    for (const text of [found!.definition, found!.state]) expect(typeof text).toBe('string')
    const change = { id, rev: found!.rev, definition: 'new', state: '1' }
    expect(await flows.write('home', change)).toMatchObject({ isWritten: true })
    const after = (await flows.get('home', id)).found
    expect(after).toMatchObject({ definition: 'new', state: '1' })
  }
})

test('a write that does not fit on the disk changes nothing, and a flow can be removed', async () => {
  await using folder = await Folder.make()
  const opened = connections()
  await using store = await folder.store()
  const database = await opened[0]!
  const { flows } = store
  await openFlow(store, 5_000)
  await flows.apply('home', [node(0)])
  const before = (await flows.get('home', 'flow')).found!
  const size = database.get<{ page_count: number }>('PRAGMA page_count')!.page_count
  database.exec(`PRAGMA max_page_count = ${size}`)
  const large = JSON.stringify('x'.repeat(300_000))
  const list = jobs(50, { payload: large })
  const { id, rev } = before
  await expect(flows.write('home', { id, rev, state: '1', heard: 1, jobs: list })).rejects.toMatchObject({
    code: 'STORE_REFUSED',
  })
  const ends = [end(0), node(1, { result: large })]
  await expect(flows.apply('home', ends)).rejects.toMatchObject({ code: 'STORE_REFUSED' })
  expect((await flows.get('home', 'flow')).found).toEqual(before)
  expect(await store.counts('home')).toMatchObject({ waiting: 0 })
  expect(await flows.apply('home', [end(0)])).toMatchObject({ verdicts: ['counted'] })
  expect(await flows.write('home', { id, rev, remove: true })).toMatchObject({ isWritten: true })
  database.exec('PRAGMA max_page_count = 100000')
})
