/**
 * Taking back what a worker held that has died, or has not read it: what is asked of a store, and what came of it.
 */

export interface RecoverOptions {
  /** No crash is counted: after an outage, when it was the store that died and not the workers. */
  forgiving?: boolean
  /** Takes back all that this caller holds, ended or not: its process is known to be dead. */
  holder?: string
  /**
   * Does nothing when the store's clock (`now()`) has passed this: a recovery that was asked of a store which then
   * stood still must not be carried out before the living have renewed.
   */
  until?: number
  /**
   * Takes back the claim of this token alone, which its caller has not read: none of its jobs has started, so they go
   * back as `returned` ones do, and count as before. And the caller is offered nothing more with a ring until it asks.
   */
  unread?: string
}

export interface Recovery {
  /** Put back at the head of their lines, a crash counted if they had started. */
  recovered: string[]
  /** Had crashed `MAX_CRASHES` times, and failed. */
  failed: string[]
  /** Milliseconds until the next lease ends; undefined when nothing is leased, or `until` had passed. */
  nextLeaseEnd?: number
  /** Milliseconds until there is something for `endings`; undefined when nothing is known, or `until` had passed. */
  nextEnding?: number
}
