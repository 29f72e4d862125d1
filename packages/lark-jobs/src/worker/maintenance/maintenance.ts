/**
 * The work that every worker does for the whole store, in all partitions. It takes back jobs whose leases
 * have ended (`Store.recover`), and removes ended jobs that are older than their retention (`Store.prune`).
 * It finishes moves of jobs to another queue if the process that moved them has died
 * (`store/contract/moves.ts`). It also announces the worker. Each round asks the store what is to be done in
 * the partitions that are due (`Store.survey`), and does a bounded part of this work. Work that fails is
 * repeated in the next round.
 *
 * An outage means that the store did not answer, or that this process was suspended. After an outage, living
 * workers get the time of one lease to renew before any job is taken back. For jobs that are taken back after
 * an outage, no crash is counted: their leases may have ended because of the outage, and not because a worker
 * died. If a store is late again and again (a slow disk, a busy machine), the jobs of dead workers must still
 * be taken back at some time, so jobs with ended leases are left with their workers for at most `PATIENCE`.
 * If no worker ran during an outage, the store itself notices the outage (`store/contract/rules/silence.ts`),
 * because each survey also tells the store that a worker is alive.
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

/**
 * Milliseconds between two ticks. If nothing is due sooner, the pause is `rarely` or an eighth of a lease,
 * whichever is shorter.
 */
const TICK = { often: 250, rarely: 1_000 }
/** Milliseconds. The worker announces itself `every` so often, and an announcement is valid for `holds`. */
const ANNOUNCE = { every: 5_000, holds: 20_000 }
/** Milliseconds. An answer within this time is not a sign of an outage, even if leases are shorter. */
const LATE = 500
/**
 * The longest time in milliseconds between two checks of a partition for ended leases and for jobs whose ring
 * (`fetch/rings.ts`) was lost. The same call carries the announcement. So an idle worker sends 12 commands a
 * minute to a Redis server, for up to 1,000 queues. Each of its two idle connections sends 2 more commands
 * (`connection.ts`), and one worker of a store sends three or four more for the history of runs. When each
 * claimer and each task made its own calls, a worker with one queue sent 74 commands a minute.
 */
const LOOK = 5_000
/** A survey also covers partitions whose next check is at most this part of `LOOK` away. */
const ALONG = 1 / 4
/** Milliseconds between two readings of the list of partitions while their number does not change. */
const MEET = 300_000
/** Milliseconds between two searches of a partition for ended jobs that are older than their retention. */
const PRUNE = 30_000
/** The largest number of partitions that are recovered or pruned at the same time, or pruned in a round. */
const TOGETHER = 100

interface Chores {
  /** When the last answered survey was sent (`performance.now()`). */
  askedAt: number
  lookAt: number
  /** Before this time (`performance.now()`), no job is taken back: leases may not be renewed yet. */
  recoverFrom: number
  pruneAt: number
  /**
   * For how many milliseconds jobs with ended leases have been left with their workers because of an outage.
   * Each survey adds at most the length of one lease.
   */
  leftFor: number
  /** Whether the next recovery counts no crashes. */
  forgiving: boolean
  /** Whether the last call for this partition had no answer from its part of the store. */
  isAway: boolean
}

type Chore = [partition: string, chores: Chores]

export interface MaintenanceOptions {
  store: Store
  /** The id of the worker. */
  caller: string
  /** The partitions that the worker serves from the start. */
  partitions: readonly string[]
  /** Called with all partitions of the store when their list has changed. */
  met: (partitions: readonly string[]) => void
  /** Milliseconds. */
  leaseMs: number
  record: () => AnnouncedWorker
  /** The clock that learns the store's time from the surveys. */
  clock: StoreClock
  /** Whether the worker makes no calls in a partition until a ring comes or a job becomes due. */
  rests: (partition: string) => boolean
  /** Called with the milliseconds until a job may begin in a partition in which the worker rests. */
  foreseen: (partition: string, ms: number) => void
  /** Called when effects are due in a partition. */
  owes: (partition: string) => void
  /** Called when a survey says in how many milliseconds the next schedule of a partition is due. */
  ticksIn?: ((partition: string, ms: number) => void) | undefined
  /** Called with the last order to the worker, each time an answer contains an order. */
  ordered: (order: WorkerOrder) => void
  /** Called with the jobs that were taken back from dead workers. */
  recovered: (partition: string, recovery: Recovery) => void
  report: WorkerReport
  /** Called with each tick, as a sign that the event loop turns. */
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
  /** Partitions in which ended jobs should be removed. */
  readonly #old = new Set<string>()
  /** Measures how long this process was suspended. An answer may have waited unread for as long. */
  readonly standstill: Standstill
  #isAway = false
  /**
   * The time (`performance.now()`) at which all living workers have renewed their leases after the store's
   * last outage.
   */
  #renewedBy = 0
  readonly #lateness: Lateness
  /** `recoverFrom` for partitions that are new to this worker: the last outage concerns them as well. */
  #recoverFrom = 0
  /** When the unanswered call was sent (`performance.now()`). */
  #asksSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #announced: Promise<unknown> | undefined

  constructor(options: MaintenanceOptions) {
    super()
    this.#options = options
    this.#lateness = new Lateness(options.leaseMs)
    // If this process was suspended for this time, it may have missed a renewal, and so may the other
    // processes of this machine.
    this.standstill = new Standstill(Math.max(options.leaseMs / 2, TICK.often * 4))
    this.#add(options.partitions)
  }

  /** Resolves after the first round, when the store knows the worker. */
  protected override async onStart(): Promise<void> {
    this.standstill.begin()
    await this.#tick()
  }

