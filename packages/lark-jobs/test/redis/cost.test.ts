/**
 * The exact cost of a plain job for a server: the commands of each call, including commands inside scripts,
 * the bytes on the wire, and the stored data. A job that does not use a feature must pay nothing for it, so a
 * new feature must not change these numbers.
 *
 * The tests use their own clock. With the clock of the server, each script would also call TIME.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Effect, type EffectName, memberId, memberOf, nameOf } from '../../src/model/effect.ts'
import { newId } from '../../src/model/id.ts'
import type { ClaimedJob, NewJob, Outcome } from '../../src/model/record.ts'
import { tickId } from '../../src/model/tick.ts'
import {
  type Claim,
  MAX_DUE,
  type MemberEnd,
  type MovingJob,
  NODES,
  type ScheduleWrite,
  type StoredSchedule,
} from '../../src/store/contract/store.ts'
import { Connection } from '../../src/store/redis/client/connection.ts'
import type { RedisStore } from '../../src/store/redis/store.ts'
import { Caller, LEASE } from '../conformance/caller.ts'
import { completed, failed, ids, job, retried, settlement } from '../conformance/jobs.ts'
import { signal } from '../working/bench.ts'
import { TcpProxy } from './proxy.ts'
import { addressOf, Server } from './server.ts'
import { openStore, retention } from './stores.ts'

/** The 27th second of a minute. */
const clock = { now: 1_790_000_007_000 }

let server: Server
let admin: Connection
let proxy: TcpProxy
let store: RedisStore
let web: Caller
let ada: Caller
/** A number with two digits, so that names have the same length in each test. */
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
  // After these calls, the connections exist, the scripts are loaded, and the store knows the partition, the
  // minute and the worker.
  await web.enqueue(...plain(1))
  await next(await next([], 1), 0)
})

/** Makes jobs whose ids contain the present millisecond, as the dispatcher makes them. */
function plain(count: number, fields: Partial<NewJob> = {}): NewJob[] {
  const payload = '{"to":"someone@example.com"}'
  return Array.from({ length: count }, () => job({ id: newId(clock.now), payload, ...fields }))
}

/** Settles the held jobs and claims other jobs, like a worker that gets jobs together with a notification. */
async function next(
  held: readonly ClaimedJob[],
  limit: number,
  { outcome = completed, hand = (_: Claim) => {} }: { outcome?: Outcome; hand?: (claim: Claim) => void } = {},
): Promise<ClaimedJob[]> {
  const settlements = held.map((one) => settlement(one, outcome))
  return (await ada.exchange(settlements, { limit, leaseMs: LEASE, hand })).jobs
}

interface Cost {
  /** How often the server carried out each command. */
  calls: Record<string, number>
  /** Bytes to the server, and from the server. */
  bytes: { in: number; out: number }
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  await admin.send(['CONFIG', 'RESETSTAT'])
  const before = { ...proxy.bytes }
  await work()
  const bytes = { in: proxy.bytes.in - before.in, out: proxy.bytes.out - before.out }
  const info = (await admin.send(['INFO', 'commandstats'])) as string
  const calls: Cost['calls'] = {}
  // These commands belong to the measuring, and to heartbeats of connections.
  for (const [, name, count] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
    if (!/^(config|info|ping)\b/.test(name!)) calls[name!] = Number(count)
  return { calls, bytes }
}

/** The cost of a call that queues one job: how often each command runs. */
const ENQUEUE = {
  evalsha: 1,
  get: 1, // the answer to this call, if it was made before
  hsetnx: 1, // the record, unless its id exists already
  exists: 1, // whether a caller waits, and whether the line has entries of removed jobs
  rpush: 1, // adds the job to the line
  set: 1, // the answer, in case the call comes again
}

test('the cost of a call that queues one job', async () => {
  const { calls, bytes } = await costOf(() => web.enqueue(...plain(1)))
  expect(calls).toEqual(ENQUEUE)
  expect(bytes).toEqual({ in: 229, out: 6 })
})

test('a job with an id of the application costs the same commands, and one more byte', async () => {
  const { calls, bytes } = await costOf(() => web.enqueue(...plain(1, { ownId: 'new' })))
  expect(calls).toEqual(ENQUEUE)
  expect(bytes).toEqual({ in: 230, out: 6 })
})

test('for a job whose id is already used, the state of the other job is read', async () => {
  const [first] = plain(1, { ownId: 'new' })
  await web.enqueue(first!)
  const { calls } = await costOf(() => web.enqueue(first!))
  const { rpush: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    hmget: 1, // whether the id exists
    hget: 1, // the record of the other job
    hexists: 1, // whether it runs
    zscore: 6, // whether it has ended, is delayed, or has a hook to come
  })
})

