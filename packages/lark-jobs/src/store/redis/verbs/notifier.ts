/**
 * Rings for the callers of this process: one connection for all of them, opened when the first one claims.
 *
 * A caller's subscription goes from deaf to hearing when the server has confirmed it, and back with a lost
 * connection. A caller is noted as waiting (by `exchange`) only while it hears. What rang while it was deaf is
 * made up for when it hears again: every partition it waits for rings once.
 *
 * A ring may bring jobs: a claim under the number of the caller's last call and a half. One that comes when the caller
 * has called again is passed over, since that call has taken its jobs along.
 */
import type { Want } from '../../contract/store.ts'
import { Connection } from '../client/connection.ts'
import { unreachable } from '../client/failure.ts'
import type { Keys } from '../client/keys.ts'
import type { Link } from '../client/link.ts'
import type { Resolver } from '../client/resolver.ts'
import { readRing } from './reading.ts'

/** Told of a partition in which there is a notice of a job that the caller holds. */
type Noticed = (partition: string) => void

/** Milliseconds that a caller's first claim waits for its subscription at most; it claims deaf then. */
const FIRST_SUBSCRIPTION = 400

class Subscription {
  hears = false
  /** Partitions where the last exchange got less than was wanted. */
  readonly short = new Set<string>()
  /** Rings that nobody took yet, by partition. */
  readonly rung = new Set<string>()
  /** Partitions with a notice of which no wait was told yet. */
  readonly #notices = new Set<string>()
  /** The last claim in each partition: its number, who takes jobs with a ring, whether some came since. */
  readonly calls = new Map<string, { number: number; hand: Want['hand']; isHanded: boolean }>()
  /** The waits under way: how each ends, and what it does with notices. */
  readonly waits = new Map<() => void, Noticed | undefined>()
  /** Resolves when it hears for the first time, or is not going to soon. */
  first: Promise<void> | undefined
  heard: () => void = () => {}

  ring(partition: string): void {
    this.rung.add(partition)
    this.endWaits()
  }

  notice(partition: string): void {
    this.#notices.add(partition)
    for (const noticed of this.waits.values()) this.tell(noticed)
  }

  /** Hands over the notices, to whoever takes them. */
  tell(noticed: Noticed | undefined): void {
    if (noticed === undefined) return
    for (const partition of this.#notices) noticed(partition)
    this.#notices.clear()
  }

  endWaits(): void {
    for (const end of [...this.waits.keys()]) end()
  }

  take(): string[] {
    const partitions = [...this.rung]
    this.rung.clear()
    return partitions
  }
}

export class Notifier {
  readonly #connection: Connection
  readonly #keys: Keys
  readonly #subscriptions = new Map<string, Subscription>()
  #closed = false

  /** @param resolver of any server where rings are heard */
  constructor(resolver: Resolver, keys: Keys) {
    this.#keys = keys
    this.#connection = new Connection(resolver, {
      standsBy: true,
      connected: (link) => {
        for (const [caller, subscription] of this.#subscriptions)
          if (subscription.first) void this.#subscribe(link, caller, subscription)
      },
      disconnected: () => {
        for (const subscription of this.#subscriptions.values()) subscription.hears = false
      },
    })
  }

