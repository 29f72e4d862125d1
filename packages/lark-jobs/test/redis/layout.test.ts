/**
 * Stores with another layout: invented steps migrate an earlier layout. Also how large payloads are stored
 * and removed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { type Effect, memberId, nameOf } from '../../src/model/effect.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { LAYOUT } from '../../src/store/redis/client/keys.ts'
import type { RedisStore } from '../../src/store/redis/store.ts'
import { Caller } from '../conformance/caller.ts'
import { goesOn, leave } from '../conformance/earlier.ts'
import { completed, ids, job } from '../conformance/jobs.ts'
import { later, NEXT } from './later.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server, until } from './server.ts'
import { makeStore, openStore } from './stores.ts'

let server: Server
let raw: Connection
beforeAll(async () => {
  server = await Server.start()
  raw = new Connection(addressOf(server.url))
})
afterAll(async () => {
  raw.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await raw.send(['FLUSHALL'])
})

/** Returns the hooks that are due in a partition. */
async function hooksOf(
  store: RedisStore,
  partition: string,
  done: readonly Effect[] = [],
): Promise<Effect[]> {
  const wanted = { leaseMs: 60_000, done: done.map(nameOf) }
  return (await store.recover(partition, { until: 0, effects: wanted })).effects ?? []
}

const [own] = LAYOUT.split('.')
const place = 'another database or prefix (the layout is kept in old:{meta}:layout)'

test.each([
  [
    NEXT,
    `has layout 2; this version of Lark reads layout ${own}`,
    `Use the version of Lark that made it, or ${place}`,
  ],
  ...[`${own}.0beef`, '9', ''].map((found) => [
    found,
    `was made by a build of Lark that was never released: it has layout ${found}, and this build ${LAYOUT}`,
    `Take its jobs along with lark jobs:export of that build and lark jobs:import, or use ${place}`,
  ]),
])('layout %j is refused with one line, and not changed', async (layout, says, hint) => {
  await raw.send(['SET', 'old:{meta}:layout', layout])
  await using store = makeStore(server.url, { prefix: 'old' })
  const message = `redis://127.0.0.1:${server.port}/0 ${says}`
  await expect(store.open()).rejects.toMatchObject({ code: 'LAYOUT_UNKNOWN', message, hint })
  expect(await raw.send(['KEYS', 'old:*'])).toEqual(['old:{meta}:layout'])
})

test('one process migrates a store step by step to a later layout, and its jobs go on', async () => {
  await using earlier = await openStore(server.url, { prefix: 'old' })
  await leave(earlier)
  await new Caller(earlier, 'web', 'reports').enqueue(job())
  const [store, other] = await Promise.all(
    [1, 2].map(() => openStore(server.url, { prefix: 'old', layout: later })),
  )
  await using _ = store!
  await using __ = other!
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(later.name)
  expect(await raw.send(['EXISTS', 'old:{meta}:migration'])).toBe(0)
  for (const partition of ['emails', 'reports'])
    expect(await raw.send(['HMGET', `old:{${partition}}:settings`, 'colours', 'colour'])).toEqual([
      '1',
      'red1',
    ])
  await goesOn(store!, other!)
})

