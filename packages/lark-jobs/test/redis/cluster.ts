/**
 * A cluster on the loopback: primaries that share the slots evenly, each with replicas. A node that does not
 * answer for longer than `nodeTimeout` counts as failed, and one of its replicas replaces it.
 */
import { SLOTS, slotOf } from '../../src/store/redis/client/hash-slot.ts'
import type { Certificates } from './certificates.ts'
import { freePort, Server, until } from './server.ts'

export interface ClusterOptions {
  binary?: string
  /** The number of primaries. Default: 3. */
  primaries?: number
  /** How many replicas each primary has. Default: 1. */
  replicas?: number
  /** After how many milliseconds a node counts as failed. Default: 1,000. */
  nodeTimeout?: number
  /** The password of all nodes. */
  password?: string
  /** The certificates for TLS with clients and between the nodes. Default: no TLS. */
  tls?: Certificates
  /** Options of every node: `['--appendonly', 'yes']`. */
  args?: readonly string[]
}

export class Cluster implements AsyncDisposable {
  readonly #options: ClusterOptions
  /** The nodes. The first ones begin as primaries. */
  readonly nodes: Server[] = []

  private constructor(options: ClusterOptions) {
    this.#options = options
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options)
    const { primaries = 3, replicas = 1 } = options
    try {
      await Promise.all(Array.from({ length: primaries * (1 + replicas) }, () => cluster.#startNode()))
      await cluster.#join(primaries)
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  get url(): string {
    const { password, tls } = this.#options
    const credentials = password === undefined ? '' : `:${password}@`
    return `${tls ? 'rediss' : 'redis'}+cluster://${credentials}${this.nodes.map((node) => node.address).join(',')}`
  }

  /** Returns the node that serves this slot now, according to the living nodes. */
  async owner(slot: number): Promise<Server> {
    for (const node of this.#living) {
      const owner = await this.#ownerBy(node, slot)
      if (owner) return owner
    }
    throw new Error(`nobody serves slot ${slot}`)
  }

  /** Returns the node that serves the slot, according to one node. */
  async #ownerBy(node: Server, slot: number): Promise<Server | undefined> {
    const reply = await node.send('CLUSTER', 'SLOTS').catch(() => [])
    const ranges = reply as [number, number, [string, number]][]
    const range = ranges.find(([first, last]) => first <= slot && slot <= last)
    return this.nodes.find(({ port }) => port === range?.[2][1])
  }

  /** The names of three partitions, one on each of three primaries. */
  async spread(): Promise<string[]> {
    const found = new Map<Server, string>()
    for (let i = 0; found.size < 3; i += 1) {
      const owner = await this.owner(slotOf(`{queue-${i}}`))
      if (!found.has(owner)) found.set(owner, `queue-${i}`)
    }
    return [...found.values()]
  }

  /** Returns a primary that does not serve this slot. */
  another(slot: number): Promise<Server> {
    return this.owner((slot + Math.ceil(SLOTS / 3)) % SLOTS)
  }

  async idOf(node: Server): Promise<string> {
    return String(await node.send('CLUSTER', 'MYID'))
  }

  /** Starts one more primary without slots, and introduces it to all other nodes. */
  async grow(): Promise<Server> {
    const known = this.nodes.length
    const node = await this.#startNode()
    await node.send(
      'CLUSTER',
      'MEET',
      '127.0.0.1',
      String(this.nodes[0]!.port),
      this.#bus.get(this.nodes[0]!)!,
    )
    await this.#everybodyKnows(known + 1)
    await this.healthy()
    return node
  }

  /**
   * Moves a slot with all its keys to another primary, as `redis-cli --cluster reshard` does. Resolves when
   * every living node knows the new place, so that no later answer names the old place.
   * @param between called before the first key and after each key, while the slot is on two nodes
   */
  async moveSlot(
    slot: number,
    to: Server,
    between: (left: number) => Promise<void> = async () => {},
  ): Promise<void> {
    const from = await this.owner(slot)
    const [fromId, toId] = await Promise.all([this.idOf(from), this.idOf(to)])
    await to.send('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', fromId)
    await from.send('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', toId)
    for (;;) {
      const left = (await from.send('CLUSTER', 'COUNTKEYSINSLOT', String(slot))) as number
      await between(left)
      const keys = (await from.send('CLUSTER', 'GETKEYSINSLOT', String(slot), '1')) as string[]
      if (keys.length === 0) break
      const { password } = this.#options
      const auth = password === undefined ? [] : ['AUTH', password]
      const place = ['127.0.0.1', String(to.port), '', '0', '5000']
      await from.send('MIGRATE', ...place, 'REPLACE', ...auth, 'KEYS', ...keys)
    }
    await to.send('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId)
    await from.send('CLUSTER', 'SETSLOT', String(slot), 'NODE', toId)
    await until(async () => {
      const words = await Promise.all(this.#living.map((node) => this.#ownerBy(node, slot)))
      return words.every((owner) => owner === to)
    })
  }

  get #living(): Server[] {
    return this.nodes.filter((node) => node.isUp)
  }

  /** Resolves when the living nodes agree that every slot is served. */
  async healthy(): Promise<void> {
    await until(async () => {
      const words = await Promise.all(
        this.#living.map((node) => node.send('CLUSTER', 'INFO').then(String, () => '')),
      )
      return words.every((word) => word.includes('cluster_state:ok'))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
  }

  readonly #bus = new Map<Server, string>()

  async #startNode(): Promise<Server> {
    const { binary = 'redis-server', nodeTimeout = 1_000, password, tls, args = [] } = this.#options
    // By default, the port of the cluster bus is higher by 10,000. This port may be in use or too high.
    const bus = String(await freePort())
    const own = [
      '--cluster-enabled',
      'yes',
      '--cluster-port',
      bus,
      '--cluster-node-timeout',
      String(nodeTimeout),
    ]
    const quick = ['--repl-diskless-sync-delay', '0', '--cluster-replica-validity-factor', '0']
    // Without this option, a primary whose last slot was moved away becomes a replica.
    const steady = ['--cluster-allow-replica-migration', 'no']
    const secure = tls === undefined ? [] : ['--tls-cluster', 'yes', '--tls-replication', 'yes']
    const more = { ...(password !== undefined && { password }), ...(tls !== undefined && { tls }) }
    const node = await Server.with({
      binary,
      args: [...own, ...quick, ...steady, ...secure, ...args],
      ...more,
    })
    this.nodes.push(node)
    this.#bus.set(node, bus)
    return node
  }

  async #join(primaries: number): Promise<void> {
    const share = SLOTS / primaries
    await Promise.all(
      this.nodes.map(async (node, i) => {
        await node.send('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
        if (i >= primaries) return
        const [first, last] = [Math.ceil(i * share), Math.ceil((i + 1) * share) - 1]
        await node.send('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last))
      }),
    )
    const [first, ...others] = this.nodes
    for (const node of others) {
      await first!.send('CLUSTER', 'MEET', '127.0.0.1', String(node.port), this.#bus.get(node)!)
    }
    await this.#everybodyKnows(this.nodes.length)
    const ids = await Promise.all(this.nodes.slice(0, primaries).map((node) => this.idOf(node)))
    await Promise.all(
      this.nodes.slice(primaries).map((node, i) => node.send('CLUSTER', 'REPLICATE', ids[i % primaries]!)),
    )
    await this.#replicated(primaries)
    await this.healthy()
  }

  async #everybodyKnows(count: number): Promise<void> {
    await until(async () => {
      const tables = await Promise.all(this.nodes.map((node) => node.send('CLUSTER', 'NODES').then(String)))
      return tables.every(
        (table) => table.trim().split('\n').length === count && !/handshake|noaddr/.test(table),
      )
    })
  }

  /** Resolves when all nodes know all replicas, and each replica has all data of its primary. */
  async #replicated(primaries: number): Promise<void> {
    const replicas = this.nodes.slice(primaries)
    await until(async () => {
      const tables = await Promise.all(this.nodes.map((node) => node.send('CLUSTER', 'NODES').then(String)))
      return tables.every((table) => (table.match(/\bslave\b/g) ?? []).length === replicas.length)
    })
    await until(async () => {
      const infos = await Promise.all(replicas.map((node) => node.send('INFO', 'replication').then(String)))
      return infos.every((info) => info.includes('master_link_status:up'))
    })
  }
}

/** Starts a cluster. Default: three primaries with one replica each. */
export function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  return Cluster.start(options)
}
