/**
 * What every worker does for all, in every partition of the store: takes jobs back from the dead, forgets what is
 * past its age. And it makes itself known. Each round does a bounded piece of work; what fails is done again in
 * the next.
 *
 * After an outage (the store was away, or this process stood still) the living get one lease's time to renew,
 * before anything is taken back, and what is then taken back counts no crash: it was not the workers that died.
 */
import { spread } from '../duration.ts'
import { queueOf } from '../partition.ts'
import type { WorkerRecord } from '../record.ts'
import { MAX_ITEMS, type Store } from '../store/store.ts'
import type { Report } from './report.ts'
import { Standstill } from './standstill.ts'
import type { StoreClock } from './store-clock.ts'

/**
 * Milliseconds between two looks at what is due to be done: the shortest, and where nothing is due sooner the longest,
 * but no longer than an eighth of a lease.
 */
const TICK = { often: 250, rarely: 1_000 }
/** Milliseconds between two announcements, and how long one holds. */
const ANNOUNCE = { every: 5_000, holds: 20_000 }
/** Milliseconds: an answer that takes no longer is no sign of an outage, however short the leases are. */
const LATE = 500
/** Milliseconds: the longest that a partition is not looked at for leases that ended. */
const LOOK = 5_000
/** Milliseconds between two looks for new partitions. */
const MEET = 5_000
/** Milliseconds between two sweeps of a partition for ended jobs past their age. */
const PRUNE = 30_000

interface Chores {
  lookAt: number
  /** Before that, what the living may not have renewed yet is left to them. */
  recoverFrom: number
  pruneAt: number
  /** The next recovery counts no crash. */
  forgiving: boolean
  /** Its part of the store did not answer the last time. */
  isAway: boolean
}

export interface UpkeepOptions {
  store: Store
  /** Those that the worker serves: known from the start. */
  partitions: readonly string[]
  /** Told of all that there are, each time it looks. */
  met: (partitions: readonly string[]) => void
  /** Milliseconds. */
  lease: number
  record: () => WorkerRecord
  /** Told what time it is. */
  clock: StoreClock
  /** Jobs of a partition have ended where no handler ran, and their class has something to do. */
  ended: (partition: string) => void
  report: Report
  /** Renews the worker's own leases, if that is overdue. */
  renew: () => Promise<void>
  trouble: { met(error: unknown): void; passed(): void }
}

