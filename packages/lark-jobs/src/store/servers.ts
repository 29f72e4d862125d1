/**
 * Redis servers as an object: what a connection string has no room for, such as certificates, or a password that
 * Sentinels ask for and servers do not.
 */

/**
 * One server, or a cluster, or what Sentinels watch.
 *
 * @example
 * const connection: RedisServers = {
 *   cluster: ['10.0.0.1:6379', '10.0.0.2:6379'],
 *   password: process.env.REDIS_PASSWORD,
 *   tls: { ca: readFileSync('ca.pem', 'utf8') },
 * }
 */
export interface RedisServers {
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
  /** Default 0; a cluster has no other. */
  database?: number | undefined
  /** `true`, or what `tls.connect` of Node takes beyond it: `ca`, `cert`, `key`, `servername`… */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
}

export interface SentinelServers {
  /** What the Sentinels call the primary: `mymaster`. */
  name: string
  /** `host:port`; the port may be left out (26379). */
  nodes: readonly string[]
  username?: string | undefined
  password?: string | undefined
  /** Default: as for the servers. */
  tls?: boolean | Readonly<Record<string, unknown>> | undefined
}