  /** Announces the worker's state now. `stop` waits for the announcement. */
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

  /** Milliseconds. During a longer answer, other workers may have missed a renewal or a connection. */
  get #late(): number {
    return Math.max(this.#options.leaseMs / 4, LATE)
  }

  /**
   * Whether the store does not answer, or did not answer until recently. In this time other workers may not
   * have renewed their leases. For a store that is always late, the result becomes false after a while
   * (`lateness.ts`).
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
    // Ticks go on during a round, so that a slow store does not look like a suspended process.
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
    // The partitions of nodes that do not answer get a call of their own, because such a node of a Redis
    // Cluster delays a call for longer than `LATE`.
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
        // Finds out whether any part of the store still answers.
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

  /** The partitions that are due for a check, and then also the partitions that will be due soon. */
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
   * @param wereAway whether none of these partitions answered the last call
   * @returns the error of one of the tasks that failed, or undefined if none failed
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
    // If one node of a Redis Cluster does not answer, the worker still serves the partitions on the other
    // nodes. This call finds out whether any part of the store answers, and throws if no part does.
    if (survey.failures.size > 0) await this.#ask(store.now())
    this.#options.trouble.answered()
    for (const [partition, chores] of due) {
      if (!survey.failures.has(partition)) continue
      // A late answer means that other parts of the store may not have answered either.
      if (!chores.isAway && isLate) this.#forgive()
      chores.isAway = true
    }
    const failure = await this.#act(due, survey, asked, isLate)
    return survey.failures.values().next().value ?? survey.unannounced ?? failure
  }

  /** @param isLate whether the answer was late. If true, no job is taken back (`recoverFrom`). */
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
        // No ended lease is left, so all jobs whose leases ended in the outage have been taken back.
        chores.forgiving = false
        this.#lookIn(chores, soonest(finding))
      }
    }
    return this.#doAll(dead)
  }

  /** Whether jobs with ended leases should still be left with their workers. */
  #isPatient(chores: Chores, finding: Finding | undefined, asked: number): boolean {
    const { leaseMs } = this.#options
    const since = Math.min(leaseMs, asked - chores.askedAt)
    chores.leftFor = finding?.nextLeaseEnd === 0 ? chores.leftFor + since : 0
    chores.askedAt = asked
    return chores.leftFor < PATIENCE * leaseMs
  }

  /** @returns the error of one of the tasks that failed, or undefined if none failed */
  async #doAll(all: readonly (() => Promise<void>)[]): Promise<unknown> {
    const failures: unknown[] = []
    for (let i = 0; i < all.length && !this.isStopped; i += TOGETHER) {
      const some = all.slice(i, i + TOGETHER).map((work) => work())
      for (const answer of await this.#ask(Promise.allSettled(some)))
        if (answer.status === 'rejected') failures.push(answer.reason)
    }
    return failures[0]
  }

  /** Reads the list of partitions if it may have changed. */
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
      // A worker that is new to a partition does not know whether there was an outage. So it takes back no
      // job until its second check, because living workers have renewed their leases by that time. The first
      // check is made now. With this check, the store notices for how long no worker has asked for a survey.
      const recoverFrom = Math.max(this.#recoverFrom, now + this.#longest)
      // The time is random, so that not all workers search for old jobs at the same time.
      const pruneAt = now + Math.random() * PRUNE
      const forgiving = now < this.#recoverFrom
      const since = { askedAt: now, leftFor: 0 }
      this.#chores.set(partition, { ...since, lookAt: 0, recoverFrom, pruneAt, forgiving, isAway: false })
    }
  }

  /** Awaits the answer to any call, and treats a late answer as an outage. */
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
   * @param isOutage whether the store itself did not answer, or only this process was suspended
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
   * Takes no jobs back for the time of a lease from now on. The checks go on as often as before, because
   * another outage may begin meanwhile. Otherwise a store that is late again and again would prevent all
   * checks.
   */
  #leaveToTheLiving(chores: Chores): void {
    chores.recoverFrom = performance.now() + this.#options.leaseMs
    chores.forgiving = true
  }

  async #recover({ partition, at }: Finding, chores: Chores, isPatient: boolean): Promise<void> {
    const { forgiving } = chores
    // A store that was suspended would carry out this call when it goes on, before living workers have
    // renewed their leases. The field `until` prevents this. A store that is always late would never carry
    // out a call with `until`, so after a while the calls have no `until`.
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
    // One call takes back a limited number of jobs. If jobs with ended leases are left, their leases ended in
    // the same outage, so the next call must count no crashes either.
    chores.forgiving &&= nextLeaseEnd === 0
    this.#lookIn(chores, nextLeaseEnd)
  }

  /** The longest time between two checks of a partition, in milliseconds. */
  get #longest(): number {
    return Math.min(this.#options.leaseMs / 3, LOOK)
  }

  /**
   * Plans the next check. It comes at the latest after the time of a lease, because a lease that begins after
   * this check does not end sooner (unless another worker uses shorter leases). The next check also comes at
   * the latest a third of a lease after the last survey. Workers renew their leases at the same interval, so
   * the checks notice each outage that is long enough to end a lease. And the store does not count the time
   * between two checks as an outage.
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

/** Milliseconds until the next lease ends, of a job or of an effect that was handed out. */
function soonest(finding: Finding | undefined): number | undefined {
  if (!finding?.nextEffect) return finding?.nextLeaseEnd
  return Math.min(finding.nextEffect, finding.nextLeaseEnd ?? Number.POSITIVE_INFINITY)
}
