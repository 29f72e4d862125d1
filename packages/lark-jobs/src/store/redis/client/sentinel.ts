/**
 * Who the primary is, by the word of Sentinels: asked before every attempt to connect, and heard when it changes.
 *
 * Of the answers that come at about the same time the one counts that is of the newest failover, since Sentinels
 * learn of it one after another. The server itself must say that it is a primary: one that comes back from the dead
 * may not know yet that it is none any more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, hostOf, reached, withoutConnectTimeout } from './address.ts'
import { Connection } from './connection.ts'
import { Doubt, type Standing } from './doubt.ts'
import { Refusal } from './failure.ts'
import type { Guide } from './guide.ts'
import { dial, type Link } from './link.ts'

/** Milliseconds for one Sentinel to be dialled, and as many to answer. */
const PATIENCE = 1_000
/**
 * Milliseconds after which a Sentinel that misses the primary is alone with that: what the others told it before, it has
 * forgotten after five seconds.
 */
const ALONE = 6_000
/** Milliseconds that the others have to answer, after the first. */
const GRACE = 100

interface Word {
  host: string
  port: number
  /** Of the failover that made it the primary. */
  epoch: number
  /** It does not answer this Sentinel. */
  isMissed: boolean
  /** That is so since a moment ago, enough of them say so, or it is being replaced. */
  isGoing: boolean
  /** How many must miss it before it is replaced; 0 when this Sentinel does not say. */
  quorum: number
}

export class Sentinels implements Guide {
  readonly name: string
  readonly moves = true
  readonly doubt = new Doubt((...asked) => this.#standing(...asked))
  readonly #sentinels: readonly Address[]
  readonly #primary: string
  /** The primary's, but for host and port. */
  readonly #server: Address
  readonly #moves = new Set<(stays: (address: Address) => boolean) => void>()
  readonly #ears: Connection
  readonly #closing = new AbortController()

  constructor(name: string, sentinels: readonly Address[], primary: string, server: Address) {
    this.name = name
    this.#sentinels = sentinels
    this.#primary = primary
    this.#server = server
    let turn = Math.floor(Math.random() * sentinels.length)
    this.#ears = new Connection(
      { name, moves: true, find: async () => sentinels[turn++ % sentinels.length]! },
      { connected: (link) => void this.#listen(link) },
    )
  }

  async find(signal: AbortSignal): Promise<Address> {
    const { host, port } = await this.#ask(signal)
    this.#ears.start()
    return { ...this.#server, host, port }
  }

  async check(link: Link): Promise<void> {
    try {
      const [role] = (await link.send(['ROLE'])) as [string]
      if (role !== 'master') throw new Error(`the primary that the Sentinels name says that it is a ${role}`)
    } catch (error) {
      // Who may not ask finds out when it writes.
      if (!(error instanceof Refusal) || error.word !== 'NOPERM') throw error
    }
  }

  follow(move: (stays: (address: Address) => boolean) => void): void {
    this.#moves.add(move)
  }

  close(): void {
    this.#closing.abort(new Error('the store is closed'))
    this.#ears.close()
  }

  /** A Sentinel that forbids it is no harm: a primary that is gone is missed all the same, if later. */
  async #listen(link: Link): Promise<void> {
    try {
      const hear = (message: string) => {
        const [name, , , host, port] = message.split(' ')
        if (name === this.#primary) this.#moved(reached(this.#server, host!, Number(port)))
      }
      await link.subscribe('+switch-master', hear, () => void this.#makeUp())
      await this.#makeUp()
    } catch {
      // asked again with the next attempt to connect
    }
  }

  /** For what happened while nobody listened. */
  async #makeUp(): Promise<void> {
    try {
      this.#moved(await this.#ask(this.#closing.signal))
    } catch {
      // asked again with the next attempt to connect
    }
  }

  #moved(to: { host: string; port: number }): void {
    for (const move of this.#moves) move((address) => hostOf(address) === hostOf(to))
  }

  async #ask(signal: AbortSignal): Promise<Word> {
    const words: Word[] = []
    const failures: unknown[] = []
    const asked = this.#sentinels.map((sentinel) =>
      this.#askOne(sentinel, signal).then(
        (word) => void words.push(word),
        (error) => {
          failures.push(error)
          throw error
        },
      ),
    )
    const all = Promise.allSettled(asked)
    await Promise.any(asked).catch(() => {
      throw failures.find((error) => error instanceof Refusal) ?? new AggregateError(failures)
    })
    await Promise.race([all, sleep(GRACE, undefined, { ref: false })])
    return words.reduce((best, word) => (word.epoch > best.epoch ? word : best))
  }

  /**
   * By the newest failover that any of them knows of, when a majority of them answers, none says that another is under way,
   * and those that miss it, with those that say nothing, are too few to begin one.
   */
  async #standing(address: Address, patience: number, signal: AbortSignal): Promise<Standing> {
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

  /** @param patience milliseconds to be dialled, and as many to answer */
  async #askOne(sentinel: Address, signal: AbortSignal, patience = PATIENCE): Promise<Word> {
    const link = await dial(sentinel, patience, signal)
    const late = setTimeout(
      () => link.destroy(new Error(`Sentinel ${hostOf(sentinel)} did not answer`)),
      patience,
    )
    late.unref()
    try {
      const [place, facts] = await Promise.all([
        link.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#primary]),
        link.send(['SENTINEL', 'MASTER', this.#primary]).catch(() => []),
      ])
      if (place === null) throw new Error(`Sentinel ${hostOf(sentinel)} knows no '${this.#primary}'`)
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
    } finally {
      clearTimeout(late)
      link.destroy(new Error('it was asked'))
    }
  }
}