export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #chores = new Map<string, Chores>()
  #announceAt = 0
  #meetAt = 0
  /** Of this process: what it reads may have waited as long. */
  readonly standstill: Standstill
  #isAway = false
  /** By then (`performance.now()`) the living have renewed, if there was an outage of the store. */
  #renewedBy = 0
  /** What is met before that is left to the living, as all was that was known at the last outage. */
  #recoverFrom = 0
  /** When it asked what is not answered yet (`performance.now()`). */
  #asksSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #stopped = false

  constructor(options: UpkeepOptions) {
    this.#options = options
    // So long without progress, and the living may not have been able to renew.
    this.standstill = new Standstill(Math.max(options.lease / 2, TICK.often * 4))
    this.#add(options.partitions)
  }

  /** The first round is over when this resolves: the worker is known. */
  async start(): Promise<void> {
    this.standstill.begin()
    await this.#tick()
  }

  /** Makes the worker's state known now. */
  announce(): Promise<void> {
    this.#announceAt = performance.now() + ANNOUNCE.every
    return this.#options.store.announce(this.#options.record(), ANNOUNCE.holds)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
  }

  /** Milliseconds after which an answer of the store is so late that the living may have lost a renewal, and a link. */
  get #late(): number {
    return Math.max(this.#options.lease / 4, LATE)
  }

  /** The store is away, stands still, or did so just now: others may not yet have renewed what they hold. */
  get isAfterOutage(): boolean {
    const now = performance.now()
    return this.#isAway || now < this.#renewedBy || now - (this.#asksSince ?? now) > this.#late
  }

  #tick(): Promise<void> {
    if (this.standstill.tick()) this.#forgive(false)
    // Also while a round is under way: a store that is slow does not make this process one that stood still.
    this.#tickIn(TICK.often)
    this.#round ??= this.#work()
      .catch((error) => {
        this.#isAway = true
        this.#options.trouble.met(error)
      })
      .finally(() => {
        this.#round = undefined
        this.#tickIn(this.#pause)
      })
    return this.#round
  }

  #tickIn(ms: number): void {
    clearTimeout(this.#timer)
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#tick(), ms)
  }

  /** Milliseconds until something is due, within the bounds. */
  get #pause(): number {
    let dueAt = this.#isAway ? 0 : Math.min(this.#announceAt, this.#meetAt)
    for (const { isAway, lookAt, pruneAt } of this.#chores.values())
      dueAt = isAway ? 0 : Math.min(dueAt, lookAt, pruneAt)
    const longest = Math.min(TICK.rarely, this.#options.lease / 8)
    return Math.max(TICK.often, Math.min(longest, dueAt - performance.now()))
  }

  async #work(): Promise<void> {
    const { store, renew, met, clock, trouble } = this.#options
    const now = performance.now()
    await this.#ask(renew())
    if (!clock.isAsked) await this.#askTime()
    if (this.#isAway || now >= this.#announceAt) await this.#ask(this.announce())
    if (this.#isAway) {
      this.#isAway = false
      this.#forgive()
    }
    if (now >= this.#meetAt) {
      const partitions = await this.#ask(store.partitions())
      this.#add(partitions)
      met(partitions)
      this.#meetAt = now + spread(MEET)
    }
    let failure: unknown
    for (const [partition, chores] of this.#chores) {
      if (this.#stopped) return
      const asked = performance.now()
      try {
        await this.#look(partition, chores)
      } catch (error) {
        // One node of a cluster may be away, and must not keep us from the partitions on the others.
        await store.now()
        // Or all were, until just now.
        if (!chores.isAway && performance.now() - asked > this.#late) this.#forgive()
        chores.isAway = true
        failure ??= error
      }
    }
    if (failure === undefined) trouble.passed()
    else trouble.met(failure)
  }

  async #look(partition: string, chores: Chores): Promise<void> {
    const now = performance.now()
    if (chores.isAway) {
      await this.#probe(partition)
      chores.isAway = false
      this.#leaveToTheLiving(chores)
    }
    if (now >= chores.lookAt) await this.#recover(partition, chores)
    if (now >= chores.pruneAt) await this.#prune(partition, chores)
  }

  #add(partitions: readonly string[]): void {
    const now = performance.now()
    for (const partition of partitions) {
      if (this.#chores.has(partition)) continue
      const recoverFrom = this.#recoverFrom
      // Spread: many workers of many queues should not sweep in step.
      const pruneAt = now + Math.random() * PRUNE
      const chores = { lookAt: 0, recoverFrom, pruneAt, forgiving: now < recoverFrom, isAway: false }
      this.#chores.set(partition, chores)
      // Who has just come does not know whether there was an outage: by then the living have renewed.
      this.#lookIn(chores)
    }
  }

  /** Who waited for so long has seen an outage, whatever it asked for. */
  async #ask<T>(answer: Promise<T>): Promise<T> {
    const asked = performance.now()
    const value = await this.#answered(answer)
    if (performance.now() - asked > this.#late) this.#forgive()
    return value
  }

  async #answered<T>(answer: Promise<T>): Promise<T> {
    this.#asksSince = performance.now()
    return await answer.finally(() => {
      this.#asksSince = undefined
    })
  }

  async #askTime(): Promise<void> {
    const asked = performance.now()
    this.#options.clock.heard(await this.#ask(this.#options.store.now()), asked)
  }

  /** @param isOutage of the store, and not only of this process */
  #forgive(isOutage = true): void {
    const now = performance.now()
    if (isOutage) this.#renewedBy = now + this.#options.lease / 2
    this.#recoverFrom = now + this.#options.lease
    for (const chores of this.#chores.values()) this.#leaveToTheLiving(chores)
  }

  /** For a lease from now on. */
  #leaveToTheLiving(chores: Chores): void {
    chores.recoverFrom = performance.now() + this.#options.lease
    chores.forgiving = true
    // The next outage may come before that is over.
    this.#lookIn(chores)
  }

  async #recover(partition: string, chores: Chores): Promise<void> {
    const { store, clock } = this.#options
    // Asked of a store that stands still, it would be carried out when that goes on, before the living have renewed.
    const asked = performance.now()
    const isLate = () => performance.now() - asked > this.#late
    const at = await this.#answered(store.now(partition))
    if (isLate()) return this.#forgive()
    clock.heard(at, asked)
    const left = chores.recoverFrom - performance.now()
    if (left > 0) {
      await this.#probe(partition)
      return isLate() ? this.#forgive() : this.#lookIn(chores, left)
    }
    const { recovered, failed, nextLeaseEnd, nextEnding } = await store.recover(partition, {
      forgiving: chores.forgiving,
      until: at + this.#late,
    })
    this.#tell(partition, recovered.length, failed.length)
    if (nextEnding === 0) this.#options.ended(partition)
    if (isLate()) return this.#forgive()
    // It takes so many with a call; the others ended in the same outage.
    chores.forgiving &&= nextLeaseEnd === 0
    this.#lookIn(chores, nextLeaseEnd)
  }

  /**
   * A lease taken after this look lasts as long as ours, or it is one of a worker that was told otherwise. And who looks
   * as often as the living renew sees every outage that could cost them their leases.
   */
  #lookIn(chores: Chores, most = this.#options.lease): void {
    chores.lookAt = performance.now() + Math.min(most, this.#options.lease / 3, LOOK)
  }

  /** Whether it takes writes: a server that loads its data, or is a replica just now, says what time it is all the same. */
  async #probe(partition: string): Promise<void> {
    await this.#answered(this.#options.store.recover(partition, { until: 0 }))
  }

  async #prune(partition: string, chores: Chores): Promise<void> {
    const removed = await this.#ask(this.#options.store.prune(partition))
    if (removed < MAX_ITEMS) chores.pruneAt = performance.now() + spread(PRUNE)
  }

  #tell(partition: string, recovered: number, failed: number): void {
    const { report } = this.#options
    const queue = queueOf(partition)
    if (recovered > 0) report.warn(`Took ${jobs(recovered)} back from a worker that died (${queue})`)
    if (failed > 0) report.warn(`Failed ${jobs(failed)} whose workers died again and again (${queue})`)
  }
}

function jobs(count: number): string {
  return count === 1 ? '1 job' : `${count} jobs`
}
