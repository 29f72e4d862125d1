/**
 * Flows on Redis: the stored keys, damaged data, a full server, and writes that wait for the disk.
 * (../conformance/flows.ts has the tests for every store.)
 */
import { expect, inject, test } from 'vitest'
import { type FlowWrite, type MemberEnd, NODES } from '../../src/store/contract/store.ts'
import { erase } from '../../src/store/redis/verbs/erase.ts'
import { LEASE } from '../conformance/caller.ts'
import { ids, job } from '../conformance/jobs.ts'
import { newPrefix, removeKeys } from './place.ts'
import { command, Server } from './server.ts'
import { openStore } from './stores.ts'

const url = inject('redisUrl')
const send = (...words: string[]) => command(url, ...words)
const AT = Date.UTC(2026, 0, 1)

/** Makes a flow that is due. */
function made(id = 'flow'): FlowWrite {
  return { id, rev: 0, definition: `definition of ${id}`, state: '{}', next: AT, crowd: { reserved: 9 } }
}

function end(index: number, more: Partial<MemberEnd> = {}): MemberEnd {
  return { flow: 'flow', index, state: 'completed', at: AT, ...more }
}

const failed = { state: 'failed', error: 'mailbox full' } as const
/** The ends of a completed, a failed and a cancelled member, and of a node with a result. */
const ends = [end(0), end(1, failed), end(2, { state: 'cancelled' }), end(NODES, { result: '7' })]

const names = [
  ...['flow-ends', 'flow-results', 'flow', 'crowd-cancelled', 'crowd-failed', 'crowd', 'news'].map(
    (name) => `${name}:flow`,
  ),
  ...['flow-ids', 'flows'],
].sort()

async function keysOf(prefix: string): Promise<string[]> {
  const all = ((await send('KEYS', `${prefix}:*`)) as string[]).map((key) => key.slice(prefix.length + 1))
  return all.filter((key) => !/layout|partitions|call:/.test(key)).sort()
}

test('a removed flow leaves no key, and a flow without members or nodes has no keys for them', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix, clock: () => AT })
  await store.flows.write('home', made())
  const of = (list: string[]) => [...list, 'settings'].sort().map((name) => `{home}:${name}`)
  expect(await keysOf(prefix)).toEqual(of(['flow-ids', 'flow:flow', 'flows']))
  await store.flows.apply('home', ends)
  expect(await keysOf(prefix)).toEqual(of(names))
  const { found } = await store.flows.get('home', 'flow')
  await store.flows.write('home', { id: 'flow', rev: found!.rev, remove: true })
  expect(await keysOf(prefix)).toEqual([])
})

test('to erase a prefix removes its flows, and no flows of other prefixes', async () => {
  const [one, other] = [newPrefix(), newPrefix()]
  for (const prefix of [one, other]) {
    await using store = await openStore(url, { prefix })
    await store.flows.write('home', made())
    await store.flows.apply('home', ends)
  }
  await erase(url, one)
  expect(await send('KEYS', `${one}:*`)).toEqual([])
  await using store = await openStore(url, { prefix: other })
  expect(ids((await store.schedules.due('home', 9, LEASE)).flows)).toEqual(['flow'])
  await removeKeys(url, other)
})

test('damaged and evicted flows do not stop other flows, and a damaged end counts as lost', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix, clock: () => AT })
  for (const id of ['a', 'b', 'c', 'd']) await store.flows.write('home', made(id))
  for (const flow of ['a', 'd']) await store.flows.apply('home', [end(NODES, { flow })])
  const key = (name: string) => `${prefix}:{home}:${name}`
  await send('HSET', key('flow:a'), 'rev', 'foreign', 'completed', 'x')
  await send('DEL', key('flow:b'))
  await send('HDEL', key('flow:c'), 'definition')
  await send('HSET', key('flow-ends:d'), String(NODES), 'foreign')
  const { flows } = await store.schedules.due('home', 9, LEASE)
  expect(flows).toMatchObject([
    { id: 'a', rev: 0, news: [{ state: 'completed' }] },
    { id: 'c', definition: '', state: '{}' },
    { id: 'd', news: [{ index: NODES, state: 'cancelled', reason: 'lost' }] },
  ])
  expect(await store.flows.list('home', 9)).toHaveLength(3)
  for (const id of ['a', 'b'])
    expect(await store.flows.write('home', made(id))).toMatchObject({ isWritten: true })
  await removeKeys(url, prefix)
})

