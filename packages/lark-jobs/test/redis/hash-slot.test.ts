/** Slots of a cluster that are moved to another node during calls. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { JobsError } from '../../src/model/errors.ts'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, job, jobs } from '../conformance/jobs.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { newPrefix } from './place.ts'
import type { Server } from './server.ts'
import { openStore, timed } from './stores.ts'
import { Traffic } from './traffic.ts'

/** How many calls of scripts the nodes have received. */
async function scriptCalls({ nodes }: Cluster): Promise<number> {
  const infos = await Promise.all(nodes.map((node) => node.send('INFO', 'commandstats')))
  const counts = infos.flatMap((info) => [...String(info).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)])
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

function codeOf(error: unknown): unknown {
  return error instanceof JobsError ? error.code : error
}

describe.each(['redis-server', 'valkey-server'])('a slot that moves, on %s', (binary) => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ binary, replicas: 0 })
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('slotOf computes the same slot as the servers', async () => {
    for (const key of ['', 'a', 'lark:{emails}:jobs', '{}', '{}x', '{a}{b}', 'x{å/3}:y', '}{', 'x{{b}}']) {
      expect(slotOf(key), key).toBe(await cluster.nodes[0]!.send('CLUSTER', 'KEYSLOT', key))
    }
  })

  test('if the slot moves during calls, no job is lost and no job runs twice', async () => {
    const prefix = newPrefix()
    await using web = await openStore(cluster.url, { prefix })
    await using worker = await openStore(cluster.url, { prefix })
    const partitions = await cluster.spread()
    const traffic = new Traffic(web, worker, partitions)
    await traffic.more(200)
    for (const partition of partitions) {
      const slot = slotOf(`{${partition}}`)
      const home = await cluster.owner(slot)
      const other = await cluster.another(slot)
      expect(other).not.toBe(home)
      await cluster.moveSlot(slot, other)
      await traffic.more(100)
      await cluster.moveSlot(slot, home)
      await traffic.more(100)
    }
    await traffic.finish()
    expect(traffic.missing).toEqual([])
    expect(traffic.doubled).toEqual([])
    expect([...traffic.lost]).toEqual([])
    expect(traffic.runs.size).toBe(traffic.queued.size)
  })

  test('no script runs while the slot is on two nodes, and calls are answered when the move is complete', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    const caller = new Caller(store, 'ada', 'halfway')
    await caller.enqueue(...jobs(4), job({ delay: 60_000 }))
    const held = await caller.claimOne()
    const slot = slotOf('{halfway}')
    const home = await cluster.owner(slot)
    const hasty = new Caller(store, 'web', 'halfway')
    const seen: unknown[] = []
    let settled: Promise<unknown> | undefined
    await cluster.moveSlot(slot, await cluster.another(slot), async (left) => {
      const call = { ...hasty.next(), patience: 300 }
      const { error } = await timed(store.enqueue('halfway', call, jobs(1)))
      seen.push(error?.code, error?.hint)
      expect(error?.message).toMatch(/TRYAGAIN|ASK/)
      if (left > 0) settled ??= caller.settle(held, completed)
    })
    expect(seen.length).toBeGreaterThan(8)
    expect(new Set(seen)).toEqual(
      new Set(['STORE_REFUSED', expect.stringContaining('is moving from one node')]),
    )
    expect(await settled).toBe('settled')
    const counts = { waiting: 3, delayed: 1, active: 0, completed: 1 }
    expect(await store.counts('halfway')).toMatchObject(counts)
    await cluster.moveSlot(slot, home)
    expect(await store.counts('halfway')).toMatchObject(counts)
  })

  test('a survey makes one call for each node, and finds the same as one call for each partition', async () => {
    await using store = await openStore(cluster.url, { prefix: newPrefix() })
    const asked = Array.from({ length: 60 }, (_, n) => ({ partition: `many-${n}`, waits: n % 2 === 0 }))
    for (const [n, { partition }] of asked.entries()) {
      if (n % 3 === 0) await new Caller(store, 'web', partition).enqueue(job({ delay: 60_000 }), job())
      if (n % 9 === 0) await new Caller(store, 'bob', partition).claimOne()
    }
    // The first calls bring the text of the script to the nodes.
    await store.survey('ada', asked)
    const before = await scriptCalls(cluster)
    const { findings, failures } = await store.survey('ada', asked)
    expect((await scriptCalls(cluster)) - before).toBe(3)
    expect([...failures]).toEqual([])
    const alone = await Promise.all(asked.map((each) => store.survey('ada', [each])))
    const places = (all: typeof findings) =>
      all
        .map(({ partition, nextDue, nextLeaseEnd }) => [partition, nextDue, nextLeaseEnd !== undefined])
        .sort()
    expect(places(findings)).toEqual(places(alone.flatMap((each) => each.findings)))
    expect(findings.length).toBeGreaterThan(30)
  })

  test('a survey finds a partition whose slot has moved, and those beside a slot that is moving', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix, patience: 1_000 })
    await using web = await openStore(cluster.url, { prefix })
    const asked = Array.from({ length: 30 }, (_, n) => ({ partition: `beside-${n}`, waits: true }))
    for (const { partition } of asked) {
      await new Caller(store, 'ada', partition).claim()
      await new Caller(web, 'web', partition).enqueue(job())
    }
    const all = asked.map(({ partition }) => partition).sort()
    const slot = slotOf('{beside-0}')
    const home = await cluster.owner(slot)
    const found: string[][] = []
    const failed: unknown[] = []
    await cluster.moveSlot(slot, await cluster.another(slot), async (left) => {
      if (left !== 2) return
      // The call of a node names the slot of its first partition, which moves, or that of its last one.
      for (const place of [0, 0.999]) {
        const random = vi.spyOn(Math, 'random').mockReturnValue(place)
        const surveying = store.survey('ada', asked)
        random.mockRestore()
        const survey = await surveying
        found.push(survey.findings.map(({ partition }) => partition).sort())
        for (const [partition, error] of survey.failures) failed.push([partition, codeOf(error)])
      }
    })
    const others = all.filter((partition) => partition !== 'beside-0')
    expect(found).toEqual([others, others])
    expect(failed).toEqual(Array(2).fill(['beside-0', 'STORE_REFUSED']))
    const { findings, failures } = await store.survey('ada', asked)
    expect([...failures]).toEqual([])
    expect(findings.map(({ partition }) => partition).sort()).toEqual(all)
    await cluster.moveSlot(slot, home)
  })

  test('reads of single keys (the partitions, a log) find them on whichever node they are', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    await new Caller(store, 'ada', 'emails').enqueue(job())
    const slot = slotOf('{meta}')
    const partitions: string[][] = []
    await cluster.moveSlot(slot, await cluster.another(slot), async () => {
      partitions.push(await store.partitions())
    })
    expect(partitions.length).toBeGreaterThan(1)
    expect(new Set(partitions.flat())).toEqual(new Set(['emails']))
    await new Caller(store, 'ada', 'reports').enqueue(job())
    expect(await store.partitions()).toEqual(['emails', 'reports'])
  })

  test('the new node knows the answers of earlier calls, and refuses a late call from a lost connection', async () => {
    const prefix = newPrefix()
    await using store = await openStore(cluster.url, { prefix })
    const caller = new Caller(store, 'web', 'remembered')
    const list = jobs(3)
    await caller.enqueue(...list)
    const slot = slotOf('{remembered}')
    const home = await cluster.owner(slot)
    const other = await cluster.another(slot)
    const epochAt = async (node: Server) => {
      const memory = String(await node.send('GET', `${prefix}:{remembered}:call:web`))
      return Number(memory.split('|')[1])
    }
    const before = await epochAt(home)
    // The connection of the first call is lost, and the next call uses a connection that existed before.
    await new Caller(store, 'web', (await cluster.spread())[0]!).enqueue(job())
    await home.send('CLIENT', 'KILL', 'TYPE', 'normal')
    await cluster.moveSlot(slot, other)
    const queued = ['queued', 'queued', 'queued']
    expect(await store.enqueue('remembered', caller.last(), list)).toEqual(queued)
    expect(await store.counts('remembered')).toMatchObject({ waiting: 3 })
    await caller.enqueue(job())
    expect(await epochAt(other)).toBeGreaterThan(before)
  })
})
