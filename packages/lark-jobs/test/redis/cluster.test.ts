/** Clients that open a cluster, and a cluster whose nodes die, join and leave. No client is restarted. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createJobs, Job } from '../../src/index.ts'
import { insideOf } from '../../src/model/copies.ts'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { Caller } from '../conformance/caller.ts'
import { job, jobs } from '../conformance/jobs.ts'
import { Record, signal } from '../working/bench.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { withoutLoss } from './cuts.ts'
import { later } from './later.ts'
import { newPrefix } from './place.ts'
import { until } from './server.ts'
import { makeStore, openStore, timed } from './stores.ts'
import { Traffic } from './traffic.ts'

describe('a cluster that loses nodes', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('nothing fails while the connections are cut with each call', () =>
    withoutLoss(cluster.url, cluster.nodes))

  test('if a primary is killed during calls, its replica takes over, and no write that the replica had confirmed is lost', async () => {
    const prefix = newPrefix()
    await using web = await openStore(cluster.url, { prefix, durability: 'replicated' })
    await using worker = await openStore(cluster.url, { prefix })
    const partitions = await cluster.spread()
    const traffic = new Traffic(web, worker, partitions)
    await traffic.more(200)
    const slot = slotOf(`{${partitions[0]}}`)
    const dead = await cluster.owner(slot)
    await dead.kill()
    await until(async () => (await cluster.owner(slot)) !== dead)
    await traffic.more(200)
    await dead.start()
    await cluster.healthy()
    await traffic.more(200)
    await traffic.finish()
    expect(traffic.missing).toEqual([])
    expect(traffic.errors.STORE_UNCERTAIN).toBeGreaterThan(0)
    // A claim or settle that the replica did not have is repeated, so jobs that were running at the failover
    // may run twice, and no other jobs.
    expect(traffic.doubled.length).toBeLessThan(100)
    expect(await dead.send('ROLE')).toEqual(expect.arrayContaining(['slave']))
  })

  test('a failover that a person starts during calls loses nothing', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    const partitions = await cluster.spread()
    const slot = slotOf(`{${partitions[1]}}`)
    const primary = await cluster.owner(slot)
    const [, , [[, port]]] = (await primary.send('ROLE')) as [string, number, [[string, string]]]
    const replica = cluster.nodes.find((node) => String(node.port) === port)!
    const traffic = new Traffic(store, store, partitions)
    await traffic.more(100)
    // The replica takes over when it has all data of the primary. Until then, the primary makes its clients
    // wait.
    await replica.send('CLUSTER', 'FAILOVER')
    await until(async () => (await cluster.owner(slot)) === replica)
    await traffic.more(100)
    await traffic.finish()
    expect(traffic.missing).toEqual([])
    expect(traffic.doubled).toEqual([])
  })

  test('clients find a node that joins when it gets slots, and close their connections to a node that leaves', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    const slot = slotOf('{joined}')
    const caller = new Caller(store, 'ada', 'joined')
    await caller.enqueue(...jobs(2))
    const home = await cluster.owner(slot)
    const node = await cluster.grow()
    await cluster.moveSlot(slot, node)
    expect(await caller.claim(1)).toHaveLength(1)
    expect(await node.send('EXISTS', `${prefix}:{joined}:jobs`)).toBe(1)
    await cluster.moveSlot(slot, home)
    expect(await caller.claim(1)).toHaveLength(1)
    // Only the connection of this test is left, and the connections through which the nodes have moved the
    // slot.
    const ours = async () => {
      const all = String(await node.send('CLIENT', 'LIST'))
        .trim()
        .split('\n')
      return all.filter((line) => !/cmd=(restore|client)/.test(line)).length
    }
    await until(async () => (await ours()) === 0)
  })

  test('if the whole cluster is killed and restarted, all clients go on by themselves', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix, patience: 1_000 })
    const partitions = await cluster.spread()
    const ada = new Caller(store, 'ada', partitions[0]!)
    expect(await ada.claim()).toEqual([])
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    const { ms, error } = await timed(new Caller(store, 'web', partitions[0]!).enqueue(job()))
    expect(error?.code).toMatch(/STORE_(UNREACHABLE|UNCERTAIN)/)
    expect(ms).toBeLessThan(5_000)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.healthy()
    const wait = store.wait('ada', 20_000)
    // The waiting caller looks for jobs when its connection is back.
    await wait
    expect(await ada.claim()).toEqual([])
    await using other = await openStore(cluster.url, { prefix })
    for (const partition of partitions) await new Caller(other, 'web', partition).enqueue(job())
    expect(await store.wait('ada', 20_000)).toEqual([partitions[0]])
    expect(await ada.claim()).toHaveLength(1)
  })

  test('if most nodes are down, calls fail with the reason within the time limit of a verb', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix, patience: 2_000 })
    const owners = await Promise.all([0, 1, 2].map((i) => cluster.owner(i * 6_000)))
    const left = owners[0]!
    const others = cluster.nodes.filter((node) => node !== left)
    await Promise.all(others.map((node) => node.kill()))
    await until(async () => String(await left.send('CLUSTER', 'INFO')).includes('cluster_state:fail'))
    let queue = 0
    while ((await cluster.owner(slotOf(`{down-${queue}}`))) !== left) queue += 1
    const caller = new Caller(store, 'web', `down-${queue}`)
    // The first call may have gone to a dead node. This call goes to a node that refuses it.
    const { ms, error } = await timed(caller.claim())
    expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('CLUSTERDOWN') })
    expect(ms).toBeLessThan(5_000)
    await Promise.all(others.map((node) => node.start()))
    await cluster.healthy()
    expect(await caller.enqueue(job())).toEqual(['queued'])
  })
})

test('if one part of the cluster cannot be reached, calls to the other parts are not delayed', async () => {
  await using cluster = await startCluster({
    replicas: 0,
    args: ['--cluster-require-full-coverage', 'no', '--appendonly', 'yes'],
  })
  await using store = await openStore(cluster.url)
  const meta = await cluster.owner(slotOf('{meta}'))
  const queues = await cluster.spread()
  const owners = await Promise.all(queues.map((queue) => cluster.owner(slotOf(`{${queue}}`))))
  const callers = queues.map((queue) => new Caller(store, 'web', queue))
  for (const caller of callers) await caller.enqueue(job())
  await meta.kill()
  for (const [i, caller] of callers.entries()) {
    if (owners[i] !== meta) expect(await caller.enqueue(job())).toEqual(['queued'])
  }
  expect(await store.now()).toBeGreaterThan(0)
  const away = callers[owners.indexOf(meta)]!
  const waiting = away.enqueue(job())
  await meta.start()
  expect(await waiting).toEqual(['queued'])
  expect(await store.partitions()).toEqual([...queues].sort())
})

test('while one node does not answer, no lease on the other nodes is lost', async () => {
  await using cluster = await startCluster({
    replicas: 0,
    nodeTimeout: 15_000,
    args: ['--cluster-require-full-coverage', 'no'],
  })
  const [away, here] = (await cluster.spread()) as [string, string]
  const config = { connection: cluster.url, prefix: newPrefix(), queues: [away, here] }
  const [begun, go] = [signal(), signal()]
  let running = 0
  class LongJob extends Job {
    override readonly key = 'long'
    override queueName = away
    async handle() {
      if (++running === 2) begun.resolve()
      await go.promise
    }
  }
  await using jobs = createJobs(config)
  const { store } = await insideOf(jobs).open()
  await jobs.dispatch(new LongJob())
  await jobs.dispatch(Object.assign(new LongJob(), { queueName: here }))
  // A call waits for the silent node for longer than a lease.
  const lease = 3_000
  await jobs.work({ jobs: [LongJob], lease, report: new Record() })
  await begun.promise
  const silent = await cluster.owner(slotOf(`{${away}}`))
  const end = (await store.now(here)) + 2 * lease
  silent.signal('SIGSTOP')
  try {
    let hasEnded = false
    await until(async () => {
      const { findings, at } = await store.survey('ada', [{ partition: here, waits: false, prunes: false }])
      hasEnded ||= findings[0]?.nextLeaseEnd === 0
      return at > end || hasEnded
    })
    expect(hasEnded).toBe(false)
  } finally {
    silent.signal('SIGCONT')
    go.resolve()
  }
})

describe('rings on a cluster', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 0 })
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  async function listeners(): Promise<number> {
    const lists = await Promise.all(
      cluster.nodes.map((node) => node.send('CLIENT', 'LIST', 'TYPE', 'pubsub')),
    )
    return lists
      .join('\n')
      .split('\n')
      .filter((line) => line.includes('addr=')).length
  }

  test('one connection gets all notifications, whatever the number of queues, callers and nodes', async () => {
    const before = await listeners()
    await using store = await openStore(cluster.url, { prefix: newPrefix() })
    for (const partition of await cluster.spread()) {
      await new Caller(store, 'ada', partition).claim()
      await new Caller(store, 'bob', partition).claim()
    }
    expect(await listeners()).toBe(before + 1)
    for (const partition of await cluster.spread()) {
      await new Caller(store, 'web', partition).enqueue(...jobs(2))
      expect(await store.wait('ada', 20_000)).toEqual([partition])
      expect(await store.wait('bob', 20_000)).toEqual([partition])
    }
  })

  test('notifications have no jobs with them, because the store cannot know whether a notification was received', async () => {
    await using store = await openStore(cluster.url, { prefix: newPrefix() })
    const handed: unknown[] = []
    for (let call = 1; call <= 10; call += 1) {
      const want = { limit: 5, leaseMs: 15_000, hand: (claim: unknown) => void handed.push(claim) }
      const { jobs: held } = await store.exchange('emails', { caller: 'ada', number: call }, [], want)
      expect(held).toHaveLength(call === 1 ? 0 : 1)
      await store.enqueue('emails', { caller: 'web', number: call }, jobs(1))
      expect(await store.wait('ada', 20_000)).toEqual(['emails'])
    }
    expect(handed).toEqual([])
  })

  test('a dispatch notifies as many callers as it queues jobs, on whichever node they listen', async () => {
    const prefix = newPrefix()
    const stores = await Promise.all([1, 2, 3, 4, 5].map(() => openStore(cluster.url, { prefix })))
    try {
      for (const [i, store] of stores.entries()) await new Caller(store, `worker-${i}`, 'emails').claim()
      const waits = stores.map((store, i) => store.wait(`worker-${i}`, 1_000))
      await new Caller(stores[0]!, 'web', 'emails').enqueue(...jobs(2))
      const rung = (await Promise.all(waits)).flat()
      expect(rung).toEqual(['emails', 'emails'])
    } finally {
      await Promise.all(stores.map((store) => store.close()))
    }
  })

  test('a caller that died while it waited gets no notification after it has missed a call', async () => {
    const prefix = newPrefix()
    const dead = await openStore(cluster.url, { prefix })
    await new Caller(dead, 'dead', 'emails').claim()
    await dead.close()
    const owner = await cluster.owner(slotOf('{emails}'))
    // The command makes the last call of the caller 15 seconds older.
    await owner.send('PEXPIRE', `${prefix}:{emails}:call:dead`, '45000')
    await using store = await openStore(cluster.url, { prefix })
    await new Caller(store, 'ada', 'emails').claim()
    await new Caller(store, 'web', 'emails').enqueue(job())
    expect(await store.wait('ada', 20_000)).toEqual(['emails'])
  })
})

describe('a cluster that is being opened', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 0, password: 'secret' })
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('is reported with each unreachable node once, and without the password', async () => {
    await using store = await openStore(cluster.url)
    const warnings = await store.open()
    expect(warnings).toHaveLength(1)
    for (const { port } of cluster.nodes) expect(warnings[0]).toContain(`redis://127.0.0.1:${port}/0`)
    expect(warnings[0]).toContain('appendonly yes')
    expect(store.name).toBe(cluster.url.replace(':secret@', ''))
  })

  test('a wrong password is an error at once', async () => {
    await using store = makeStore(cluster.url.replace('secret', 'wrong'))
    const { ms, error } = await timed(store.open())
    expect(error).toMatchObject({ code: 'STORE_REFUSED', message: expect.stringContaining('WRONGPASS') })
    expect(ms).toBeLessThan(2_000)
  })

  test('migrates an earlier layout in several slots', async () => {
    await using earlier = await openStore(cluster.url)
    const partitions = Array.from({ length: 8 }, (_, i) => `emails/${i}`)
    for (const each of partitions) await new Caller(earlier, 'web', each).enqueue(job())
    const keys = partitions.map((each) => `lark:{${each}}:settings`)
    const owners = await Promise.all(keys.map((key) => cluster.owner(slotOf(key))))
    expect(new Set(owners).size).toBeGreaterThan(1)
    await using _ = await openStore(cluster.url, { layout: later })
    for (const [i, key] of keys.entries()) expect(await owners[i]!.send('HGET', key, 'colour')).toBe('red1')
    await using late = makeStore(cluster.url)
    await expect(late.open()).rejects.toMatchObject({
      code: 'LAYOUT_UNKNOWN',
      message: expect.stringMatching(
        /^redis\+cluster:\S+ has layout 3; this version of Lark reads layout \d+$/,
      ),
    })
  })
})
