/**
 * What a plain job costs a server, exactly: the commands that it carries out for a call, those inside of scripts too,
 * the bytes on the wire, and what is kept. Jobs that use none of a feature pay nothing for it, so whoever adds a feature
 * adds nothing here.
 *
 * The clock is given; with the server's own there is one TIME more in each script.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { newId } from '../../src/model/id.ts'
import type { LeasedJob, NewJob, Outcome } from '../../src/model/record.ts'
import type { Claim } from '../../src/store/contract/store.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import type { RedisStore } from '../../src/store/redis/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, failed, ids, job, retried, settlement } from '../conformance/jobs.ts'
import { signal } from '../working/bench.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server } from './server.ts'
import { openStore, retention } from './stores.ts'

/** In the 27th second of a minute. */
const clock = { now: 1_790_000_007_000 }

let server: Server
let admin: Connection
let proxy: TcpProxy
let store: RedisStore
let web: Caller
let ada: Caller
/** Of two digits, so that they are as long in each test. */
let round = 10

beforeAll(async () => {
  server = await Server.start()
  admin = new Connection(addressOf(server.url))
  proxy = await TcpProxy.start(server.port)
  const few = { ...retention, completed: { count: 120, age: 3_600_000 } }
  store = await openStore(proxy.url, { clock: () => clock.now, retention: few })
})

afterAll(async () => {
  await store.close()
  admin.close()
  await proxy[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await admin.send(['FLUSHALL'])
  round += 1
  web = new Caller(store, `web-${round}`, 'emails')
  ada = new Caller(store, `ada-${round}`, 'emails')
  // The links are made, the scripts loaded, and the partition, this minute and the worker known.
  await web.enqueue(...plain(1))
  await next(await next([], 1), 0)
})

/** Jobs made in this very millisecond, as the dispatcher makes them. */
function plain(count: number, fields: Partial<NewJob> = {}): NewJob[] {
  const payload = '{"to":"someone@example.com"}'
  return Array.from({ length: count }, () => job({ id: newId(clock.now), payload, ...fields }))
}

/** Settles what is held and claims, as a worker does: it takes jobs with a ring. */
async function next(
  held: readonly LeasedJob[],
  limit: number,
  { outcome = completed, hand = (_: Claim) => {} }: { outcome?: Outcome; hand?: (claim: Claim) => void } = {},
): Promise<LeasedJob[]> {
  const settlements = held.map((one) => settlement(one, outcome))
  return (await ada.exchange(settlements, { limit, lease: LEASE, hand })).jobs
}

interface Cost {
  /** How often the server carried out each command. */
  calls: Record<string, number>
  /** To the server, and back. */
  bytes: { in: number; out: number }
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  await admin.send(['CONFIG', 'RESETSTAT'])
  const before = { ...proxy.bytes }
  await work()
  const bytes = { in: proxy.bytes.in - before.in, out: proxy.bytes.out - before.out }
  const info = (await admin.send(['INFO', 'commandstats'])) as string
  const calls: Cost['calls'] = {}
  // Those are of this measure, and of connections that show that they are there.
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
    if (!/^(config|info|ping)\b/.test(name!)) calls[name!] = Number(count)
  return { calls, bytes }
}

/** One job, queued by a call of its own. */
const ENQUEUE = {
  evalsha: 1,
  get: 1, // what this very call was answered, should it have been made before
  hsetnx: 1, // the record, unless its id is there already
  exists: 1, // whether anyone waits, and whether an entry of the line is void
  rpush: 1, // into the line
  set: 1, // the answer, should the call come again
}

test('a job that is queued alone', async () => {
  const { calls, bytes } = await costOf(() => web.enqueue(...plain(1)))
  expect(calls).toEqual(ENQUEUE)
  expect(bytes).toEqual({ in: 229, out: 6 })
})

test('a hundred that are queued together: one call more', async () => {
  const { calls, bytes } = await costOf(() => web.enqueue(...plain(100)))
  const { hsetnx: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    hmget: 1, // which ids are there already
    hset: 1, // the records
  })
  expect(bytes).toEqual({ in: 6_865, out: 6 })
})

test('a delayed job', async () => {
  const { calls } = await costOf(() => web.enqueue(...plain(1, { delay: 60_000 })))
  const { rpush: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    zadd: 1, // into the line
    zrange: 1, // whether it is the next to fall due, so that someone must know
  })
})

test('a job with a priority', async () => {
  const { calls } = await costOf(() => web.enqueue(...plain(1, { priority: 5 })))
  expect(calls).toEqual({
    ...ENQUEUE,
    zadd: 1, // that there is a line of this priority
  })
})

