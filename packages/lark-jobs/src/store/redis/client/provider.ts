/**
 * Decides whether a provider runs a server, so that the provider's customers cannot change how the server
 * keeps its data. The option `managed` of the connection decides. Without this option, the name of the host
 * decides.
 */
import type { Address } from './address.ts'

/**
 * How the host names of providers end. (Heroku is missing, because its servers have host names of Amazon's
 * machines, on which anybody may run a server. Railway is missing, because its customers run the server
 * themselves.)
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

/** Patterns for host names without a fixed end: of MemoryDB, and of Render's private network. */
const forms: readonly RegExp[] = [/\.memorydb\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/, /^red-[a-z0-9]{20}$/]

/** @param said the option `managed` of the connection */
export function isManaged(
  { host, path }: Pick<Address, 'host' | 'path'>,
  said: boolean | undefined,
): boolean {
  if (said !== undefined) return said
  if (path !== undefined) return false
  const name = host.toLowerCase()
  return domains.some((domain) => name.endsWith(`.${domain}`)) || forms.some((form) => form.test(name))
}
