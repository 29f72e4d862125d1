/**
 * A worker's dealings with one partition: outcomes go out, jobs come in, both in one call (`exchange`), one call at
 * a time.
 *
 *   ready     may have jobs: ask when there is room
 *   resting   had less than was asked; until its next job falls due, it rings, or a survey finds something
 *   calling   a call is under way
 *
 * A call that fails is sent again under its own number until it is answered: a failed settle is not a failed job.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { JobsError } from '../../model/errors.ts'
import type { Limits } from '../../model/limit.ts'
import { queueOf } from '../../model/partition.ts'
import type { LeasedJob, Outcome } from '../../model/record.ts'
import { unlessAborted } from '../../run/bounded-wait.ts'
import {
  type Exchange,
  MAX_BYTES,
  MAX_ITEMS,
  type Settlement,
  type Store,
  type Want,
} from '../../store/contract/store.ts'
import { type HeldJob, Ledger } from '../lease/ledger.ts'
import { CALL, RING, sources, Unread } from '../lease/unread.ts'
import type { ClaimPermits } from '../permits/claim-permits.ts'
import { Prefetch } from './prefetch.ts'

/** Milliseconds: the longest that a timer is set for. A timer cannot wait for a month. */
const LONGEST = 3_600_000
/** Milliseconds between two sendings of a call: doubling, up to the second or a twentieth of the lease. */
export const RESEND = { from: 100, to: 2_000 }

/** Milliseconds until it asks again where there was nothing though the store said so: doubling. */
const VAIN = { from: 1, to: 1_000 }

/** What the store may answer better the next time. */
export const resendable: ReadonlySet<string> = new Set([
  'STORE_UNREACHABLE',
  'STORE_UNCERTAIN',
  'STORE_REFUSED',
])

/** `held`: its place in the ledger, unless it never began. */
interface Outgoing extends Settlement {
  held: HeldJob | undefined
}

export interface Answer extends Exchange {
  /** What the verdicts are about. */
  settled: Settlement[]
  /** Of the call. */
  number: number
  /** It brought less than there is room for. */
  isShort: boolean
  /** When the call was first sent, by `performance.now()`: its jobs may have been claimed as long ago. */
  sentAt: number
}

/** What every claim says of the partition's order and limits. */
export type Terms = Pick<Want, 'limits' | 'aging'>

export interface ClaimerOptions {
  store: Store
  partition: string
  /** Of its queue, among those that the worker serves. */
  rank?: number
  /** Of its queue, among the others in turns. Default 1. */
  weight?: number | undefined
  caller: string
  /** Milliseconds. */
  lease: number
  ahead?: Prefetch
  /** Takes permits for jobs that need some. */
  limited?: ClaimPermits
  /** Of the partition. Under limits nothing is claimed ahead, nor handed over. */
  terms?: Terms
  trouble?: (error: unknown) => void
  /** Told when it becomes ready, and when the first outcome waits. */
  changed?: (claimer: Claimer) => void
}

export class Claimer {
  readonly partition: string
  readonly queue: string
  readonly rank: number
  readonly weight: number
  readonly ahead: Prefetch
  readonly limits: Limits | undefined
  readonly #terms: Terms
  readonly limited: ClaimPermits | undefined
  readonly unread = new Unread()
  readonly #store: Store
  readonly #caller: string
  readonly #lease: number
  readonly #trouble: (error: unknown) => void
  readonly #changed: (claimer: Claimer) => void
  #number = 0
  #settlements: Outgoing[] = []
  /** When the first of them came, by `performance.now()`. */
  #since = 0
  calling = false
  /** Its call is being sent again, since the store does not answer. */
  isAway = false
  /** When jobs were given back the last time, by `performance.now()`. */
  gaveBackAt = 0
  #underway = 0
  /** Claims in a row that brought nothing though the store said that there was something. */
  #vain = 0
  /** It rang during the call that is under way, whose answer may be from before. */
  #rung = false
  /** By `performance.now()`; 0 when ready. */
  #restUntil = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer goes off, by `performance.now()`. */
  #timerAt = 0

  constructor(options: ClaimerOptions) {
    const { store, partition, rank = 0, weight = 1, caller, lease, terms = {} } = options
    const { ahead = new Prefetch(new Ledger(), 0), trouble = () => {}, changed = () => {} } = options
    this.partition = partition
    this.queue = queueOf(partition)
    this.rank = rank
    this.weight = weight
    this.ahead = ahead
    this.limits = terms.limits
    this.#terms = terms
    this.limited = options.limited
    this.ahead.gone = (lease) => this.limited?.ended(lease)
    this.#store = store
    this.#caller = caller
    this.#lease = lease
    this.#trouble = trouble
    this.#changed = changed
  }

