/**
 * Schedules on Redis: the stored keys, damaged data, a full server, and writes that wait for the disk.
 * (../conformance/schedules.ts has the tests for every store.)
 */
import { expect, inject, test } from 'vitest'
import { tickId } from '../../src/model/tick.ts'
import { ScheduleBook } from '../../src/schedule/book.ts'
import { MAX_DUE, type ScheduleWrite } from '../../src/store/contract/store.ts'
import { erase } from '../../src/store/redis/verbs/erase.ts'
import { LEASE } from '../conformance/caller.ts'
import { ids, job } from '../conformance/jobs.ts'
import { newPrefix, removeKeys } from './place.ts'
import { command, Server } from './server.ts'
import { openStore } from './stores.ts'

const url = inject('redisUrl')
const send = (...words: string[]) => command(url, ...words)
const AT = Date.UTC(2026, 0, 1)

/** Makes a schedule that is due. */
function made(id: string): ScheduleWrite {
  return { id, rev: 0, definition: `definition of ${id}`, state: '{}', next: AT }
}

test('a partition without schedules has no keys for schedules', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix })
  const { written } = await store.schedules.write('emails', [made('nightly'), made('weekly')])
  await store.schedules.move('nightly', undefined, 'emails', true)
  const keys = async () => {
    const all = ((await send('KEYS', `${prefix}:*`)) as string[]).map((key) => key.slice(prefix.length + 1))
    return all.filter((key) => !/layout|partitions|call:/.test(key)).sort()
  }
  expect(await keys()).toEqual([
    ...['schedule-runs', 'schedule-states', 'schedules', 'settings', 'ticks'].map((key) => `{emails}:${key}`),
    ...['class-homes', 'homes'].map((key) => `{meta}:${key}`),
  ])
  const revs = written.map(({ rev }) => rev)
  const removed = ['nightly', 'weekly'].map((id, i) => ({ id, rev: revs[i]!, remove: true }) as const)
  await store.schedules.write('emails', removed)
  await store.schedules.move('nightly', 'emails', undefined)
  expect(await keys()).toEqual([])
})

test('to erase a prefix removes all data of its schedules, and no data of other prefixes', async () => {
  const [one, other] = [newPrefix(), newPrefix()]
  for (const prefix of [one, other]) {
    await using store = await openStore(url, { prefix })
    await store.schedules.write('emails', [made('nightly')])
    await store.schedules.move('nightly', undefined, 'emails', true)
  }
  await erase(url, one)
  expect(await send('KEYS', `${one}:*`)).toEqual([])
  await using store = await openStore(url, { prefix: other })
  expect(await store.schedules.homes()).toEqual([{ id: 'nightly', home: 'emails', ofClass: true }])
  expect(ids((await store.schedules.due('emails', 9, LEASE)).due)).toEqual(['nightly'])
  await removeKeys(url, other)
})

test('damaged and evicted schedules do not stop other schedules, and a new definition replaces a damaged one', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix, clock: () => AT })
  await store.schedules.write('emails', ['a', 'b', 'c', 'd'].map(made))
  const key = (name: string) => `${prefix}:{emails}:${name}`
  await send('HSET', key('schedule-states'), 'a', 'foreign')
  await send('HSET', key('schedule-runs'), 'a', 'foreign\n2026-01-01T00:00:00Z failed 5\nx completed 1')
  await send('HDEL', key('schedule-states'), 'b')
  await send('HDEL', key('schedules'), 'c')
  const { due } = await store.schedules.due('emails', 9, LEASE)
  expect(due).toEqual([
    expect.objectContaining({
      id: 'a',
      rev: 0,
      state: 'foreign',
      runs: [{ tick: AT, state: 'failed', at: 5 }],
    }),
    expect.objectContaining({ id: 'c', definition: '', state: '{}' }),
    expect.objectContaining({ id: 'd', definition: 'definition of d' }),
  ])
  expect(await send('ZSCORE', key('ticks'), 'b')).toBeNull()
  const { written } = await store.schedules.write('emails', [made('a'), made('b')])
  expect(written.map(({ isWritten }) => isWritten)).toEqual([true, true])
  expect((await store.schedules.get('emails', ['a', 'b'])).found).toMatchObject([
    { state: '{}' },
    { state: '{}' },
  ])
  await removeKeys(url, prefix)
})

test('many schedules with large definitions are handed out in their order, a few in each call', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix, clock: () => AT })
  const names = Array.from({ length: 40 }, (_, n) => `s${String(n).padStart(2, '0')}`)
  for (const [n, id] of names.entries())
    await store.schedules.write('emails', [
      { ...made(id), definition: 'x'.repeat(n % 7 === 5 ? 500_000 : 9) },
    ])
  const calls: string[][] = []
  while (calls.flat().length < names.length)
    calls.push(ids((await store.schedules.due('emails', 99, LEASE)).due))
  expect(calls.flat()).toEqual(names)
  expect(calls.map(({ length }) => length)).toEqual([19, 14, 7])
  await removeKeys(url, prefix)
})

