/**
 * Redis servers as an object: what a connection string has no room for, such as certificates, or a password that
 * Sentinels ask for and servers do not.
 */
import type { Duration } from '../duration.ts'

/** Who logs in, and until when these words are good for it. */
export interface Credentials {
  /** Default: the user `default`. */
  username?: string | undefined
  password: string
  /** How long from now. Without it and `expiresAt`, until a server refuses them. */
  expiresIn?: Duration | undefined
  /** The same as an instant: a `Date`, or milliseconds since 1970. */
  expiresAt?: Date | number | undefined
}

/**
 * Asked when the first connection is made, in time before what it gave expires, and when a server refuses it.
 *
 * @example
 * credentials: async () => {
 *   const { token, expiresOnTimestamp } = await credential.getToken('https://redis.azure.com/.default')
 *   return { username: objectId, password: token, expiresAt: expiresOnTimestamp }
 * }
 */
export type CredentialsFunction = () => Credentials | Promise<Credentials>

/**
 * One server, or a cluster, or what Sentinels watch.
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
   * A connection string, to which the other keys add what it does not say. Without a value, the connection is that of
   * `LARK_JOBS_URL` or `REDIS_URL`, as if there were no object.
   */
  url?: string | undefined
  /** Default 127.0.0.1. */
  host?: string | undefined
  /** Default 6379. */
  port?: number | undefined
  /** A Unix socket, instead of host and port. */
  path?: string | undefined
  /** Some nodes of a cluster as `host:port`, instead of host and port. They are asked for the rest. */
  cluster?: readonly string[] | undefined
  /** Who knows the primary, instead of host and port. */
  sentinel?: SentinelServers | undefined
  username?: string | undefined
  password?: string | undefined
  /**
   * Who logs in, by a function, instead of `username` and `password`: for tokens that expire and passwords that rotate.
   * Living connections log in again with what it gives.
   */
  credentials?: CredentialsFunction | undefined
  /** Default 0; a cluster has no other. */
  database?: number | undefined
  /** `true`, or what `tls.connect` of Node takes beyond it: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
  /** Which addresses of a host name are used: 4 (IPv4), 6 (IPv6), or 0 for both, which is the default. */
  family?: 0 | 4 | 6 | undefined
  /** How long one attempt to connect may take, TLS and log-in included. Default 2 seconds; of a Sentinel, or a node
   * that is asked for the map of its cluster, 1 second. */
  connectTimeout?: Duration | undefined
  /** What the names of the connections in `CLIENT LIST` begin with. Default `lark`: `lark:web`, `lark:worker`. */
  clientName?: string | undefined
  /**
   * A provider runs the server, and how it keeps its data cannot be set up: nobody is warned of that. Default: whether
   * the name of the host is one of a provider's (ElastiCache, MemoryDB, Azure, Upstash, Render, Redis Cloud, Aiven,
   * DigitalOcean, Scalingo).
   */
  managed?: boolean | undefined
  /**
   * Where nodes or servers are reached whose own addresses lead nowhere from here (Docker, NAT, a tunnel), by the
   * `host:port` that the cluster or the Sentinels give for them.
   *
   * @example { '172.18.0.2:6379': 'localhost:7001', '172.18.0.3:6379': 'localhost:7002' }
   */
  natMap?: Readonly<Record<string, string>> | undefined
}

export interface SentinelServers {
  /** What the Sentinels call the primary: `mymaster`. */
  name: string
  /** `host:port`; the port may be left out (26379). */
  nodes: readonly string[]
  username?: string | undefined
  password?: string | undefined
  /** Instead of `username` and `password`. */
  credentials?: CredentialsFunction | undefined
  /** Default: as for the servers. */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
}
