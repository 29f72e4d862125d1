/**
 * The calls that wait for a link, each until its own deadline. Their timers keep the process alive.
 */
import type { Link } from './link.ts'

interface LinkWaiter {
  enter(link: Link): void
  refuse(error: unknown): void
}

export class LinkWaiters {
  readonly #waiters = new Set<LinkWaiter>()

  /** @param late makes the error for the deadline */
  wait(deadline: number, late: () => Error): Promise<Link> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
      }
      const waiter: LinkWaiter = {
        enter(link) {
          leave()
          resolve(link)
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      const timer = setTimeout(() => waiter.refuse(late()), Math.max(1, deadline - performance.now()))
      this.#waiters.add(waiter)
    })
  }

  enter(link: Link): void {
    for (const waiter of [...this.#waiters]) waiter.enter(link)
  }

  refuse(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.refuse(error)
  }
}
