/**
 * What every worker does for the whole store, in every partition: it takes jobs back whose leases have ended
 * (`Store.recover`), and removes ended jobs that are past their age (`Store.prune`). It also announces the
 * worker. Each round asks the store once what there is to do in all partitions that are due (`Store.survey`),
 * and does a bounded part of it. Whatever fails is done again in the next round. It also finishes moves of
 * jobs to another queue, if the process that moved them has died (`store/contract/moves.ts`).
 *
 * After an outage (the store did not answer, or this process was frozen), living workers get the time of one
 * lease to renew before any job is taken back. Jobs that are taken back after that count no crash, because
 * the outage ended their leases, not the death of a worker. A store that is late again and again, because its
 * disk is slow or its machine busy, must not keep the jobs of dead workers for ever: so an ended lease is
 * left alone only for `PATIENCE`. An outage during which no worker lived is known to the store itself
 * (`store/contract/rules/silence.ts`): each survey is also a sign that workers are there.
 */

import { queueOf } from '../../model/partition.ts'
import type { AnnouncedWorker } from '../../model/record.ts'
import { bringDue } from '../../store/contract/moved.ts'
import {
  type Announced,
  type Finding,
  MAX_ITEMS,
  type Recovery,
  type Store,
  type Survey,
  type WorkerOrder,
} from '../../store/contract/store.ts'
import { spread } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { Part } from '../part.ts'
import type { WorkerReport } from '../report.ts'
import { Lateness, PATIENCE } from './lateness.ts'
import { Standstill } from './standstill.ts'
import type { StoreClock } from './store-clock.ts'

/** Milliseconds between two ticks. `rarely`, or an eighth of a lease, if nothing is due sooner. */
const TICK = { often: 250, rarely: 1_000 }
/** Milliseconds between two announcements of the worker, and how long an announcement is valid. */
const ANNOUNCE = { every: 5_000, holds: 20_000 }
/** Milliseconds. An answer within this time does not indicate an outage, however short the leases are. */
const LATE = 500
/**
 * Milliseconds: the longest time between two looks at a partition, for ended leases and for jobs whose ring
 * was lost. The announcement goes with the same call. So an idle worker sends 12 commands a minute to a Redis
 * server, for up to 1,000 queues, and each of its two idle connections sends 2 (`connection.ts`). One worker
 * of a store sends three or four more, for the history of runs. When each claimer and each task asked by
 * itself, a worker with one queue sent 74.
 */
const LOOK = 5_000
/** A survey also covers partitions of which at most this share of `LOOK` is left. */
const ALONG = 1 / 4
/** Milliseconds between two readings of the list of partitions while their number does not change. */
const MEET = 300_000
/** Milliseconds between two searches of a partition for ended jobs that are past their age. */
const PRUNE = 30_000
/**
 * The most partitions in which jobs are taken back or pruned at the same time, and the most that are pruned
 * in a round.
 */
const TOGETHER = 100

interface Chores {
  /** When the last question was sent to which the store has answered (`performance.now()`). */
  askedAt: number
  lookAt: number
  /**
   * No job is taken back before this time (`performance.now()`), because living workers may not have renewed
   * yet.
   */
  recoverFrom: number
  pruneAt: number
  /**
   * For how many milliseconds an ended lease has been seen and left to its holder. An outage in between
   * counts as one lease, however long it was.
   */
  leftFor: number
  /** Whether the next recovery counts no crash. */
  forgiving: boolean
  /** Whether the part of the store with this partition did not answer the last time. */
  isAway: boolean
}

type Chore = [partition: string, chores: Chores]

export interface MaintenanceOptions {
  store: Store
  /** The id of the worker. */
  caller: string
  /** The partitions that the worker serves. They are known from the start. */
  partitions: readonly string[]
  /** Called with all partitions when their list has changed. */
  met: (partitions: readonly string[]) => void
  /** Milliseconds. */
  leaseMs: number
  record: () => AnnouncedWorker
  /** Learns the store's time. */
  clock: StoreClock
  /**
   * Whether the worker rests in a partition: it makes no calls there until a ring, or until a job falls due.
   */
  rests: (partition: string) => boolean
  /** Called with the milliseconds until a job may begin in a partition where the worker rests. */
  foreseen: (partition: string, ms: number) => void
  /** Effects are due in a partition. */
  owes: (partition: string) => void
  /** Called when a survey says in how many milliseconds the next schedule of a partition is due. */
  ticksIn?: ((partition: string, ms: number) => void) | undefined
  /** Called repeatedly with the last order to the worker. */
  ordered: (order: WorkerOrder) => void
  /** Called with the jobs that were taken back from dead workers. */
  recovered: (partition: string, recovery: Recovery) => void
  report: WorkerReport
  /** Called with each tick: the event loop turns. */
  ticked: () => void
  /** Renews the worker's own leases, if a renewal is overdue. */
  renew: () => Promise<void>
  trouble: { met(error: unknown): void; answered(): void; passed(): void }
}

