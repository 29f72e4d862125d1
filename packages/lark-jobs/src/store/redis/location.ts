/**
 * Where a store's servers are: one server, a cluster, or what Sentinels watch. From a connection string, or from an
 * object in its stead.
 *
 * The forms are those that others use already: `redis+sentinel://…/mymaster/0` and `?sentinel_password=` as in
 * Python's clients, `redis-sentinel://` and `redis-cluster://` as in Java's and Rust's.
 */
import type { RedisServers } from '../servers.ts'
import {
  type Address,
  checkAddress,
  decode,
  hostOf,
  invalid,
  nameOf,
  parseAddress,
  parseHost,
} from './address.ts'

export type Location =
  | { kind: 'server'; name: string; address: Address }
  /** Some nodes of it, at least one. */
  | { kind: 'cluster'; name: string; nodes: Address[] }
  /** `address` is the primary's, but for host and port. */
  | { kind: 'sentinel'; name: string; sentinels: Address[]; primary: string; address: Address }

const keys = ['host', 'port', 'path', 'cluster', 'sentinel', 'username', 'password', 'database', 'tls']

/** @throws STORE_INVALID */
export function parseLocation(given: string | RedisServers): Location {
  return locate(typeof given === 'string' ? parseText(given) : given)
}

function locate(servers: RedisServers): Location {
  const unknown = Object.keys(servers).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw invalid(`"${unknown}" is not one of ${keys.join(', ')}`)
  const { cluster, sentinel, ...rest } = servers
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const address = parseAddress(given as Partial<Address>)
  if (cluster !== undefined && sentinel !== undefined) throw invalid('a cluster has no Sentinels')
  if (cluster !== undefined) {
    if (address.database !== 0) throw invalid(`a cluster has database 0 only, not ${address.database}`)
    return clusterOf(cluster, address)
  }
  if (sentinel !== undefined) return sentinelOf(sentinel, address)
  return { kind: 'server', name: nameOf(address), address }
}

function clusterOf(hosts: readonly string[], address: Address): Location {
  if (hosts.length === 0) throw invalid('a cluster needs one node at least')
  const nodes = hosts.map((host) => checkAddress({ ...address, ...parseHost(host, 6379) }))
  const name = `${address.tls ? 'rediss' : 'redis'}+cluster://${nodes.map(hostOf).join(',')}`
  return { kind: 'cluster', name, nodes }
}

function sentinelOf(given: NonNullable<RedisServers['sentinel']>, address: Address): Location {
  const { name: primary, nodes, username, password, tls = address.tls } = given
  if (!primary) throw invalid('the Sentinels need the name of the primary, such as mymaster')
  if (!nodes?.length) throw invalid('one Sentinel at least is needed')
  const sentinels = nodes.map((host) => {
    return checkAddress({
      ...parseHost(host, 26_379),
      database: 0,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls }),
    })
  })
  const scheme = `${address.tls ? 'rediss' : 'redis'}+sentinel`
  const name = `${scheme}://${sentinels.map(hostOf).join(',')}/${primary}/${address.database}`
  return { kind: 'sentinel', name, sentinels, primary, address }
}

/** What a text says, as an object. */
function parseText(text: string): RedisServers {
  const match = /^(redis|valkey)(s?)([+-](?:cluster|sentinel))?:\/\/([^?#]*)(?:\?(.*))?$/i.exec(text)
  const isOne = match?.[3] === undefined
  if (!match || (isOne && !match[4]!.includes(','))) return parseAddress(text)
  const [, , secure, sort, rest, query] = match
  const [, credentials, hosts, path] = /^(?:([^/]*)@)?([^/@]*)\/?(.*)$/.exec(rest!) ?? []
  const nodes = hosts!.split(',')
  const base = { ...readCredentials(credentials), ...(secure && { tls: true }) }
  if (isOne) {
    throw invalid('several hosts are a cluster (redis+cluster://) or Sentinels (redis+sentinel://)')
  }
  const options = new URLSearchParams(query)
  if (sort!.slice(1).toLowerCase() === 'cluster') {
    takeAll(options)
    return { ...base, cluster: nodes, ...(path && { database: Number(path) }) }
  }
  const [name = '', database] = path!.split('/')
  const username = options.get('sentinel_username') ?? undefined
  const password = options.get('sentinel_password') ?? undefined
  takeAll(options, 'sentinel_username', 'sentinel_password')
  const sentinel = { name: decode(name), nodes, username, password }
  return { ...base, sentinel, ...(database && { database: Number(database) }) }
}

/** `user:password`, `:password`, `user`. */
function readCredentials(text = ''): { username?: string; password?: string } {
  const [, username, password] = /^([^:]*)(?::(.*))?$/.exec(text) ?? []
  return {
    ...(username && { username: decode(username) }),
    ...(password && { password: decode(password) }),
  }
}

function takeAll(options: URLSearchParams, ...known: string[]): void {
  const unknown = [...options.keys()].find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalid(`"?${unknown}=" is not known there`)
}
