/**
 * Where a store's servers are: one server, a cluster, or what Sentinels watch. From a connection string, or from an
 * object in its stead.
 *
 * The forms are those that others use already: `redis+sentinel://…/mymaster/0` and `?sentinel_password=` as in
 * Python's clients, `redis-sentinel://` and `redis-cluster://` as in Java's and Rust's, `?tls=`, `?ssl=` and `?db=` as
 * in many. Anything else in the text is refused: a misspelt `?tls=true` must not become an unencrypted connection.
 *
 * No error shows any part of the given text, because a password may be anywhere in it.
 */
import type { RedisServers, SentinelServers } from '../servers.ts'
import { type Address, checkAddress, credentials, hostOf, invalid, nameOf, parseHost } from './address.ts'

export type Location =
  | { kind: 'server'; name: string; address: Address }
  /** Some nodes of it, at least one. */
  | { kind: 'cluster'; name: string; nodes: Address[] }
  /** `address` is the primary's, but for host and port. */
  | { kind: 'sentinel'; name: string; sentinels: Address[]; primary: string; address: Address }

const keys = ['host', 'port', 'path', 'cluster', 'sentinel', 'username', 'password', 'database', 'tls']
const sentinelKeys = ['name', 'nodes', 'username', 'password', 'tls']

/** @throws STORE_INVALID */
export function parseLocation(given: string | RedisServers): Location {
  return locate(typeof given === 'string' ? parseText(given) : given)
}

function locate(servers: RedisServers): Location {
  checkKeys(servers, keys)
  const { cluster, sentinel, ...rest } = servers
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const ways = Object.entries({
    cluster,
    sentinel,
    path: given.path,
    'host and port': given.host ?? given.port,
  })
  const said = ways.filter(([, value]) => value !== undefined).map(([way]) => way)
  if (said.length > 1) throw invalid(`give only one of ${said.join(' and ')}`)
  const address = checkAddress({ host: '127.0.0.1', port: 6379, database: 0, ...given })
  if (cluster !== undefined) {
    if (address.database !== 0) throw invalid(`a cluster has database 0 only, not ${address.database}`)
    return clusterOf(cluster, address)
  }
  if (sentinel !== undefined) return sentinelOf(sentinel, address)
  return { kind: 'server', name: nameOf(address), address }
}

function checkKeys(given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key))
  if (unknown !== undefined) throw invalid(`"${unknown}" is not one of ${known.join(', ')}`)
}

function clusterOf(hosts: readonly string[], address: Address): Location {
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalid('a cluster needs a list of at least one node')
  const nodes = hosts.map((host, i) =>
    checkAddress({ ...address, ...parseHost(host, 6379, `node ${i + 1}`) }),
  )
  const name = `${address.tls ? 'rediss' : 'redis'}+cluster://${nodes.map(hostOf).join(',')}`
  return { kind: 'cluster', name, nodes }
}

