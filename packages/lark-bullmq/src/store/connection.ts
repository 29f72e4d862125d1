/**
 * Finds out where a `Queue` or a `Worker` of BullMQ keeps its jobs. With a `connection`, the jobs are in
 * Lark's own keys in that Redis. Without a connection, the jobs are in the store of the application
 * (`lark.config`, `LARK_JOBS_URL`, `REDIS_URL`, or the embedded store).
 *
 * The connection has the forms that BullMQ accepts: options of ioredis, or an open ioredis, whose options
 * Lark reads to open its own connections. It may also be a text as in `lark.config`, such as
 * `redis+cluster://…` or `sqlite:jobs.db`.
 *
 * Lark reads the options of ioredis that say where the servers are and how to log in. The other options say
 * how ioredis sends calls and waits (`maxRetriesPerRequest`, `lazyConnect`), and have no effect here.
 */
import type { RedisServers } from '@s18i/lark-jobs'
import { isObject } from '@s18i/lark-jobs/internal'
import { unsupported } from '../compared/unsupported.ts'

/** The options of ioredis that say where the server is. */
export interface RedisOptions {
  url?: string
  host?: string
  port?: number
  path?: string
  family?: number
  db?: number
  username?: string
  password?: string
  tls?: unknown
  connectionName?: string
  connectTimeout?: number
  // biome-ignore lint/suspicious/noExplicitAny: ioredis has many more, and BullMQ's type takes all
  [option: string]: any
}

/** A connection as BullMQ accepts it, or the text for a store of Lark. */
export type BullConnection = string | RedisOptions

/** @returns undefined for the store of the application @throws BULLMQ_UNSUPPORTED */
export function larkConnection(who: string, given: unknown): string | RedisServers | undefined {
  if (given === undefined || given === null) return undefined
  if (typeof given === 'string') return given
  if (!isObject(given))
    throw unsupported(who, 'such a connection', 'options, an ioredis, or a text', 'redis.md')
  if (given.isCluster === true) return clusterOf(who, given)
  const isClient = typeof given.duplicate === 'function' || typeof given.sendCommand === 'function'
  const { options } = given
  if (!isClient) return serversOf(who, given)
  if (isObject(options) && ('host' in options || 'path' in options || 'sentinels' in options))
    return serversOf(who, options)
  throw unsupported(who, 'this client as a connection', 'pass { host, port } or a url', 'redis.md')
}

function serversOf(who: string, given: Record<string, unknown>): RedisServers {
  const { url, host, port, path, family, db, username, password, tls, connectTimeout } = given as RedisOptions
  const { sentinels, name, sentinelUsername, sentinelPassword, sentinelTLS, keyPrefix } = given
  if (typeof keyPrefix === 'string' && keyPrefix !== '')
    throw unsupported(who, 'the connection option keyPrefix', '`prefix`', 'redis.md')
  const servers: RedisServers = {}
  if (url !== undefined) servers.url = url
  if (Array.isArray(sentinels))
    servers.sentinel = {
      name: String(name),
      nodes: sentinels.map(({ host = '127.0.0.1', port = 26_379 }) => `${host}:${port}`),
      ...(typeof sentinelUsername === 'string' && { username: sentinelUsername }),
      ...(typeof sentinelPassword === 'string' && { password: sentinelPassword }),
      ...(sentinelTLS ? { tls: sentinelTLS as Record<string, unknown> } : {}),
    }
  else if (path) servers.path = path
  else if (url === undefined)
    Object.assign(servers, { host: host ?? '127.0.0.1', port: Number(port ?? 6379) })
  if (username) servers.username = username
  if (password) servers.password = password
  if (db) servers.database = Number(db)
  if (tls) servers.tls = tls as Record<string, unknown>
  if (family === 4 || family === 6) servers.family = family
  if (connectTimeout) servers.connectTimeout = connectTimeout
  return servers
}

/** Reads an open cluster of ioredis: its nodes, and the options that all of them share. */
function clusterOf(who: string, given: Record<string, unknown>): RedisServers {
  const { startupNodes, options } = given as { startupNodes?: unknown; options?: Record<string, unknown> }
  const nodes = Array.isArray(startupNodes) ? startupNodes : []
  if (nodes.length === 0)
    throw unsupported(who, 'this cluster as a connection', "'redis+cluster://…'", 'redis.md')
  const shared = isObject(options?.redisOptions) ? options.redisOptions : {}
  const { host: _, port: __, ...common } = serversOf(who, { ...shared, host: 'any' })
  const cluster = nodes.map((node) => {
    if (typeof node === 'string') return node.replace(/^rediss?:\/\//, '')
    if (typeof node === 'number') return `127.0.0.1:${node}`
    return `${node.host ?? '127.0.0.1'}:${node.port ?? 6379}`
  })
  return { ...common, cluster }
}