test.each(names)(
  'the error names a foreign value under %s, and nothing is lost when the value is removed',
  async (name) => {
    const prefix = newPrefix()
    await using store = await openStore(url, { prefix, clock: () => AT })
    const { rev } = await store.flows.write('home', made())
    await store.flows.apply('home', ends)
    const key = `${prefix}:{home}:${name}`
    await send('RENAME', key, `${prefix}:away`)
    await send('LPUSH', key, 'foreign')
    if (name.startsWith('news')) {
      await send('DEL', key)
      await send('SET', key, 'foreign')
    }
    const change = { id: 'flow', rev, state: '1', heard: 1, jobs: [job()] }
    const verbs = [
      () => store.schedules.due('home', 9, LEASE),
      () => store.flows.apply('home', [end(2), end(3, failed), end(NODES + 1, { result: '8' })]),
      () => store.flows.ends('home', 'flow', [NODES]),
      () => store.flows.list('home', 9),
      () => store.flows.write('home', change),
    ]
    const answers = await Promise.allSettled(verbs.map((verb) => verb()))
    const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
    expect(reasons.length).toBeGreaterThan(0)
    for (const reason of reasons) {
      // No list has the keys that contain the id of a flow, so the error names the partition.
      const what = name.includes(':') ? ` has something under ${prefix}:{home}:*, ` : ` under ${key}, `
      expect(reason).toMatchObject({ code: 'STORE_DAMAGED', message: expect.stringContaining(what) })
    }
    await send('RENAME', `${prefix}:away`, key)
    await store.flows.apply('home', [end(2), end(3, failed), end(NODES + 1, { result: '8' })])
    const { found } = await store.flows.get('home', 'flow')
    expect(found).toMatchObject({ id: 'flow', crowd: { completed: 2, failed: 2 } })
    expect(await store.flows.missing('home', 'flow', -1, 9)).toEqual([4, 5, 6, 7, 8])
    expect(await store.flows.failed('home', 'flow', -1, 9)).toEqual([1, 3])
    expect(await store.flows.ends('home', 'flow', [NODES, 1, NODES + 1])).toMatchObject([
      { result: '7' },
      failed,
      { result: '8' },
    ])
    await removeKeys(url, prefix)
  },
)

test('a full server refuses a write of a flow as a whole, and flows can still be removed', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url, { clock: () => AT })
  const { rev } = await store.flows.write('home', made())
  await server.send('CONFIG', 'SET', 'maxmemory', '1')
  const full = { code: 'STORE_REFUSED', message: expect.stringContaining('OOM') }
  const change = { id: 'flow', rev, state: '1', jobs: [job()] }
  await expect(store.flows.write('home', change)).rejects.toMatchObject(full)
  await expect(store.flows.apply('home', ends)).rejects.toMatchObject(full)
  await expect(store.schedules.due('home', 9, LEASE)).rejects.toMatchObject(full)
  expect((await store.flows.get('home', 'flow')).found).toMatchObject({ rev, state: '{}', news: [] })
  expect(await store.counts('home')).toMatchObject({ waiting: 0 })
  const removed = { id: 'flow', rev, remove: true } as const
  expect(await store.flows.write('home', removed)).toMatchObject({ isWritten: true })
})

test('the first write of a flow waits for the disk if dispatches do, and an advance does not', async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using store = await openStore(server.url, { durability: 'strict' })
  const waits = async () => {
    const stats = String(await server.send('INFO', 'commandstats'))
    return Number(/cmdstat_waitaof:calls=(\d+)/.exec(stats)?.[1] ?? 0)
  }
  const { rev } = await store.flows.write('home', made(), undefined, true)
  expect(await waits()).toBe(1)
  await store.flows.write('home', { id: 'flow', rev, state: '1' })
  expect(await waits()).toBe(1)
})

test('a batch of a million members takes 250 kB of its server', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix, clock: () => AT })
  const size = 1_000_000
  await store.flows.write('home', { ...made(), crowd: { reserved: size, size } })
  await store.flows.apply('home', [end(size - 1), end(size - 2, failed)])
  const sizes = await Promise.all(
    names
      .filter((name) => name.includes(':'))
      .map((name) => send('MEMORY', 'USAGE', `${prefix}:{home}:${name}`)),
  )
  expect(sizes.reduce((sum: number, each) => sum + Number(each ?? 0), 0)).toBeLessThan(300_000)
  expect(await store.flows.failed('home', 'flow', -1, 9)).toEqual([size - 2])
  expect(await store.flows.missing('home', 'flow', size - 4, 9)).toEqual([size - 3])
  await removeKeys(url, prefix)
})
