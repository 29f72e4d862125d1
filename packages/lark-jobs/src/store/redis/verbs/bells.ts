/**
 * Rings for the callers of this process: one connection for all of them, opened when the first one claims.
 *
 * A caller's ears go from deaf to hearing when the server has confirmed its subscription, and back with a lost
 * connection. A caller is noted as waiting (by `exchange`) only while it hears. What rang while it was deaf is
 * made up for when it hears again: every partition it waits for rings once.
 *
 * A ring may bring jobs: a claim under the number of the caller's last call and a half. One that comes when the caller
 * has called again is passed over, since that call has taken its jobs along.
 */
import type { Want } from '../../contract/store.ts'
import { Connection } from '../client/connection.ts'
import { unreachable } from '../client/failure.ts'
import type { Guide } from '../client/guide.ts'
import type { Keys } from '../client/keys.ts'
import type { Link } from '../client/link.ts'
import { readRing } from './reading.ts'

/** Told of a partition in which there is a notice of a job that the caller holds. */
type Noticed = (partition: string) => void

/** Milliseconds that a caller's first claim waits for its subscription at most; it claims deaf then. */
const FIRST_SUBSCRIPTION = 400

class Ears {
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

export class Bells {
  readonly #connection: Connection
  readonly #keys: Keys
  readonly #ears = new Map<string, Ears>()
  #closed = false

  /** @param guide to any server where rings are heard */
  constructor(guide: Guide, keys: Keys) {
    this.#keys = keys
    this.#connection = new Connection(guide, {
      standsBy: true,
      connected: (link) => {
        for (const [caller, ears] of this.#ears) if (ears.first) void this.#subscribe(link, caller, ears)
      },
      disconnected: () => {
        for (const ears of this.#ears.values()) ears.hears = false
      },
    })
  }

  /** Before a claim. @returns whether the caller hears its bell: now, or after the first subscription */
  async listen(caller: string): Promise<boolean> {
    const ears = this.#of(caller)
    if (!ears.first) {
      ears.first = new Promise((resolve) => {
        const timer = setTimeout(resolve, FIRST_SUBSCRIPTION)
        ears.heard = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      const { link } = this.#connection
      if (link) void this.#subscribe(link, caller, ears)
      else this.#connection.start()
    }
    if (!ears.hears) await ears.first
    return ears.hears
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
    const ears = this.#of(caller)
    if (!short) {
      ears.short.delete(partition)
      // Nor does it wait, so nothing is handed to it: one look less in its next claim.
      const call = ears.calls.get(partition)
      if (call !== undefined) call.hand = undefined
      return
    }
    ears.short.add(partition)
    // It began to hear while it looked, and was not noted as waiting.
    if (!heard && ears.hears) ears.ring(partition)
  }

  wait(caller: string, timeout: number, signal?: AbortSignal, noticed?: Noticed): Promise<string[]> {
    if (this.#closed)
      return Promise.reject(unreachable(this.#connection.name, new Error('the store is closed')))
    const ears = this.#of(caller)
    if (signal?.aborted) return Promise.resolve([])
    ears.tell(noticed)
    if (ears.rung.size > 0 || timeout <= 0) return Promise.resolve(ears.take())
    return new Promise((resolve) => {
      const abort = () => end([])
      const ring = () => end(ears.take())
      const end = (partitions: string[]) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        ears.waits.delete(ring)
        resolve(partitions)
      }
      const timer = setTimeout(abort, timeout)
      signal?.addEventListener('abort', abort)
      ears.waits.set(ring, noticed)
    })
  }

  /** Stops listening. @returns partitions whose rings the caller did not take, and those that may have handed it jobs */
  forget(caller: string): { rung: string[]; offered: string[] } {
    const ears = this.#ears.get(caller)
    if (!ears) return { rung: [], offered: [] }
    this.#ears.delete(caller)
    const offered = [...ears.calls]
      .filter(([, { hand }]) => hand !== undefined)
      .map(([partition]) => partition)
    const rung = ears.take()
    ears.endWaits()
    void this.#connection.link?.unsubscribe(this.#keys.bell(caller)).catch(() => {})
    return { rung, offered }
  }

  close(): void {
    this.#closed = true
    this.#connection.close()
    for (const ears of this.#ears.values()) {
      ears.heard()
      ears.rung.clear()
      ears.endWaits()
    }
  }

  #heard(caller: string, ears: Ears, message: string): void {
    const { partition, isNotice, claim } = readRing(caller, message)
    if (isNotice) {
      ears.notice(partition)
      return
    }
    const call = ears.calls.get(partition)
    if (claim !== undefined) {
      if (call === undefined || claim.number !== call.number + 0.5) return
      call.isHanded = true
      call.hand?.(claim)
      return
    }
    ears.ring(partition)
  }

  #of(caller: string): Ears {
    let ears = this.#ears.get(caller)
    if (!ears) {
      ears = new Ears()
      this.#ears.set(caller, ears)
    }
    return ears
  }

  /** A server that refuses it (an ACL without our channels) leaves the caller deaf: it looks by itself. */
  async #subscribe(link: Link, caller: string, ears: Ears): Promise<void> {
    try {
      const hear = (message: string) => this.#heard(caller, ears, message)
      const makeUp = () => {
        for (const partition of ears.short) ears.ring(partition)
      }
      await link.subscribe(this.#keys.bell(caller), hear, makeUp)
      ears.hears = true
      makeUp()
    } catch {
      ears.hears = false
    }
    ears.heard()
  }
}
