/**
 * A store of another layout: an earlier one is brought forward. And what is kept of large payloads, and goes with them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { open } from '../../src/api/jobs.ts'
import { createJobs, Job } from '../../src/index.ts'
import { type Effect, memberId, nameOf } from '../../src/model/effect.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { LAYOUT } from '../../src/store/redis/client/keys.ts'
import type { RedisStore } from '../../src/store/redis/store.ts'
import { Caller } from '../conformance/caller.ts'
import { goesOn } from '../conformance/earlier.ts'
import { completed, ids, job, jobError, jobs, retried } from '../conformance/jobs.ts'
import { DISPATCHED, Older } from '../layouts/older.ts'
import { startCluster } from './cluster.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server, until } from './server.ts'
import { openStore } from './stores.ts'

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

/** Puts the keys of an earlier layout there, by commands; they were made by the Lark that had it. */
async function load(layout: number, to = { send: (...words: string[]) => raw.send(words) }): Promise<void> {
  const packed = await readFile(new URL(`layouts/${layout}.json.gz`, import.meta.url))
  for (const command of JSON.parse(gunzipSync(packed).toString()) as string[][]) await to.send(...command)
}

/** The hooks that are due in a partition. */
async function hooksOf(
  store: RedisStore,
  partition: string,
  done: readonly Effect[] = [],
): Promise<Effect[]> {
  const wanted = { lease: 60_000, done: done.map(nameOf) }
  return (await store.recover(partition, { until: 0, effects: wanted })).effects ?? []
}

const idOf = (name: string) => name.padStart(13, '0')
const idsOf = (effects: readonly Effect[]) => effects.map(({ job }) => job.id).sort()

test('a bucket of which an earlier Lark takes permits, without counting them, gets none back', async () => {
  await using store = await openStore(server.url, { prefix: 'old' })
  const limits = { rate: { limit: 4, per: 3_600_000, kind: 'bucket', burst: 4 } } as const
  const call = { holder: 'ada', limits, held: 0, wanted: 1, lease: 60_000 }
  const { mark } = await store.limiters.permit('stripe', { ...call, number: 1 })
  const [key] = (await raw.send(['KEYS', 'old:*:rate'])) as [string]
  // It had become full, and all were taken.
  await raw.send(['HSET', key, 'at', String(Date.now() + 1), 'tokens', '0.000000'])
  const unused = [{ number: 1, mark: mark!, count: 1 }]
  expect(await store.limiters.permit('stripe', { ...call, number: 2, after: 1, unused })).toMatchObject({
    granted: 0,
  })
})

test('of layout 8, jobs that have failed and wait for their next try are counted', async () => {
  await load(8)
  for (const name of ['waiting', 'failed'])
    await raw.send(['HSET', 'old:{emails}:counters', idOf(name), '2,1,0,0'])
  await using store = await openStore(server.url, { prefix: 'old' })
  expect((await store.standings(['emails']))[0]!.retrying).toBe(1)
})

test.each([4, 5, 6, 7, 8])(
  'jobs of layout %i go on, and what their ends have yet to do elsewhere',
  async (layout) => {
    await load(layout)
    const [store, other] = await Promise.all([
      openStore(server.url, { prefix: 'old' }),
      openStore(server.url, { prefix: 'old' }),
    ])
    await using _ = store
    await using __ = other
    expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(LAYOUT)
    expect(await raw.send(['EXISTS', 'old:{meta}:migration'])).toBe(0)
    const hooks = await hooksOf(store, 'emails')
    expect(hooks).toMatchObject([
      { kind: 'hook', job: { id: idOf('cancelled'), state: 'cancelled', reason: 'user' } },
    ])
    expect(await hooksOf(store, 'emails', hooks)).toEqual([])
    await goesOn(store, other)
  },
)

test('a failed job that an older worker retries is not taken for one of the failed jobs that go first', async () => {
  const plenty = { count: 1_000, age: 1_000_000 }
  const failed = { count: 2, age: 1_000_000, bytes: 1_000_000, whole: 1_000, ofKind: 1 }
  await using store = await openStore(server.url, {
    prefix: 'old',
    retention: { completed: plenty, failed, cancelled: plenty },
  })
  const caller = new Caller(store, 'ada', 'emails')
  const list = jobs(5)
  const fail = { kind: 'failed', error: jobError(), alike: 'aaaa' } as const
  for (const one of list.slice(0, 2)) await caller.run(one, fail)
  // The scripts of layout 8 do not know what is noted of failed jobs.
  await raw.send(['ZREM', 'old:{emails}:failed', list[0]!.id])
  await raw.send(['RPUSH', 'old:{emails}:line', list[0]!.id])
  for (const one of list.slice(2)) {
    await caller.enqueue({ ...one, priority: 1 })
    await caller.settle(await caller.claimOne(), fail)
  }
  expect(await store.get('emails', list[0]!.id)).toMatchObject({ state: 'waiting' })
  expect(await store.counts('emails')).toMatchObject({ waiting: 1, failed: 2 })
  expect((await store.standings(['emails']))[0]!.dropped).toMatchObject({ count: 2 })
  expect(await raw.send(['HLEN', 'old:{emails}:failed-sizes'])).toBe(2)
})