test('if priorities age, a claim costs the same in a group with three priorities and in one with three hundred', async () => {
  const claim = async (priorities: number) => {
    const queued = Array.from({ length: priorities }, (_, i) =>
      plain(1, { group: { name: 'acme' }, priority: -i }),
    )
    await web.enqueue(...queued.flat())
    const cost = await costOf(async () => {
      const { jobs } = await ada.exchange([], { limit: 1, leaseMs: LEASE, aging: 60_000 })
      expect(jobs).toMatchObject([{ priority: 0 }])
    })
    return cost.calls
  }
  const few = await claim(3)
  expect(await claim(300)).toEqual(few)
})

test('a call that queues a hundred jobs costs one more command', async () => {
  const { calls, bytes } = await costOf(() => web.enqueue(...plain(100)))
  const { hsetnx: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    hmget: 1, // which ids exist already
    hset: 1, // the records
  })
  expect(bytes).toEqual({ in: 6_865, out: 6 })
})

test('the cost of a delayed job', async () => {
  const { calls } = await costOf(() => web.enqueue(...plain(1, { delay: 60_000 })))
  const { rpush: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    zadd: 1, // adds the job to the line
    zrange: 1, // whether this is the next job to become due, so that a caller must be rung
  })
})

test('the cost of a job with a priority', async () => {
  const { calls } = await costOf(() => web.enqueue(...plain(1, { priority: 5 })))
  expect(calls).toEqual({
    ...ENQUEUE,
    zadd: 1, // notes that there is a line of this priority
    zcard: 1, // the number of lines, only for the first job of a line
  })
  const next = await costOf(() => web.enqueue(...plain(1, { priority: 5 })))
  expect(next.calls).toEqual({ ...ENQUEUE, zadd: 1 })
})

test('if priorities are refused, a call searches for empty lines only once', async () => {
  await web.enqueue(...Array.from({ length: 255 }, (_, i) => plain(1, { priority: i - 300 })[0]!))
  const { calls } = await costOf(() =>
    web.enqueue(...Array.from({ length: 200 }, (_, i) => plain(1, { priority: i + 1 })[0]!)),
  )
  // The script checks of each priority in use whether its line is empty.
  expect(calls).toMatchObject({ llen: 256, scard: 256, zadd: 200, zrem: 200 })
})

/** The cost of a call that settles all jobs of a claim and claims as many jobs, while more jobs wait. */
const EXCHANGE = {
  evalsha: 1,
  get: 1, // the answer to this call, if it was made before
  srem: 1, // a worker that gets jobs no longer waits
  // Whether the queue is paused or has groups; the holders of the settled jobs; the records of the claimed
  // jobs.
  hmget: 3,
  // These commands settle.
  hdel: 2, // removes the holders of the jobs, and their claim
  hincrby: 2, // how many jobs of the claim are held, and how many ended in this minute
  zrem: 1, // the lease of the claim
  zadd: 2, // the times at which the jobs ended, and (below) the lease of the new claim
  zcard: 1, // whether more ended jobs are kept than the retention allows
  // claim
  zrevrange: 1, // which lines exist
  lpop: 1, // the head of the line
  hset: 2, // the holders of the jobs, and the claim
  // Whether a job must be cancelled, whether the line has entries of delayed or removed jobs, and whether a
  // job has run before.
  exists: 3,
  llen: 1, // whether more jobs wait
  scard: 1, // whether not all of these entries belong to removed jobs
  set: 1, // the answer
}

