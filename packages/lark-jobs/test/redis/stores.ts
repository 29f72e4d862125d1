/**
 * Stores on servers that a test has started.
 */
import type { JobsError } from '../../src/model/errors.ts'
import type { RedisServers } from '../../src/store/contract/connection/servers.ts'
import type { StoreOptions } from '../../src/store/contract/store.ts'
import { RedisStore, type RedisStoreOptions } from '../../src/store/redis/store.ts'

export const retention: StoreOptions['retention'] = {
  completed: { count: 1_000, age: 3_600_000 },
  failed: { count: 1_000, age: 3_600_000 },
  cancelled: { count: 1_000, age: 3_600_000 },
}

export function makeStore(url: string | RedisServers, options: Partial<RedisStoreOptions> = {}): RedisStore {
  return new RedisStore(url, { retention, ...options })
}

export async function openStore(
  url: string | RedisServers,
  options: Partial<RedisStoreOptions> = {},
): Promise<RedisStore> {
  const store = makeStore(url, options)
  await store.open()
  return store
}

/** Measures how long a call takes. @returns the milliseconds, and the result or the error */
export async function timed<T>(work: Promise<T>): Promise<{ ms: number; value?: T; error?: JobsError }> {
  const start = performance.now()
  try {
    const value = await work
    return { ms: performance.now() - start, value }
  } catch (error) {
    return { ms: performance.now() - start, error: error as JobsError }
  }
}
