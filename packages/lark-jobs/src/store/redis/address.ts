/**
 * Where one Redis server is.
 */
import { JobsError } from '../../errors.ts'

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
}

const forms =
  'redis://[user:password@]host[:port][/database], rediss://… with TLS, unix:/path[?db=1], ' +
  'redis+cluster://[user:password@]host[:port],host[:port]…, ' +
  'or redis+sentinel://[user:password@]host[:port],host[:port]…/NAME[/database]'

/** @throws STORE_INVALID */
export function parseAddress(given: string | Partial<Address>): Address {
  if (typeof given !== 'string') return checkAddress({ host: '127.0.0.1', port: 6379, database: 0, ...given })
  if (!URL.canParse(given)) throw invalid('it is no URL')
  const url = new URL(given)
  const credentials = {
    ...(url.username && { username: decode(url.username) }),
    ...(url.password && { password: decode(url.password) }),
  }
  const base = { host: '127.0.0.1', port: 6379, ...credentials }
  if (url.protocol === 'unix:') {
    return checkAddress({
      ...base,
      path: decode(url.pathname),
      database: Number(url.searchParams.get('db') ?? 0),
    })
  }
  if (!['redis:', 'rediss:', 'valkey:', 'valkeys:'].includes(url.protocol))
    throw invalid(`"${url.protocol}" is none`)
  const secure = url.protocol === 'rediss:' || url.protocol === 'valkeys:'
  return checkAddress({
    ...base,
    ...(url.hostname && { host: url.hostname.replace(/^\[(.*)\]$/, '$1') }),
    ...(url.port && { port: Number(url.port) }),
    database: Number(url.pathname.slice(1) || 0),
    ...(secure && { tls: true }),
  })
}

/** Percent-decoded. @throws STORE_INVALID */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('it has a % that begins no character; write %25')
  }
}

/** `host`, `host:port`, `[::1]:port`. @throws STORE_INVALID */
export function parseHost(text: string, port: number): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d+))?$/.exec(text.trim())
  if (!match) throw invalid(text.trim() === '' ? 'a host is missing' : `"${text}" is no host:port`)
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

export function checkAddress(address: Address): Address {
  const { port, database } = address
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid(`${port} is no port`)
  if (!Number.isInteger(database) || database < 0) throw invalid(`the database is a number from 0`)
  return address
}

/** Without the text itself: it may hold a password. */
export function invalid(why: string): JobsError {
  return new JobsError('STORE_INVALID', `The connection of Redis cannot be understood: ${why}`, {
    hint: `Write ${forms}`,
  })
}
