/**
 * Where a store's servers are: one server, a cluster, or a primary that Sentinels watch. The location is read
 * from a connection string (`connection-string.ts`), from an object, or from an object with a `url`. An
 * object with a `url` may have further options, but none that are also in the URL.
 *
 * No error shows any part of the given text, because a password may be anywhere in it.
 */
import { defined } from '@s18i/lark/internal'
import { type CredentialSource, sourceOf } from '../../contract/connection/credentials.ts'
import type { CredentialsFunction, RedisServers, SentinelServers } from '../../contract/connection/servers.ts'
import type { Role } from '../../contract/store.ts'
import {
  type Address,
  checkAddress,
  credentials,
  hostOf,
  invalid,
  type Login,
  type NatMap,
  nameOf,
  parseHost,
} from './address.ts'
import { ClientName } from './client-name.ts'
import { parseText } from './connection-string.ts'
import { isManaged } from './provider.ts'

export type Location = ServerLocation & {
  /** Present if a provider runs the servers (`provider.ts`). */
  managed?: true
}

type ServerLocation =
  | { kind: 'server'; name: string; address: Address }
  /** At least one node of the cluster. */
  | { kind: 'cluster'; name: string; nodes: Address[] }
  /** `address` is the address of the primary without a host and a port: the Sentinels report these. */
  | { kind: 'sentinel'; name: string; sentinels: Address[]; primary: string; address: Address }

const keys =
  'url host port path cluster sentinel username password credentials database tls family connectTimeout clientName natMap managed'
const sentinelKeys = 'name nodes username password credentials tls'

/**
 * @param role the role of the process, which is part of the connections' names. Without a role, connections
 *   have no name
 * @throws STORE_INVALID
 */
export function parseLocation(given: string | RedisServers, role?: Role): Location {
  if (typeof given === 'string') return locate(parseText(given), role)
  checkKeys(given, keys)
  return locate(withUrl(given), role)
}

/** Joins the `url` of an object with the options beside it. */
function withUrl({ url, ...beside }: RedisServers): RedisServers {
  // The URL is '' if it comes from an environment variable with an empty value, such as
  // `process.env.REDIS_URL`.
  if (url === undefined || url === '') return beside
  if (typeof url !== 'string') throw invalid(`url is ${typeof url}, not a text`)
  const said = parseText(url)
  const rest = defined(beside)
  const twice = Object.keys(rest).find(
    (key) => key !== 'tls' && said[key as keyof RedisServers] !== undefined,
  )
  if (twice !== undefined) throw invalid(`"${twice}" is set twice: in the url, and beside it`)
  return { ...said, ...rest, tls: bothTls(said.tls, beside.tls) }
}

/**
 * Joins the TLS options of a URL with the TLS options of the object around the URL. @throws STORE_INVALID if
 * only one of them turns TLS off
 */
function bothTls(url: RedisServers['tls'], beside: RedisServers['tls']): RedisServers['tls'] {
  if (url === undefined || beside === undefined) return url ?? beside
  if ((url === false) !== (beside === false)) throw invalid('"tls" contradicts the url')
  return typeof url === 'object' && typeof beside === 'object'
    ? { ...url, ...beside }
    : typeof beside === 'object'
      ? beside
      : url
}

function locate(servers: RedisServers, role: Role | undefined): Location {
  const { cluster, sentinel, natMap, credentials: asked, managed, ...rest } = servers
  if (managed !== undefined && typeof managed !== 'boolean')
    throw invalid(`managed is ${typeof managed}, not true or false`)
  const { host, port, path, family } = rest
  const said = Object.keys(defined({ cluster, sentinel, path, 'host and port': host ?? port }))
  if (said.length > 1) throw invalid(`give only one of ${said.join(' and ')}`)
  if (path !== undefined && family !== undefined)
    throw invalid('"family" is for a host, and "path" names a Unix socket')
  if (natMap !== undefined && cluster === undefined && sentinel === undefined)
    throw invalid('"natMap" is for a cluster or Sentinels; give a single server the address that leads to it')
  const checked = checkAddress({ host: '127.0.0.1', port: 6379, database: 0, ...defined(rest) })
  const address: Address = {
    ...checked,
    ...defined({
      credentials: readSource(asked, checked),
      natMap: natMap === undefined ? undefined : readNatMap(natMap),
      client: role && new ClientName(checked.clientName ?? 'lark', role),
    }),
  }
  const place = placeOf(servers, address)
  const first = place.kind === 'cluster' ? place.nodes[0]! : place.address
  return isManaged(first, managed) ? { ...place, managed: true } : place
}

