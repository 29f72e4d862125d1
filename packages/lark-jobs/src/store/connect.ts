/**
 * Creates the store that a connection names. No other file knows which stores there are. Only the code of the
 * needed store is imported.
 */

import { ISOLATED } from '../model/copies.ts'
import { JobsError } from '../model/errors.ts'
import { hintFor, plain, schemeOf } from '../words/connection-text.ts'
import { formOf } from '../words/secret.ts'
import type { RedisServers } from './contract/connection/servers.ts'
import { RETENTION } from './contract/rules/retention.ts'
import type { Store, StoreOptions } from './contract/store.ts'

/** The data that a thread or an isolated process needs to open the same store. */
export interface StoreLocation {
  connection: string | RedisServers
  prefix: string
  options: StoreOptions
}

/**
 * Creates the store that a connection names. The caller opens the store.
 *
 * @throws STORE_INVALID
 */
export async function connect(
  connection: string | RedisServers,
  prefix: string,
  options: StoreOptions = { retention: RETENTION },
): Promise<Store> {
  if (typeof connection !== 'string') {
    const { RedisStore } = await import('./redis/store.ts')
    return new RedisStore(connection, { ...options, prefix })
  }
  const text = plain(connection)
  const scheme = schemeOf(text)
  if (scheme === 'sqlite') {
    if (text === 'sqlite::memory:' && ISOLATED in globalThis)
      throw new JobsError('STORE_INVALID', 'An isolated job cannot use a store in the memory of its worker', {
        hint: "Name a store that both processes have, such as 'sqlite:jobs.db'.",
      })
    const { SqliteStore } = await import('./sqlite/store.ts')
    return new SqliteStore(text.slice('sqlite:'.length), options)
  }
  if (/^((redis|valkey)s?([+-].*)?|unix)$/.test(scheme ?? '')) {
    const { RedisStore } = await import('./redis/store.ts')
    return new RedisStore(text, { ...options, prefix })
  }
  throw new JobsError(
    'STORE_INVALID',
    `The connection is ${formOf(connection)}, which names no store that Lark knows`,
    { hint: hintFor(text) },
  )
}

/** Removes a store and its data. No process may have the store open. */
export async function erase(connection: string | RedisServers, prefix: string): Promise<void> {
  const file = typeof connection === 'string' ? /^sqlite:(.+)$/i.exec(plain(connection))?.[1] : undefined
  if (file === undefined) return (await import('./redis/verbs/erase.ts')).erase(connection, prefix)
  if (file !== ':memory:') return (await import('./sqlite/erase.ts')).erase(file)
}

/**
 * Returns where the servers of a connection are, for a Redis client other than Lark's own. @internal @throws
 * STORE_INVALID
 */
export async function locationOf(servers: string | RedisServers) {
  const { parseLocation } = await import('./redis/client/location.ts')
  return parseLocation(servers, 'command')
}
