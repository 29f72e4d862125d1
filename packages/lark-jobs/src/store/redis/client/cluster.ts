/**
 * A cluster: one connection to each primary, and a map that says which primary serves which slot.
 *
 * A call goes to the node that the map names for its slot. If the node does not serve the slot, it answers:
 *
 *   MOVED         another node serves the slot, and the map is out of date
 *   ASK           the slot is moving to another node, and the key is already on that node
 *   TRYAGAIN      the slot is moving, and some of the call's keys are not on this node (`hash-slot.ts`)
 *   CLUSTERDOWN   part of the cluster is down, or this node cannot reach the others
 *
 * After one of these answers the call is sent again, until its deadline. This is safe, because a node that
 * gives such an answer has changed nothing. A call without an answer is an error for the caller, as with a
 * single server.
 *
 * The map is read again after MOVED, and a few more times after that, because nodes learn of a change one
 * after another. The map is also read repeatedly while a primary cannot be reached, and about once a minute
 * while nothing is wrong. If the new map shows that a server is no longer a primary, the connection to this
 * server is closed, and calls that waited for the connection go to the new primary.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { JobsError } from '../../../model/errors.ts'
import { inTime } from '../../../waiting/bounded-wait.ts'
import { type Address, hostOf, parseHost, reached } from './address.ts'
import { type Build, Connection, type ConnectionOptions, PATIENCE } from './connection.ts'
import { Doubt, type ServerRole } from './failover.ts'
import { movedOn, Refusal, refusalIn, refused, unreachable } from './failure.ts'
import { absentKey, SLOTS, slotOf } from './hash-slot.ts'
import { fixed, type Resolver } from './resolver.ts'
import { askShards, askStanding, type Shard } from './topology.ts'
import type { Transport } from './transport.ts'

/**
 * The pause before a call is sent again, in milliseconds: the pause begins with `from`, and doubles each
 * time up to `to`.
 */
const RESEND = { from: 5, to: 100 }
/**
 * A call is sent again only if this many milliseconds are left before the deadline, because a late answer
 * ends the link for all calls.
 */
const LEAST = 100
/**
 * The pause between two reads of the map while a node is unreachable, in milliseconds: the pause begins with
 * `from`, and doubles each time up to `to`.
 */
const LOOK = { from: 50, to: 1_000 }
/**
 * When a primary is in doubt, the other primaries are asked about it. The number of primaries that are asked
 * in addition to those that must answer, because some may not answer.
 */
const SPARE = 2
/**
 * The pause between two reads of the map while nothing is wrong, in milliseconds. The pause is varied at
 * random, so that many processes do not ask at the same time.
 */
const REFRESH = 60_000

export class Cluster implements Transport {
  readonly name: string
  readonly isWhole = false
  readonly #seeds: readonly Address[]
  readonly #options: ConnectionOptions
  /** The connections to the primaries, by the `host:port` of the primary. */
  readonly #primaries = new Map<string, Connection>()
  #slots: (Connection | undefined)[] = new Array(SLOTS)
  /** The last map. */
  #shards: readonly Shard[] = []
  /**
   * Doubts about primaries, by the `host:port` of the primary. A doubt is kept even if the connection to the
   * primary is closed.
   */
  readonly #doubts = new Map<string, Doubt>()
  /** Every node of the last map, including replicas. */
  #known: Address[] = []
  #asking: Promise<void> | undefined
  #isWatching = false
  #timer: NodeJS.Timeout | undefined
  /** The pause until the next read of the map, in milliseconds. The pause grows while nothing is wrong. */
  #calm = REFRESH
  readonly #listeners = new Set<(stays: (address: Address) => boolean) => void>()
  readonly #closing = new AbortController()
  readonly notifications: Resolver

  constructor(name: string, seeds: readonly Address[], options: ConnectionOptions = {}) {
    this.name = name
    this.#seeds = seeds
    this.#options = options
    this.notifications = {
      name,
      moves: true,
      find: () => this.#anyNode(),
      follow: (move) => this.#listeners.add(move),
    }
  }

  deadline(patience = this.#options.patience ?? PATIENCE): number {
    return performance.now() + patience
  }

  async send(build: Build, deadline = this.deadline(), key = keyOf(build), isSure = false): Promise<unknown> {
    // A command without a key goes to any node with a connection.
    const slot = key === '' ? this.#linkedSlot() : slotOf(key)
    const guarded = guard(build, key)
    let next: Connection | undefined
    for (let pause = RESEND.from; ; pause = Math.min(RESEND.to, pause * 2)) {
      const isAsked = next !== undefined
      const node: Connection = next ?? this.#slots[slot] ?? (await this.#located(slot, deadline))
      next = undefined
      try {
        if (!isAsked) return await node.send(guarded, deadline, key, isSure)
        const [, answer] = await node.sendTogether([['ASKING'], guarded], deadline)
        if (answer instanceof Refusal) throw answer
        if (isSure) await node.sure(deadline)
        return answer
      } catch (error) {
        const refusal = refusalIn(error)
        next = this.#redirected(node, slot, error, refusal)
        if (performance.now() + pause + LEAST > deadline) throw refusal ? refused(this.name, refusal) : error
        if (next === undefined) await sleep(pause)
      }
    }
  }

