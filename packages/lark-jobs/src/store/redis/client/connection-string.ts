/**
 * Parses a connection string of Redis into an object.
 *
 * The forms that other clients use are accepted, too: `redis+sentinel://…/mymaster/0` and
 * `?sentinel_password=` from Python; `redis-sentinel://`, `redis-cluster://` and `redis-socket://` from Java
 * and Rust; `redis+unix://`, `redis+ssl://` and `redis+tls://` from some others. `parameters.ts` reads the
 * part after the `?`.
 *
 * No error shows any part of the given text, because a password may be anywhere in it.
 */

import { defined } from '@s18i/lark/internal'
import { plain } from '../../../words/connection-text.ts'
import type { RedisServers } from '../../contract/connection/servers.ts'
import { credentials, decode, invalid, type Login, misplaced, parseHost } from './address.ts'
import { type Parameters, readParameters } from './parameters.ts'

const schemes =
  /^(?:(unix)|(?:redis|valkey)(s?)(?:[+-](?:(cluster|sentinel)|(ssl|tls)|(socket|unix)))?):(?:\/\/)?/i

/** @throws STORE_INVALID */
export function parseText(given: string): RedisServers {
  const text = plain(given)
  const [scheme, unix, s, sort, secure, socket] = schemes.exec(text) ?? []
  if (unix !== undefined || socket !== undefined) {
    if (s) throw invalid('a Unix socket is redis+unix:/path or unix:/path, without TLS')
    return parseSocket(text)
  }
  if (!scheme?.endsWith('//'))
    throw invalid(
      'it does not begin with redis://, rediss://, valkey://, redis+cluster://, redis+sentinel:// or unix:',
    )
  return parseHosts(text.slice(scheme.length), sort?.toLowerCase(), Boolean(s || secure))
}

function parseHosts(rest: string, sort: string | undefined, isSecure: boolean): RedisServers {
  const [, authority = '', path = '', query] = /^([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?$/.exec(rest) ?? []
  // If an `@` comes after `/`, `?` or `#`, a password contains this character without an escape.
  if (path.includes('@')) throw misplaced()
  if (rest.includes('#')) {
    if (sort === 'sentinel' && !rest.slice(rest.indexOf('#')).includes('@'))
      throw invalid(
        'the name of the primary is written as a path, redis+sentinel://host:26379/mymaster, not after a #',
      )
    throw misplaced()
  }
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  if (at < 0 && /(^|&)(user|password)[^&]*@/i.test(query ?? '')) throw misplaced()
  const parameters = readParameters(query, sort)
  const servers: RedisServers = {
    ...merged(readCredentials(authority.slice(0, Math.max(0, at))), parameters),
    ...readTls(isSecure, parameters),
  }
  if (sort === 'sentinel') {
    const [name = '', ...database] = path.split('/')
    servers.sentinel = {
      name: decode(name),
      nodes: hosts.split(','),
      username: parameters.sentinelUsername,
      password: parameters.sentinelPassword,
    }
    return { ...servers, ...readDatabase(database.join('/'), parameters) }
  }
  Object.assign(servers, readDatabase(path, parameters))
  if (sort === 'cluster') return { ...servers, cluster: hosts.split(',') }
  if (hosts.includes(','))
    throw invalid('several hosts are a cluster (redis+cluster://) or Sentinels (redis+sentinel://)')
  return hosts === '' ? servers : { ...servers, ...parseHost(hosts, 6379) }
}

/** Reads `unix:/path`, `unix:///path` or `redis+unix://user:password@/path`. */
function parseSocket(text: string): RedisServers {
  const [, who, path, query] =
    /^[a-z+-]+:(?:\/\/(?:([^/?#]*)@)?)?(\/(?!\/)[^?#]*)(?:\?([^#]*))?$/i.exec(text) ?? []
  if (path === undefined)
    throw invalid('a Unix socket is unix:/path or unix://user:password@/path, without a host')
  if (who !== undefined && path.includes('@')) throw misplaced()
  const parameters = readParameters(query, 'socket')
  return {
    path: decode(path),
    ...merged(readCredentials(who ?? ''), parameters),
    ...readDatabase('', parameters),
  }
}

/** Reads `user:password`, `:password` or `user`. */
function readCredentials(text: string): Login {
  const colon = text.indexOf(':')
  const [username, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return credentials(decode(username), decode(password))
}

/** Joins the credentials in front of the hosts with the parameters after the `?`. */
function merged(before: Login, after: Parameters): RedisServers {
  const { username, password, family, connectTimeout, clientName } = after
  const said = defined({ username, password, family, connectTimeout, clientName })
  for (const key of ['username', 'password'] as const) {
    if (before[key] !== undefined && said[key] !== undefined && before[key] !== said[key])
      throw invalid(`"?${key}=" is not what stands before the host; give only one of them`)
  }
  return { ...before, ...said } as RedisServers
}

function readTls(isSecure: boolean, { tls: said, checksCertificate }: Parameters): Pick<RedisServers, 'tls'> {
  if (isSecure && said === false)
    throw invalid('"?tls=false" contradicts the rest of the connection about TLS')
  const tls = isSecure || said
  if (checksCertificate !== undefined && !tls)
    throw invalid('"?ssl_cert_reqs=" is about TLS; write rediss:// instead of redis://')
  if (checksCertificate === false) return { tls: { rejectUnauthorized: false } }
  return isSecure || said !== undefined ? { tls } : {}
}

function readDatabase(path: string, { database: said }: Parameters): { database?: number } {
  if (path === '') return said === undefined ? {} : { database: said }
  if (!/^\d{1,9}$/.test(path)) throw invalid('the database must be a whole number, 0 or more')
  const database = Number(path)
  if (said !== undefined && said !== database) throw invalid('it names two databases')
  return { database }
}
