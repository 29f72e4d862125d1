/**
 * A primary is stopped, replaced, and goes on with unread calls in its socket. Its answers must not count.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import type { Address } from '../../src/store/redis/client/address.ts'
import { Connection, PATIENCE } from '../../src/store/redis/client/connection.ts'
import { Doubt, LATE, type ServerRole } from '../../src/store/redis/client/failover.ts'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { Sentinels } from '../../src/store/redis/client/sentinel.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { newPrefix } from './place.ts'
import { TcpProxy } from './proxy.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import { addressOf, Server, until } from './server.ts'
import { openStore } from './stores.ts'

class NoteJob extends Job {
  override readonly key = 'note'
  handle(_payload: { n: number }) {}
}

/** Returns how often clients other than this test have asked the nodes which server is the primary. */
async function asked(cluster: Cluster): Promise<number> {
  const counts = await Promise.all(
    cluster.nodes.map(async (node) => {
      const stats = String(await node.send('INFO', 'commandstats').catch(() => ''))
      return Number(/cmdstat_cluster\|nodes:calls=(\d+)/.exec(stats)?.[1] ?? 0)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

describe('a cluster', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('if a primary is replaced while it is stopped, every job that was reported as queued exists', async () => {
    const prefix = newPrefix()
    await using jobs = createJobs({ connection: cluster.url, prefix })
    const dispatch = async (n: number) => {
      const note = new NoteJob()
      const said = await jobs.dispatch(note, { n }).catch((error) => error.code)
      return { id: note.id, said }
    }
    expect(await dispatch(0)).toMatchObject({ said: true })
    const slot = slotOf(`${prefix}:{default}:jobs`)
    const frozen = await cluster.owner(slot)
    frozen.signal('SIGSTOP')
    const underway = Array.from({ length: 50 }, (_, n) => dispatch(n))
    await until(async () => (await cluster.owner(slot).catch(() => frozen)) !== frozen)
    frozen.signal('SIGCONT')
    const answers = await Promise.all(underway)
    const queued = answers.filter(({ said }) => said === true)
    // On a slow machine, the failover may take so long that a dispatch gives up. In this case, the dispatch
    // is uncertain.
    expect(answers.filter(({ said }) => said !== true && said !== 'DISPATCH_UNCERTAIN')).toEqual([])
    await using other = createJobs({ connection: cluster.url, prefix })
    const found = await Promise.all(queued.map(({ id }) => other.find(id!)))
    expect(found.filter((job) => job === undefined)).toEqual([])
    // The same applies to the next dispatch of a process that does not know of the failover yet.
    const next = await dispatch(51)
    expect(next.said).toBe(true)
    expect(await other.find(next.id!)).toBeDefined()
    await cluster.healthy()
  })

  test('a quick answer counts at once, and late answers count only after one common check of the primary', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    const callers = Array.from({ length: 30 }, (_, n) => new Caller(store, `web${n}`, 'emails'))
    const dispatch = () => Promise.all(callers.map((caller) => caller.enqueue(job())))
    for (let round = 0; round < 5; round++) await dispatch()
    const before = await asked(cluster)
    for (let round = 0; round < 20; round++) {
      const began = performance.now()
      await dispatch()
      // Other tests may have slowed down the answers.
      if (performance.now() - began > LATE) return
    }
    expect(await asked(cluster)).toBe(before)
    const node = await cluster.owner(slotOf(`${prefix}:{emails}:jobs`))
    node.signal('SIGSTOP')
    const late = dispatch()
    await new Promise((resolve) => setTimeout(resolve, LATE + 100))
    node.signal('SIGCONT')
    expect(new Set((await late).flat())).toEqual(new Set(['queued']))
    const confirmed = (await asked(cluster)) - before
    expect(confirmed).toBeGreaterThan(0)
    expect(confirmed).toBeLessThan(callers.length)
    const after = await asked(cluster)
    await dispatch()
    expect(await asked(cluster)).toBe(after)
  })
})

test('Sentinels say which server is the primary, which server was replaced, and which is in doubt', async () => {
  await using fleet = await startSentinel()
  const sentinels = fleet.sentinels.map(({ url }) => addressOf(url))
  const guide = new Sentinels('sentinels', sentinels, MASTER, addressOf('redis://'))
  const [first, second] = fleet.servers.map(({ url }) => addressOf(url))
  const standing = (address = first!, patience = 2_000) =>
    guide.doubt.resolve(address, performance.now() + patience)
  expect(await standing()).toBe('primary')
  expect(await standing(second!)).toBe('replaced')
  const before = await fleet.primary()
  before.signal('SIGSTOP')
  // The Sentinels consider the primary down, and have not replaced it yet, so the primary is in doubt.
  const isDown = async () => {
    const facts = (await fleet.sentinels[0]!.send('SENTINEL', 'MASTER', MASTER)) as string[]
    return facts[facts.indexOf('flags') + 1]!.includes('s_down') || (await fleet.primary()) !== before
  }
  await until(isDown)
  expect(await standing(first!, 50)).not.toBe('primary')
  await fleet.left(before)
  before.signal('SIGCONT')
  expect(await standing()).toBe('replaced')
  await until(async () => (await standing(second!)) === 'primary')
  guide.close()
})

test('if a process connects to a primary during the failover, every job that was reported as queued exists', async () => {
  await using fleet = await startSentinel()
  const prefix = newPrefix()
  const before = await fleet.primary()
  before.signal('SIGSTOP')
  await until(async () => {
    const facts = (await fleet.sentinels[0]!.send('SENTINEL', 'MASTER', MASTER)) as string[]
    return facts[facts.indexOf('flags') + 1]!.includes('s_down')
  })
  // The Sentinels still name the stopped primary, so this process waits for its first answer.
  await using jobs = createJobs({ connection: fleet.url, prefix })
  const notes = Array.from({ length: 20 }, () => new NoteJob())
  const underway = notes.map((note, n) => jobs.dispatch(note, { n }).catch((error) => error.code))
  await fleet.left(before)
  before.signal('SIGCONT')
  const answers = await Promise.all(underway)
  // The process does not claim jobs from the old primary either, because workers of the new primary may have
  // these jobs.
  expect(String(await before.send('INFO', 'commandstats'))).not.toMatch(/cmdstat_eval(sha)?:/)
  await using other = createJobs({ connection: fleet.url, prefix })
  const queued = notes.filter((_, n) => answers[n] === true)
  const found = await Promise.all(queued.map(({ id }) => other.find(id!)))
  expect(found.filter((job) => job === undefined)).toEqual([])
  const next = new NoteJob()
  expect(await jobs.dispatch(next, { n: 20 })).toBe(true)
  expect(await other.find(next.id!)).toBeDefined()
})

describe('a process sends no call to a server that was replaced while the process connected to it', () => {
  async function replaced() {
    const servers = await Promise.all([Server.with({}), Server.with({})])
    const [before, after] = servers
    onTestFinished(async () => void (await Promise.all(servers.map((each) => each[Symbol.asyncDispose]()))))
    before.signal('SIGSTOP')
    let move: (stays: (address: Address) => boolean) => void = () => {}
    const found = [before, after]
    const connection = new Connection({
      name: 'servers',
      moves: true,
      doubt: new Doubt(async (address) => (address.port === before.port ? 'replaced' : 'primary')),
      find: async () => addressOf(found.shift()!.url),
      follow: (heard) => {
        move = heard
      },
    })
    onTestFinished(() => connection.close())
    const answered = connection.send(['CONFIG', 'GET', 'port'])
    return { before, move, answered, expected: ['port', String(after.port)] }
  }

  test('if the server answers the first commands of the connection late', async () => {
    const { before, answered, expected } = await replaced()
    await new Promise((resolve) => setTimeout(resolve, LATE + 100))
    before.signal('SIGCONT')
    expect(await answered).toEqual(expected)
  })

  test('if a failover is announced before the server answers the first commands', async () => {
    const { before, move, answered, expected } = await replaced()
    await new Promise((resolve) => setImmediate(resolve))
    move(() => false)
    before.signal('SIGCONT')
    expect(await answered).toEqual(expected)
  })

  test('if nobody knows the primary, the server is used, and its answers are in doubt', async () => {
    await using server = await Server.with({})
    server.signal('SIGSTOP')
    const doubt = new Doubt(async () => undefined)
    const find = async () => addressOf(server.url)
    const connection = new Connection({ name: server.url, moves: true, doubt, find })
    onTestFinished(() => connection.close())
    const answered = connection.send(['PING'])
    await new Promise((resolve) => setTimeout(resolve, LATE + 100))
    server.signal('SIGCONT')
    expect(await answered).toBe('PONG')
    expect(doubt.isThere).toBe(true)
  })
})

test('with Sentinels that are far away, dispatches still succeed after one late answer', async () => {
  await using fleet = await startSentinel()
  const sentinels = await Promise.all(
    fleet.sentinels.map(async ({ port }) => {
      const proxy = await TcpProxy.start(port)
      onTestFinished(() => proxy[Symbol.asyncDispose]())
      proxy.delay = 400
      return addressOf(proxy.url)
    }),
  )
  const guide = new Sentinels('sentinels', sentinels, MASTER, addressOf('redis://'))
  onTestFinished(() => guide.close())
  guide.doubt.raise()
  const primary = addressOf(fleet.servers[0]!.url)
  expect(await guide.doubt.resolve(primary, performance.now() + PATIENCE)).toBe('primary')
  expect(guide.doubt.isThere).toBe(false)
})

test('a single Sentinel that considers the primary down can neither replace the primary nor stop dispatches', async () => {
  await using fleet = await startSentinel({ password: 'secret' })
  const [lonely] = fleet.sentinels
  await lonely!.send('SENTINEL', 'SET', MASTER, 'auth-pass', 'wrong')
  await until(async () => {
    const facts = (await lonely!.send('SENTINEL', 'MASTER', MASTER)) as string[]
    return facts.includes('s-down-time')
  })
  const sentinels = fleet.sentinels.map(({ url }) => addressOf(url))
  const guide = new Sentinels('sentinels', sentinels, MASTER, addressOf('redis://'))
  onTestFinished(() => guide.close())
  const primary = addressOf(fleet.servers[0]!.url)
  // At first, other Sentinels may have agreed with this Sentinel a moment before.
  expect(await guide.doubt.resolve(primary, performance.now() + 500)).toBeUndefined()
  await until(async () => (await guide.doubt.resolve(primary, performance.now() + 500)) === 'primary')
  // A Sentinel that does not answer may agree with this Sentinel.
  fleet.sentinels[1]!.signal('SIGSTOP')
  expect(await guide.doubt.resolve(primary, performance.now() + 1_000)).toBeUndefined()
})

describe('a doubt about the primary', () => {
  const address = addressOf('redis://')
  const soon = () => performance.now() + 5_000

  test('simultaneous calls share one round of questions to the servers, and a later call gets the next round', async () => {
    const askings: ((standing: ServerRole) => void)[] = []
    const doubt = new Doubt(() => new Promise((resolve) => askings.push(resolve)))
    doubt.raise()
    const first = Promise.all([1, 2, 3].map(() => doubt.resolve(address, soon())))
    await until(() => askings.length === 1)
    const later = doubt.resolve(address, soon())
    // If an answer is late during a round, this round does not confirm it.
    doubt.raise()
    askings[0]!('primary')
    expect(await first).toEqual(['primary', 'primary', 'primary'])
    expect(doubt.isThere).toBe(true)
    await until(() => askings.length === 2)
    askings[1]!('primary')
    expect(await later).toBe('primary')
    expect(doubt.isThere).toBe(false)
  })

  test('if nobody knows the primary, the servers are asked again until the deadline of the call', async () => {
    let times = 0
    const doubt = new Doubt(async () => {
      times++
      if (times === 2) throw new Error('nobody is there')
      return times < 4 ? undefined : 'replaced'
    })
    doubt.raise()
    expect(await doubt.resolve(address, soon())).toBe('replaced')
    expect(times).toBe(4)
    expect(doubt.isThere).toBe(true)
    const unsure = new Doubt(async () => undefined)
    expect(await unsure.resolve(address, performance.now() + 100)).toBeUndefined()
  })

  test('no call waits beyond its deadline, even if it shares the round of another call', async () => {
    const doubt = new Doubt(() => new Promise(() => {}))
    doubt.raise()
    const standings = [doubt.resolve(address, soon()), doubt.resolve(address, performance.now() + 50)]
    expect(await Promise.race(standings)).toBeUndefined()
  })

  test('after a round that was too short, the next round is twice as long, and all other rounds have the usual length', async () => {
    const given: number[] = []
    const doubt = new Doubt(async (_, patience) => {
      given.push(patience)
      if (given.length < 3) await new Promise((resolve) => setTimeout(resolve, patience + 1))
      return given.length < 4 ? undefined : 'primary'
    })
    expect(await doubt.resolve(address, soon())).toBe('primary')
    expect(given).toEqual([300, 600, 1_200, 300])
  })
})
