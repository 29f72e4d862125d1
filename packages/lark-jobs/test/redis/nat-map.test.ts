/**
 * Servers that cannot be reached under the addresses that the cluster or the Sentinels return. Each server is
 * behind a proxy, and refuses clients at its own address.
 */
import { expect, test } from 'vitest'
import { slotOf } from '../../src/store/redis/client/hash-slot.ts'
import { Caller } from '../conformance/caller.ts'
import { job } from '../conformance/jobs.ts'
import { startCluster } from './cluster.ts'
import { TcpProxy } from './proxy.ts'
import { MASTER, startSentinel } from './sentinel.ts'
import type { Server } from './server.ts'
import { openStore } from './stores.ts'

/** Starts a proxy for each server. Returns the proxies and a natMap with their addresses. */
async function proxiesFor(servers: readonly Server[]) {
  const proxies = await Promise.all(servers.map(({ port }) => TcpProxy.start(port)))
  const natMap = Object.fromEntries(servers.map(({ address }, i) => [address, hostOf(proxies[i]!)]))
  const close = async () => {
    await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()))
  }
  return { proxies, natMap, [Symbol.asyncDispose]: close }
}

function hostOf(proxy: TcpProxy): string {
  return proxy.url.slice('redis://'.length)
}

/** Expects that every connection of a store goes through the proxy of the server. */
async function expectNobodyDirect(server: Server, proxy: TcpProxy): Promise<void> {
  const clients = String(await server.send('CLIENT', 'LIST')).split('\n')
  const ports = clients
    .filter((client) => client.includes(' name=lark:web '))
    .map((client) => Number(/ addr=\S+:(\d+) /.exec(client)![1]))
  expect(ports.filter((port) => !proxy.ports.has(port))).toEqual([])
}

test('with natMap, clients of a cluster follow its map of slots, MOVED and ASK', async () => {
  await using cluster = await startCluster({ replicas: 0 })
  await using nat = await proxiesFor(cluster.nodes)
  await using store = await openStore({ cluster: [hostOf(nat.proxies[0]!)], natMap: nat.natMap })
  const queues = await cluster.spread()
  for (const queue of queues) {
    expect(await new Caller(store, 'web', queue).enqueue(job())).toEqual(['queued'])
    expect(await new Caller(store, 'ada', queue).claim()).toHaveLength(1)
  }
  const [queue] = queues
  const slot = slotOf(`{${queue}}`)
  const web = new Caller(store, 'web-2', queue!)
  const to = await cluster.another(slot)
  // While the slot moves, both nodes get commands that are not scripts. After the move, the other node gets
  // all commands.
  await cluster.moveSlot(slot, to, async () => {
    expect(await store.log(queue!, 'none')).toEqual([])
  })
  expect(await web.enqueue(job())).toEqual(['queued'])
  for (const [i, node] of cluster.nodes.entries()) await expectNobodyDirect(node, nat.proxies[i]!)
  for (const proxy of nat.proxies) expect(proxy.connections).toBeGreaterThan(0)
})

test('with natMap, clients of Sentinels find the primary and the server that replaces it', async () => {
  await using fleet = await startSentinel()
  await using nat = await proxiesFor(fleet.servers)
  const sentinel = { name: MASTER, nodes: fleet.sentinels.map(({ address }) => address) }
  await using store = await openStore({ sentinel, natMap: nat.natMap })
  const web = new Caller(store, 'web', 'emails')
  expect(await web.enqueue(job())).toEqual(['queued'])
  await fleet.calm()
  await fleet.failover()
  expect(await web.enqueue(job())).toEqual(['queued'])
  for (const [i, server] of fleet.servers.entries()) await expectNobodyDirect(server, nat.proxies[i]!)
  for (const proxy of nat.proxies) expect(proxy.connections).toBeGreaterThan(0)
})
