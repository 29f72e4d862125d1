/** Slots of a cluster that are moved to another node during calls. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, job, jobs } from '../conformance/jobs.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { newPrefix } from './place.ts'
import type { Server } from './server.ts'
import { openStore, timed } from './stores.ts'
import { Traffic } from './traffic.ts'

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
