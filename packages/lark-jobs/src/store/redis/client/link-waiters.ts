/**
 * The calls that wait for a link, each until its own deadline. The timers of these calls keep the process
 * alive.
 */
import type { Link } from './link.ts'

/** Ends the wait of a call: with a link, or with an error that says why there is no link. */
type Settle = (link: Link | undefined, error?: unknown) => void

export class LinkWaiters {
  readonly #waiters = new Set<Settle>()

  /** @param late makes the error with which the call rejects at its deadline */
  wait(deadline: number, late: () => Error): Promise<Link> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (link, error) => {
        clearTimeout(timer)
        this.#waiters.delete(settle)
        if (link === undefined) reject(error)
        else resolve(link)
      }
      const timer = setTimeout(() => settle(undefined, late()), Math.max(1, deadline - performance.now()))
      this.#waiters.add(settle)
    })
  }

  enter(link: Link): void {
    for (const settle of [...this.#waiters]) settle(link)
  }

  refuse(error: Error): void {
    for (const settle of [...this.#waiters]) settle(undefined, error)
  }
}