  /** Its store is in this process: what a call has brought is read before the microtasks are over. */
  get isHere(): boolean {
    return !this.#store.isRemote
  }

  get isResting(): boolean {
    return this.#restUntil > 0
  }

  /** Whether it rests, and no call is under way that may change this. */
  get rests(): boolean {
    return this.isResting && !this.calling
  }

  /** Outcomes that wait for a call. */
  get hasSettlements(): boolean {
    return this.#settlements.length > 0
  }

  /** Outcomes that are not yet answered for. */
  get isSettling(): boolean {
    return this.#settlements.length + this.#underway > 0
  }

  /** Until when (`performance.now()`) the outcomes should wait for others; 0 when they are to go now. */
  get waitUntil(): number {
    const { ahead } = this
    const { count, age } = ahead.pace.company
    const isFull = this.#settlements.length >= count
    return isFull || ahead.size === 0 || ahead.isLow ? 0 : this.#since + age
  }

  settle(id: string, token: string, outcome: Outcome, now: number, held?: HeldJob): void {
    if (this.#settlements.push({ id, token, outcome, held }) > 1) return
    this.#since = now
    this.#changed(this)
  }

  /** Jobs that did not start. */
  giveBack(jobs: readonly LeasedJob[]): void {
    const now = performance.now()
    if (jobs.length > 0) this.gaveBackAt = now
    for (const job of jobs) {
      this.limited?.ended(job)
      this.settle(job.id, job.token, { kind: 'returned' }, now)
    }
  }

  /** Gives back a job that was taken out to start, and whose lease may have ended. */
  giveBackLate(held: HeldJob): void {
    if (this.ahead.withdraw(held)) this.giveBack([held.lease])
    else this.limited?.ended(held.lease)
  }

  /** Gives back a suspect that did not start. @param ms until it is due; if omitted, it keeps its place */
  giveBackApart(held: HeldJob, ms?: number): void {
    const now = performance.now()
    if (ms === undefined) this.gaveBackAt = now
    this.limited?.ended(held.lease)
    const outcome: Outcome = ms === undefined ? { kind: 'returned' } : { kind: 'returned', in: ms }
    this.settle(held.lease.id, held.lease.token, outcome, now, held)
  }

  /** Makes it ready. */
  ring(): void {
    this.#restUntil = 0
    this.#rung = true
    this.ahead.isDry = false
    this.#changed(this)
  }

  /** The lease thread may have seen to it that nothing more comes with a ring, also for what the last call offered. */
  askAnew(): void {
    const recalled = sources.filter((source) => this.unread.recalled(source) !== undefined)
    for (const source of recalled) this.unread.expect(source, 0, 0)
    if (recalled.length > 0) this.ring()
  }

  /** A survey says in how many milliseconds a job may begin, or it should ask for another reason. */
  foresee(ms: number): void {
    if (!this.rests) return
    const left = Math.min(this.#restUntil - performance.now(), ms)
    if (left > 0) this.#restFor(left)
    else this.ring()
  }

  /** It never becomes ready again. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /**
   * One call: everything to settle that fits, and a claim of up to `room` jobs, and `ahead` more.
   *
   * @param hand takes jobs that come with a ring while it rests
   * @returns undefined when `signal` was aborted before an answer came: leases end by themselves
   */
  async exchange(
    room: number,
    ahead: number,
    signal: AbortSignal,
    hand?: Want['hand'],
  ): Promise<Answer | undefined> {
    this.calling = true
    this.#rung = false
    const want = Math.min(room, MAX_ITEMS)
    const permits = this.limited?.isNeeded(this, want) ? await this.limited.prepare(this, want) : undefined
    const settled = this.#take()
    this.#underway = settled.length
    const call = { caller: this.#caller, number: ++this.#number }
    const since = performance.now()
    if (want + ahead > 0) {
      this.unread.expect(RING, 0, since)
      this.unread.expect(CALL, call.number, since)
    }
    // A call that only settles leaves it noted as waiting.
    const rested = want + ahead > 0 ? 0 : this.#restUntil
    let isAlone = false
    try {
      for (let wait = RESEND.from; ; wait = Math.min(RESEND.to, this.#lease / 20, wait * 2)) {
        try {
          const wanted = isAlone ? { limit: 0, ahead: 0 } : { limit: want, ahead }
          const asked: Want = { ...wanted, lease: this.#lease, ...this.#terms }
          if (this.limits === undefined && want > 0 && hand !== undefined) asked.hand = hand
          if (permits !== undefined) asked.permits = permits
          const asking = this.#store.exchange(this.partition, call, settled, asked)
          const reply = await unlessAborted(signal, asking)
          if (reply === undefined) return undefined
          this.#rest(want, reply, isAlone, rested)
          if (reply.limited || this.limited?.isNeeded(this, want))
            this.limited?.answered(this, reply.jobs, reply.limited)
          this.ahead.isDry = reply.jobs.length < want + ahead && !this.#rung
          const now = performance.now()
          // It may be rung from now on, and some stores then hand jobs over.
          if (reply.jobs.length < want) this.unread.expect(RING, call.number, now)
          return { ...reply, settled, number: call.number, isShort: reply.jobs.length < want, sentAt: since }
        } catch (error) {
          if (signal.aborted) return undefined
          this.#trouble(error)
          this.isAway = true
          this.#changed(this)
          await pause(wait, undefined, { signal }).catch(() => {})
          if (signal.aborted) return undefined
          const { code } = error as JobsError
          // A newer version has laid the store out: the leases end by themselves. A new call is made all the same, and
          // not at once, because an embedded store answers without giving the event loop a turn.
          if (code === 'LAYOUT_UNKNOWN') return undefined
          // The error is unforeseen, and the jobs to be claimed may cause it: the next call sends only the outcomes.
          isAlone ||= !resendable.has(code)
        }
      }
    } finally {
      for (const { held } of settled) if (held !== undefined) this.ahead.settled(held)
      this.calling = false
      this.isAway = false
      this.#underway = 0
    }
  }

  /**
   * After a reply, decides how long to wait before the next call. A claimer that asked for no jobs, and was not resting
   * before, does not get a ring, so it asks again as soon as it can.
   *
   * @param rested the time until which it rested before a call that only settled; else 0
   * @param isAlone it asked for nothing only because asking for more had failed: then it rests until the next survey
   */
  #rest(want: number, reply: Exchange, isAlone: boolean, rested: number): void {
    if (rested > 0 && !this.#rung) {
      this.#restFor(Math.min(rested - performance.now(), reply.nextDue ?? Number.POSITIVE_INFINITY))
      return
    }
    if (reply.jobs.length >= want || this.#rung) {
      this.#restUntil = 0
      return
    }
    const { jobs, nextDue = Number.POSITIVE_INFINITY } = reply
    // A store whose counters are damaged may say for ever that there is something, and an embedded one answers without
    // giving the event loop a turn.
    const isVain = want > 0 && jobs.length === 0 && !(nextDue > 0)
    this.#vain = isVain ? this.#vain + 1 : 0
    if (isVain) this.#restFor(Math.min(VAIN.to, VAIN.from * 2 ** (this.#vain - 1)))
    else this.#restFor(isAlone ? Number.POSITIVE_INFINITY : nextDue)
  }

  /** Waits before the next call, unless a ring comes first. */
  #restFor(ms: number): void {
    this.#restUntil = ms > 0 ? performance.now() + ms : 0
    if (ms <= 0 || ms === Number.POSITIVE_INFINITY) return
    // A timer that goes off too early is no harm, and setting it anew each time would cost more.
    if (this.#timer === undefined || this.#restUntil < this.#timerAt) this.#setTimer()
  }

  #setTimer(): void {
    clearTimeout(this.#timer)
    this.#timerAt = this.#restUntil
    const ms = Math.min(Math.max(0, this.#restUntil - performance.now()), LONGEST)
    this.#timer = setTimeout(() => this.#timeIsUp(), ms)
  }

  #timeIsUp(): void {
    this.#timer = undefined
    if (this.#restUntil === Number.POSITIVE_INFINITY) return
    if (this.#restUntil > performance.now()) this.#setTimer()
    else if (this.#restUntil > 0) {
      this.#restUntil = 0
      this.#changed(this)
    }
  }

  #take(): Outgoing[] {
    let bytes = 0
    let count = 0
    for (const { outcome } of this.#settlements) {
      bytes +=
        (outcome.kind === 'completed' ? (outcome.result?.length ?? 0) : 0) + (outcome.log?.length ?? 0) * 200
      if (count === MAX_ITEMS || (count > 0 && bytes > MAX_BYTES)) break
      count++
    }
    return this.#settlements.splice(0, count)
  }
}
