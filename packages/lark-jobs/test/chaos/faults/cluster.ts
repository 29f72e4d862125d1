/** Faults of a cluster: a slot moves under load, and nodes die or stand still. */
import { setTimeout as pause } from 'node:timers/promises'
import { slotOf } from '../../../src/store/redis/client/hash-slot.ts'
import type { Cluster } from '../../redis/cluster.ts'
import { type Server, until } from '../../redis/server.ts'
import { type FaultKind, pick } from '../fault.ts'
import { LAG } from './sentinel.ts'

/**
 * Milliseconds between the moves of two keys of a slot. The pause keeps the slot on two nodes for some time.
 */
const BETWEEN_KEYS = 20

/** @param keys one key of each queue */
export function clusterFaults(cluster: Cluster, keys: readonly string[]): FaultKind[] {
  const lost = (name: string, signal: 'SIGKILL' | 'SIGSTOP'): FaultKind => ({
    name,
    group: 'server',
    lasts: [0.1, 0.5],
    async begin({ hit, target }) {
      const slot = slotOf(pick(keys, target))
      const node = await cluster.owner(slot)
      const ends = [hit('outage'), hit('rewound', undefined, LAG)]
      if (signal === 'SIGKILL') await node.kill()
      else node.signal(signal)
      return async () => {
        await until(async () => (await cluster.owner(slot).catch(() => node)) !== node)
        if (signal === 'SIGKILL') await node.start()
        else node.signal('SIGCONT')
        await pause(LAG)
        for (const end of ends) end()
        await cluster.healthy()
        await until(() => follows(node))
      }
    },
  })
  return [
    {
      name: 'slot moved',
      group: 'server',
      lasts: [0, 0],
      async begin({ hit, random, target }) {
        const slot = slotOf(pick(keys, target))
        const owner = await cluster.owner(slot)
        const end = hit('outage')
        await cluster.moveSlot(slot, random.pick(await primaries(cluster, owner))!, () => pause(BETWEEN_KEYS))
        return async () => end()
      },
    },
    lost('node killed', 'SIGKILL'),
    lost('node frozen', 'SIGSTOP'),
    {
      name: 'NOSCRIPT',
      group: 'server',
      lasts: [0.1, 0.2],
      async begin() {
        const flush = async () => {
          await Promise.all(cluster.nodes.map((node) => node.send('SCRIPT', 'FLUSH')))
        }
        await flush()
        return flush
      },
    },
  ]
}

async function primaries({ nodes }: Cluster, but: Server): Promise<Server[]> {
  const roles = await Promise.all(nodes.map((node) => node.send('ROLE') as Promise<[string]>))
  return nodes.filter((node, i) => node !== but && roles[i]![0] === 'master')
}

/** Whether a node is a replica with all data of its primary. */
async function follows(node: Server): Promise<boolean> {
  const info = String(await node.send('INFO', 'replication'))
  return info.includes('role:slave') && info.includes('master_link_status:up')
}
