/**
 * From a connection string to its store. The only page that knows the stores by name; it imports the one that is
 * wanted and nothing of the others.
 */
import { JobsError } from '../errors.ts'
import type { Store, StoreOptions } from './store.ts'

/** Kept of ended jobs, a queue: the newest, and not longer than. */
export const RETENTION: StoreOptions['retention'] = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 10_000, age: 30 * 86_400_000 },
  cancelled: { count: 1_000, age: 86_400_000 },
}

/**
 * The store that a connection string names; not yet opened.
 *
 * @throws STORE_INVALID
 */
export async function connect(
  connection: string,
  prefix: string,
  options: StoreOptions = { retention: RETENTION },
): Promise<Store> {
  const scheme = /^([a-z+-]+):/i.exec(connection)?.[1]?.toLowerCase()
  if (scheme === 'sqlite') {
    const { SqliteStore } = await import('./sqlite/store.ts')
    return new SqliteStore(connection.slice('sqlite:'.length), options)
  }
  if (/^(rediss?|valkeys?|unix)$/.test(scheme ?? '')) {
    const { RedisStore } = await import('./redis/store.ts')
    return new RedisStore(connection, { ...options, prefix })
  }
  throw new JobsError(
    'STORE_INVALID',
    `'${scheme === undefined ? connection : `${scheme}:…`}' names no store that Lark knows`,
    {
      hint: "A connection is 'redis://host:6379', 'rediss://…', 'valkey://…', 'unix:/PATH' or 'sqlite:PATH'.",
    },
  )
}