test.each(['schedules', 'schedule-states', 'schedule-runs', 'ticks'])(
  'the error names a foreign value under %s, and the tick is due again when the value is removed',
  async (name) => {
    const prefix = newPrefix()
    await using store = await openStore(url, { prefix, clock: () => AT })
    const [first] = (await store.schedules.write('emails', [made('nightly')])).written
    const key = `${prefix}:{emails}:${name}`
    await send('RENAME', key, `${prefix}:away`)
    await send('SET', key, 'foreign')
    const tick = job({ id: tickId({ schedule: 'nightly', at: AT }) })
    const change = { ...made('nightly'), rev: first!.rev, jobs: [tick] }
    const right = { code: 'STORE_DAMAGED', message: expect.stringContaining(` has a string under ${key}, `) }
    await expect(store.schedules.due('emails', 9, LEASE)).rejects.toMatchObject(right)
    await expect(store.schedules.write('emails', [change])).rejects.toMatchObject(right)
    await send('RENAME', `${prefix}:away`, key)
    const { due } = await store.schedules.due('emails', 9, LEASE)
    expect(ids(due)).toEqual(['nightly'])
    const { written } = await store.schedules.write('emails', [{ ...change, rev: due[0]!.rev }])
    expect(written).toMatchObject([{ isWritten: true, jobs: ['queued'] }])
    expect(await store.counts('emails')).toMatchObject({ waiting: 1 })
    await removeKeys(url, prefix)
  },
)

test('a full server refuses a tick as a whole, and schedules can still be removed', async () => {
  await using server = await Server.start()
  await using store = await openStore(server.url, { clock: () => AT })
  const [first] = (await store.schedules.write('emails', [made('nightly')])).written
  const book = new ScheduleBook(store)
  const timing = { kind: 'every', ms: 60_000 } as const
  const always = {
    missed: 'skip',
    overlap: 'allow',
    grace: 0,
    jitter: 0,
    pauseAfterFailures: 0,
    limit: 0,
  } as const
  await book.set('hourly', { timing, ...always, queue: 'emails', job: { key: 'a', payload: '' } }, 'emails')
  await server.send('CONFIG', 'SET', 'maxmemory', '1')
  const full = { code: 'STORE_REFUSED', message: expect.stringContaining('OOM') }
  const tick = job({ id: tickId({ schedule: 'nightly', at: AT }) })
  const change = { id: 'nightly', rev: first!.rev, state: '1', jobs: [tick] }
  await expect(store.schedules.due('emails', MAX_DUE, LEASE)).rejects.toMatchObject(full)
  await expect(store.schedules.write('emails', [change])).rejects.toMatchObject(full)
  const { found } = await store.schedules.get('emails', ['nightly'])
  expect(found).toMatchObject([{ rev: first!.rev, state: '{}' }])
  expect(await store.counts('emails')).toMatchObject({ waiting: 0 })
  const { written } = await store.schedules.write('emails', [
    { id: 'nightly', rev: first!.rev, remove: true },
  ])
  expect(written).toEqual([{ isWritten: true, rev: 0, jobs: [] }])
  expect(await book.remove('hourly')).toBe(true)
  expect(await store.schedules.homes()).toEqual([])
})

test('a change of a schedule waits for the disk if dispatches do, and a tick does not', async () => {
  await using server = await Server.start('redis-server', ['--appendonly', 'yes', '--appendfsync', 'always'])
  await using store = await openStore(server.url, { durability: 'strict' })
  const waits = async () =>
    Number(/cmdstat_waitaof:calls=(\d+)/.exec(String(await server.send('INFO', 'commandstats')))?.[1] ?? 0)
  const write = async (change: ScheduleWrite, isRelied?: boolean) =>
    (await store.schedules.write('emails', [change], undefined, isRelied)).written[0]!
  let { rev } = await write(made('nightly'), true)
  expect(await waits()).toBe(1)
  const tick = job({ id: tickId({ schedule: 'nightly', at: AT }) })
  rev = (await write({ id: 'nightly', rev, state: '1', next: AT, jobs: [tick] })).rev
  expect(await waits()).toBe(1)
  rev = (await write({ id: 'nightly', rev, state: '2', next: AT }, true)).rev
  expect(await waits()).toBe(2)
  // The refused write has changed nothing.
  await write({ ...made('nightly'), rev: rev + 1 }, true)
  expect(await waits()).toBe(2)
  await server.send('CONFIG', 'SET', 'appendonly', 'no')
  await expect(write({ ...made('nightly'), rev }, true)).rejects.toMatchObject({
    code: 'STORE_UNCERTAIN',
    message: expect.stringContaining('not surely on disk'),
  })
  const { found } = await store.schedules.get('emails', ['nightly'])
  expect(found[0]!.rev).toBeGreaterThan(rev)
})
