/**
 * Notifications ("rings") for the callers of this process. All callers share one connection, which is opened
 * when the first caller claims.
 *
 * A caller hears rings after the server has confirmed its subscription, and until the connection is lost.
 * `exchange` registers the caller as waiting only while the caller hears rings. While there is no connection,
 * rings are lost. So when the subscription is back, each partition for which the caller waits counts as rung.
 *
 * A ring may bring jobs, which are a claim. The number of this claim is the number of the caller's last call
 * plus a half. If the caller makes another call before the ring arrives, the ring is ignored, because the
 * answer to the other call includes the jobs.
 */
import type { Want } from '../../contract/store.ts'
import { Connection } from '../client/connection.ts'
import { unreachable } from '../client/failure.ts'
import type { Keys } from '../client/keys.ts'
import type { Link } from '../client/link.ts'
import type { Resolver } from '../client/resolver.ts'
import { readRing } from './reading.ts'

/**
 * Called with a partition that has a notice for the caller: about a job that the caller holds or watches,
 * about effects, or about events. `signalled`: the id of a job, if the notice says only that a signal has
 * come for this job.
 */
type Noticed = (partition: string, signalled?: string) => void

/**
 * The maximum time for which the first claim of a caller waits until the caller is subscribed, in
 * milliseconds. If the subscription takes longer, the caller claims without rings.
 */
const FIRST_SUBSCRIPTION = 400

class Subscription {
  hears = false
  /** The partitions in which the last `exchange` got fewer jobs than it wanted. */
  readonly short = new Set<string>()
  /** The partitions that have rung since the last wait or claim. */
  readonly rung = new Set<string>()
  /** The notices that no `wait` has passed on yet. Equal notices are kept once. */
  readonly #notices = new Map<string, Parameters<Noticed>>()
  /**
   * The last claim in each partition: its number, the function that takes jobs that come with a ring, and
   * whether such jobs have come.
   */
  readonly calls = new Map<string, { number: number; hand: Want['hand']; isHanded: boolean }>()
  /**
   * The pending calls of `wait`. For each call, the key is the function that ends the call, and the value is
   * the function that takes notices.
   */
  readonly waits = new Map<() => void, Noticed | undefined>()
  /** Resolves when the caller hears rings for the first time, or after `FIRST_SUBSCRIPTION`. */
  first: Promise<void> | undefined
  heard: () => void = () => {}

  ring(partition: string): void {
    this.rung.add(partition)
    this.endWaits()
  }

  notice(partition: string, signalled: string | undefined): void {
    this.#notices.set(`${partition}\n${signalled ?? ''}`, [partition, signalled])
    for (const noticed of this.waits.values()) this.tell(noticed)
  }

  /** Passes the notices to a function that takes them, and forgets the notices. */
  tell(noticed: Noticed | undefined): void {
    if (noticed === undefined) return
    for (const notice of this.#notices.values()) noticed(...notice)
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

  /** @param resolver finds a server that sends rings */
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

  /**
   * Subscribes the caller, if it is not subscribed yet. Called before a claim, and before a watch.
   *
   * @returns whether the caller hears rings, now or after its first subscription
   */
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
   * Called before a claim is sent. The claim is the reaction to all earlier rings of the partition, so these
   * are forgotten.
   *
   * @returns the number of the claim that a lost ring may have brought to the caller, or '' if no ring can
   *   have brought jobs
   */
  looks(caller: string, partition: string, number: number, hand: Want['hand']): string {
    const { rung, calls } = this.#of(caller)
    rung.delete(partition)
    const last = calls.get(partition)
    if (last?.number === number) return ''
    calls.set(partition, { number, hand, isHanded: false })
    return last?.hand === undefined || last.isHanded ? '' : `${last.number}.5`
  }

  /**
   * Called when the answer to a claim has come. @param short whether the claim got fewer jobs than it wanted
   * @param heard the result of `listen` before the claim
   */
  looked(caller: string, partition: string, short: boolean, heard: boolean): void {
    const subscription = this.#of(caller)
    if (!short) {
      subscription.short.delete(partition)
      // The store has not registered the caller as waiting, so no ring brings jobs, and the next claim need
      // not ask for the jobs of a lost ring.
      const call = subscription.calls.get(partition)
      if (call !== undefined) call.hand = undefined
      return
    }
    subscription.short.add(partition)
    // The caller began to hear rings while the claim was under way, so the store has not registered it as
    // waiting. This ring makes the caller claim again.
    if (!heard && subscription.hears) subscription.ring(partition)
  }

  wait(caller: string, timeout: number, signal?: AbortSignal, noticed?: Noticed): Promise<string[]> {
    if (this.#closed)
      return Promise.reject(unreachable(this.#connection.name, new Error('the store is closed')))
    const subscription = this.#of(caller)
    if (!signal?.aborted) subscription.tell(noticed)
    // The function that takes notices may have aborted the signal.
    if (signal?.aborted) return Promise.resolve([])
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
   * Removes the caller, and ends its subscription.
   *
   * @returns `called`: the partitions that the caller has called; `rung`: the partitions that have rung since
   *   the last call; `offered`: the partitions that may have sent jobs with a ring
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
    const { partition, isNotice, signalled, claim } = readRing(caller, message)
    if (isNotice) {
      subscription.notice(partition, signalled)
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

  /**
   * Subscribes to the channel of the caller. If the server refuses this (because the user has no right to use
   * the channels), the caller hears no rings, and polls.
   */
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