test('jobs that an older worker has claimed are not counted as retrying for ever', async () => {
  await using store = await openStore(server.url, { prefix: 'old' })
  const caller = new Caller(store, 'ada', 'emails')
  const [waits, runs] = jobs(2)
  await caller.enqueue(waits!, runs!)
  for (const each of await caller.claim(2)) await caller.settle(each, retried(0))
  await until(async () => (await caller.claim(1)).length > 0)
  // The scripts of layout 8 take no job out of the set: one that runs, and one that is gone.
  const [held] = (await store.list('emails', { state: 'active' })).jobs
  await raw.send(['SADD', 'old:{emails}:retrying', held!.id, 'gone'])
  expect((await store.standings(['emails']))[0]!.retrying).toBe(3)
  await store.prune('emails')
  expect((await store.standings(['emails']))[0]!.retrying).toBe(1)
})

test('a store with many effects of layout 4 is brought forward to its end', async () => {
  await load(8)
  await raw.send(['HSET', 'old:{emails}:counters', idOf('waiting'), '2,1,0,0'])
  for (let n = 0; n < 1_500; n += 1) await raw.send(['ZADD', 'old:{emails}:endings', '1', `gone${n}`])
  await using store = await openStore(server.url, { prefix: 'old' })
  expect((await store.standings(['emails']))[0]!.retrying).toBe(1)
  expect(await raw.send(['EXISTS', 'old:{emails}:endings'])).toBe(0)
})

test('hooks of layout 5 that an older worker has taken are left to it until its lease has ended', async () => {
  await load(5)
  const clock = { now: 1_795_564_803_004 }
  await using store = await openStore(server.url, { prefix: 'old', clock: () => clock.now })
  const first = await hooksOf(store, 'reports/1')
  expect(idsOf(first)).toEqual([idOf('dropped'), idOf('largeGone')])
  expect(first.find(({ job }) => job.id === idOf('largeGone'))).toMatchObject({
    job: { payload: JSON.stringify({ text: 'largeGone'.repeat(2_000) }), reason: 'expired' },
  })
  expect(await hooksOf(store, 'reports/1', first)).toEqual([])
  expect(await store.recover('reports/1')).not.toHaveProperty('nextEffect')
  // It says that it has handled one of its two, and dies.
  await raw.send(['ZREM', 'old:{reports/1}:endings', idOf('taken')])
  clock.now += 60_000
  const { findings } = await store.survey('ada', [{ partition: 'reports/1' }])
  expect(findings).toMatchObject([{ nextEffect: 0 }])
  const rest = await hooksOf(store, 'reports/1')
  expect(rest).toMatchObject([
    { job: { id: idOf('untold'), state: 'failed', errors: [{ code: 'JOB_TIMED_OUT' }] } },
  ])
  expect(await hooksOf(store, 'reports/1', rest)).toEqual([])
  expect(await raw.send(['EXISTS', 'old:{reports/1}:endings', 'old:{reports/1}:ended'])).toBe(0)
})

test('after an older worker has put an ended job back into its line, nothing says that it has ended', async () => {
  await using store = await openStore(server.url)
  const member = memberId({ flow: 'flow', home: 'home', index: 0 })
  const [given, other] = [job({ id: member, hooked: true }), job({ hooked: true })]
  await new Caller(store, 'web', 'emails').enqueue(given, other)
  await store.alter('emails', [member, other.id], { kind: 'cancel', reason: 'user' })
  // What its `retry` does, which knows of no effects.
  await raw.send(['ZREM', 'lark:{emails}:cancelled', member])
  await raw.send(['RPUSH', 'lark:{emails}:line', member])
  expect(await store.flows.fates('emails', [member])).toEqual([{ kind: 'present' }])
  expect(await hooksOf(store, 'emails')).toMatchObject([{ kind: 'hook', job: { id: other.id } }])
  expect(await new Caller(store, 'ada', 'emails').claim()).toMatchObject([{ id: member }])
})

test('members that completed in layout 7 are delivered, each with an effect of its own', async () => {
  await load(7)
  const [first, second] = [0, 1].map((index) => memberId({ flow: 'flow', home: 'home', index })) as [
    string,
    string,
  ]
  const at = '1795564800000'
  const put = (key: string, ...words: string[]) =>
    raw.send([words[0]!, `old:{emails}:${key}`, ...words.slice(1)])
  await put('jobs', 'HSET', first, '0|send-email|1', second, '~0|send-email|')
  await put('completed', 'ZADD', at, first)
  await put('ended', 'HSET', first, `completed|${at}`, second, `completed|${at}|~`)
  await put('effects:member', 'ZADD', at, first, at, second)
  await using store = await openStore(server.url, { prefix: 'old' })
  const found = (await hooksOf(store, 'emails')).filter(({ kind }) => kind === 'member')
  expect(found).toMatchObject(
    [first, second].map((id) => ({ job: { id, state: 'completed', finishedAt: Number(at) } })),
  )
  await hooksOf(store, 'emails', found)
  expect(await raw.send(['EXISTS', 'old:{emails}:effects:member'])).toBe(0)
  const ended = { kind: 'ended', job: { state: 'completed' } }
  expect(await store.flows.fates('emails', [first, second])).toMatchObject([ended, ended])
})

