/** The address of one Redis server, and how to connect to it. */
import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../../model/errors.ts'
import { type Duration, durationForm, milliseconds } from '../../../words/duration.ts'
import type { CredentialSource } from '../../contract/connection/credentials.ts'
import type { ClientName } from './client-name.ts'

export interface Address {
  host: string
  port: number
  /** The path of a Unix socket, in place of a host and a port. */
  path?: string
  username?: string
  password?: string
  database: number
  /** `true`, or options of `tls.connect`: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>>
  /** Which addresses of a host name to use: IPv4, IPv6, or both (0, the default). */
  family?: 0 | 4 | 6
  /**
   * The time limit for one attempt to connect, in milliseconds. The default depends on the kind of server.
   */
  connectTimeout?: number
  /** The prefix of the connections' names. The default is `lark`. */
  clientName?: string
  /** The source of the user name and the password, in place of `username` and `password`. */
  credentials?: CredentialSource
  /** The name that the server shows for these connections. */
  client?: ClientName
  /** Replaces the addresses that servers report for other servers. */
  natMap?: NatMap
}

/** The user name and the password of a login. */
export type Login = Pick<Address, 'username' | 'password'>

/**
 * The keys are addresses that a server reports for another server, as `host:port`. The values are the
 * addresses at which this process reaches the other server.
 */
export type NatMap = ReadonlyMap<string, { host: string; port: number }>

/** The bounds of `connectTimeout`, in milliseconds. */
const CONNECT_TIMEOUT = { least: 10, most: 600_000 }

const forms =
  'redis://[user:password@]host[:port][/database], rediss://… with TLS, unix:/path[?db=1], ' +
  'redis+cluster://[user:password@]host[:port],host[:port]…, ' +
  'or redis+sentinel://[user:password@]host[:port],host[:port]…/NAME[/database]'

/**
 * Reads `host`, `host:port` or `[::1]:port`.
 *
 * @param which how an error names the text: `the host`
 * @throws STORE_INVALID
 */
export function parseHost(text: unknown, port: number, which = 'the host'): { host: string; port: number } {
  if (typeof text !== 'string' || text.trim() === '') throw invalid(`${which}: a host is missing`)
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s@/?#]+))(?::(\d+))?$/.exec(text.trim())
  if (!match || (match[1] !== undefined && isIP(match[1]) !== 6))
    throw invalid(`${which} must have the form host:port`)
  return { host: (match[1] ?? match[2])!, port: match[3] === undefined ? port : Number(match[3]) }
}

/** The address as `host:port`, which also identifies a server of a cluster. */
export function hostOf({ host, port }: { host: string; port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The address as messages show it, never with a password. */
export function nameOf(address: Address): string {
  if (address.path !== undefined) return `unix:${address.path}?db=${address.database}`
  return `${address.tls ? 'rediss' : 'redis'}://${hostOf(address)}/${address.database}`
}

/** An address whose parts are not checked yet. */
export type GivenAddress = Omit<Address, 'connectTimeout'> & { connectTimeout?: Duration }

/**
 * The address at which this process reaches a server for which another server reports this host and this
 * port.
 */
export function reached(by: Address, host: string, port: number): { host: string; port: number } {
  return by.natMap?.get(hostOf({ host, port })) ?? { host, port }
}

/**
 * Checks the parts of an address. Messages show the name of the store, which is made from these parts. If a
 * whole URL were accepted as a host, messages would show the password in the URL.
 *
 * @returns the address, without a user name or password that is empty
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
  // Redis allows no blanks in the name of a connection.
  if (clientName !== undefined && !(typeof clientName === 'string' && /^[\x21-\x7e]{1,64}$/.test(clientName)))
    throw invalid('the clientName must be 1 to 64 letters of ASCII without blanks')
  const login = credentials(username, password)
  const rest = { tls: tls || undefined, connectTimeout: patience(connectTimeout) }
  return { ...address, ...login, ...defined(rest) }
}

/**
 * The address without `connectTimeout`, for calls with a short time limit of their own. (A `connectTimeout`
 * in the address would replace this limit.)
 */
export function withoutConnectTimeout({ connectTimeout: _, ...address }: Address): Address {
  return address
}

/** @throws STORE_INVALID */
function patience(connectTimeout: unknown): number | undefined {
  if (connectTimeout === undefined) return undefined
  const ms = milliseconds(connectTimeout)
  if (ms === undefined || ms < CONNECT_TIMEOUT.least || ms > CONNECT_TIMEOUT.most)
    throw invalid(`the connectTimeout must be ${durationForm}, from 10 ms to 10 minutes`)
  return ms
}

/** @throws STORE_INVALID if the user name or the password is not text */
export function credentials(username: unknown, password: unknown): Login {
  for (const [key, value] of Object.entries({ username, password })) {
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`${key} is ${typeof value}, not a text`)
  }
  return defined({ username: username || undefined, password: password || undefined }) as Login
}

/**
 * Makes the error for an invalid connection. `why` must not contain the given text, because it may contain a
 * password.
 */
export function invalid(why: string): JobsError {
  return new JobsError('STORE_INVALID', `The connection of Redis cannot be understood: ${why}`, {
    hint: `Write ${forms}`,
  })
}

/**
 * The error for a URL whose password contains `/`, `?` or `#` without an escape. Such a character ends the
 * part of a URL that has the password.
 */
export function misplaced(): JobsError {
  return invalid(
    'a password with / ? or # in it is written with %2F, %3F or %23; so is an @ behind them, with %40',
  )
}

/** Decodes percent escapes. @throws STORE_INVALID */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('it has a % that does not begin an escape; write %25')
  }
}
