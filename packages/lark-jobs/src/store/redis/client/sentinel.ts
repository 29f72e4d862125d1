/**
 * Finds the primary with the help of the Sentinels. The Sentinels are asked before every attempt to connect,
 * and announce each change of the primary.
 *
 * Sentinels learn of a failover one after another. So the answers that come at about the same time are
 * compared, and the answer about the newest failover counts. Then the server itself must say that it is a
 * primary. (The answer of the server alone is not enough: a former primary that has just come back may still
 * say that it is the primary.)
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, hostOf, reached, withoutConnectTimeout } from './address.ts'
import { Connection } from './connection.ts'
import { Doubt, type ServerRole } from './failover.ts'
import { Refusal } from './failure.ts'
import { ask, type Link } from './link.ts'
import type { Resolver } from './resolver.ts'

/** The time limit for connecting to a Sentinel, and also for its answer, in milliseconds. */
const PATIENCE = 1_000
/**
 * If the primary has not answered a Sentinel for less than this many milliseconds, the other Sentinels may
 * still report the same, and a failover may begin. After this time, the primary must have answered the other
 * Sentinels, because a Sentinel forgets such reports after five seconds.
 */
const ALONE = 6_000
/** The time limit for the other Sentinels after the first Sentinel has answered, in milliseconds. */
const GRACE = 100

interface SentinelReply {
  host: string
  port: number
  /** The number of the failover that made this server the primary. */
  epoch: number
  /** Whether the primary does not answer this Sentinel. */
  isMissed: boolean
  /**
   * Whether a failover may be near: the primary has stopped answering only recently, it does not answer
   * enough Sentinels, or a failover is under way.
   */
  isGoing: boolean
  /**
   * How many Sentinels must get no answer from the primary before a failover begins; 0 if this Sentinel does
   * not report the number.
   */
  quorum: number
}

export class Sentinels implements Resolver {
  readonly name: string
  readonly moves = true
  readonly doubt = new Doubt((...asked) => this.#standing(...asked))
  readonly #sentinels: readonly Address[]
  readonly #primary: string
  /** The address of the primary, without its host and port. */
  readonly #server: Address
  readonly #moves = new Set<(stays: (address: Address) => boolean) => void>()
  readonly #subscription: Connection
  readonly #closing = new AbortController()

  constructor(name: string, sentinels: readonly Address[], primary: string, server: Address) {
    this.name = name
    this.#sentinels = sentinels
    this.#primary = primary
    this.#server = server
    let turn = Math.floor(Math.random() * sentinels.length)
    this.#subscription = new Connection(
      { name, moves: true, find: async () => sentinels[turn++ % sentinels.length]! },
      { connected: (link) => void this.#listen(link) },
    )
  }

  async find(signal: AbortSignal): Promise<Address> {
    const { host, port } = await this.#ask(signal)
    this.#subscription.start()
    return { ...this.#server, host, port }
  }

  async check(link: Link): Promise<void> {
    try {
      const [role] = (await link.send(['ROLE'])) as [string]
      if (role !== 'master') throw new Error(`the primary that the Sentinels name says that it is a ${role}`)
    } catch (error) {
      // The server refuses ROLE, because the user lacks the permission. If the server is a replica, it will
      // refuse the first write.
      if (!(error instanceof Refusal) || error.word !== 'NOPERM') throw error
    }
  }

  follow(move: (stays: (address: Address) => boolean) => void): void {
    this.#moves.add(move)
  }

  close(): void {
    this.#closing.abort(new Error('the store is closed'))
    this.#subscription.close()
  }

  /**
   * Subscribes to the announcements of failovers. If the Sentinel refuses this, a failover is noticed later,
   * when the link to the primary fails.
   */
  async #listen(link: Link): Promise<void> {
    const hear = (message: string) => {
      const [name, , , host, port] = message.split(' ')
      if (name === this.#primary) this.#moved(reached(this.#server, host!, Number(port)))
    }
    // Asks for the primary again, because it may have changed while there was no subscription.
    const makeUp = async () => this.#moved(await this.#ask(this.#closing.signal))
    try {
      await link.subscribe('+switch-master', hear, () => void makeUp().catch(() => {}))
      await makeUp()
    } catch {
      // A failure of the subscription does no harm, because the next attempt to connect asks the Sentinels
      // again.
    }
  }

  #moved(to: { host: string; port: number }): void {
    for (const move of this.#moves) move((address) => hostOf(address) === hostOf(to))
  }

  async #ask(signal: AbortSignal): Promise<SentinelReply> {
    const words: SentinelReply[] = []
    const asked = this.#sentinels.map(async (sentinel) => words.push(await this.#askOne(sentinel, signal)))
    const all = Promise.allSettled(asked)
    await Promise.any(asked).catch((failure: AggregateError) => {
      throw failure.errors.find((error) => error instanceof Refusal) ?? failure
    })
    await Promise.race([all, sleep(GRACE, undefined, { ref: false })])
    return words.reduce((best, word) => (word.epoch > best.epoch ? word : best))
  }

  /**
   * Asks the Sentinels about a server. The newest failover that any Sentinel knows decides whether the server
   * was replaced. The server is confirmed as the primary under three conditions. A majority of the Sentinels
   * answers. No Sentinel says that a failover may be near. And the Sentinels that get no answer from the
   * primary, together with the Sentinels that did not answer this process, are too few to begin a failover.
   */
  async #standing(address: Address, patience: number, signal: AbortSignal): Promise<ServerRole> {
    const asked = await Promise.allSettled(
      this.#sentinels.map((sentinel) => this.#askOne(withoutConnectTimeout(sentinel), signal, patience)),
    )
    const words = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    if (words.length <= this.#sentinels.length / 2) return undefined
    const newest = words.reduce((best, word) => (word.epoch > best.epoch ? word : best))
    if (hostOf(newest) !== hostOf(address)) return 'replaced'
    const missing = words.filter(({ isMissed }) => isMissed).length
    const silent = this.#sentinels.length - words.length
    const quorum = Math.min(...words.map((word) => word.quorum))
    const mayBegin = missing > 0 && missing + silent >= quorum
    return mayBegin || words.some(({ isGoing }) => isGoing) ? undefined : 'primary'
  }

  /** @param patience the time limit for connecting, and again for the answer, in milliseconds */
  async #askOne(sentinel: Address, signal: AbortSignal, patience = PATIENCE): Promise<SentinelReply> {
    const who = `Sentinel ${hostOf(sentinel)}`
    const questions = (link: Link) =>
      Promise.all([
        link.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#primary]),
        link.send(['SENTINEL', 'MASTER', this.#primary]).catch(() => []),
      ])
    const [place, facts] = await ask(sentinel, patience, signal, questions, who)
    if (place === null) throw new Error(`${who} knows no '${this.#primary}'`)
    const [host, port] = place as [string, string]
    const flat = facts as string[]
    const fact = (name: string) => (flat.includes(name) ? flat[flat.indexOf(name) + 1] : undefined)
    const flags = fact('flags') ?? ''
    return {
      ...reached(this.#server, host, Number(port)),
      epoch: Number(fact('config-epoch')) || 0,
      isMissed: flags.includes('s_down'),
      isGoing: /o_down|failover|reconf/.test(flags) || Number(fact('s-down-time')) < ALONE,
      quorum: Number(fact('quorum')) || 0,
    }
  }
}