  async servers(deadline: number): Promise<readonly Connection[]> {
    if (this.#primaries.size === 0) await this.#located(0, deadline)
    return [...this.#primaries.values()]
  }

  serverOf(key: string): string {
    return this.#slots[slotOf(key)]?.name ?? ''
  }

  beside(key: string): Connection | undefined {
    return this.#slots[slotOf(key)]?.beside(key)
  }

  close(): void {
    this.#closing.abort(new Error('the store is closed'))
    clearTimeout(this.#timer)
    for (const node of this.#primaries.values()) node.close()
  }

  /**
   * Decides what to do after a failed attempt to send a call.
   * @returns the node to use for the next attempt only, or undefined for the node that serves the slot
   * @throws the error, if another attempt would fail in the same way
   */
  #redirected(node: Connection, slot: number, error: unknown, refusal?: Refusal): Connection | undefined {
    if (this.#closing.signal.aborted) throw error
    const word = refusal?.word
    if (word !== 'TRYAGAIN' && word !== 'ASK') this.#calm = LOOK.to
    if (word === 'MOVED' || word === 'ASK') {
      const to = this.#primary(placeIn(refusal!, node, this.#seeds[0]!))
      if (word === 'ASK') return to
      this.#slots[slot] = to
      void this.#refresh().catch(() => {})
    } else if (word === 'CLUSTERDOWN' || (word !== undefined && movedOn.has(word))) {
      void this.#refresh(node).catch(() => {})
    } else if (word !== 'TRYAGAIN') {
      // A call that waited for a server which is no longer the primary of the slot is sent to the new
      // primary. Every other error goes to the caller.
      const isLetGo = JobsError.is(error, 'STORE_UNREACHABLE') && this.#slots[slot] !== node
      if (!isLetGo) throw error
    }
    return undefined
  }

  #linkedSlot(): number {
    const slot = this.#slots.findIndex((node) => node?.link)
    return Math.max(0, slot)
  }

  /** Reads the map until it names a node for the slot. */
  async #located(slot: number, deadline: number): Promise<Connection> {
    let cause: unknown = new Error(`no node serves slot ${slot}`)
    const late = () => {
      throw new Error('no node answered in time')
    }
    for (let pause = LOOK.from; ; pause = Math.min(LOOK.to, pause * 2)) {
      try {
        await inTime(Math.max(1, deadline - performance.now()), this.#refresh(), late)
      } catch (error) {
        cause = error
      }
      const node = this.#slots[slot]
      if (node) return node
      if (cause instanceof Refusal && !movedOn.has(cause.word)) throw refused(this.name, cause)
      if (JobsError.is(cause, 'STORE_INVALID')) throw cause
      if (this.#closing.signal.aborted) throw unreachable(this.name, this.#closing.signal.reason)
      if (performance.now() + pause >= deadline) throw unreachable(this.name, cause)
      await sleep(pause)
    }
  }

  /**
   * Reads the map. Calls that come while the map is being read share one read. @param doubted a node that is
   * asked last, because its answer may be wrong
   */
  #refresh(doubted?: Connection): Promise<void> {
    const { signal } = this.#closing
    if (signal.aborted) return Promise.reject(signal.reason)
    const isSure = (address: Address) => this.#primaries.get(hostOf(address)) !== doubted || !doubted
    const nodes = [...shuffled(this.#known), ...shuffled(this.#seeds)]
    const inOrder = [...nodes.filter(isSure), ...nodes.filter((node) => !isSure(node))]
    this.#asking ??= askShards(inOrder, signal)
      .then((shards) => this.#apply(shards))
      .finally(() => {
        this.#asking = undefined
      })
    return this.#asking
  }

  #apply(shards: readonly Shard[]): void {
    if (this.#closing.signal.aborted) return
    this.#shards = shards
    const slots: (Connection | undefined)[] = new Array(SLOTS)
    for (const { first, last, primary } of shards) slots.fill(this.#primary(primary), first, last + 1)
    this.#slots = slots
    const serving = new Set(slots)
    for (const [host, node] of this.#primaries) {
      if (serving.has(node)) continue
      this.#primaries.delete(host)
      node.retire(new Error('it is not a primary any more'))
    }
    const known = new Map(shards.flatMap(({ primary, replicas }) => [primary, ...replicas]).map(keyed))
    this.#known = [...known.values()]
    for (const host of this.#doubts.keys()) if (!known.has(host)) this.#doubts.delete(host)
    for (const move of this.#listeners) move((address) => known.has(hostOf(address)))
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => void this.#refresh().catch(() => {}),
      this.#calm * (0.5 + Math.random()),
    ).unref()
    this.#calm = Math.min(REFRESH, this.#calm * 2)
  }

  #primary(address: Address): Connection {
    const host = hostOf(address)
    let node = this.#primaries.get(host)
    if (node === undefined) {
      const doubt = this.#doubts.get(host) ?? new Doubt((_, ...how) => this.#standing(host, ...how))
      this.#doubts.set(host, doubt)
      const options = { ...this.#options, disconnected: () => void this.#watch() }
      node = new Connection({ ...fixed(address), doubt }, options)
      this.#primaries.set(host, node)
      void this.#watch()
    }
    return node
  }

  /**
   * Asks the other nodes of the cluster whether a server is still a primary. A primary is replaced when a
   * majority of the primaries considers it failed and votes for one of its replicas. So this method asks the
   * replicas, because one of them may be the new primary. It also asks so many other primaries that at least
   * one of these has voted, if there was a vote. A primary that has voted does not report the old primary as
   * healthy.
   */
  async #standing(host: string, patience: number, signal: AbortSignal): Promise<ServerRole> {
    const own = this.#shards.filter(({ primary }) => hostOf(primary) === host)
    const id = own[0]?.id
    if (id === undefined) {
      await this.#refresh()
      return this.#shards.some(({ primary }) => hostOf(primary) === host) ? undefined : 'replaced'
    }
    const replicas = [...new Map(own.flatMap((shard) => shard.replicas).map(keyed)).values()]
    const primaries = [...new Map(this.#shards.map(({ primary }) => keyed(primary))).values()]
    const others = shuffled(primaries.filter((primary) => hostOf(primary) !== host))
    const voters = Math.floor(primaries.length / 2) + 1
    const needed = Math.min(others.length, Math.max(1, primaries.length - voters))
    const asked = [...others.slice(0, needed + SPARE), ...replicas]
    const words = await Promise.all(
      asked.map((node) =>
        askStanding(node, id, patience, signal).then(
          (standing) => standing ?? 'unsure',
          (error) => (refusalIn(error)?.word === 'NOPERM' ? 'barred' : 'away'),
        ),
      ),
    )
    const witness = asked[words.indexOf('replaced')]
    if (witness !== undefined) {
      // The map is read from this node, because other nodes may not know of the change yet.
      this.#apply(await askShards([witness], signal))
      return 'replaced'
    }
    // If no node permits this user to ask about the primary, nobody can confirm the primary, so its answers
    // are trusted.
    if (asked.length > 0 && words.every((word) => word === 'barred')) return 'primary'
    const sure = words.slice(0, asked.length - replicas.length).filter((word) => word === 'primary')
    return sure.length >= needed && !words.includes('unsure') ? 'primary' : undefined
  }

  /** Reads the map repeatedly while any primary has no connection. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return
    this.#isWatching = true
    const options = { ref: false, signal: this.#closing.signal }
    const isAway = () => [...this.#primaries.values()].some((node) => node.isAway)
    try {
      let pause = LOOK.from
      do {
        await sleep(pause * (0.5 + Math.random()), undefined, options)
        if (isAway()) await this.#refresh().catch(() => {})
        pause = Math.min(LOOK.to, pause * 2)
      } while (isAway())
    } catch {
      // The cluster connection was closed during the pause.
    } finally {
      this.#isWatching = false
    }
  }

  /** Finds a node that is probably reachable. */
  async #anyNode(): Promise<Address> {
    if (this.#known.length === 0) await this.#refresh()
    const living = this.#known.filter((address) => this.#primaries.get(hostOf(address))?.link)
    return shuffled(living.length > 0 ? living : this.#known)[0]!
  }
}

function keyed(address: Address): [string, Address] {
  return [hostOf(address), address]
}

/**
 * The key of a command, which is its first argument. For a script, the result is '': the caller of `send`
 * passes the key.
 */
function keyOf(build: Build): string {
  return typeof build === 'function' ? '' : (build[1] ?? '')
}

/** Adds `absentKey` to the keys of a script (`hash-slot.ts`). */
function guard(build: Build, key: string): Build {
  const absent = absentKey(key)
  return (epoch) => {
    const command = typeof build === 'function' ? build(epoch) : build
    const [name, script, , ...rest] = command
    if (name !== 'EVALSHA' && name !== 'EVAL') return command
    return [name, script!, '2', rest[0]!, absent, ...rest.slice(1)]
  }
}

/** Reads `MOVED 3999 127.0.0.1:6381`. If the host is missing, it is the host of the node that answered. */
function placeIn(refusal: Refusal, from: Connection, like: Address): Address {
  const [, host = '', port = ''] = /^\S+ \d+ (.*):(\d+)/.exec(refusal.message) ?? []
  const asked = from.address?.host ?? like.host
  const named = host === '' ? asked : parseHost(host.includes(':') ? `[${host}]` : host, 0).host
  return { ...like, ...reached(like, named, Number(port)) }
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