export class Maintenance extends Part {
  readonly #options: MaintenanceOptions
  readonly #chores = new Map<string, Chores>()
  #announceAt = 0
  #meetAt = 0
  /** How many partitions the list had when it was last read. */
  #met = 0
  /** Partitions that are to be pruned. */
  readonly #old = new Set<string>()
  /** For how long this process was frozen: an answer that it reads may have waited for as long. */
  readonly standstill: Standstill
  #isAway = false
  /** After an outage of the store, all living workers have renewed by this time (`performance.now()`). */
  #renewedBy = 0
  readonly #lateness: Lateness
  /**
   * Before this time, no job is taken back in a partition that is new here: the last outage applies to it as
   * well.
   */
  #recoverFrom = 0
  /** When the call was made that has no answer yet (`performance.now()`). */
  #asksSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #announced: Promise<unknown> | undefined

  constructor(options: MaintenanceOptions) {
    super()
    this.#options = options
    this.#lateness = new Lateness(options.leaseMs)
    // After being frozen for so long, this process may have missed a renewal, and so may others.
    this.standstill = new Standstill(Math.max(options.leaseMs / 2, TICK.often * 4))
    this.#add(options.partitions)
  }

  /** Resolves after the first round: the store then knows the worker. */
  protected override async onStart(): Promise<void> {
    this.standstill.begin()
    await this.#tick()
  }

  /** Announces the worker's state now. `stop` waits for it. */
  async announce(): Promise<void> {
    const announcing = this.#announce().catch((error) => this.#options.trouble.met(error))
    this.#announced = Promise.all([this.#announced, announcing])
    await announcing
  }

  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all([this.#round, this.#announced])
  }

  async #announce(): Promise<void> {
    const { store, record, ordered } = this.#options
    this.#announceAt = performance.now() + ANNOUNCE.every
    const order = await store.announce(record(), ANNOUNCE.holds)
    if (order !== undefined) ordered(order)
  }

  /** Milliseconds after which an answer is so late that others may have lost a renewal or a connection. */
  get #late(): number {
    return Math.max(this.#options.leaseMs / 4, LATE)
  }