test('the cost of a call that settles one job and claims the next job', async () => {
  await web.enqueue(...plain(10))
  const held = await next([], 1)
  const { calls, bytes } = await costOf(() => next(held, 1))
  expect(calls).toEqual(EXCHANGE)
  expect(bytes).toEqual({ in: 242, out: 91 })
})

test('a call that settles fifty jobs and claims fifty costs the same number of commands', async () => {
  await web.enqueue(...plain(200))
  const held = await next([], 50)
  const { calls, bytes } = await costOf(() => next(held, 50))
  expect(calls).toEqual(EXCHANGE)
  expect(bytes).toEqual({ in: 930, out: 3_131 })
})

test('the cost of a call that settles fifty jobs and removes fifty older completed jobs', async () => {
  await web.enqueue(...plain(250))
  const held = await next(await next(await next([], 50), 50), 50)
  const { calls } = await costOf(() => next(held, 50))
  expect(calls).toEqual({
    ...EXCHANGE,
    zrange: 1, // the jobs that exceed the retention
    zremrangebyrank: 1,
    hdel: EXCHANGE.hdel + 1, // removes their records
    exists: EXCHANGE.exists + 1, // whether more data is kept of any of these jobs
  })
})

test('the cost of a call that settles the last jobs, after which the worker waits', async () => {
  await web.enqueue(...plain(50))
  const held = await next([], 50)
  const { calls } = await costOf(() => next(held, 50))
  const { scard: _, ...exchange } = EXCHANGE
  expect(calls).toEqual({
    ...exchange,
    ...{ hmget: 2, zadd: 1, exists: 2 }, // no job is claimed
    zrange: 1, // when the next job becomes due
    sadd: 1, // notes that the worker waits
    hset: 1, // how many jobs the worker takes with a ring
  })
})

test('the cost of a dispatch that hands its job to a waiting worker with the notification', async () => {
  const came = signal<Claim>()
  await next([], 5, { hand: came.resolve })
  const { calls, bytes } = await costOf(async () => {
    await web.enqueue(...plain(1))
    await came.promise
  })
  const { rpush: _, ...enqueue } = ENQUEUE
  expect(calls).toEqual({
    ...enqueue,
    exists: ENQUEUE.exists + 1, // whether other jobs come before it
    hget: 2, // whether the queue is paused, and how many jobs the worker takes
    spop: 1, // a waiting worker
    hdel: 1, // the worker takes no more jobs with this ring
    publish: 1, // the ring
    hset: 2, // the holder of the job, and the claim
    zadd: 1, // its lease
  })
  expect(bytes).toEqual({ in: 229, out: 119 })
})

test('the cost of a job that fails for good', async () => {
  await web.enqueue(...plain(10))
  await next(await next([], 1), 0, { outcome: failed })
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1, { outcome: failed }))
  expect(calls).toEqual({
    ...EXCHANGE,
    hget: 2, // how often the job has run, and its errors
    hset: EXCHANGE.hset + 2, // the same two
    hmget: EXCHANGE.hmget + 1, // whether the claimed job has run before, because some jobs have
  })
})

test('the cost of a failed job that is retried', async () => {
  await web.enqueue(...plain(10))
  await next(await next([], 1), 0, { outcome: retried(60_000) })
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1, { outcome: retried(60_000) }))
  const { zcard: _, ...exchange } = EXCHANGE
  expect(calls).toEqual({
    ...exchange,
    hget: 3, // how often the job has run, its errors, and its priority
    hset: EXCHANGE.hset + 2,
    hmget: EXCHANGE.hmget + 1,
    zrange: 2, // whether it is the next job to become due, and whether a delayed job is due now
    lrange: 1, // the entries before it
    smismember: 1, // whether these entries belong to removed jobs
    sadd: 1, // it waits for its next try
  })
})

