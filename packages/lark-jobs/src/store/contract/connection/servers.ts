/**
 * A Redis connection as an object. An object has options that a connection string cannot have, such as
 * certificates, or a password that only the Sentinels ask for.
 */
import type { Duration } from '../../../words/duration.ts'

/** A user name, a password, and the time until which they are valid. */
export interface Credentials {
  /** The user name. Default: `default`. */
  username?: string | undefined
  password: string
  /**
   * How long the credentials are valid from now. Without `expiresIn` and `expiresAt`, they are valid until a
   * server refuses them.
   */
  expiresIn?: Duration | undefined
  /** When the credentials expire: a `Date`, or milliseconds since 1970. */
  expiresAt?: Date | number | undefined
}

/**
 * A function that returns credentials. Lark calls it for the first connection, again before the credentials
 * expire, and when a server refuses them.
 *
 * @example
 * credentials: async () => {
 *   const { token, expiresOnTimestamp } = await credential.getToken('https://redis.azure.com/.default')
 *   return { username: objectId, password: token, expiresAt: expiresOnTimestamp }
 * }
 */
export type CredentialsFunction = () => Credentials | Promise<Credentials>

/**
 * The servers of a store: one server, a cluster, or a primary that Sentinels watch.
 *
 * @example
 * const connection: RedisServers = {
 *   cluster: ['10.0.0.1:6379', '10.0.0.2:6379'],
 *   password: process.env.REDIS_PASSWORD,
 *   tls: { ca: readFileSync('ca.pem', 'utf8') },
 * }
 * @example
 * const connection: RedisServers = { url: process.env.REDIS_URL, tls: { rejectUnauthorized: false } }
 */
export interface RedisServers {
  /**
   * A connection string. The other keys of the object add options to it. If the key `url` is present with the
   * value undefined, the connection in `LARK_JOBS_URL` or `REDIS_URL` is used, as if the configuration had no
   * object.
   */
  url?: string | undefined
  /** The name or address of the server. Default: 127.0.0.1. */
  host?: string | undefined
  /** The port of the server. Default: 6379. */
  port?: number | undefined
  /** The path of a Unix socket, in place of a host and a port. */
  path?: string | undefined
  /**
   * Some nodes of a cluster as `host:port`, in place of a host and a port. Lark asks these nodes for the
   * other nodes.
   */
  cluster?: readonly string[] | undefined
  /** The Sentinels that know the primary, in place of a host and a port. */
  sentinel?: SentinelServers | undefined
  username?: string | undefined
  password?: string | undefined
  /**
   * A function that returns the user name and the password, in place of `username` and `password`. For tokens
   * that expire and passwords that rotate: open connections log in again with new credentials.
   */
  credentials?: CredentialsFunction | undefined
  /** The number of the database. Default: 0, the only database of a cluster. */
  database?: number | undefined
  /** `true`, or options for Node's `tls.connect`: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
  /** Which addresses of a host name are used: 4 (IPv4), 6 (IPv6), or 0 for both, which is the default. */
  family?: 0 | 4 | 6 | undefined
  /** How long one attempt to connect may take, TLS and log-in included. Default 2 seconds. For a Sentinel,
   * and for a node that is asked for the map of its cluster, the default is 1 second. */
  connectTimeout?: Duration | undefined
  /**
   * The first part of the names of connections in `CLIENT LIST`. Default: `lark`, for names such as
   * `lark:web` and `lark:worker`.
   */
  clientName?: string | undefined
  /**
   * Whether a provider runs the server, so that you cannot configure how the server keeps its data. Lark then
   * gives no warning about the configuration. Default: `true` if the host name belongs to a known provider
   * (ElastiCache, MemoryDB, Azure, Upstash, Render, Redis Cloud, Aiven, DigitalOcean, Scalingo).
   */
  managed?: boolean | undefined
  /**
   * Addresses that replace the addresses which the cluster or the Sentinels report, for servers that cannot
   * be reached at their own addresses (Docker, NAT, a tunnel). The keys are reported addresses, as
   * `host:port`.
   *
   * @example { '172.18.0.2:6379': 'localhost:7001', '172.18.0.3:6379': 'localhost:7002' }
   */
  natMap?: Readonly<Record<string, string>> | undefined
}

export interface SentinelServers {
  /** The name under which the Sentinels know the primary, such as `mymaster`. */
  name: string
  /** The Sentinels as `host:port`. Default port: 26379. */
  nodes: readonly string[]
  username?: string | undefined
  password?: string | undefined
  /**
   * A function that returns the user name and the password for the Sentinels, in place of `username` and
   * `password`.
   */
  credentials?: CredentialsFunction | undefined
  /** TLS options for the Sentinels. Default: the same as for the servers. */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
}
