/**
 * An empty place on Redis servers: an unused key prefix.
 */
import { randomBytes } from 'node:crypto'
import { createClient, RESP_TYPES } from '@redis/client'
import { afterAll } from 'vitest'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { openTransport } from '../../src/store/redis/client/open-transport.ts'
import type { Transport } from '../../src/store/redis/client/transport.ts'
import { RedisStore } from '../../src/store/redis/store.ts'
import type { MakePlace } from '../conformance/harness.ts'

/**
 * The connections by URL. All tests share connections, because to connect to each node of a cluster takes as
 * long as a short test.
 */
const routes = new Map<string, Transport>()
afterAll(() => {
  for (const route of routes.values()) route.close()
})

function routeTo(url: string): Transport {
  const route = routes.get(url) ?? openTransport(parseLocation(url), {})
  routes.set(url, route)
  return route
}

/** @param admin a URL whose user may remove the keys, if the user of `url` may not */
export function redisPlace(url: string, admin = url): MakePlace {
  return async () => {
    const prefix = newPrefix()
    return {
      handle: (options) => new RedisStore(url, { ...options, prefix }),
      save: () => saveKeys(admin, prefix),
      mentions: (text) => keysThatMention(admin, prefix, text),
      rewordLimits: (from, to) => rewordLimits(admin, prefix, from, to),
      remove: () => removeKeysFrom(routeTo(admin), prefix),
    }
  }
}

/** Copies the keys with a prefix. @returns a function that restores the copy */
async function saveKeys(url: string, prefix: string): Promise<() => Promise<void>> {
  // Dumps are binary. The client of Lark would decode a dump as text and so change the dump.
  const copies = await onServers(url, async (server) => {
    const dumps: [key: string, dump: Buffer][] = []
    for await (const keys of server.scanIterator({ MATCH: `${prefix}:*`, COUNT: 1_000 }))
      for (const key of keys)
        dumps.push([key, (await server.withTypeMapping(asBuffers).dump(key)) as unknown as Buffer])
    return dumps
  })
  return async () => {
    await removeKeys(url, prefix)
    const all = copies.values()
    await onServers(url, async (server) => {
      for (const [key, dump] of all.next().value!) await server.restore(key, 0, dump)
    })
  }
}

export async function rewordLimits(url: string, prefix: string, from: string, to: string): Promise<void> {
  await onServers(url, async (server) => {
    for await (const keys of server.scanIterator({ MATCH: `${prefix}:*:group:*`, COUNT: 1_000 }))
      for (const key of keys) {
        const limits = await server.hGet(key, 'limits')
        await server.hSet(key, 'limits', limits!.replace(from, to))
      }
  })
}

/** Returns the keys with a prefix whose names or values contain a text. */
export async function keysThatMention(url: string, prefix: string, text: string): Promise<string[]> {
  const found = await onServers(url, async (server) => {
    const own: string[] = []
    for await (const keys of server.scanIterator({ MATCH: `${prefix}:*`, COUNT: 1_000 }))
      for (const key of keys)
        if (key.includes(text) || JSON.stringify(await contentOf(server, key)).includes(text)) own.push(key)
    return own
  })
  return found.flat()
}

async function contentOf(server: Client, key: string): Promise<unknown> {
  switch (await server.type(key)) {
    case 'hash':
      return server.hGetAll(key)
    case 'list':
      return server.lRange(key, 0, -1)
    case 'set':
      return server.sMembers(key)
    case 'zset':
      return server.zRange(key, 0, -1)
    case 'stream':
      return server.xRange(key, '-', '+')
    default:
      return server.get(key)
  }
}

type Client = ReturnType<typeof createClient>

const asBuffers = { [RESP_TYPES.BLOB_STRING]: Buffer }

/** Calls a function for every server, one after the other. */
async function onServers<T>(url: string, work: (server: Client) => Promise<T>): Promise<T[]> {
  const route = openTransport(parseLocation(url), {})
  const results: T[] = []
  try {
    for (const server of await route.servers(route.deadline())) {
      await server.send(['PING'])
      const { host, port } = server.address!
      const client: Client = createClient({ socket: { host, port } })
      await client.connect()
      results.push(await work(client))
      client.destroy()
    }
  } finally {
    route.close()
  }
  return results
}

/** The beginning of the prefixes of all tests. */
export const PREFIX = 'lark-test-'

export function newPrefix(): string {
  return `${PREFIX}${randomBytes(6).toString('hex')}`
}

/** Removes all keys with this prefix, on every primary of a cluster. */
export async function removeKeys(url: string, prefix: string): Promise<void> {
  const route = openTransport(parseLocation(url), {})
  try {
    await removeKeysFrom(route, prefix)
  } finally {
    route.close()
  }
}

async function removeKeysFrom(route: Transport, prefix: string): Promise<void> {
  for (const server of await route.servers(route.deadline())) {
    let cursor = '0'
    do {
      const page = await server.send(['SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', '1000'])
      const [next, keys] = page as [string, string[]]
      // There is one command for each key, because on a cluster the keys may be in different slots.
      await server.sendTogether(keys.map((key) => ['UNLINK', key]))
      cursor = next
    } while (cursor !== '0')
  }
}