test('the cost of a move of a job: one question, and three steps', async () => {
  const list = plain(1)
  await web.enqueue(...list)
  const { store } = web
  let taken: MovingJob[] = []
  const take = await costOf(async () => {
    taken = (await store.moves.take('emails', ids(list), ['mails'])).jobs
  })
  const put = await costOf(() => store.moves.put('mails', taken))
  const settle = await costOf(() => store.moves.settle('emails', taken))
  const commands = ({ calls }: Cost) => Object.values(calls).reduce((sum, count) => sum + count, 0)
  expect([take, put, settle].map(commands)).toEqual([42, 15, 9]) // one command asks whether there are journals
})

test('the stored data are one record for each waiting job, and one entry for each ended job', async () => {
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
      ...[`minutes:${Math.floor(clock.now / 60_000)}`, 'unrolled'],
    ]
      .map((name) => `lark:{emails}:${name}`)
      .sort(),
  )
})

test('the retention of a class costs commands only for its own jobs', async () => {
  const keep = { completed: 60_000 }
  const queued = await costOf(() => web.enqueue(...plain(1, { keep })))
  expect(queued.calls).toEqual({
    ...ENQUEUE,
    hset: 1, // how long it is kept
    hsetnx: ENQUEUE.hsetnx + 1, // notes that there are such jobs
  })
  await web.enqueue(...plain(3))
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1))
  const { zcard: _, ...exchange } = EXCHANGE
  expect(calls).toEqual({
    ...exchange,
    hmget: EXCHANGE.hmget + 1, // which of the ended jobs have their own retention
    zadd: EXCHANGE.zadd + 1, // until when it is kept
  })
})

test('the cost of events while somebody listens', async () => {
  await store.listen('emails', 'web', 60_000)
  const queued = await costOf(() => web.enqueue(...plain(1)))
  expect(queued.calls).toEqual({
    ...ENQUEUE,
    hget: 1, // until when somebody listens
    rpushx: 1, // the event
    spop: 1, // the listeners
    publish: 1, // a ring
  })
  const again = await costOf(() => web.enqueue(...plain(1)))
  expect(again.calls).toEqual({ ...ENQUEUE, hget: 1, rpushx: 1, spop: 1 })
  await web.enqueue(...plain(300))
  const held = await next([], 50)
  const { calls, bytes } = await costOf(() => next(held, 50))
  expect(calls).toEqual({
    ...EXCHANGE,
    rpushx: 2, // fifty jobs have completed, and fifty have started
    spop: 1,
  })
  expect(bytes).toEqual({ in: 930, out: 3_131 })
})

test('the cost of a listener that gets no new events', async () => {
  const { position } = await store.listen('emails', 'web', 60_000)
  const { calls, bytes } = await costOf(() => store.listen('emails', 'web', 60_000, position))
  expect(calls).toEqual({
    evalsha: 1,
    sadd: 1, // the listener is rung by the next change
    pexpire: 1,
    hmget: 1, // until when somebody listens
    llen: 1, // where the entries end
    lrange: 1, // the entry at the position
  })
  expect(bytes).toEqual({ in: 152, out: 38 })
})

/** Makes schedules that are due now. */
async function schedule(count: number): Promise<void> {
  const state = JSON.stringify({ next: clock.now, ahead: [clock.now + 60_000], ticks: 0, skipped: [] })
  const all = Array.from({ length: count }, (_, i) => `report-${i + 10}`)
  const made = all.map((id) => ({ id, rev: 0, definition: '{"limit":0}', state, next: clock.now }))
  await store.schedules.write('emails', made)
  // Loads the script.
  await store.schedules.due('emails', 0, 1)
}

