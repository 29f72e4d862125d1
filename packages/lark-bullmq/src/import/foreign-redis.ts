/**
 * Connects to the Redis of BullMQ: one server, a primary that Sentinels watch, or a cluster. The client is
 * ioredis, because it supports all three. The errors of ioredis are turned into errors of a store.
 *
 * ioredis itself repeats no commands. This file repeats a read if the connection ends before the answer. A
 * change is not repeated, so the import has to be started again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import type { RedisServers } from '@s18i/lark-jobs'
import { JobsError } from '@s18i/lark-jobs'
import { locationOf, textOf } from '@s18i/lark-jobs/internal'
import type { Cluster, Redis, RedisOptions } from 'ioredis'

type Options = RedisOptions & { replyMapping?: 'legacy' }
/** The words of a command. The key comes directly after the name of the command. */
export type Words = readonly [name: string, ...words: string[]]

/**
 * For how many milliseconds a read is repeated: before the server's first answer (`first`), and later
 * (`later`).
 */
const PATIENCE = { first: 2_000, later: 10_000 }
/** Milliseconds between two attempts. */
const AGAIN = 100

/** What to do about a refusal, by the first word of the refusal. */
const hints: Record<string, string> = {
  NOAUTH: 'The server asks for a password: redis://:password@host',
  WRONGPASS: 'The user name or the password is wrong.',
  NOPERM:
    'The user may not call this. An import needs the reading commands, and to mark jobs HSET, EXISTS and EVAL.',
  MOVED: 'This server is a node of a cluster: redis+cluster://host:port',
}

export class ForeignRedis {
  /** The name for people, such as `redis://host:6379/0`, without a password. */
  readonly name: string
  readonly #client: Redis | Cluster
  /** Why there is no connection. */
  #fault: unknown
  #patience = PATIENCE.first

  private constructor(name: string, client: Redis | Cluster) {
    this.name = name
    this.#client = client
    client.on('error', (error: unknown) => {
      this.#fault = error
    })
  }

  /** @throws STORE_INVALID */
  static async open(servers: string | RedisServers): Promise<ForeignRedis> {
    const location = await locationOf(servers)
    const { Cluster, Redis } = await import('ioredis')
    if (location.kind === 'server')
      return new ForeignRedis(location.name, new Redis(optionsOf(location.address)))
    if (location.kind === 'sentinel') return new ForeignRedis(location.name, new Redis(sentinelsOf(location)))
    const [first] = location.nodes
    const { host: _, port: __, db: ___, ...redisOptions } = optionsOf(first!)
    const nodes = location.nodes.map(({ host, port }) => ({ host, port }))
    return new ForeignRedis(
      location.name,
      new Cluster(nodes, { redisOptions, retryDelayOnFailover: 0, ...natOf(first!) }),
    )
  }

  /**
   * Sends a command that changes nothing. If there is no answer, the command is sent again.
   *
   * @throws STORE_UNREACHABLE, STORE_REFUSED
   */
  async read(words: Words, client: Redis | Cluster = this.#client): Promise<unknown> {
    const [name, ...rest] = words
    for (const began = performance.now(); ; await pause(AGAIN)) {
      try {
        const answer = await client.call(name, ...rest)
        this.#patience = PATIENCE.later
        return answer
      } catch (error) {
        if (isReply(error)) throw this.#refused(error)
        if (performance.now() > began + this.#patience)
          throw this.#unanswered('STORE_UNREACHABLE', 'cannot be reached', error)
      }
    }
  }

  /**
   * Runs a script that changes something.
   *
   * @throws STORE_UNCERTAIN if there is no answer, because the script may have run
   */
  async run(script: string, key: string, args: readonly string[]): Promise<unknown> {
    try {
      return await this.#client.call('EVAL', script, '1', key, ...args)
    } catch (error) {
      throw isReply(error)
        ? this.#refused(error)
        : this.#unanswered('STORE_UNCERTAIN', 'did not answer', error)
    }
  }

  /** Calls a function for each server that has keys. */
  async each<T>(ask: (read: (words: Words) => Promise<unknown>) => Promise<T>): Promise<T[]> {
    // The client of a cluster knows the servers only after one of them has answered.
    await this.read(['PING'])
    const servers = 'nodes' in this.#client ? this.#client.nodes('master') : [this.#client]
    return await Promise.all(servers.map((server) => ask((words) => this.read(words, server))))
  }

  close(): void {
    this.#client.disconnect()
  }

  #refused(error: Error): Error {
    const word = wordOf(error)
    if (word === 'WRONGTYPE') return error
    const hint = hints[word]
    const message = `${this.name} refused: ${error.message}`
    return new JobsError('STORE_REFUSED', message, { cause: error, ...defined({ hint }) })
  }

  #unanswered(code: 'STORE_UNREACHABLE' | 'STORE_UNCERTAIN', what: string, error: unknown): JobsError {
    const cause = this.#fault ?? error
    return new JobsError(code, `${this.name} ${what}: ${textOf(cause)}`, {
      cause,
      hint: 'Is it the address of the Redis of BullMQ?',
    })
  }
}

/**
 * Whether a command failed because its key holds a value of another type.
 *
 * @param error the reply, or an error that has the reply as its cause
 */
export function isWrongType(error: unknown): boolean {
  const reply = error instanceof JobsError ? error.cause : error
  return isReply(reply) && wordOf(reply) === 'WRONGTYPE'
}

/**
 * Whether an error is the answer of the server. Such an error is recognised by its name, because its class
 * may come from another copy of ioredis.
 */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}

function wordOf({ message }: Error): string {
  return /^(?:ERR Error running script.*? -)?([A-Z]{3,})\b/.exec(message)?.[1] ?? 'ERR'
}

type ForeignLocation = Awaited<ReturnType<typeof locationOf>>
type ServerAddress = Extract<ForeignLocation, { kind: 'server' }>['address']

function optionsOf(address: ServerAddress): Options {
  const { host, port, path, database: db, family, connectTimeout } = address
  return {
    ...(path === undefined ? { host, port } : { path }),
    ...loginOf(address),
    ...(address.tls && { tls: tlsOf(address) }),
    ...(family && { family }),
    ...defined({ connectTimeout }),
    // With protocol 3, ioredis 6 would return replies in other forms. ioredis 5 does not have protocol 3.
    ...{ protocol: 2, db, maxRetriesPerRequest: 0, retryStrategy: () => AGAIN },
    // The ready check would need INFO, which the user may not be allowed to call.
    enableReadyCheck: false,
  }
}

function sentinelsOf(location: Extract<ForeignLocation, { kind: 'sentinel' }>): Options {
  const { host: _, port: __, ...options } = optionsOf(location.address)
  const first = location.sentinels[0]!
  const { username, password } = first
  return {
    ...{ ...options, ...natOf(first) },
    ...{ name: location.primary, sentinels: location.sentinels.map(({ host, port }) => ({ host, port })) },
    ...{ sentinelRetryStrategy: () => AGAIN },
    ...defined({ sentinelUsername: username, sentinelPassword: password }),
    ...(first.tls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(first) }),
  }
}

function loginOf({ username, password }: ServerAddress): { username?: string; password?: string } {
  return defined({ username, password })
}

function tlsOf({ tls }: ServerAddress): Record<string, unknown> {
  return typeof tls === 'object' ? { ...tls } : {}
}

function natOf({ natMap }: ServerAddress): { natMap?: Record<string, { host: string; port: number }> } {
  return natMap === undefined ? {} : { natMap: Object.fromEntries(natMap) }
}