test('one process brings a store forward; when it is killed, another goes on', async () => {
  await load(5)
  const many = Array.from({ length: 150 }, (_, i) => `many/${i}`)
  await raw.send(['SADD', 'old:{meta}:partitions', ...many])
  for (const name of many) {
    await raw.send(['ZADD', `old:{${name}}:endings`, '1', 'one'])
    await raw.send(['ZADD', `old:{${name}}:cancelled`, '1', 'one'])
    await raw.send(['HSET', `old:{${name}}:jobs`, 'one', '0|k|1'])
  }
  await using proxy = await TcpProxy.start(server.port)
  const dist = new URL('../../dist/redis-store.js', import.meta.url).href
  const child = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `import { RedisStore } from '${dist}'
    const none = { count: 0, age: 1 }
    const retention = { completed: none, failed: none, cancelled: none }
    await new RedisStore('${proxy.url}', { prefix: 'old', retention }).open()`,
  ])
  const migrated = () => raw.send(['EXISTS', ...many.map((name) => `old:{${name}}:ended`)]) as Promise<number>
  // Slow enough that nothing comes through any more before the second hundred.
  proxy.delay = 400
  await until(async () => (await migrated()) > 0)
  proxy.silence()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await migrated()).toBeLessThan(many.length)
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe('5')
  const stores = await Promise.all([1, 2, 3].map(() => openStore(server.url, { prefix: 'old' })))
  expect(await migrated()).toBe(many.length)
  expect(await raw.send(['GET', 'old:{meta}:layout'])).toBe(LAYOUT)
  for (const store of stores) await store.close()
})

test.each(['redis-server', 'valkey-server'])(
  'layout 5 on a cluster of %s, in several slots',
  async (binary) => {
    await using cluster = await startCluster({ binary, replicas: 0 })
    const owners = new Map<string, Server>()
    await load(5, {
      send: async (...words) => {
        const tag = /{(.*)}/.exec(words[1]!)![1]!
        const owner = owners.get(tag) ?? (await cluster.owner(slotOf(words[1]!)))
        owners.set(tag, owner)
        return owner.send(...words)
      },
    })
    expect(new Set(owners.values()).size).toBeGreaterThan(1)
    await using store = await openStore(cluster.url, { prefix: 'old' })
    await using other = await openStore(cluster.url, { prefix: 'old' })
    expect(await hooksOf(store, 'emails')).toHaveLength(1)
    expect(idsOf(await hooksOf(store, 'reports/1'))).toEqual(
      ['dropped', 'largeGone', 'taken', 'untold'].map(idOf).sort(),
    )
    await goesOn(store, other)
  },
)

test('under load, while a worker of layout 5 goes on: nothing is lost or doubled', async () => {
  await raw.send(['FLUSHALL'])
  await using older = await Older.start(server.url)
  await until(() => older.ran.length > 40)
  await using jobs = createJobs({ connection: server.url })
  const ran: number[] = []
  class CountJob extends Job {
    override key = 'count'
    async handle({ n }: { n: number }) {
      ran.push(n)
      await sleep(50)
    }
  }
  await using worker = await jobs.work({ jobs: [CountJob], lease: 1_000 })
  expect(await raw.send(['GET', 'lark:{meta}:layout'])).toBe(LAYOUT)
  const before = older.ran.length
  const more = Array.from({ length: 200 }, (_, i) => ({ n: DISPATCHED + i }))
  await jobs.dispatchMany(new CountJob(), more)
  const { store } = await jobs[open]()
  await until(async () => {
    const { waiting, active } = await store.counts('default')
    return waiting + active === 0
  })
  await worker.stop()
  const all = [...older.ran, ...ran].sort((a, b) => a - b)
  expect(all).toEqual(Array.from({ length: DISPATCHED + more.length }, (_, n) => n))
  expect(older.ran.length, 'it went on').toBeGreaterThan(before + 40)
  expect(older.warnings.filter((warning) => !/append-only|lease thread/.test(warning))).toEqual([])
  // But it does not open the store again.
  await older.stop()
  await using late = await Older.start(server.url)
  await until(() => late.errors.length > 0)
  await until(() => late.errors.join('\n').includes(`has layout ${LAYOUT}; this Lark knows 5`))
}, 60_000)

test('what a claim does not hand out is not touched, and a payload goes with its job', async () => {
  await using store = await openStore(server.url)
  const ada = new Caller(store, 'ada', 'emails')
  const list = Array.from({ length: 9 }, () => job({ payload: 'x'.repeat(400_000) }))
  for (const given of list) await ada.enqueue(given)
  const line = 'lark:{emails}:line'
  for (let left = 7; left > 0; left -= 2) {
    for (const held of await ada.claim(100)) await ada.settle(held, completed)
    expect(await raw.send(['LLEN', line])).toBe(left)
    // Jobs that were put back would lie there.
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

test('the record of a member that is hidden has a payload only as long as a hook may need it', async () => {
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
