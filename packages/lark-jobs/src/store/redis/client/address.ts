/**
 * Where one Redis server is.
 */
import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { type Duration, durationForm, milliseconds } from '../../../model/duration.ts'
import { JobsError } from '../../../model/errors.ts'
import type { CredentialSource } from '../../contract/credentials.ts'
import type { ClientName } from './client-name.ts'

export interface Address {
  host: string
  port: number
  /** A Unix socket, instead of host and port. */
  path?: string
  username?: string
  password?: string
  database: number
  /** `true`, or what `tls.connect` takes beyond it: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>>
  /** Of a host name: IPv4, IPv6, or (0, the default) whatever answers. */
  family?: 0 | 4 | 6
  /** Milliseconds for one attempt to connect, where it is not the usual. */
  connectTimeout?: number
  /** What the names of the connections begin with, where it is not `lark`. */
  clientName?: string
  /** Who logs in, instead of `username` and `password`. */
  credentials?: CredentialSource
  /** Whose connections they are, for the server to show. */
  client?: ClientName
  /** Where others are reached than under the address that servers give for them. */
  natMap?: NatMap
}

/** `host:port` that a server gives for another, and where that one is reached. */
export type NatMap = ReadonlyMap<string, { host: string; port: number }>

/** Milliseconds of `connectTimeout`. */
const CONNECT_TIMEOUT = { least: 10, most: 600_000 }

const forms =
  'redis://[user:password@]host[:port][/database], rediss://… with TLS, unix:/path[?db=1], ' +
  'redis+cluster://[user:password@]host[:port],host[:port]…, ' +
  'or redis+sentinel://[user:password@]host[:port],host[:port]…/NAME[/database]'

/** `host`, `host:port`, `[::1]:port`. @param which of them, for an error @throws STORE_INVALID */
export function parseHost(text: unknown, port: number, which = 'the host'): { host: string; port: number } {
  if (typeof text !== 'string' || text.trim() === '') throw invalid(`${which}: a host is missing`)
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s@/?#]+))(?::(\d+))?$/.exec(text.trim())
  if (!match || (match[1] !== undefined && isIP(match[1]) !== 6)) throw invalid(`${which} is no host:port`)
  return { host: (match[1] ?? match[2])!, port: match[3] === undefined ? port : Number(match[3]) }
}

/** `host:port`, which is also how a server of a cluster is told from the others. */
export function hostOf({ host, port }: { host: string; port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** As people call it; never with a password. */
export function nameOf(address: Address): string {
  if (address.path !== undefined) return `unix:${address.path}?db=${address.database}`
  return `${address.tls ? 'rediss' : 'redis'}://${hostOf(address)}/${address.database}`
}

/** An address whose parts were not checked. */
export type GivenAddress = Omit<Address, 'connectTimeout'> & { connectTimeout?: Duration }

/** Where a server is reached that another gives as `host` and `port`. */
export function reached(by: Address, host: string, port: number): { host: string; port: number } {
  return by.natMap?.get(hostOf({ host, port })) ?? { host, port }
}

/**
 * Checks the parts of which the store's name is made: a whole URL given as a host would be shown with its password.
 *
 * @returns it without user or password where these are empty
 * @throws STORE_INVALID
 */
export function checkAddress(given: GivenAddress): Address {
  const { username, password, connectTimeout, tls, ...address } = given
  const { host, port, path, database, family, clientName } = address
  if (typeof host !== 'string' || !(isIP(host) || /^[^:[\]\s@/?#]+$/.test(host)))
    throw invalid('the host is neither a name nor an IP address; a URL or a port does not belong there')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw invalid(
      `the port is ${typeof port === 'number' ? '' : `a ${typeof port}, `}not a number from 1 to 65535`,
    )
  if (path !== undefined && (typeof path !== 'string' || !isAbsolute(path)))
    throw invalid('the path of a Unix socket must be absolute')
  if (!Number.isInteger(database) || database < 0)
    throw invalid('the database must be a whole number, 0 or more')
  if (!/^(undefined|boolean|object)$/.test(typeof tls) || tls === null)
    throw invalid('tls must be true, false, or an object with options')
  if (family !== undefined && family !== 0 && family !== 4 && family !== 6)
    throw invalid('the family must be 4, 6, or 0 for both')
  // Redis itself allows no blanks.
  if (clientName !== undefined && !(typeof clientName === 'string' && /^[\x21-\x7e]{1,64}$/.test(clientName)))
    throw invalid('the clientName must be 1 to 64 letters of ASCII without blanks')
  return {
    ...address,
    ...(tls && { tls }),
    ...credentials(username, password),
    ...patience(connectTimeout),
  }
}

/** @throws STORE_INVALID */
/** For a question that has a short time of its own: `connectTimeout` would take the place of that. */
export function withoutConnectTimeout({ connectTimeout: _, ...address }: Address): Address {
  return address
}

function patience(connectTimeout: unknown): Pick<Address, 'connectTimeout'> {
  if (connectTimeout === undefined) return {}
  const ms = milliseconds(connectTimeout)
  if (ms === undefined || ms < CONNECT_TIMEOUT.least || ms > CONNECT_TIMEOUT.most)
    throw invalid(`the connectTimeout must be ${durationForm}, from 10 ms to 10 minutes`)
  return { connectTimeout: ms }
}

/** @throws STORE_INVALID for what is not text */
export function credentials(username: unknown, password: unknown): Pick<Address, 'username' | 'password'> {
  for (const [key, value] of Object.entries({ username, password })) {
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`${key} is ${typeof value}, not a text`)
  }
  return {
    ...(username ? { username: `${username}` } : {}),
    ...(password ? { password: `${password}` } : {}),
  }
}

/** Without the text itself: it may hold a password. */
export function invalid(why: string): JobsError {
  return new JobsError('STORE_INVALID', `The connection of Redis cannot be understood: ${why}`, {
    hint: `Write ${forms}`,
  })
}

/** What is understood otherwise than it was meant: it stands in the wrong part of a URL. */
export function misplaced(): JobsError {
  return invalid(
    'a password with / ? or # in it is written with %2F, %3F or %23; so is an @ behind them, with %40',
  )
}

/** Percent-decoded. @throws STORE_INVALID */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('it has a % that does not begin an escape; write %25')
  }
}
