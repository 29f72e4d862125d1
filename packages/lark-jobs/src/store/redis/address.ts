/**
 * Where a Redis server is: what a connection string, or an object in its stead, says.
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
  tls?: boolean | Record<string, unknown>
}

const forms = 'redis://[user:password@]host[:port][/database], rediss://… with TLS, or unix:/path[?db=1]'

/** @throws STORE_INVALID */
export function parseAddress(given: string | Partial<Address>): Address {
  if (typeof given !== 'string') return check({ host: '127.0.0.1', port: 6379, database: 0, ...given })
  if (!URL.canParse(given)) throw invalid('it is no URL')
  const url = new URL(given)
  const credentials = {
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
  }
  const base = { host: '127.0.0.1', port: 6379, ...credentials }
  if (url.protocol === 'unix:') {
    return check({
      ...base,
      path: decodeURIComponent(url.pathname),
      database: Number(url.searchParams.get('db') ?? 0),
    })
  }
  if (!['redis:', 'rediss:', 'valkey:', 'valkeys:'].includes(url.protocol))
    throw invalid(`"${url.protocol}" is none`)
  const secure = url.protocol === 'rediss:' || url.protocol === 'valkeys:'
  return check({
    ...base,
    ...(url.hostname && { host: url.hostname.replace(/^\[(.*)\]$/, '$1') }),
    ...(url.port && { port: Number(url.port) }),
    database: Number(url.pathname.slice(1) || 0),
    ...(secure && { tls: true }),
  })
}

/** As people call it; never with a password. */
export function nameOf(address: Address): string {
  if (address.path !== undefined) return `unix:${address.path}?db=${address.database}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.tls ? 'rediss' : 'redis'}://${host}:${address.port}/${address.database}`
}

function check(address: Address): Address {
  const { port, database } = address
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid(`${port} is no port`)
  if (!Number.isInteger(database) || database < 0) throw invalid(`the database is a number from 0`)
  return address
}

/** Without the text itself: it may hold a password. */
function invalid(why: string): JobsError {
  return new JobsError('STORE_INVALID', `The connection string of Redis cannot be understood: ${why}`, {
    hint: `Write ${forms}`,
  })
}
