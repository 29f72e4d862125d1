/**
 * An empty place on Redis servers: an unused key prefix.
 */
import { randomBytes } from 'node:crypto'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { openTransport } from '../../src/store/redis/client/open-transport.ts'
import { RedisStore } from '../../src/store/redis/store.ts'
import type { MakePlace } from '../conformance/harness.ts'

/** @param admin a URL whose user may remove the keys, if the user of `url` may not */
export function redisPlace(url: string, admin = url): MakePlace {
  return async () => {
    const prefix = newPrefix()
    return {
      handle: (options) => new RedisStore(url, { ...options, prefix }),
      remove: () => removeKeys(admin, prefix),
    }
  }
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
    for (const server of await route.servers(route.deadline())) {
      let cursor = '0'
      do {
        const page = await server.send(['SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', '1000'])
        const [next, keys] = page as [string, string[]]
        // One command for each key: on a cluster they may be in different slots.
        await server.sendTogether(keys.map((key) => ['UNLINK', key]))
        cursor = next
      } while (cursor !== '0')
    }
  } finally {
    route.close()
  }
}