  /**
   * The store does not answer, or did not until just now: other workers may not have renewed their leases. A
   * store that is always late does not count as away for ever (`lateness.ts`).
   */
  get isAfterOutage(): boolean {
    const { leaseMs } = this.#options
    const now = performance.now()
    const asked = now - (this.#asksSince ?? now)
    if (this.#isAway || asked > Math.max(leaseMs / 2, LATE)) return true
    return (now < this.#renewedBy || asked > this.#late) && !this.#lateness.isLong
  }

  #tick(): Promise<void> {
    this.#options.ticked()
    if (this.standstill.tick()) this.#forgive(false)
    // The ticks go on while a round is under way: a slow store must not look like a frozen process.
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
    if (!this.isStopped) this.#timer = setTimeout(() => void this.#tick(), ms)
  }

  /** Milliseconds until the next tick. */
  get #pause(): number {
    let dueAt = this.#isAway || this.#old.size > 0 ? 0 : this.#announceAt
    for (const { isAway, lookAt } of this.#chores.values()) dueAt = isAway ? 0 : Math.min(dueAt, lookAt)
    const longest = Math.min(TICK.rarely, this.#options.leaseMs / 8)
    return Math.max(TICK.often, Math.min(longest, dueAt - performance.now()))
  }

  async #work(): Promise<void> {
    const { store, renew, trouble } = this.#options
    await this.#ask(renew())
    const { due, isAnnounced } = this.#due()
    // Separate calls, because a node of a cluster that does not answer delays a call for longer than `LATE`.
    const [present, away]: [Chore[], Chore[]] = [[], []]
    for (const each of due) (each[1].isAway ? away : present).push(each)
    let failure: unknown
    for (let i = 0; i < present.length || (i === 0 && isAnnounced); i += MAX_ITEMS) {
      if (this.isStopped) return
      const failed = await this.#look(present.slice(i, i + MAX_ITEMS), i === 0 && isAnnounced)
      failure ??= failed
    }
    for (let i = 0; i < away.length; i += MAX_ITEMS) {
      if (this.isStopped) return
      const failed = await this.#look(away.slice(i, i + MAX_ITEMS), false, true).catch(async (error) => {
        // Perhaps no part of the store answers any more.
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

  /** The partitions that are due. If there are any, also those that will be due soon. */
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
   * @param wereAway none of these partitions answered the last time, so a late answer says nothing about
   *   other partitions
   * @returns why something could not be done
   */
  async #look(due: readonly Chore[], isAnnounced: boolean, wereAway = false): Promise<unknown> {
    const { store, leaseMs, record, clock, rests, ordered } = this.#options
    const asked = performance.now()
    const announced: Announced | undefined = isAnnounced
      ? { worker: record(), ttl: ANNOUNCE.holds }
      : undefined
    const asking = due.map(([partition, { pruneAt }]) => ({
      partition,
      waits: rests(partition),
      prunes: asked >= pruneAt,
    }))
    const survey = await this.#answered(store.survey(this.#options.caller, asking, announced, leaseMs))
    const isLate = performance.now() - asked > this.#late
    if (!isLate) clock.heard(survey.at, asked)
    if (this.#isAway || (isLate && !wereAway)) this.#forgive()
    this.#isAway = false
    if (isAnnounced && survey.unannounced === undefined) this.#announceAt = asked + ANNOUNCE.every
    if (survey.order !== undefined) ordered(survey.order)
    if (survey.partitions !== undefined) await this.#meet(survey.partitions)
    // If one node of a cluster does not answer, the partitions on the other nodes are still served. This call
    // finds out whether any part of the store answers.
    if (survey.failures.size > 0) await this.#ask(store.now())
    this.#options.trouble.answered()
    for (const [partition, chores] of due) {
      if (!survey.failures.has(partition)) continue
      // Until just now, other parts may not have answered either.
      if (!chores.isAway && isLate) this.#forgive()
      chores.isAway = true
    }
    const failure = await this.#act(due, survey, asked, isLate)
    return survey.failures.values().next().value ?? survey.unannounced ?? failure
  }

  /** @param isLate the answer was late: no job is taken back, because living workers may not have renewed */
  async #act(
    due: readonly Chore[],
    { findings, failures }: Survey,
    asked: number,
    isLate: boolean,
  ): Promise<unknown> {
    const { owes, foreseen, ticksIn } = this.#options
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
      if (finding?.nextEffect === 0) owes(partition)
      if (finding?.isMoving) dead.push(() => bringDue(this.#options.store, partition))
      if (finding?.nextTick !== undefined) ticksIn?.(partition, finding.nextTick)
      const now = performance.now()
      if (finding?.isOld) this.#old.add(partition)
      else if (now >= chores.pruneAt) chores.pruneAt = now + spread(PRUNE)
      const left = chores.recoverFrom - now
      const isPatient = this.#isPatient(chores, finding, asked)
      if (isPatient && (isLate || left > 0)) this.#lookIn(chores, isLate ? undefined : left)
      else if (finding?.nextLeaseEnd === 0) dead.push(() => this.#recover(finding, chores, isPatient))
      else {
        // All jobs whose leases ended in the outage have been taken back.
        chores.forgiving = false
        this.#lookIn(chores, soonest(finding))
      }
    }
    return this.#doAll(dead)
  }

  /** Whether ended leases may still be left to their holders. */
  #isPatient(chores: Chores, finding: Finding | undefined, asked: number): boolean {
    const { leaseMs } = this.#options
    const since = Math.min(leaseMs, asked - chores.askedAt)
    chores.leftFor = finding?.nextLeaseEnd === 0 ? chores.leftFor + since : 0
    chores.askedAt = asked
    return chores.leftFor < PATIENCE * leaseMs
  }

  /** @returns why something could not be done */
  async #doAll(all: readonly (() => Promise<void>)[]): Promise<unknown> {
    const failures: unknown[] = []
    for (let i = 0; i < all.length && !this.isStopped; i += TOGETHER) {
      const some = all.slice(i, i + TOGETHER).map((work) => work())
      for (const answer of await this.#ask(Promise.allSettled(some)))
        if (answer.status === 'rejected') failures.push(answer.reason)
    }
    return failures[0]
  }

  /** The list of partitions may have changed. */
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
      // A new worker does not know whether there was an outage. By its next look, living workers have
      // renewed. It looks now anyway, so that the store notices how long it was silent.
      const recoverFrom = Math.max(this.#recoverFrom, now + this.#longest)
      // A random time, so that many workers do not search at the same time.
      const pruneAt = now + Math.random() * PRUNE
      const forgiving = now < this.#recoverFrom
      const since = { askedAt: now, leftFor: 0 }
      this.#chores.set(partition, { ...since, lookAt: 0, recoverFrom, pruneAt, forgiving, isAway: false })
    }
  }

  /** Awaits an answer, and treats a late one as an outage, whatever the call was. */
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

  /**
   * Takes no jobs back for a while, so that living workers can renew their leases.
   *
   * @param isOutage of the store, and not only of this process
   */
  #forgive(isOutage = true): void {
    const { leaseMs } = this.#options
    const now = performance.now()
    if (isOutage) {
      this.#lateness.note(this.#isAway)
      this.#renewedBy = now + leaseMs / 2
    }
    this.#recoverFrom = now + leaseMs
    for (const chores of this.#chores.values()) this.#leaveToTheLiving(chores)
  }

  /**
   * Waits for the time of a lease from now on. It looks as often as before: another outage may begin
   * meanwhile, and a store that is late again and again must not keep it from looking.
   */
  #leaveToTheLiving(chores: Chores): void {
    chores.recoverFrom = performance.now() + this.#options.leaseMs
    chores.forgiving = true
  }

  async #recover({ partition, at }: Finding, chores: Chores, isPatient: boolean): Promise<void> {
    const { forgiving } = chores
    // If the store is frozen, it would carry out the call later, before living workers have renewed: `until`
    // prevents that. A store that is always late would never carry it out, so the limit is dropped after a
    // while.
    const until = isPatient ? { until: at + this.#late } : {}
    const recovery = await this.#options.store
      .recover(partition, { forgiving, ...until, leaseMs: this.#options.leaseMs, by: this.#options.caller })
      .catch((error) => {
        chores.isAway = true
        throw error
      })
    const { nextLeaseEnd, nextEffect } = recovery
    this.#tell(partition, recovery)
    this.#options.recovered(partition, recovery)
    if (nextEffect === 0) this.#options.owes(partition)
    // A call takes back only so many jobs; the leases of the others ended in the same outage.
    chores.forgiving &&= nextLeaseEnd === 0
    this.#lookIn(chores, nextLeaseEnd)
  }

  /** Milliseconds: the longest time between two looks at a partition. */
  get #longest(): number {
    return Math.min(this.#options.leaseMs / 3, LOOK)
  }

  /**
   * Plans the next look, at the latest after the time of a lease: a lease that begins after this look does
   * not end sooner, except for workers with shorter leases. The next look is also no later than a third of a
   * lease after the last question. Workers renew as often, so each outage in which they could lose their
   * leases is noticed, and a slow store does not look silent.
   */
  #lookIn(chores: Chores, most = this.#options.leaseMs): void {
    chores.lookAt = Math.min(performance.now() + most, chores.askedAt + this.#longest)
  }

  async #pruneSome(): Promise<unknown> {
    const { store } = this.#options
    const some = [...this.#old].slice(0, TOGETHER)
    const prune = async (partition: string) => {
      const removed = await store.prune(partition)
      if (removed < MAX_ITEMS) this.#old.delete(partition)
    }
    return this.#doAll(some.map((partition) => () => prune(partition)))
  }

  #tell(partition: string, { recovered, failed, doubted = [] }: Recovery): void {
    const { report } = this.#options
    const queue = queueOf(partition)
    const dead = recovered.filter((id) => !doubted.includes(id))
    if (dead.length > 0)
      report.warn(`Took ${jobs(dead)} back from a worker that died (${queue}): ${listed(dead)}`)
    if (doubted.length > 0)
      report.warn(
        `Took ${jobs(doubted)} back after a silence of the store, which may have finished (${queue}): ${listed(doubted)}`,
      )
    if (failed.length > 0)
      report.warn(`Failed ${jobs(failed)} at the limit of crashes (${queue}): ${listed(failed)}`)
  }
}

function jobs({ length }: readonly string[]): string {
  return length === 1 ? '1 job' : `${length} jobs`
}

/**
 * Milliseconds until a lease ends. An effect that was handed out is looked for again when it may be handed
 * out again.
 */
function soonest(finding: Finding | undefined): number | undefined {
  if (!finding?.nextEffect) return finding?.nextLeaseEnd
  return Math.min(finding.nextEffect, finding.nextLeaseEnd ?? Number.POSITIVE_INFINITY)
}
