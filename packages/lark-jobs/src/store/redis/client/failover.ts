/**
 * Notices a failover even if the old primary does not know of it. A server that was silent for a while may
 * have been replaced. If the machine of a primary was frozen or moved, the primary wakes without knowing that
 * it was replaced, and answers "queued" to calls that no other server ever sees. So after a late answer the
 * server is in doubt, until the Sentinels or the other nodes of the cluster have said which server is the
 * primary.
 *
 * The Sentinels or nodes are also asked before a new link is used, if its greeting was late or if a failover
 * was announced during the greeting.
 *
 * After a quick answer nobody is asked, because a server cannot be replaced in such a short time. One case is
 * not noticed: a process sends nothing while the server is frozen, and sends its next call just before the
 * server wakes. The call gets a quick answer from a server that may have been replaced.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { inTime } from '../../../waiting/bounded-wait.ts'
import type { Address } from './address.ts'

/**
 * An answer that takes more than this many milliseconds counts as late. (Of 14,298 calls made one after the
 * other on loopback, while 17 processes competed for 2 cores, half took 0.3 ms, one in 1,000 took more than
 * 63 ms, one in 10,000 more than 105 ms, and none more than 141 ms; 2026-11-25.)
 */
export const LATE = 250

/**
 * The time limit for connecting to each Sentinel or node, and again for its answer, in milliseconds. The
 * limit begins with `from`. After each round that was too slow the limit doubles, up to `to`: connecting
 * takes two or three round trips and a network may be slow.
 */
const ASKING = { from: 300, to: 2_000 }

/**
 * The pause after a round of questions without a result, in milliseconds: it begins with `from`, and doubles
 * each time up to `to`.
 */
const AGAIN = { from: 25, to: 200 }

/**
 * What the Sentinels or nodes say about a server: the server is the primary, or it was replaced; undefined if
 * they cannot tell.
 */
export type ServerRole = 'primary' | 'replaced' | undefined

/**
 * Asks the Sentinels or nodes about a server.
 *
 * @param patience the time limit for connecting to each Sentinel or node, and again for its answer, in
 *   milliseconds
 */
type Ask = (address: Address, patience: number, signal: AbortSignal) => Promise<ServerRole>

interface Inquiry {
  standing: Promise<ServerRole>
  hasBegun: boolean
}

export class Doubt {
  readonly #ask: Ask
  /** How many answers or greetings have been late so far. */
  #late = 0
  #known = 0
  #round: Inquiry | undefined
  #patience = ASKING.from

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** Whether an answer was late, and since then nobody has confirmed the server as the primary. */
  get isThere(): boolean {
    return this.#late > this.#known
  }

  /** Records that an answer or a greeting was late or did not come. */
  raise(): void {
    this.#late++
  }

  /**
   * Asks whether the server is still the primary. Calls that come together share one round of questions,
   * which begins after all of these calls.
   *
   * @param deadline by `performance.now()`
   * @returns undefined if nobody could say before the deadline
   */
  async resolve(address: Address, deadline: number): Promise<ServerRole> {
    for (let pause = AGAIN.from; ; pause = Math.min(AGAIN.to, pause * 2)) {
      // The timer of this wait keeps the process alive, because the links to the Sentinels or nodes do not
      // keep it alive.
      const left = Math.max(1, deadline - performance.now())
      const standing = await inTime(left, this.#next(address, deadline), () => undefined)
      if (standing !== undefined || performance.now() + pause >= deadline) return standing
      await sleep(pause)
    }
  }

  /** Starts the next round of questions when the current round is over. */
  #next(address: Address, deadline: number): Promise<ServerRole> {
    const last = this.#round
    if (last !== undefined && !last.hasBegun) return last.standing
    const round: Inquiry = { standing: Promise.resolve(undefined), hasBegun: false }
    const ask = async () => {
      await last?.standing
      round.hasBegun = true
      const late = this.#late
      const began = performance.now()
      const signal = AbortSignal.timeout(Math.max(1, Math.round(deadline - began)))
      const standing = await this.#ask(address, this.#patience, signal).catch(() => undefined)
      if (standing === 'primary') this.#known = late
      if (standing === undefined) {
        const isSlow = performance.now() - began >= this.#patience
        this.#patience = isSlow ? Math.min(ASKING.to, this.#patience * 2) : ASKING.from
      }
      return standing
    }
    round.standing = ask()
    this.#round = round
    return round.standing
  }
}
