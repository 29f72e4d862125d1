/**
 * A server that was silent for a while may have been replaced meanwhile. A primary that stood still (its machine was
 * frozen, or moved) does not know of it when it wakes, and answers "queued" to calls that no other server ever sees. So
 * after a late answer it is in doubt, until those have been asked who know which server is the primary: the Sentinels,
 * or the other nodes of the cluster.
 *
 * A quick answer costs nothing: no server is replaced within the time that counts as late. What is not found out: a call
 * that was sent just before the server woke, by a process that had asked it nothing for as long as it stood still.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './address.ts'

/**
 * Milliseconds from a call to an answer that is late. (Of 14,298 calls one after the other on loopback, while 17 processes
 * wanted the 2 cores, 2026-11-25: half took 0.3 ms, one in 1,000 more than 63, one in 10,000 more than 105, none more than
 * 141.)
 */
export const LATE = 250

/** Milliseconds that one of those who are asked has to answer. */
export const ASKING = 300

/** Milliseconds before those who could not say it are asked again, from the first time, doubling to the second. */
const AGAIN = { from: 25, to: 200 }

/** What they say of a server; undefined: nobody can say it yet. */
export type Standing = 'primary' | 'replaced' | undefined

interface Round {
  standing: Promise<Standing>
  hasBegun: boolean
}

export class Doubt {
  readonly #ask: (address: Address, signal: AbortSignal) => Promise<Standing>
  /** Late answers so far, and of how many it is known that they came from the primary. */
  #late = 0
  #known = 0
  #round: Round | undefined

  /** @param ask those who know */
  constructor(ask: (address: Address, signal: AbortSignal) => Promise<Standing>) {
    this.#ask = ask
  }

  /** An answer was late, and nobody has said since that its server is the primary. */
  get isThere(): boolean {
    return this.#late > this.#known
  }

  /** An answer was late, or did not come. */
  raise(): void {
    this.#late++
  }

  /**
   * Whether the server is still the primary, by those who are asked after this is called. Calls that come together
   * are told by one asking.
   *
   * @param deadline by `performance.now()`
   * @returns undefined when nobody could say it in time
   */
  async resolve(address: Address, deadline: number): Promise<Standing> {
    // The links to those who are asked do not keep the process alive.
    const alive = setTimeout(() => {}, Math.max(1, deadline - performance.now()))
    try {
      for (let pause = AGAIN.from; ; pause = Math.min(AGAIN.to, pause * 2)) {
        const standing = await this.#next(address, deadline)
        if (standing !== undefined || performance.now() + pause >= deadline) return standing
        await sleep(pause)
      }
    } finally {
      clearTimeout(alive)
    }
  }

  /** The next round of asking. */
  #next(address: Address, deadline: number): Promise<Standing> {
    const last = this.#round
    if (last !== undefined && !last.hasBegun) return last.standing
    const round: Round = { standing: Promise.resolve(undefined), hasBegun: false }
    const ask = async () => {
      await last?.standing
      round.hasBegun = true
      const late = this.#late
      const patience = Math.max(1, Math.round(deadline - performance.now()))
      const standing = await this.#ask(address, AbortSignal.timeout(patience)).catch(() => undefined)
      if (standing === 'primary') this.#known = late
      return standing
    }
    round.standing = ask()
    this.#round = round
    return round.standing
  }
}
