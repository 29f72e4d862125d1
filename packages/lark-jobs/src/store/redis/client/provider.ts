/**
 * Whether a server is run by a provider, whose customers cannot set up how it keeps its data: told by the names of its
 * hosts, or by the `managed` of the connection.
 */
import type { Address } from './address.ts'

/**
 * The ends of their hosts' names. (Heroku's are those of Amazon's machines, on which anybody may run a server; and on
 * Railway a server is the customer's own.)
 */
const domains: readonly string[] = [
  // ElastiCache
  'cache.amazonaws.com',
  'cache.amazonaws.com.cn',
  // Azure
  'redis.cache.windows.net',
  'redis.cache.chinacloudapi.cn',
  'redis.cache.usgovcloudapi.net',
  'redis.azure.net',
  'redisenterprise.cache.azure.net',
  // Upstash, and Fly's
  'upstash.io',
  // Redis Cloud
  'redislabs.com',
  'redis-cloud.com',
  'rlrcp.com',
  'render.com',
  'aivencloud.com',
  'db.ondigitalocean.com',
  'scalingo-dbs.com',
]

/** Names that have something else in them: MemoryDB; and Render, on the network that its services share. */
const forms: readonly RegExp[] = [/\.memorydb\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/, /^red-[a-z0-9]{20}$/]

/** @param said the `managed` of the connection */
export function isManaged(
  { host, path }: Pick<Address, 'host' | 'path'>,
  said: boolean | undefined,
): boolean {
  if (said !== undefined) return said
  if (path !== undefined) return false
  const name = host.toLowerCase()
  return domains.some((domain) => name.endsWith(`.${domain}`)) || forms.some((form) => form.test(name))
}