/** Handles due ticks like a worker. @param ahead milliseconds until the ticks @returns the schedules */
async function tick(ahead = 0): Promise<StoredSchedule[]> {
  const { due } = await store.schedules.due('emails', MAX_DUE, 5_000)
  const writes = due.map(({ id, rev, state }): ScheduleWrite => {
    const at = clock.now + ahead
    const [made] = plain(1, { id: tickId({ schedule: id, at }), ownId: 'new', delay: ahead })
    return { id, rev, state, next: at + 60_000, jobs: [made!], delays: { from: clock.now } }
  })
  await store.schedules.write('emails', writes)
  return due
}

/** The cost of a call that hands out schedules, and of a call that writes each schedule with a job. */
const TICK = {
  evalsha: 2,
  zrange: 4, // which schedules are due; when the next one is: once for the answer, and before and after the write
  zadd: 2, // until when it is handed out, and when it is due again
  hmget: 6, // the definitions, the states and the runs; whether the numbers are still the same; and whether there are flows
  hset: 1, // the state
  hsetnx: 1, // the record of the job, unless its id exists already
  exists: 1, // whether a caller waits, and whether the line has entries of removed jobs
  rpush: 1, // adds the job to the line
  get: 1, // whether the write was made before, and its answer was lost
  set: 1, // its answer
}

test('a tick', async () => {
  await schedule(1)
  const { calls } = await costOf(() => tick())
  expect(calls).toEqual(TICK)
})

test('the cost of a hundred ticks in two calls', async () => {
  await schedule(100)
  const { calls, bytes } = await costOf(() => tick())
  const { hsetnx: _, ...rest } = TICK
  expect(calls).toEqual({
    ...rest,
    zadd: 101, // when each is due again
    hmget: 13, // definitions are read in three steps, because they may be large; and which ids exist already
    hset: 101, // the state of each, and all records
  })
  // Some 150 bytes of a tick are the definition and the state, which are read, and the state that is written.
  expect(bytes).toEqual({ in: 25_142, out: 14_394 })
})

test('the cost of a hundred ticks that are handled before their instant', async () => {
  await schedule(100)
  const { calls, bytes } = await costOf(() => tick(250))
  const { hsetnx: _, rpush: _line, ...rest } = TICK
  expect(calls).toEqual({
    ...rest,
    zadd: 102, // when each is due again, and when all jobs are due
    zrange: 5, // whether one of them is now the next due
    hmget: 13, // and, twice, whether there are flows
    hset: 101,
  })
  expect(bytes).toEqual({ in: 27_042, out: 14_394 })
})

test('the cost of the end of a job of a tick, whose run is recorded', async () => {
  await schedule(1)
  await tick()
  await web.enqueue(...plain(10))
  const held = await next([], 1)
  const { calls } = await costOf(() => next(held, 1, { outcome: { kind: 'completed', took: 5 } }))
  expect(calls).toEqual({
    ...EXCHANGE,
    hmget: EXCHANGE.hmget + 1, // the runs of its schedule
    hset: EXCHANGE.hset + 1,
  })
})

test('in a partition with schedules, a caller that gets fewer jobs than it wants costs one more command, and so does an idle caller', async () => {
  const claim = () => next([], 5)
  const survey = () => store.survey(ada.id, [{ partition: 'emails', waits: true }])
  const costs = async () => {
    await claim()
    await survey()
    return [await costOf(claim), await costOf(survey)]
  }
  const before = await costs()
  await schedule(1)
  const after = await costs()
  for (const [i, { calls }] of before.entries())
    expect(after[i]!.calls).toEqual({ ...calls, zrange: (calls.zrange ?? 0) + 1 })
})

test('a partition with flows costs the same as one with schedules', async () => {
  const claim = () => next([], 5)
  const survey = () => store.survey(ada.id, [{ partition: 'emails', waits: true }])
  const costs = async () => {
    await claim()
    await survey()
    return [await costOf(claim), await costOf(survey)]
  }
  const before = await costs()
  await store.flows.write('emails', { id: 'flow', rev: 0, definition: '{}', state: '{}', next: clock.now })
  const after = await costs()
  for (const [i, { calls }] of before.entries())
    expect(after[i]!.calls).toEqual({ ...calls, zrange: (calls.zrange ?? 0) + 1 })
})

