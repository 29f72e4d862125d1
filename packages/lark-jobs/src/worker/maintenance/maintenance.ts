/**
 * What every worker does for all, in every partition of the store: takes jobs back from the dead, forgets what is
 * past its age. And it makes itself known. Each round asks the store once what there is to do, for all partitions that
 * are due (`Store.survey`), and does a bounded piece of it; what fails is done again in the next.
 *
 * After an outage (the store was away, or this process stood still) the living get one lease's time to renew,
 * before anything is taken back, and what is then taken back counts no crash: it was not the workers that died.
 */
import { spread } from '../../model/duration.ts'
import { queueOf } from '../../model/partition.ts'
import type { WorkerRecord } from '../../model/record.ts'
import {
  type Announced,
  type Finding,
  MAX_ITEMS,
  type Store,
  type Survey,
} from '../../store/contract/store.ts'
import type { Report } from '../report.ts'
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
/**
 * Milliseconds: the longest that a partition is not looked at, for leases that ended and for jobs of which no ring was
 * heard. With it the announcement goes, so an idle worker sends 12 commands a minute to a Redis server, however many
 * queues it serves (up to 1,000), and two connections at rest 2 each (`connection.ts`). It was 74, one queue, when each
 * claimer and each chore asked for itself.
 */
const LOOK = 5_000
/** A partition is surveyed along with those that are due if this share of its waiting time, or less, is left. */
const ALONG = 1 / 4
/** Milliseconds between two readings of the list of partitions, where their number has not changed. */
const MEET = 300_000
/** Milliseconds between two sweeps of a partition for ended jobs past their age. */
const PRUNE = 30_000
/** Partitions in which something is done at once; and of those to be pruned, a round. */
const TOGETHER = 100
/** The most jobs of a dead worker that are named. */
const NAMED = 10

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

type Chore = [partition: string, chores: Chores]

export interface MaintenanceOptions {
  store: Store
  /** Those that the worker serves: known from the start. */
  partitions: readonly string[]
  /** Called with all partitions when their list has changed. */
  met: (partitions: readonly string[]) => void
  /** Milliseconds. */
  lease: number
  record: () => WorkerRecord
  /** Told what time it is. */
  clock: StoreClock
  /** Whether the worker rests in a partition. */
  rests: (partition: string) => boolean
  /** Told in how many milliseconds a job may begin in a partition where it rests. */
  foreseen: (partition: string, ms: number) => void
  /** Jobs of a partition have ended where no handler ran, and their class has something to do. */
  ended: (partition: string) => void
  report: Report
  /** Renews the worker's own leases, if that is overdue. */
  renew: () => Promise<void>
  trouble: { met(error: unknown): void; passed(): void }
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #chores = new Map<string, Chores>()
  readonly #id: string
  #announceAt = 0
  #meetAt = 0
  /** How many partitions there were at the last reading of their list. */
  #met = 0
  /** Partitions that are to be pruned. */
  readonly #old = new Set<string>()
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

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#id = options.record().id
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
    let dueAt = this.#isAway || this.#old.size > 0 ? 0 : this.#announceAt
    for (const { isAway, lookAt } of this.#chores.values()) dueAt = isAway ? 0 : Math.min(dueAt, lookAt)
    const longest = Math.min(TICK.rarely, this.#options.lease / 8)
    return Math.max(TICK.often, Math.min(longest, dueAt - performance.now()))
  }

  async #work(): Promise<void> {
    const { store, renew, trouble } = this.#options
    await this.#ask(renew())
    const { due, isAnnounced } = this.#due()
    // Apart, because a node of a cluster that is away lets a call wait for longer than makes an outage.
    const [present, away]: [Chore[], Chore[]] = [[], []]
    for (const each of due) (each[1].isAway ? away : present).push(each)
    let failure: unknown
    for (let i = 0; i < present.length || (i === 0 && isAnnounced); i += MAX_ITEMS) {
      if (this.#stopped) return
      const failed = await this.#look(present.slice(i, i + MAX_ITEMS), i === 0 && isAnnounced)
      failure ??= failed
    }
    for (let i = 0; i < away.length; i += MAX_ITEMS) {
      if (this.#stopped) return
      const failed = await this.#look(away.slice(i, i + MAX_ITEMS), false, true).catch(async (error) => {
        // It may be all that is away now.
        await this.#ask(store.now())
        return error
      })
      failure ??= failed
    }
    const unpruned = await this.#pruneSome()
    failure ??= unpruned
    if (failure !== undefined) trouble.met(failure)
    else if (due.length > 0 || isAnnounced) trouble.passed()
  }

