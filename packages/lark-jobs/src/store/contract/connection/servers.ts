/**
 * A Redis connection as an object. It can express what a connection string cannot, such as certificates, or a
 * password that only the Sentinels ask for.
 */
import type { Duration } from '../../../words/duration.ts'

/** A user name and password, and until when they are valid. */
export interface Credentials {
  /** Default: the user `default`. */
  username?: string | undefined
  password: string
  /** How long they are valid, from now. Without `expiresIn` and `expiresAt`: until a server refuses them. */
  expiresIn?: Duration | undefined
  /** When the credentials expire: a `Date`, or milliseconds since 1970. */
  expiresAt?: Date | number | undefined
}

/**
 * Returns credentials. It is called for the first connection, again before its last credentials expire, and
 * when a server refuses them.
 *
 * @example
 * credentials: async () => {
 *   const { token, expiresOnTimestamp } = await credential.getToken('https://redis.azure.com/.default')
 *   return { username: objectId, password: token, expiresAt: expiresOnTimestamp }
 * }
 */
export type CredentialsFunction = () => Credentials | Promise<Credentials>

/**
 * One server, a cluster, or a primary that Sentinels watch.
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
   * A connection string. The other keys add to it. If the key is present without a value, the connection of
   * `LARK_JOBS_URL` or `REDIS_URL` is used, as if there were no object.
   */
  url?: string | undefined
  /** Default 127.0.0.1. */
  host?: string | undefined
  /** Default 6379. */
  port?: number | undefined
  /** A Unix socket, instead of host and port. */
  path?: string | undefined
  /** Some nodes of a cluster as `host:port`, instead of host and port. Lark asks them for the other nodes. */
  cluster?: readonly string[] | undefined
  /** The Sentinels that know the primary, instead of host and port. */
  sentinel?: SentinelServers | undefined
  username?: string | undefined
  password?: string | undefined
  /**
   * A function that returns the user name and password, instead of `username` and `password`: for tokens that
   * expire and passwords that rotate. Open connections log in again with its result.
   */
  credentials?: CredentialsFunction | undefined
  /** Default 0. A cluster has only database 0. */
  database?: number | undefined
  /** `true`, or options for Node's `tls.connect`: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
  /** Which addresses of a host name are used: 4 (IPv4), 6 (IPv6), or 0 for both, which is the default. */
  family?: 0 | 4 | 6 | undefined
  /** How long one attempt to connect may take, TLS and log-in included. Default 2 seconds. For a Sentinel,
   * and for a node that is asked for the map of its cluster, the default is 1 second. */
  connectTimeout?: Duration | undefined
  /** The beginning of the connections' names in `CLIENT LIST`. Default `lark`: `lark:web`, `lark:worker`. */
  clientName?: string | undefined
  /**
   * Whether a provider runs the server. You then cannot configure how the server keeps its data, so Lark does
   * not warn about that. Default: `true` if the host name belongs to a known provider (ElastiCache, MemoryDB,
   * Azure, Upstash, Render, Redis Cloud, Aiven, DigitalOcean, Scalingo).
   */
  managed?: boolean | undefined
  /**
   * Addresses to use instead of those that the cluster or the Sentinels give, for servers whose own addresses
   * cannot be reached from here (Docker, NAT, a tunnel). The keys are the given `host:port`.
   *
   * @example { '172.18.0.2:6379': 'localhost:7001', '172.18.0.3:6379': 'localhost:7002' }
   */
  natMap?: Readonly<Record<string, string>> | undefined
}

export interface SentinelServers {
  /** The Sentinels' name for the primary, such as `mymaster`. */
  name: string
  /** The Sentinels as `host:port`. Default port: 26379. */
  nodes: readonly string[]
  username?: string | undefined
  password?: string | undefined
  /** Instead of `username` and `password`. */
  credentials?: CredentialsFunction | undefined
  /** TLS options for the Sentinels. Default: the same as for the servers. */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
}
