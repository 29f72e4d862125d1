/**
 * Somewhere empty on a Redis server: a key prefix that nobody has.
 */
import { randomBytes } from 'node:crypto'
import { parseAddress } from '../../src/store/redis/address.ts'
import { Connection } from '../../src/store/redis/connection.ts'
import { RedisStore } from '../../src/store/redis/store.ts'
import type { MakePlace } from '../conformance/harness.ts'

export function redisPlace(url: string): MakePlace {
  return async () => {
    const prefix = newPrefix()
    return {
      handle: (options) => new RedisStore(url, { ...options, prefix }),
      remove: () => removeKeys(url, prefix),
    }
  }
}

export function newPrefix(): string {
  return `lark-test-${randomBytes(6).toString('hex')}`
}

export async function removeKeys(url: string, prefix: string): Promise<void> {
  const connection = new Connection(parseAddress(url))
  try {
    let cursor = '0'
    do {
      const page = await connection.send(['SCAN', cursor, 'MATCH', `${prefix}:*`, 'COUNT', '1000'])
      const [next, keys] = page as [string, string[]]
      if (keys.length > 0) await connection.send(['UNLINK', ...keys])
      cursor = next
    } while (cursor !== '0')
  } finally {
    connection.close()
  }
}