function placeOf({ cluster, sentinel }: RedisServers, address: Address): ServerLocation {
  if (cluster !== undefined) {
    if (address.database !== 0) throw invalid(`a cluster has database 0 only, not ${address.database}`)
    return clusterOf(cluster, address)
  }
  if (sentinel !== undefined) return sentinelOf(sentinel, address)
  return { kind: 'server', name: nameOf(address), address }
}

/**
 * The source of the credentials if the user has given a function; otherwise undefined.
 *
 * @param said the user name and password that the user has given. If there are any, a function is refused
 */
function readSource(asked: unknown, said: Login): CredentialSource | undefined {
  if (asked === undefined) return undefined
  // A function cannot be sent to another thread. So in a thread that did not make the connection,
  // `credentials` is a port to the thread with the function.
  if (typeof asked !== 'function' && !(asked instanceof MessagePort))
    throw invalid(`credentials is ${asked === null ? 'null' : typeof asked}, not a function`)
  if (said.username !== undefined || said.password !== undefined)
    throw invalid('"credentials" says who logs in: leave out the username and the password')
  return sourceOf(asked as CredentialsFunction)
}

function checkKeys(given: object, known: string): void {
  const keys = known.split(' ')
  const unknown = Object.keys(given).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw invalid(`"${unknown}" is not one of ${keys.join(', ')}`)
}

/** @throws STORE_INVALID */
function readNatMap(given: unknown): NatMap {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid("natMap must be an object, such as { '172.18.0.2:6379': 'localhost:7001' }")
  return new Map(
    Object.entries(given).map(([from, to], i) => [
      hostOf(readPlace(from, `key ${i + 1} of natMap`)),
      readPlace(to, `value ${i + 1} of natMap`),
    ]),
  )
}

/** Host and port are both needed: the port distinguishes nodes on the same machine. */
function readPlace(text: unknown, which: string): { host: string; port: number } {
  const place = parseHost(text, 0, which)
  if (place.port < 1 || place.port > 65_535) throw invalid(`${which} needs a port from 1 to 65535`)
  return place
}

function clusterOf(hosts: readonly string[], address: Address): ServerLocation {
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalid('a cluster needs a list of at least one node')
  const nodes = hosts.map((host, i) =>
    checkAddress({ ...address, ...parseHost(host, 6379, `node ${i + 1}`) }),
  )
  const name = `${address.tls ? 'rediss' : 'redis'}+cluster://${nodes.map(hostOf).join(',')}`
  return { kind: 'cluster', name, nodes }
}

function sentinelOf(given: SentinelServers, address: Address): ServerLocation {
  if (typeof given !== 'object' || given === null)
    throw invalid('sentinel must be an object with name and nodes')
  checkKeys(given, sentinelKeys)
  const { name: primary, nodes, username, password, credentials: asked, tls = address.tls } = given
  const who = credentials(username, password)
  if (!primary) throw invalid('the Sentinels need the name of the primary, such as mymaster')
  if (typeof primary !== 'string' || /[\s@/:?#]/.test(primary))
    throw invalid('the name of the primary is one word, such as mymaster')
  if (!Array.isArray(nodes) || nodes.length === 0)
    throw invalid('nodes must be a list of at least one Sentinel')
  const { family, connectTimeout, client } = address
  const shared = defined({ family, connectTimeout, client, credentials: readSource(asked, who), tls })
  const sentinels = nodes.map((host, i) =>
    checkAddress({ ...shared, ...parseHost(host, 26_379, `Sentinel ${i + 1}`), database: 0, ...who }),
  )
  const scheme = `${address.tls ? 'rediss' : 'redis'}+sentinel`
  const name = `${scheme}://${sentinels.map(hostOf).join(',')}/${primary}/${address.database}`
  return { kind: 'sentinel', name, sentinels, primary, address }
}

/** The name of the connections to this location. */
export function clientOf(location: Location): ClientName | undefined {
  return addressOf(location).client
}

/** Whether the store logs in as a user other than `default`, the user that every server has. */
export function hasOwnUser(location: Location): boolean {
  const { username = 'default', credentials } = addressOf(location)
  return username !== 'default' || credentials !== undefined
}

function addressOf(location: Location): Address {
  return location.kind === 'cluster' ? location.nodes[0]! : location.address
}