  /** The partitions that are due and, if there are any, those that soon will be. */
  #due(): { due: Chore[]; isAnnounced: boolean } {
    const now = performance.now()
    let isAny = this.#isAway || this.#announceAt <= now
    for (const { isAway, lookAt } of this.#chores.values()) isAny ||= isAway || lookAt <= now
    if (!isAny) return { due: [], isAnnounced: false }
    const soon = now + this.#longest * ALONG
    const due = [...this.#chores].filter(([, { isAway, lookAt }]) => isAway || lookAt <= soon)
    return { due, isAnnounced: this.#isAway || this.#announceAt <= soon }
  }

  /**
   * @param wereAway all of these: that their answer is late says nothing of the others
   * @returns why something could not be done
   */
  async #look(due: readonly Chore[], isAnnounced: boolean, wereAway = false): Promise<unknown> {
    const { store, record, clock, rests } = this.#options
    const asked = performance.now()
    const announced: Announced | undefined = isAnnounced
      ? { worker: record(), ttl: ANNOUNCE.holds }
      : undefined
    const asking = due.map(([partition, { pruneAt }]) => ({
      partition,
      waits: rests(partition),
      prunes: asked >= pruneAt,
    }))
    const survey = await this.#answered(store.survey(this.#id, asking, announced))
    const isLate = performance.now() - asked > this.#late
    if (!isLate) clock.heard(survey.at, asked)
    if (this.#isAway || (isLate && !wereAway)) this.#forgive()
    this.#isAway = false
    if (isAnnounced && survey.unannounced === undefined) this.#announceAt = asked + ANNOUNCE.every
    if (survey.partitions !== undefined) await this.#meet(survey.partitions)
    // One node of a cluster may be away, and must not keep us from the partitions on the others. Or all are.
    if (survey.failures.size > 0) await this.#ask(store.now())
    for (const [partition, chores] of due) {
      if (!survey.failures.has(partition)) continue
      // It may have been more than that part, until just now.
      if (!chores.isAway && isLate) this.#forgive()
      chores.isAway = true
    }
    const failure = await this.#act(due, survey, isLate)
    return survey.failures.values().next().value ?? survey.unannounced ?? failure
  }

  /** @param isLate nothing is taken back: the living may not have renewed */
  async #act(due: readonly Chore[], { findings, failures }: Survey, isLate: boolean): Promise<unknown> {
    const { ended, foreseen } = this.#options
    const found = new Map(findings.map((finding) => [finding.partition, finding]))
    const dead: (() => Promise<void>)[] = []
    for (const [partition, chores] of due) {
      if (failures.has(partition)) continue
      if (chores.isAway) {
        chores.isAway = false
        this.#leaveToTheLiving(chores)
      }
      const finding = found.get(partition)
      if (finding?.nextDue !== undefined) foreseen(partition, finding.nextDue)
      if (finding?.nextEnding === 0) ended(partition)
      const now = performance.now()
      if (finding?.isOld) this.#old.add(partition)
      else if (now >= chores.pruneAt) chores.pruneAt = now + spread(PRUNE)
      const left = chores.recoverFrom - now
      if (isLate || left > 0) this.#lookIn(chores, isLate ? undefined : left)
      else if (finding?.nextLeaseEnd === 0) dead.push(() => this.#recover(finding, chores))
      else {
        // The leases that are left ended in the same outage, or have not ended.
        chores.forgiving = false
        this.#lookIn(chores, finding?.nextLeaseEnd)
      }
    }
    return this.#doAll(dead)
  }

  /** @returns why something could not be done */
  async #doAll(all: readonly (() => Promise<void>)[]): Promise<unknown> {
    const failures: unknown[] = []
    for (let i = 0; i < all.length && !this.#stopped; i += TOGETHER) {
      const some = all.slice(i, i + TOGETHER).map((work) => work())
      for (const answer of await this.#ask(Promise.allSettled(some)))
        if (answer.status === 'rejected') failures.push(answer.reason)
    }
    return failures[0]
  }

  /** There may be other partitions than before. */
  async #meet(count: number): Promise<void> {
    const { store, met } = this.#options
    const now = performance.now()
    if (count === this.#met && now < this.#meetAt) return
    const partitions = await this.#ask(store.partitions())
    this.#add(partitions)
    met(partitions)
    this.#met = count
    this.#meetAt = now + spread(MEET)
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

  async #recover({ partition, at }: Finding, chores: Chores): Promise<void> {
    // Asked of a store that stands still, it would be carried out when that goes on, before the living have renewed.
    const until = at + this.#late
    const { recovered, failed, nextLeaseEnd, nextEnding } = await this.#options.store
      .recover(partition, { forgiving: chores.forgiving, until })
      .catch((error) => {
        chores.isAway = true
        throw error
      })
    this.#tell(partition, recovered, failed)
    if (nextEnding === 0) this.#options.ended(partition)
    // It takes so many with a call; the others ended in the same outage.
    chores.forgiving &&= nextLeaseEnd === 0
    this.#lookIn(chores, nextLeaseEnd)
  }

  /** Milliseconds: the longest between two looks at a partition. */
  get #longest(): number {
    return Math.min(this.#options.lease / 3, LOOK)
  }

  /**
   * A lease taken after this look lasts as long as ours, or it is one of a worker that was told otherwise. And who looks
   * as often as the living renew sees every outage that could cost them their leases.
   */
  #lookIn(chores: Chores, most = this.#options.lease): void {
    chores.lookAt = performance.now() + Math.min(most, this.#longest)
  }

  async #pruneSome(): Promise<unknown> {
    const { store } = this.#options
    const some = [...this.#old].slice(0, TOGETHER)
    return this.#doAll(
      some.map((partition) => async () => {
        const removed = await store.prune(partition)
        if (removed < MAX_ITEMS) this.#old.delete(partition)
      }),
    )
  }

  #tell(partition: string, recovered: readonly string[], failed: readonly string[]): void {
    const { report } = this.#options
    const queue = queueOf(partition)
    if (recovered.length > 0)
      report.warn(`Took ${jobs(recovered)} back from a worker that died (${queue}): ${named(recovered)}`)
    if (failed.length > 0)
      report.warn(`Failed ${jobs(failed)} whose workers died again and again (${queue}): ${named(failed)}`)
  }
}