test('if the process that migrates a store is killed, another process continues where it stopped', async () => {
  const many = Array.from({ length: 150 }, (_, i) => `many/${i}`)
  await raw.send(['SADD', 'old:{meta}:partitions', ...many])
  await raw.send(['SET', 'old:{meta}:layout', NEXT])
  for (const name of many) await raw.send(['HSET', `old:{${name}}:settings`, 'colours', '1'])
  await using proxy = await TcpProxy.start(server.port)
  const dist = new URL('../../dist/redis-store.js', import.meta.url).href
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { RedisStore } from '${dist}'
    const none = { count: 0, age: 1 }
    const retention = { completed: none, failed: none, cancelled: none }
    const step = (scripts, partition) =>
      scripts.send(['HSET', scripts.keys.of(partition, 'settings'), 'colour', 'red1'])
    const layout = { name: '${later.name}', steps: [['${NEXT}', step]] }
    await new RedisStore('${proxy.url}', { prefix: 'old', retention, layout }).open()`,
  ])
  const done = async () => {
    const all = await Promise.all(
      many.map((name) => raw.send(['HEXISTS', `old:{${name}}:settings`, 'colour'])),
    )
    return all.filter((each) => each === 1).length
  }
  // The proxy is so slow that no call arrives before the second hundred of steps.
  proxy.delay = 400
  await until(async () => (await done()) > 0)
  proxy.silence()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await done()).toBeLessThan(many.length)
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(NEXT)
  const stores = await Promise.all(
    [1, 2, 3].map(() => openStore(server.url, { prefix: 'old', layout: later })),
  )
  expect(await done()).toBe(many.length)
  // The first step is not repeated.
  expect(await raw.send(['HGET', `old:{${many[0]}}:settings`, 'colours'])).toBe('1')
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(later.name)
  for (const store of stores) await store.close()
})

test('a migration under load loses and repeats nothing, while a worker with the earlier layout goes on', async () => {
  await using jobs = createJobs({ connection: server.url })
  const ran: number[] = []
  class CountJob extends Job {
    override key = 'count'
    async handle({ n }: { n: number }) {
      ran.push(n)
      await sleep(10)
    }
  }
  const all = Array.from({ length: 400 }, (_, n) => n)
  await jobs.dispatchMany(
    new CountJob(),
    all.slice(200).map((n) => ({ n })),
  )
  await using worker = await jobs.work({ jobs: [CountJob], concurrency: 5 })
  await until(() => ran.length > 20)
  await using store = await openStore(server.url, { layout: later })
  expect(await raw.send(['GET', 'lark:{meta}:layout'])).toBe(later.name)
  const before = ran.length
  await jobs.dispatchMany(
    new CountJob(),
    all.slice(0, 200).map((n) => ({ n })),
  )
  await until(async () => {
    const { waiting, active } = await store.counts('default')
    return waiting + active === 0
  })
  await worker.stop()
  expect(ran.sort((a, b) => a - b)).toEqual(all)
  expect(before, 'it went on').toBeLessThan(all.length)
  // An earlier version can no longer open the store.
  await using late = makeStore(server.url)
  await expect(late.open()).rejects.toThrow(`has layout 3; this version of Lark reads layout ${own}`)
})

test('a claim does not change payloads that it does not hand out, and a payload is removed with its job', async () => {
  await using store = await openStore(server.url)
  const ada = new Caller(store, 'ada', 'emails')
  const list = Array.from({ length: 9 }, () => job({ payload: 'x'.repeat(400_000) }))
  for (const given of list) await ada.enqueue(given)
  const line = 'lark:{emails}:line'
  for (let left = 7; left > 0; left -= 2) {
    for (const held of await ada.claim(100)) await ada.settle(held, completed)
    expect(await raw.send(['LLEN', line])).toBe(left)
    // Jobs that were put back would be under this key.
    expect(await raw.send(['EXISTS', 'lark:{emails}:due'])).toBe(0)
  }
  const record = (await raw.send(['HGET', 'lark:{emails}:jobs', list[0]!.id])) as string
  expect(record.length).toBeLessThan(100)
  expect(await raw.send(['HLEN', 'lark:{emails}:payloads'])).toBe(9)
  expect(await raw.send(['HGET', 'lark:{emails}:settings', 'large'])).toBe('1')
  await store.alter('emails', ids(list.slice(0, 4)), { kind: 'remove' })
  await store.clear('emails', 'completed')
  await store.clear('emails', 'waiting')
  const keys = (await raw.send(['KEYS', 'lark:{emails}:*'])) as string[]
  expect(keys.filter((key) => !/:(call:|minutes:|unrolled$|holders$)/.test(key))).toEqual([])
})

test('the record of a hidden member has a payload only as long as a hook may need the payload', async () => {
  const none = { count: 0, age: 0 }
  const store = await openStore(server.url, {
    retention: { completed: none, failed: none, cancelled: none },
  })
  await using _ = store
  const large = `"${'x'.repeat(5_000)}"`
  const list = ['"small"', large, '"small"', large].map((payload, index) => {
    return job({ id: memberId({ flow: 'flow', home: 'home', index }), hooked: index < 2, payload })
  })
  await new Caller(store, 'web', 'emails').enqueue(...list)
  const payloads = async () => {
    const records = (await raw.send(['HVALS', 'lark:{emails}:jobs'])) as string[]
    const small = records.filter((record) => record.endsWith('"small"')).length
    return [small, await raw.send(['HLEN', 'lark:{emails}:payloads'])]
  }
  expect(await payloads()).toEqual([2, 2])
  await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
  expect(await payloads()).toEqual([1, 1])
  const found = await hooksOf(store, 'emails')
  const hooks = found.filter(({ kind }) => kind === 'hook').map((effect) => effect.job)
  expect(hooks).toMatchObject([{ payload: '"small"' }, { payload: large }])
  expect(await hooksOf(store, 'emails', found)).toEqual([])
  expect(await payloads()).toEqual([0, 0])
  expect(await raw.send(['HGET', 'lark:{emails}:settings', 'large'])).toBeNull()
  expect(await store.flows.fates('emails', ids(list))).toMatchObject(list.map(() => ({ kind: 'ended' })))
})