function sentinelOf(given: SentinelServers, address: Address): Location {
  if (typeof given !== 'object' || given === null)
    throw invalid('sentinel must be an object with name and nodes')
  checkKeys(given, sentinelKeys)
  const { name: primary, nodes, username, password, tls = address.tls } = given
  if (!primary) throw invalid('the Sentinels need the name of the primary, such as mymaster')
  if (typeof primary !== 'string' || /[\s@/:?#]/.test(primary))
    throw invalid('the name of the primary is one word, such as mymaster')
  if (!Array.isArray(nodes) || nodes.length === 0)
    throw invalid('nodes must be a list of at least one Sentinel')
  const sentinels = nodes.map((host, i) =>
    checkAddress({
      ...parseHost(host, 26_379, `Sentinel ${i + 1}`),
      database: 0,
      ...credentials(username, password),
      ...(tls && { tls }),
    }),
  )
  const scheme = `${address.tls ? 'rediss' : 'redis'}+sentinel`
  const name = `${scheme}://${sentinels.map(hostOf).join(',')}/${primary}/${address.database}`
  return { kind: 'sentinel', name, sentinels, primary, address }
}

/** What a text says, as an object. */
function parseText(text: string): RedisServers {
  if (/^unix:/i.test(text)) return parseSocket(text)
  const scheme = /^(?:redis|valkey)(s?)(?:[+-](cluster|sentinel))?:\/\//i.exec(text)
  if (!scheme)
    throw invalid(
      'it does not begin with redis://, rediss://, valkey://, redis+cluster://, redis+sentinel:// or unix:',
    )
  const rest = text.slice(scheme[0].length).trim()
  const [, authority = '', path = '', query] = /^([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?$/.exec(rest) ?? []
  // The text after the first of these characters is not parsed as a password, whatever it was meant to be.
  if (rest.includes('#') || path.includes('@')) throw misplaced()
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  const sort = scheme[2]?.toLowerCase()
  const known = ['tls', 'ssl', ...(sort === 'sentinel' ? ['sentinel_username', 'sentinel_password'] : [])]
  const options = readOptions(query, sort === 'cluster' ? known : [...known, 'db'])
  const tls = readTls(scheme[1] !== '', options)
  const servers: RedisServers = {
    ...readCredentials(authority.slice(0, Math.max(0, at))),
    ...(tls && { tls }),
  }
  if (sort === 'sentinel') {
    const [name = '', ...database] = path.split('/')
    servers.sentinel = {
      name: decode(name),
      nodes: hosts.split(','),
      username: options.get('sentinel_username'),
      password: options.get('sentinel_password'),
    }
    return { ...servers, ...readDatabase(database.join('/'), options) }
  }
  Object.assign(servers, readDatabase(path, options))
  if (sort === 'cluster') return { ...servers, cluster: hosts.split(',') }
  if (hosts.includes(','))
    throw invalid('several hosts are a cluster (redis+cluster://) or Sentinels (redis+sentinel://)')
  return hosts === '' ? servers : { ...servers, ...parseHost(hosts, 6379) }
}

/** `unix:/path`, `unix:///path`. */
function parseSocket(text: string): RedisServers {
  const [, path, query] = /^unix:(?:\/\/)?(\/(?!\/)[^?#]*)(?:\?([^#]*))?$/i.exec(text.trim()) ?? []
  if (path === undefined)
    throw invalid('a Unix socket is unix:/path, without a host; give a user in the object form')
  return { path: decode(path), ...readDatabase('', readOptions(query, ['db'])) }
}

/** `user:password`, `:password`, `user`. */
function readCredentials(text: string): { username?: string; password?: string } {
  const colon = text.indexOf(':')
  const [username, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return credentials(decode(username), decode(password))
}

/** What stands behind the `?`. One that is not known is not named: it may be the second half of a password. */
function readOptions(query: string | undefined, known: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (const [key, value] of new URLSearchParams(query)) {
    if (!known.includes(key)) {
      if (query!.includes('@')) throw misplaced()
      const names = known.map((each) => `?${each}=`).join(', ')
      throw invalid(`parameter ${options.size + 1} after the ? is unknown; known are ${names}`)
    }
    if (options.has(key)) throw invalid(`"?${key}=" appears twice`)
    options.set(key, value)
  }
  return options
}

function misplaced(): Error {
  return invalid(
    'a password with / ? or # in it is written with %2F, %3F or %23; so is an @ behind them, with %40',
  )
}

function readTls(isSecure: boolean, options: ReadonlyMap<string, string>): boolean {
  let tls: boolean | undefined = isSecure ? true : undefined
  for (const key of ['tls', 'ssl']) {
    const value = options.get(key)
    if (value === undefined) continue
    if (!/^(true|1|yes|false|0|no)$/i.test(value))
      throw invalid(`"?${key}=" must be true or false; rediss:// means true`)
    const says = /^[t1y]/i.test(value)
    if (tls !== undefined && tls !== says)
      throw invalid(`"?${key}=${says}" contradicts the rest of the connection about TLS`)
    tls = says
  }
  return tls === true
}

function readDatabase(path: string, options: ReadonlyMap<string, string>): { database?: number } {
  const numbers = [path, options.get('db') ?? ''].filter((text) => text !== '')
  if (!numbers.every((text) => /^\d{1,9}$/.test(text)))
    throw invalid('the database must be a whole number, 0 or more')
  const [database, other] = numbers.map(Number)
  if (other !== undefined && other !== database) throw invalid('it names two databases')
  return database === undefined ? {} : { database }
}

/** Percent-decoded. @throws STORE_INVALID */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('it has a % that does not begin an escape; write %25')
  }
}