function jobs({ length }: readonly string[]): string {
  return length === 1 ? '1 job' : `${length} jobs`
}

function named(ids: readonly string[]): string {
  const shown = ids.slice(0, NAMED).join(', ')
  return ids.length > NAMED ? `${shown} and ${ids.length - NAMED} more` : shown
}

/** Milliseconds in which a process that stood still has read what came meanwhile. */
const READ = 100

/**
 * Whether this process stood still: its event loop was blocked, it was stopped, or the machine slept. It is measured
 * between ticks, by the wall clock, because the other clock stops while a machine sleeps.
 */
export class Standstill {
  readonly #shortest: number
  #lastTick = Date.now()
  /** The last one: for how long, and until when it may matter to what comes in. */
  #last = { length: 0, until: 0 }

  /** @param shortest milliseconds between two ticks that are one */
  constructor(shortest: number) {
    this.#shortest = shortest
  }

  /** Ticks begin now. */
  begin(): void {
    this.#lastTick = Date.now()
  }

  /** @returns whether it stood still since the last tick */
  tick(): boolean {
    const now = Date.now()
    const length = now - this.#lastTick
    this.#lastTick = now
    if (length <= this.#shortest) return false
    this.#last = { length, until: now + READ }
    return true
  }

  /** Milliseconds for which it has stood still, or did just now. */
  get length(): number {
    const now = Date.now()
    return Math.max(now - this.#lastTick, now < this.#last.until ? this.#last.length : 0)
  }
}
