/**
 * A cluster: one connection for each primary, and which of them serves which slot.
 *
 * A call goes to the node that is known to serve its slot. What the node answers when it does not:
 *
 *   MOVED         another one serves it, and the map is out of date
 *   ASK           the slot is on its way to another node, and this key is there already
 *   TRYAGAIN      the slot is on its way, and half of what the call names is there: nothing is done (`slots.ts`)
 *   CLUSTERDOWN   part of the cluster is gone, or this node cannot see the others
 *
 * and with these a call is sent again, until its deadline. Certainly nothing happened, so this is safe; a call that
 * got no answer is left to its caller, as everywhere.
 *
 * The map is asked for anew after MOVED (and some times more, since nodes hear of a change one after another), for as
 * long as a node that serves slots cannot be reached, and once a minute. A primary that is none any more is let go, and those who waited for it go where the map says.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { JobsError } from '../../../model/errors.ts'
import { type Address, hostOf, parseHost, reached } from './address.ts'
import { type Build, Connection, type ConnectionOptions, currentEpoch, PATIENCE } from './connection.ts'
import { Doubt, type Standing } from './doubt.ts'
import { movedOn, Refusal, refusalIn, refused, unreachable } from './failure.ts'
import { fixed, type Guide } from './guide.ts'
import type { Route } from './route.ts'
import { absentKey, SLOTS, slotOf } from './slots.ts'
import { askShards, askStanding, type Shard } from './topology.ts'

/** Milliseconds before a call is sent again, from the first time, doubling to the second. */
const RESEND = { from: 5, to: 100 }
/** Milliseconds that must be left for it: an answer that is late ends the link for all calls. */
const LEAST = 100
/** Milliseconds between two looks at the map while a node is away, from the first, doubling to the second. */
const LOOK = { from: 50, to: 1_000 }
/** How many more primaries than needed are asked about one in doubt, because some may not answer. */
const SPARE = 2
/** Milliseconds between two looks at the map when all is well; spread, so that a fleet does not ask at once. */
const REFRESH = 60_000

export class Cluster implements Route {
  readonly name: string
  readonly isWhole = false
  readonly #seeds: readonly Address[]
  readonly #options: ConnectionOptions
  /** By `host:port`. */
  readonly #primaries = new Map<string, Connection>()
  #slots: (Connection | undefined)[] = new Array(SLOTS)
  /** The last map. */
  #shards: readonly Shard[] = []
  /** Of primaries, by `host:port`: they outlive the connections. */
  readonly #doubts = new Map<string, Doubt>()
  /** Every node of the last map, replicas too. */
  #known: Address[] = []
  #asking: Promise<void> | undefined
  #isWatching = false
  #timer: NodeJS.Timeout | undefined
  /** Milliseconds until the next look; it grows when all is well. */
  #calm = REFRESH
  readonly #listeners = new Set<(stays: (address: Address) => boolean) => void>()
  readonly #closing = new AbortController()
  readonly bells: Guide

  constructor(name: string, seeds: readonly Address[], options: ConnectionOptions = {}) {
    this.name = name
    this.#seeds = seeds
    this.#options = options
    this.bells = {
      name,
      moves: true,
      find: () => this.#anyNode(),
      follow: (move) => this.#listeners.add(move),
    }
  }

  get epoch(): number {
    return currentEpoch()
  }

  deadline(patience = this.#options.patience ?? PATIENCE): number {
    return performance.now() + patience
  }

  async send(build: Build, deadline = this.deadline(), key = keyOf(build), isSure = false): Promise<unknown> {
    // What concerns no key is asked of anybody who is there.
    const slot =
      key === ''
        ? Math.max(
            0,
            this.#slots.findIndex((node) => node?.link),
          )
        : slotOf(key)
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

  beside(key: string): Connection | undefined {
    return this.#slots[slotOf(key)]?.beside(key)
  }

  close(): void {
    this.#closing.abort(new Error('the store is closed'))
    clearTimeout(this.#timer)
    for (const node of this.#primaries.values()) node.close()
  }

  /**
   * What a failed attempt means for the next one.
   * @returns the node to ask, for this one time; undefined: whoever serves the slot
   * @throws what is for the caller
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
      // Who waited for a primary that is none any more waits for the next; all else is for the caller.
      const isLetGo = JobsError.is(error, 'STORE_UNREACHABLE') && this.#slots[slot] !== node
      if (!isLetGo) throw error
    }
    return undefined
  }

  /** The node that serves a slot, when none is known to. */
  async #located(slot: number, deadline: number): Promise<Connection> {
    let cause: unknown = new Error(`no node serves slot ${slot}`)
    for (let pause = LOOK.from; ; pause = Math.min(LOOK.to, pause * 2)) {
      try {
        await until(deadline, this.#refresh())
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

  /** Asks for the map; one at a time. @param doubted a node that is asked last */
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
   * What the others say of a primary. It is replaced when a majority of the primaries takes it for failed and votes for a
   * replica. So its replicas are asked, of which one may be the new primary; and so many of the other primaries that
   * one at least has voted, if there was a vote: it would not say that all is well.
   */
  async #standing(host: string, patience: number, signal: AbortSignal): Promise<Standing> {
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
      // The map as it is there: another node may not have heard yet.
      this.#apply(await askShards([witness], signal))
      return 'replaced'
    }
    // A user without the right to ask has chosen to do without confirmation.
    if (asked.length > 0 && words.every((word) => word === 'barred')) return 'primary'
    const sure = words.slice(0, asked.length - replicas.length).filter((word) => word === 'primary')
    return sure.length >= needed && !words.includes('unsure') ? 'primary' : undefined
  }

  /** Looks for others for as long as a node that is wanted is away. */
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
      // closed
    } finally {
      this.#isWatching = false
    }
  }

  /** One that answers, as far as is known. */
  async #anyNode(): Promise<Address> {
    if (this.#known.length === 0) await this.#refresh()
    const living = this.#known.filter((address) => this.#primaries.get(hostOf(address))?.link)
    return shuffled(living.length > 0 ? living : this.#known)[0]!
  }
}

function keyed(address: Address): [string, Address] {
  return [hostOf(address), address]
}

/** A command's first argument; scripts bring their key themselves. */
function keyOf(build: Build): string {
  return typeof build === 'function' ? '' : (build[1] ?? '')
}

/** A script's keys, with the one that is never there. */
function guard(build: Build, key: string): Build {
  const absent = absentKey(key)
  return (epoch) => {
    const command = typeof build === 'function' ? build(epoch) : build
    const [name, script, , ...rest] = command
    if (name !== 'EVALSHA' && name !== 'EVAL') return command
    return [name, script!, '2', rest[0]!, absent, ...rest.slice(1)]
  }
}

/** `MOVED 3999 127.0.0.1:6381`; without a host, the one that answered has it too. */
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

/** The promise, but not beyond the deadline. The timer keeps the process alive. */
function until<T>(deadline: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    const patience = Math.max(1, deadline - performance.now())
    timer = setTimeout(() => reject(new Error('no node answered in time')), patience)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
