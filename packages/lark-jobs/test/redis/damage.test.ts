/**
 * Keys of Lark with data that Lark has not written. The error must name the key, and everything else must
 * work.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, inject, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { status } from '../../src/operate/measures/status.ts'
import { kindOf, names } from '../../src/store/redis/client/keys.ts'
import { HandBack } from '../../src/supervisor/hand-back.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { ids, job, jobs } from '../conformance/jobs.ts'
import { Record } from '../working/bench.ts'
import { newPrefix, removeKeys } from './place.ts'
import { command, Server } from './server.ts'
import { openStore } from './stores.ts'

const url = inject('redisUrl')
const send = (...words: string[]) => command(url, ...words)

test('the test knows the type of each key in the documentation', () => {
  const page = readFileSync(new URL('../../src/store/redis/client/keys.ts', import.meta.url), 'utf8')
  const kind = '(?:HASH|LIST|SET|ZSET|STRING)'
  const row = new RegExp(`^ \\* {3}([a-z][^A-Z\\n]*?) +(${kind}(?:, ${kind})*)(?: |$)`, 'gm')
  const rows = [...page.matchAll(row)]
  expect(rows.length).toBeGreaterThan(20)
  const listed = rows.flatMap(([, keys, kinds]) => {
    const all = keys!.split(',').map((key) => key.trim())
    const each = kinds!.split(', ')
    return all.map((key, i) => [key, (each[i] ?? each.at(-1)!).toLowerCase()] as const)
  })
  for (const [key, type] of listed) expect(kindOf(key), key).toBe(type)
  const words = new Set(listed.map(([key]) => /^[a-z-]+/.exec(key)![0]))
  expect(names.filter((name) => !words.has(name))).toEqual([])
})

test('if the record of a large job is damaged, the other jobs still get their own payloads', async () => {
  const prefix = newPrefix()
  await using store = await openStore(url, { prefix })
  const caller = new Caller(store, 'ada', 'emails')
  const given = [1, 2, 3].map((n) => job({ payload: JSON.stringify(String(n).repeat(2_000)) }))
  await caller.enqueue(...given)
  const key = `${prefix}:{emails}:jobs`
  const record = String(await send('HGET', key, given[0]!.id))
  await send('HSET', key, given[0]!.id, record.replaceAll('|', ''))
  const right = [expect.objectContaining({ kind: 'damaged' }), undefined, undefined]
  const { jobs: shown } = await store.list('emails', { state: 'waiting' })
  expect(shown.map(({ unreadable }) => unreadable)).toEqual(right)
  const claimed = await caller.claim(3)
  expect(claimed.map(({ unreadable }) => unreadable)).toEqual(right)
  for (const list of [shown, claimed])
    expect(list.slice(1).map(({ payload }) => payload)).toEqual(given.slice(1).map(({ payload }) => payload))
})

test.each(['all is lost', 'the ids are destroyed', 'some ids are lost'])(
  'the jobs of a damaged claim are taken back all the same: %s',
  async (what) => {
    const prefix = newPrefix()
    const clock = { now: 1_790_000_000_000 }
    await using store = await openStore(url, { prefix, clock: () => clock.now })
    const [ada, bob] = [new Caller(store, 'ada', 'emails'), new Caller(store, 'bob', 'emails')]
    // Other workers hold so many jobs that several searches are necessary to find these jobs.
    for (let i = 0; i < 4; i++) await bob.enqueue(...jobs(900))
    for (let i = 0; i < 3; i++) await bob.claim(900, 10_000_000)
    const held = await ada.claim(900)
    const claims = `${prefix}:{emails}:claims`
    if (what === 'all is lost') await send('HDEL', claims, held[0]!.token, `${held[0]!.token}#`)
    else if (what === 'the ids are destroyed') await send('HSET', claims, held[0]!.token, 'foreign')
    else await send('HSET', claims, held[0]!.token, `1\n${held[0]!.id}`)
    clock.now += LEASE
    const recovered: string[] = []
    for (let call = 0; call < 9; call++) recovered.push(...(await store.recover('emails')).recovered)
    expect(recovered.sort()).toEqual(ids(held).sort())
    expect(await store.counts('emails')).toMatchObject({ waiting: 900, active: 2_700 })
    expect(await store.get('emails', held[0]!.id)).toMatchObject({ state: 'waiting', crashes: 1 })
    expect(await send('ZSCORE', `${prefix}:{emails}:leases`, held[0]!.token)).toBe(null)
    await removeKeys(url, prefix)
  },
)

describe('a foreign value', () => {
  test.each([
    ['jobs', 'SET'],
    ['line', 'SET'],
    ['line', 'HSET'],
    ['line:5', 'SET'],
    ['due', 'SADD'],
    ['settings', 'SET'],
    ['leases', 'SET'],
    ['idle', 'SET'],
    ['claims', 'RPUSH'],
  ])('under %s, from %s, is named by the error of every verb that reads it', async (name, verb) => {
    const prefix = newPrefix()
    await using store = await openStore(url, { prefix })
    const caller = new Caller(store, 'ada', 'emails')
    await caller.enqueue(job({ priority: 5 }))
    const key = `${prefix}:{emails}:${name}`
    await send('DEL', key)
    await send(verb, key, 'foreign', ...(verb === 'HSET' ? ['x'] : []))
    const right = {
      code: 'STORE_DAMAGED',
      message: expect.stringMatching(
        new RegExp(` has a (string|hash|set|list) under ${key.replace(/[{}]/g, '\\$&')}, `),
      ),
    }
    const asked = await Promise.allSettled([
      caller.enqueue(...jobs(2), job({ priority: 5 }), job({ delay: 10_000 })),
      new Caller(store, 'bob', 'emails').claim(5),
      store.recover('emails'),
      store.counts('emails'),
      store.configure('emails', {}),
      store.list('emails', { state: 'waiting' }),
      store.clear('emails', 'waiting'),
    ])
    const refused = asked.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    expect(refused.length).toBeGreaterThan(0)
    for (const { reason } of refused) expect(reason).toMatchObject(right)
    // Another partition of the same store works.
    const other = new Caller(store, 'cid', 'reports')
    expect(await other.enqueue(job())).toEqual(['queued'])
    expect(await other.claim()).toHaveLength(1)
    await removeKeys(url, prefix)
  })

  test.each(['settings', 'line', 'jobs'])(
    'under %s of a queue makes jobs:status show this queue as damaged, and all other queues as usual',
    async (name) => {
      const prefix = newPrefix()
      await using store = await openStore(url, { prefix })
      for (const partition of ['a', 'b', 'c']) await new Caller(store, 'web', partition).enqueue(job())
      await send('DEL', `${prefix}:{b}:${name}`)
      await send('SET', `${prefix}:{b}:${name}`, 'foreign')
      const { queues } = await status({ store, queues: new Map(['a', 'b', 'c'].map((queue) => [queue, 1])) })
      const message = expect.stringContaining(` has a string under ${prefix}:{b}:${name}, `)
      expect(queues.map(({ damaged }) => damaged)).toEqual([
        [],
        [{ partition: 'b', code: 'STORE_DAMAGED', message }],
        [],
      ])
      expect(queues.map(({ counts }) => counts.waiting)).toEqual([1, 0, 1])
      await removeKeys(url, prefix)
    },
  )

  test('in one of several partitions of a worker does not prevent that the worker retires from the others', async () => {
    const prefix = newPrefix()
    await using store = await openStore(url, { prefix })
    for (const partition of ['a', 'b', 'c']) {
      await new Caller(store, 'web', partition).enqueue(job())
      await new Caller(store, 'ada', partition).claim(2)
    }
    await send('DEL', `${prefix}:{b}:idle`)
    await send('SET', `${prefix}:{b}:idle`, 'foreign')
    const message = expect.stringContaining(` has a string under ${prefix}:{b}:idle, `)
    await expect(store.retire('ada')).rejects.toMatchObject({ code: 'STORE_DAMAGED', message })
    for (const partition of ['a', 'c']) expect(await send('EXISTS', `${prefix}:{${partition}}:idle`)).toBe(0)
    await removeKeys(url, prefix)
  })

  test('in one partition does not prevent that the jobs of a dead process in other partitions are given back', async () => {
    const prefix = newPrefix()
    await using store = await openStore(url, { prefix })
    for (const partition of ['a', 'b', 'c']) {
      await new Caller(store, 'web', partition).enqueue(job())
      await new Caller(store, 'ada', partition).claim(1)
    }
    for (const name of ['idle', 'leases']) {
      await send('DEL', `${prefix}:{b}:${name}`)
      await send('SET', `${prefix}:{b}:${name}`, 'foreign')
    }
    const leases = new HandBack({ store, queues: ['a', 'b', 'c'], limiters: [] })
    expect(
      await leases.handBack({ holder: 'ada', cause: undefined, fromWithin: false, outcomes: [] }, () => {}),
    ).toEqual({
      jobs: 2,
      failed: 0,
    })
    await leases.stop()
    for (const partition of ['a', 'c']) expect(await store.counts(partition)).toMatchObject({ waiting: 1 })
    await removeKeys(url, prefix)
  })

  test.each(['layout', 'partitions', 'workers', 'keys'])(
    'under %s of the store is named by the error',
    async (name) => {
      const prefix = newPrefix()
      const key = `${prefix}:{meta}:${name}`
      await send(name === 'layout' ? 'RPUSH' : 'SET', key, 'foreign')
      const open = openStore(url, { prefix })
      const right = { code: 'STORE_DAMAGED', message: expect.stringContaining(` under ${key}, `) }
      if (name === 'layout') return void (await expect(open).rejects.toMatchObject(right))
      await using store = await open
      if (name === 'partitions') {
        await expect(store.partitions()).rejects.toMatchObject(right)
        await expect(new Caller(store, 'web', 'emails').enqueue(job())).rejects.toMatchObject(right)
      }
      if (name === 'workers') {
        await expect(store.workers()).rejects.toMatchObject(right)
        await send('DEL', key)
        await send('HSET', key, 'w', 'no JSON')
        await send('ZADD', `${prefix}:{meta}:worker-ends`, '9999999999999', 'w')
        await expect(store.workers()).rejects.toMatchObject(right)
      }
      if (name === 'keys') await expect(store.keys()).rejects.toMatchObject(right)
      await removeKeys(url, prefix)
    },
  )
})

test('a worker reports a damaged key once, goes on with its other queues, and serves this queue when the key is correct again', async () => {
  class NoteJob extends Job {
    override readonly key = 'note'
    handle() {}
  }
  class OtherJob extends Job {
    override readonly key = 'other'
    override queueName = 'emails'
    handle() {}
  }
  const prefix = newPrefix()
  await using clients = createJobs({ connection: url, prefix, queues: ['default', 'emails'] })
  const key = `${prefix}:{default}:line`
  await send('SET', key, 'foreign')
  const report = new Record()
  const worker = await clients.work({ jobs: [NoteJob, OtherJob], report, lease: 2_000 })
  await expect(clients.dispatch(new NoteJob())).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringContaining(key),
  })
  for (let i = 0; i < 3; i++) {
    await clients.dispatch(new OtherJob())
    await report.ends(i + 1)
  }
  expect(report.warnings.filter((text) => text.includes(key))).toHaveLength(1)
  await send('DEL', key)
  await clients.dispatch(new NoteJob())
  await report.ends(4)
  await worker.stop()
  await removeKeys(url, prefix)
})

test('if a server has evicted keys, the errors of calls that miss them name the server and its eviction policy', async () => {
  await using server = await Server.start('redis-server')
  const ask = (...words: string[]) => command(server.url, ...words)
  await using store = await openStore(server.url, { prefix: 'lark' })
  const caller = new Caller(store, 'ada', 'emails')
  await caller.enqueue(job({ group: { name: 'acme', limits: { concurrency: 9 } } }))
  // The server evicts a key of another program, and the test removes a key of Lark.
  await ask('SET', 'filler', 'x'.repeat(100_000), 'EX', '1000')
  await ask('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl')
  await ask('CONFIG', 'SET', 'maxmemory', '1')
  await ask('SET', 'more', 'x').catch(() => {})
  await ask('CONFIG', 'SET', 'maxmemory', '0')
  await ask('DEL', 'lark:{emails}:laned')
  await expect(caller.claim(1)).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringMatching(
      / has evicted \d+ keys?, jobs among them: its maxmemory-policy is volatile-ttl$/,
    ),
    hint: expect.stringContaining('CONFIG SET maxmemory-policy noeviction'),
  })
})
