/**
 * Somewhere empty on Redis servers: a key prefix that nobody has.
 */
import { randomBytes } from 'node:crypto'
import { parseLocation } from '../../src/store/redis/client/location.ts'
import { openTransport } from '../../src/store/redis/client/open-transport.ts'
import { RedisStore } from '../../src/store/redis/store.ts'
import type { MakePlace } from '../conformance/harness.ts'

/** @param admin who may remove the keys, where the url's user may not */
export function redisPlace(url: string, admin = url): MakePlace {
  return async () => {
    const prefix = newPrefix()
    return {
      handle: (options) => new RedisStore(url, { ...options, prefix }),
      remove: () => removeKeys(admin, prefix),
    }
  }
}

/** What the prefixes of all tests begin with. */
export const PREFIX = 'lark-test-'

export function newPrefix(): string {
  return `${PREFIX}${randomBytes(6).toString('hex')}`
}

/** On every server, of a cluster too. */
export async function removeKeys(url: string, prefix: string): Promise<void> {
  const route = openTransport(parseLocation(url), {})
  try {
    for (const server of await route.servers(route.deadline())) {
      let cursor = '0'
      do {
        const page = await server.send(['SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', '1000'])
        const [next, keys] = page as [string, string[]]
        // One by one: on a cluster they may lie in different slots.
        await server.sendTogether(keys.map((key) => ['UNLINK', key]))
        cursor = next
      } while (cursor !== '0')
    }
  } finally {
    route.close()
  }
}