  /** Before a claim. @returns whether the caller hears its bell: now, or after the first subscription */
  async listen(caller: string): Promise<boolean> {
    const subscription = this.#of(caller)
    if (!subscription.first) {
      subscription.first = new Promise((resolve) => {
        const timer = setTimeout(resolve, FIRST_SUBSCRIPTION)
        subscription.heard = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      const { link } = this.#connection
      if (link) void this.#subscribe(link, caller, subscription)
      else this.#connection.start()
    }
    if (!subscription.hears) await subscription.first
    return subscription.hears
  }

  /**
   * A claim is about to look at the partition: what rang there is answered by it.
   *
   * @returns the number of a claim that may have been handed over unheard, or ''
   */
  looks(caller: string, partition: string, number: number, hand: Want['hand']): string {
    const { rung, calls } = this.#of(caller)
    rung.delete(partition)
    const last = calls.get(partition)
    if (last?.number === number) return ''
    calls.set(partition, { number, hand, isHanded: false })
    return last?.hand === undefined || last.isHanded ? '' : `${last.number}.5`
  }

  /** A claim looked. @param heard what `listen` said before it */
  looked(caller: string, partition: string, short: boolean, heard: boolean): void {
    const subscription = this.#of(caller)
    if (!short) {
      subscription.short.delete(partition)
      // Nor does it wait, so nothing is handed to it: one look less in its next claim.
      const call = subscription.calls.get(partition)
      if (call !== undefined) call.hand = undefined
      return
    }
    subscription.short.add(partition)
    // It began to hear while it looked, and was not noted as waiting.
    if (!heard && subscription.hears) subscription.ring(partition)
  }

  wait(caller: string, timeout: number, signal?: AbortSignal, noticed?: Noticed): Promise<string[]> {
    if (this.#closed)
      return Promise.reject(unreachable(this.#connection.name, new Error('the store is closed')))
    const subscription = this.#of(caller)
    if (signal?.aborted) return Promise.resolve([])
    subscription.tell(noticed)
    if (subscription.rung.size > 0 || timeout <= 0) return Promise.resolve(subscription.take())
    return new Promise((resolve) => {
      const abort = () => end([])
      const ring = () => end(subscription.take())
      const end = (partitions: string[]) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        subscription.waits.delete(ring)
        resolve(partitions)
      }
      const timer = setTimeout(abort, timeout)
      signal?.addEventListener('abort', abort)
      subscription.waits.set(ring, noticed)
    })
  }

  /**
   * Stops listening.
   *
   * @returns the partitions that the caller has called; of these, those that rang and were not asked since, and those
   *   that may have handed it jobs
   */
  forget(caller: string): { called: string[]; rung: string[]; offered: string[] } {
    const subscription = this.#subscriptions.get(caller)
    if (!subscription) return { called: [], rung: [], offered: [] }
    const called = [...subscription.calls.keys()]
    this.#subscriptions.delete(caller)
    const offered = [...subscription.calls]
      .filter(([, { hand }]) => hand !== undefined)
      .map(([partition]) => partition)
    const rung = subscription.take()
    subscription.endWaits()
    void this.#connection.link?.unsubscribe(this.#keys.bell(caller)).catch(() => {})
    return { called, rung, offered }
  }

  close(): void {
    this.#closed = true
    this.#connection.close()
    for (const subscription of this.#subscriptions.values()) {
      subscription.heard()
      subscription.rung.clear()
      subscription.endWaits()
    }
  }

  #heard(caller: string, subscription: Subscription, message: string): void {
    const { partition, isNotice, claim } = readRing(caller, message)
    if (isNotice) {
      subscription.notice(partition)
      return
    }
    const call = subscription.calls.get(partition)
    if (claim !== undefined) {
      if (call === undefined || claim.number !== call.number + 0.5) return
      call.isHanded = true
      call.hand?.(claim)
      return
    }
    subscription.ring(partition)
  }

  #of(caller: string): Subscription {
    let subscription = this.#subscriptions.get(caller)
    if (!subscription) {
      subscription = new Subscription()
      this.#subscriptions.set(caller, subscription)
    }
    return subscription
  }

  /** A server that refuses it (an ACL without our channels) leaves the caller deaf: it looks by itself. */
  async #subscribe(link: Link, caller: string, subscription: Subscription): Promise<void> {
    try {
      const hear = (message: string) => this.#heard(caller, subscription, message)
      const makeUp = () => {
        for (const partition of subscription.short) subscription.ring(partition)
      }
      await link.subscribe(this.#keys.bell(caller), hear, makeUp)
      subscription.hears = true
      makeUp()
    } catch {
      subscription.hears = false
    }
    subscription.heard()
  }
}
