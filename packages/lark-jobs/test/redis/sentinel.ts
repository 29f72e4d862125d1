/**
 * A primary, its replicas, and Sentinels that watch it. When the primary does not answer for `downAfter`, a
 * replica replaces it.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server, until } from './server.ts'

export interface SentinelOptions {
  binary?: string
  /** Default: 1. */
  replicas?: number
  /** How many Sentinels there are. Default: 3. Two Sentinels must agree, or one if there is only one. */
  sentinels?: number
  /**
   * Milliseconds. Default: 1,500. A Sentinel first asks a new server after a second, or after `downAfter` if
   * it is shorter, and may then consider a healthy server dead (seen with 500, in 4 of 5 runs).
   */
  downAfter?: number
  /** Options of primary and replicas: `['--appendonly', 'yes']`. */
  args?: readonly string[]
  /** The password of the servers. */
  password?: string
  /** The password of the Sentinels. */
  sentinelPassword?: string
}

export const MASTER = 'lark-primary'

/**
 * After this many milliseconds, a Sentinel has given up a failover. The time is longer than
 * `failover-timeout`.
 */
const GIVEN_UP = 5_000

export class SentinelFleet implements AsyncDisposable {
  readonly #options: SentinelOptions
  /** The servers. The first one begins as the primary. */
  readonly servers: Server[] = []
  readonly sentinels: Server[] = []

  private constructor(options: SentinelOptions) {
    this.#options = options
  }

  static async start(options: SentinelOptions = {}): Promise<SentinelFleet> {
    const fleet = new SentinelFleet(options)
    try {
      await fleet.#startServers()
      await Promise.all(Array.from({ length: options.sentinels ?? 3 }, () => fleet.#startSentinel()))
      await fleet.calm()
      return fleet
    } catch (error) {
      await fleet[Symbol.asyncDispose]()
      throw error
    }
  }

  get url(): string {
    const { password, sentinelPassword } = this.#options
    const credentials = password === undefined ? '' : `:${password}@`
    const query = sentinelPassword === undefined ? '' : `?sentinel_password=${sentinelPassword}`
    return `redis+sentinel://${credentials}${this.sentinels.map(({ address }) => address).join(',')}/${MASTER}${query}`
  }

  /** Returns the primary, according to the first living Sentinel. */
  async primary(): Promise<Server> {
    for (const sentinel of this.sentinels.filter(({ isUp }) => isUp)) {
      const server = await this.#primaryBy(sentinel)
      if (server) return server
    }
    throw new Error('no Sentinel knows a primary')
  }

  /** Resolves when no living Sentinel names this server as the primary any more. */
  async left(before: Server): Promise<void> {
    await until(async () => {
      const living = this.sentinels.filter(({ isUp }) => isUp)
      const named = await Promise.all(living.map((sentinel) => this.#primaryBy(sentinel)))
      return named.every((server) => server !== undefined && server !== before)
    })
  }

  async #primaryBy(sentinel: Server): Promise<Server | undefined> {
    const words = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]
    const [, port] = ((await sentinel.send(...words).catch(() => null)) ?? []) as string[]
    return this.servers.find((each) => String(each.port) === port)
  }

  /** Starts a failover by a command. Resolves when the Sentinels name another primary. */
  async failover(): Promise<void> {
    const before = await this.primary()
    const left = this.left(before).then(() => true)
    // A Sentinel refuses the failover while it does not know that the replica is healthy, which may take a
    // second. On a slow machine, it may also begin a failover and give it up (`failover-timeout`).
    for (let isOver = false; !isOver; ) {
      await until(() =>
        this.sentinels[0]!.send('SENTINEL', 'FAILOVER', MASTER).then(
          () => true,
          () => false,
        ),
      )
      isOver = await Promise.race([left, sleep(GIVEN_UP, false)])
    }
  }

  /**
   * Resolves when the replicas have the data, and each Sentinel knows the replicas and the other Sentinels,
   * so that a failover is possible.
   */
  async calm(): Promise<void> {
    const others = { replicas: this.servers.length - 1, sentinels: this.sentinels.length - 1 }
    await until(async () => {
      const primary = await this.primary()
      // If a server does not answer in time (on a busy machine), the loop tries again.
      const info = String(await primary.send('INFO', 'replication').catch(() => ''))
      // A replica is connected before it has all data. The Sentinels would promote it all the same, and the
      // writes since the last failover would be lost.
      const online = info.match(/^slave\d+:.*state=online/gm) ?? []
      if (online.length !== others.replicas) return false
      const replicas = this.servers.filter((server) => server !== primary)
      const theirs = await Promise.all(
        replicas.map((server) => server.send('INFO', 'replication').catch(() => '')),
      )
      if (!theirs.every((text) => String(text).includes('master_link_status:up'))) return false
      const facts = await Promise.all(this.sentinels.map((sentinel) => factsOf(sentinel)))
      return facts.every((fact) => {
        return (
          fact.get('flags') === 'master' &&
          fact.get('port') === String(primary.port) &&
          fact.get('num-slaves') === String(others.replicas) &&
          fact.get('num-other-sentinels') === String(others.sentinels)
        )
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.servers, ...this.sentinels].map((server) => server[Symbol.asyncDispose]()))
  }

  async #startServers(): Promise<void> {
    const { binary = 'redis-server', replicas = 1, args = [], password } = this.#options
    const start = async (more: string[]) => {
      const all = ['--repl-diskless-sync-delay', '0', ...args, ...more]
      const server = await Server.with({ binary, args: all, ...(password !== undefined && { password }) })
      this.servers.push(server)
      return server
    }
    const primary = await start([])
    const follow = ['--replicaof', '127.0.0.1', String(primary.port)]
    const others = await Promise.all(Array.from({ length: replicas }, () => start(follow)))
    await until(async () => {
      const infos = await Promise.all(others.map((server) => server.send('INFO', 'replication')))
      return infos.every((info) => String(info).includes('master_link_status:up'))
    })
  }

  async #startSentinel(): Promise<void> {
    const { binary = 'redis-server', sentinels = 3, downAfter = 1_500 } = this.#options
    const { password, sentinelPassword } = this.#options
    const quorum = Math.floor(sentinels / 2) + 1
    const write = async (folder: string, port: number) => {
      const path = join(folder, 'sentinel.conf')
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor ${MASTER} 127.0.0.1 ${this.servers[0]!.port} ${quorum}`,
        `sentinel down-after-milliseconds ${MASTER} ${downAfter}`,
        `sentinel failover-timeout ${MASTER} 3000`,
        ...(password === undefined ? [] : [`sentinel auth-pass ${MASTER} ${password}`]),
        ...(sentinelPassword === undefined
          ? []
          : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
      ]
      await writeFile(path, `${lines.join('\n')}\n`)
      return path
    }
    const sentinel = await Server.with({
      binary,
      args: ['--sentinel'],
      config: write,
      ready: /Sentinel ID is/,
      ...(sentinelPassword !== undefined && { password: sentinelPassword }),
    })
    this.sentinels.push(sentinel)
  }
}

async function factsOf(sentinel: Server): Promise<Map<string, string>> {
  const flat = (await sentinel.send('SENTINEL', 'MASTER', MASTER)) as string[]
  return new Map(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!]))
}

/** Starts a primary, replicas and Sentinels. Default: one replica and three Sentinels. */
export function startSentinel(options: SentinelOptions = {}): Promise<SentinelFleet> {
  return SentinelFleet.start(options)
}