/** As many settled and claimed by one call as there are slots; all of one claim, while more wait. */
const EXCHANGE = {
  evalsha: 1,
  get: 1, // what this very call was answered
  srem: 1, // who works does not wait
  // Whether the queue is paused, or has groups; who holds what is settled; the records of what is claimed.
  hmget: 3,
  // settle
  hdel: 2, // they have no holder any more; their claim has no jobs any more
  hincrby: 2, // how many of the claim are held; how many ended in this minute
  zrem: 1, // the lease of the claim
  zadd: 2, // when they ended; and below, the lease of the new claim
  zcard: 1, // whether more are kept than should be
  // claim
  zrevrange: 1, // which lines there are
  lpop: 1, // the head of the line
  hset: 2, // who holds them; the claim
  // Whether: any is to be cancelled; the line has anything delayed or void; any has run before.
  exists: 3,
  llen: 1, // whether more wait
  scard: 1, // and are not all void
  set: 1, // the answer
}

test('a job settled and the next one claimed', async () => {
  await web.enqueue(...plain(10))
  const held = await next([], 1)
  const { calls, bytes } = await costOf(() => next(held, 1))
  expect(calls).toEqual(EXCHANGE)
  expect(bytes).toEqual({ in: 242, out: 91 })
})

test('fifty settled and the next fifty claimed: as many calls', async () => {
  await web.enqueue(...plain(200))
  const held = await next([], 50)
  const { calls, bytes } = await costOf(() => next(held, 50))
  expect(calls).toEqual(EXCHANGE)
  expect(bytes).toEqual({ in: 930, out: 3_131 })
})

test('fifty settled for which others go that had completed before', async () => {
  await web.enqueue(...plain(250))
  const held = await next(await next(await next([], 50), 50), 50)
  const { calls } = await costOf(() => next(held, 50))
  expect(calls).toEqual({
    ...EXCHANGE,
    zrange: 1, // which
    zremrangebyrank: 1,
    hdel: EXCHANGE.hdel + 1, // their records
    exists: EXCHANGE.exists + 1, // whether anything more is kept of any job
  })
})

test('the last ones settled, by a worker that then waits', async () => {
  await web.enqueue(...plain(50))
  const held = await next([], 50)
  const { calls } = await costOf(() => next(held, 50))
  const { scard: _, ...exchange } = EXCHANGE
  expect(calls).toEqual({
    ...exchange,
    ...{ hmget: 2, zadd: 1, exists: 2 }, // nothing is claimed
    zrange: 1, // when the next falls due
    sadd: 1, // that it waits
    hset: 1, // how many it takes with a ring
  })
})

test('a job handed over with the ring to a worker that waits', async () => {
  const came = signal<Claim>()
  await next([], 5, { hand: came.resolve })
  const { calls, bytes } = await costOf(async () => {
    await web.enqueue(...plain(1))
    await came.promise
  })
  const { rpush: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    exists: ENQUEUE.exists + 1, // whether others are before it
    hget: 2, // whether the queue is paused; how many that worker takes
    spop: 1, // who waits
    hdel: 1, // it takes no more
    publish: 1, // the ring
    hset: 2, // who holds it; the claim
    zadd: 1, // its lease
  })
  expect(bytes).toEqual({ in: 229, out: 119 })
})

test('a job that failed for good', async () => {
  await web.enqueue(...plain(10))
  await next(await next([], 1), 0, { outcome: failed })
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1, { outcome: failed }))
  expect(calls).toEqual({
    ...EXCHANGE,
    hget: 2, // how often it has run; its errors
    hset: EXCHANGE.hset + 2, // the same
    hmget: EXCHANGE.hmget + 1, // whether the one claimed has run, since some have
  })
})

test('a job that failed and comes again', async () => {
  await web.enqueue(...plain(10))
  await next(await next([], 1), 0, { outcome: retried(60_000) })
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1, { outcome: retried(60_000) }))
  const { zcard: _, ...exchange } = EXCHANGE
  expect(calls).toEqual({
    ...exchange,
    hget: 3, // how often it has run; its errors; its priority
    hset: EXCHANGE.hset + 2,
    hmget: EXCHANGE.hmget + 1,
    zrange: 2, // whether it is the next to fall due; since there are delayed ones, whether any is due
    lrange: 1, // what is before it
    smismember: 1, // and meant
  })
})

test('what is kept: a record a job while it waits, and an entry for each that ended', async () => {
  const list = plain(2)
  await web.enqueue(...list)
  await next(await next([], 1), 0)
  for (const id of ids(list))
    expect(await admin.send(['HGET', 'lark:{emails}:jobs', id])).toBe(`0|send-email|${list[0]!.payload}`)
  const keys = (await admin.send(['KEYS', '*'])) as string[]
  expect(keys.sort()).toEqual(
    [
      ...['jobs', 'line', 'completed', 'holders'],
      ...[`call:${web.id}`, `call:${ada.id}`],
      `minutes:${Math.floor(clock.now / 60_000)}`,
    ]
      .map((name) => `lark:{emails}:${name}`)
      .sort(),
  )
})