test('an exchange that makes a flow due and hands it out costs six commands more than one that makes it due', async () => {
  await store.flows.write('emails', { id: 'flow', rev: 0, definition: '{}', state: '{}' })
  const end = async (index: number, flows?: true) => {
    await web.enqueue(job({ id: memberId({ flow: 'flow', home: 'emails', index }) }))
    const settlements = (await next([], 1)).map((one) => settlement(one, completed))
    const want = { limit: 5, leaseMs: LEASE, ...(flows && { flows }) }
    const { calls } = await costOf(() => ada.exchange(settlements, want))
    const { found } = await store.flows.get('emails', 'flow')
    const { rev, state, news } = found!
    await store.flows.write('emails', { id: 'flow', rev, state, heard: news.length })
    return calls
  }
  await end(NODES)
  await end(NODES + 1, true)
  const before = await end(NODES + 2)
  const calls = await end(NODES + 3, true)
  const more = Object.entries(calls).map(([name, count]) => [name, count - (before[name] ?? 0)])
  expect(Object.fromEntries(more.filter(([, count]) => count !== 0))).toEqual({
    zrange: 1, // which flows are due
    hmget: 2, // the flow, and how its nodes ended
    lrange: 1, // which nodes have ended
    hset: 1, // until when it is handed out
    zadd: 1, // when it is due again
  })
})

test('the cost of the ends of fifty members of a batch, which are in one answer and are counted in one call', async () => {
  const crowd = { reserved: 50, size: 50 }
  await store.flows.write('home', { id: 'flow', rev: 0, definition: '{}', state: '{}', crowd })
  await store.flows.apply('home', [])
  const settle = async (list: readonly NewJob[]) => {
    await web.enqueue(...list)
    const settlements = (await next([], 50)).map((one) => settlement(one, completed))
    let effects: Effect[] = []
    const { calls } = await costOf(async () => {
      const answer = await ada.exchange(settlements, {
        limit: 0,
        leaseMs: LEASE,
        effects: { leaseMs: LEASE },
      })
      effects = answer.effects ?? []
    })
    return { calls, effects }
  }
  const before = await settle(plain(50))
  const all = Array.from({ length: 50 }, (_, index) => memberId({ flow: 'flow', home: 'home', index }))
  const { calls, effects } = await settle(all.map((id) => job({ id })))
  expect(effects).toHaveLength(50)
  const more = Object.entries(calls).map(([name, count]) => [name, count - (before.calls[name] ?? 0)])
  expect(Object.fromEntries(more.filter(([, count]) => count !== 0))).toEqual({
    hsetnx: 1, // notes that there are effects
    zadd: 2, // the effects, and until when they are handed out
    zrange: 4, // other effects that are due
  })
  const ends = effects.map(
    ({ job }): MemberEnd => ({ ...memberOf(job.id)!, state: 'completed', at: clock.now }),
  )
  const applied = await costOf(() => store.flows.apply('home', ends))
  expect(applied.calls).toEqual({
    evalsha: 1,
    hmget: 2, // whether there are schedules and flows, and the counts of the flow
    bitfield: 1, // sets all bits
    hset: 2, // how many have completed, and notes that flows will be due
    zadd: 1, // the flow is due
    zrange: 1, // when it is
    exists: 1, // whether a caller waits
  })
  const acknowledge = (done: EffectName[]) =>
    costOf(() => store.recover('emails', { until: 0, effects: { done } }))
  await acknowledge([])
  const none = await acknowledge([])
  const names = await acknowledge(effects.map(nameOf))
  expect(names.calls).toEqual({
    ...none.calls,
    zmscore: 1, // whether the effects are still not acknowledged
    zrem: none.calls.zrem! + 1, // nobody holds the effects any more
    zadd: 1, // the ends are remembered
    zrange: none.calls.zrange! + 2, // the ends that were remembered for long enough
  })
})
