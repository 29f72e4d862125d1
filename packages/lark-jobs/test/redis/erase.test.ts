import { describe, expect, inject, test } from 'vitest'
import { erase } from '../../src/store/connect.ts'
import { job } from '../conformance/jobs.ts'
import { startCluster } from './cluster.ts'
import { newPrefix, removeKeys } from './place.ts'
import { command } from './server.ts'
import { openStore } from './stores.ts'

/** Queues one job in each of these queues. */
async function fill(url: string, prefix: string, queues = ['default']): Promise<void> {
  await using store = await openStore(url, { prefix })
  for (const [number, queue] of queues.entries())
    await store.enqueue(queue, { caller: `web-${number}`, number: 1 }, [job()])
}

describe('erasing a prefix removes its keys', () => {
  test('removes no keys with another prefix, whatever the prefix is', async () => {
    const url = inject('redisUrl')
    const base = newPrefix()
    const prefixes = [`${base}a*`, `${base}ab`, `${base}[ab]`, `${base}a?`, `${base}\\`, `${base}`]
    for (const prefix of prefixes) await fill(url, prefix)
    const left = async () => {
      const found = (await command(url, 'KEYS', `${base}*`)) as string[]
      return [...new Set(found.map((key) => key.slice(0, key.indexOf(':'))))].sort()
    }
    for (const prefix of prefixes) {
      const before = await left()
      await erase(url, prefix)
      expect(await left()).toEqual(before.filter((each) => each !== prefix))
    }
    await removeKeys(url, base)
  })

  test('removes the keys on every primary of a cluster', async () => {
    await using cluster = await startCluster({ replicas: 0 })
    const queues = Array.from({ length: 12 }, (_, n) => `queue-${n}`)
    await fill(cluster.url, 'bench', queues)
    await fill(cluster.url, 'users', queues)
    await erase(cluster.url, 'bench')
    const keys = await Promise.all(cluster.nodes.map((node) => node.send('KEYS', '*') as Promise<string[]>))
    expect(keys.filter((each) => each.length > 0)).toHaveLength(3)
    expect(keys.flat().filter((key) => !key.startsWith('users:'))).toEqual([])
  })
})
