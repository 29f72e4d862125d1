/**
 * Claims the jobs of one partition for a worker, and settles them. One call does both (`Store.exchange`), and
 * a claimer makes one call at a time. `intake.ts` decides when a claimer calls and for how many jobs.
 *
 *   ready     the partition may have jobs: call when there is room
 *   resting   the partition had fewer jobs than the claimer asked for: wait until a job is due, the store
 *             rings (tells the worker of jobs, `rings.ts`), or a survey finds jobs
 *   calling   a call is under way
 *
 * A call that fails is sent again under the same number until the store answers, because a failed settle is
 * not a failed job.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../../model/errors.ts'
import type { Limits } from '../../model/limits.ts'
import { queueOf } from '../../model/partition.ts'
import type { ClaimedJob, Outcome } from '../../model/record.ts'
import {
  type Exchange,
  isResendable,
  MAX_BYTES,
  MAX_ITEMS,
  type Settlement,
  type Store,
  type Want,
} from '../../store/contract/store.ts'
import { unlessAborted } from '../../waiting/bounded-wait.ts'
import { type HeldJob, Ledger } from '../lease/ledger.ts'
import { CALL, RING, sources, Unread } from '../lease/unread.ts'
import type { Deliverer } from '../maintenance/deliverer.ts'
import type { Ticks } from '../maintenance/ticks.ts'
import { Part } from '../part.ts'
import type { ClaimPermits } from '../permits/claim-permits.ts'
import { Prefetch } from './prefetch.ts'

/**
 * The longest time of the timer, in milliseconds. A longer wait uses several timers in a row, because a timer
 * of Node runs for at most 24.8 days.
 */
const LONGEST = 3_600_000
/**
 * Milliseconds before a call is sent again. The pause is doubled each time, up to `to` or a twentieth of the
 * lease, whichever is shorter.
 */
export const RESEND = { from: 100, to: 2_000 }

/**
 * Milliseconds before the next call if the store announced a job but the call brought no job. The pause is
 * doubled each time, up to `to`.
 */
const VAIN = { from: 1, to: 1_000 }

/**
 * An outcome to send. `held` is the job's place in the ledger. The field `held` is missing if the job never
 * began.
 */
interface Outgoing extends Settlement {
  held: HeldJob | undefined
}

export interface Answer extends Exchange {
  /** The outcomes that the call carried, in the order of the verdicts. */
  settled: Settlement[]
  /** The number of the call. */
  number: number
  /** Whether the call brought fewer jobs than it asked for. */
  isShort: boolean
  /**
   * When the call was first sent, by `performance.now()`. The leases of the jobs may have begun at this time.
   */
  sentAt: number
}

/** The order and the limits of the partition, which the claimer sends to the store with each claim. */
export type Terms = Pick<Want, 'limits' | 'aging'>

/** The call that is under way. */
interface ClaimCall {
  /** By `performance.now()`. */
  readonly startedAt: number
  /** The outcomes that the call carries. */
  settled: readonly Outgoing[]
  /** Whether the store rang during the call. If so, the store may have made the answer before the ring. */
  hasRung: boolean
  /** The earliest time that was passed to `foresee` during the call, by `performance.now()`. */
  foreseen: number
  /** Whether the call is being sent again, because the store does not answer. */
  isAway: boolean
}

export interface ClaimerOptions {
  store: Store
  partition: string
  /** The position of the queue among those that the worker serves. */
  rank?: number
  /** The weight of the queue. Default 1. */
  weight?: number | undefined
  caller: string
  /** Milliseconds. */
  leaseMs: number
  prefetch?: Prefetch
  unread?: Unread
  /** Takes permits for the jobs that need a permit of a limiter. */
  permits?: ClaimPermits
  /**
   * The order and limits of the partition. If the partition has limits, no jobs are prefetched, and the store
   * hands over no jobs with a ring.
   */
  terms?: Terms
  /** Receives the effects that the store's answers bring, and delivers them. */
  deliverer?: Pick<Deliverer, 'wanted' | 'take' | 'putBack'> | undefined
  /** Called when an answer says in how many milliseconds the next schedule of a partition is due. */
  ticksIn?: ((partition: string, ms: number) => void) | undefined
  /** Advances the flows that become due with the settlements of this worker. */
  ticks?: Pick<Ticks, 'hasHeard' | 'handed'> | undefined
  trouble?: (error: unknown) => void
  /** Called when the claimer becomes ready, and when an outcome begins to wait for a call. */
  changed?: (claimer: Claimer) => void
}

export class Claimer extends Part {
  readonly partition: string
  readonly queue: string
  readonly rank: number
  readonly weight: number
  readonly prefetch: Prefetch
  readonly limits: Limits | undefined
  readonly permits: ClaimPermits | undefined
  readonly unread: Unread
  readonly #options: ClaimerOptions
  /** The call under way. Undefined while the claimer is ready or rests. */
  #call: ClaimCall | undefined
  #number = 0
  #settlements: Outgoing[] = []
  /** When the oldest waiting outcome was added, by `performance.now()`. */
  #since = 0
  /** When this claimer last gave back jobs, by `performance.now()`. */
  gaveBackAt = 0
  /** Outcomes of calls that ended without an answer. */
  readonly #givenUp: Outgoing[] = []
  /** How many claims in a row brought no job although the store had announced one. */
  #vain = 0
  /** Until when the claimer rests, by `performance.now()`. 0 means that it is ready. */
  #restUntil = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer goes off, by `performance.now()`. */
  #timerAt = 0

  constructor(options: ClaimerOptions) {
    super()
    const { partition, rank = 0, weight = 1, terms, permits } = options
    const { prefetch = new Prefetch(new Ledger(), 0), unread = new Unread() } = options
    this.#options = options
    this.partition = partition
    this.queue = queueOf(partition)
    this.rank = rank
    this.weight = weight
    this.prefetch = prefetch
    this.unread = unread
    this.limits = terms?.limits
    this.permits = permits
    this.prefetch.gone = (job) => permits?.ended(job, false)
  }

  /**
   * Whether the store is embedded. The answers of an embedded store are read before the event loop can turn.
   */
  get isHere(): boolean {
    return !this.#options.store.isRemote
  }

  get calling(): boolean {
    return this.#call !== undefined
  }

  /** Whether the call is being sent again, because the store does not answer. */
  get isAway(): boolean {
    return this.#call?.isAway === true
  }

  get isResting(): boolean {
    return this.#restUntil > 0
  }

  /** Whether the claimer rests and has no call under way. The answer to a call could end the rest. */
  get rests(): boolean {
    return this.isResting && !this.calling
  }

  /** Whether outcomes wait for a call. */
  get hasSettlements(): boolean {
    return this.#settlements.length > 0
  }

  /** Whether some outcomes are not yet acknowledged by the store. */
  get isSettling(): boolean {
    return this.#settlements.length > 0 || (this.#call?.settled.length ?? 0) > 0
  }

  /** The outcomes of ended and returned jobs whose call has had no answer for `ms` milliseconds. */
  unsettled(ms: number): readonly Settlement[] {
    if (this.#call === undefined || performance.now() - this.#call.startedAt < ms) return []
    return [...this.#underway, ...this.#settlements]
  }

  /** The outcomes of jobs that began here, as long as the store has not acknowledged them. */
  get unstored(): readonly Settlement[] {
    const all = [...this.#givenUp, ...this.#underway, ...this.#settlements]
    return all.filter(({ outcome }) => outcome.kind !== 'unstarted')
  }

  get #underway(): readonly Outgoing[] {
    return this.#call?.settled ?? []
  }

  /**
   * Until when (`performance.now()`) the waiting outcomes should wait for more outcomes, so that one call
   * carries all of them. 0 means that the outcomes should be sent now.
   */
  get waitUntil(): number {
    const { prefetch } = this
    const { count, age } = prefetch.pace.company
    const isFull = this.#settlements.length >= count
    // An embedded store answers at once, so a call is early enough when no prefetched job is left.
    const isLow = prefetch.size === 0 || (prefetch.isLow && !this.isHere)
    return isFull || isLow ? 0 : this.#since + age
  }

  settle(id: string, token: string, outcome: Outcome, now: number, held?: HeldJob): void {
    if (this.#settlements.push({ id, token, outcome, held }) > 1) return
    this.#since = now
    this.#options.changed?.(this)
  }

  /** Gives back jobs that have not started. */
  giveBack(jobs: readonly ClaimedJob[]): void {
    const now = performance.now()
    if (jobs.length > 0) this.gaveBackAt = now
    for (const job of jobs) {
      this.permits?.ended(job, false)
      this.settle(job.id, job.token, { kind: 'unstarted' }, now)
    }
  }

  /** Gives back a job that was about to start, and whose lease may have ended. */
  giveBackLate(held: HeldJob): void {
    if (this.prefetch.ledger.withdraw(held)) this.giveBack([held.job])
    else this.permits?.ended(held.job, false)
  }

  /**
   * Gives back a suspect that has not started. (A suspect must run alone in its process.)
   *
   * @param ms milliseconds until the job is due again. By default the job keeps its place in the queue
   */
  giveBackApart(held: HeldJob, ms?: number): void {
    const now = performance.now()
    if (ms === undefined) this.gaveBackAt = now
    this.permits?.ended(held.job, false)
    const outcome: Outcome = ms === undefined ? { kind: 'unstarted' } : { kind: 'unstarted', in: ms }
    this.settle(held.job.id, held.job.token, outcome, now, held)
  }

  /** Makes the claimer ready, because the partition may have jobs. */
  ring(): void {
    this.#restUntil = 0
    if (this.#call !== undefined) this.#call.hasRung = true
    this.prefetch.isDry = false
    this.#options.changed?.(this)
  }

  /**
   * Called when the lease thread has recalled claims. If one of these claims belongs to this claimer, the
   * store hands over no jobs with a ring until the next call of the claimer. So the claimer becomes ready to
   * call.
   */
  askAnew(): void {
    const recalled = sources.filter((source) => this.unread.recalled(source) !== undefined)
    for (const source of recalled) this.unread.expect(source, 0, 0)
    if (recalled.length > 0) this.ring()
  }

  /**
   * Notes that in `ms` milliseconds a job may begin, or a call is needed for another reason.
   *
   * @returns whether the claimer becomes ready at that time. During a call the result is false, and the
   *   claimer considers this time after the answer has come
   */
  foresee(ms: number): boolean {
    if (this.#call !== undefined) this.#call.foreseen = Math.min(this.#call.foreseen, performance.now() + ms)
    if (!this.rests) return false
    const left = Math.min(this.#restUntil - performance.now(), ms)
    if (left > 0) this.#restFor(left)
    else this.ring()
    return true
  }

  /** After the stop, the claimer never becomes ready again. */
  protected override onStop(): void {
    clearTimeout(this.#timer)
  }

  /**
   * Makes one call, which settles as many outcomes as fit and claims up to `room` jobs to start, and `more`
   * jobs to prefetch.
   *
   * @param hand receives jobs that the store sends together with a ring while the claimer rests
   * @returns undefined if `signal` was aborted before an answer came; the leases then run out
   */
  async exchange(
    room: number,
    more: number,
    signal: AbortSignal,
    hand?: Want['hand'],
  ): Promise<Answer | undefined> {
    const { store, caller, leaseMs, terms, deliverer, ticksIn, ticks } = this.#options
    const made: ClaimCall = {
      startedAt: performance.now(),
      settled: [],
      hasRung: false,
      foreseen: Number.POSITIVE_INFINITY,
      isAway: false,
    }
    this.#call = made
    const want = Math.min(room, MAX_ITEMS)
    const permits = this.permits?.isNeeded(this, want) ? await this.permits.prepare(this, want) : undefined
    const settled = this.#take()
    const effects = deliverer?.wanted(this.partition)
    made.settled = settled
    const call = { caller, number: ++this.#number }
    const since = performance.now()
    if (want + more > 0) {
      this.unread.expect(RING, 0, since)
      this.unread.expect(CALL, call.number, since)
    }
    // A call that only settles leaves the claimer registered in the store as waiting, so the claimer goes on
    // resting until the same time.
    const rested = want + more > 0 ? 0 : this.#restUntil
    let isAlone = false
    let isAnswered = false
    try {
      for (let wait = RESEND.from; ; wait = Math.min(RESEND.to, leaseMs / 20, wait * 2)) {
        try {
          const wanted = isAlone ? { limit: 0, prefetch: 0 } : { limit: want, prefetch: more }
          const asked: Want = { ...wanted, leaseMs, ...terms }
          if (this.limits === undefined && want > 0 && hand !== undefined) asked.hand = hand
          if (permits !== undefined) asked.permits = permits
          // A worker that has never met a flow or a schedule sends nothing more than a plain claim.
          if (ticks?.hasHeard && asked.limit > 0) asked.flows = true
          if (effects !== undefined && !isAlone) asked.effects = effects
          const asking = store.exchange(this.partition, call, settled, asked)
          const reply = await unlessAborted(signal, asking)
          if (reply === undefined) return undefined
          isAnswered = true
          if (made.hasRung) this.#restUntil = 0
          else this.#rest(want, reply, isAlone, rested)
          // The time that was foreseen during the call may be earlier than the time in the store's answer.
          if (this.#restUntil > made.foreseen) this.#restFor(made.foreseen - performance.now())
          if (reply.nextTick !== undefined) ticksIn?.(this.partition, reply.nextTick)
          if (reply.dueFlows !== undefined) ticks?.handed(this.partition, reply.dueFlows)
          if (reply.effects !== undefined) deliverer?.take(this.partition, reply.effects, since)
          if (reply.limited || this.permits?.isNeeded(this, want))
            this.permits?.answered(this, reply.jobs, reply.limited)
          this.prefetch.isDry = reply.jobs.length < want + more && !made.hasRung
          const now = performance.now()
          // From now on the store may ring, and a ring of some stores hands over jobs.
          if (reply.jobs.length < want) this.unread.expect(RING, call.number, now)
          return { ...reply, settled, number: call.number, isShort: reply.jobs.length < want, sentAt: since }
        } catch (error) {
          if (signal.aborted) return undefined
          this.#options.trouble?.(error)
          made.isAway = true
          this.#options.changed?.(this)
          await pause(wait, undefined, { signal }).catch(() => {})
          if (signal.aborted) return undefined
          // A newer version of Lark has changed the layout of the store. This worker can no longer use the
          // store, and its leases run out. The next call waits for a pause, because an embedded store answers
          // without giving the event loop a turn.
          if (JobsError.is(error, 'LAYOUT_UNKNOWN')) return undefined
          // This error is unexpected. A job that the call would claim, or an effect, may be the cause, so the
          // next call sends only the outcomes.
          isAlone ||= !isResendable(error)
        }
      }
    } finally {
      for (const { held } of settled) if (held !== undefined) this.prefetch.ledger.settled(held)
      if (effects !== undefined && (isAlone || !isAnswered)) deliverer?.putBack(this.partition, effects)
      this.#call = undefined
      if (!isAnswered) this.#givenUp.push(...settled)
    }
  }

  /**
   * Decides how long to wait before the next call, if no ring came during this call. A claimer that asked for
   * no jobs, and did not rest before, is not registered for rings. So it calls again as soon as it can.
   *
   * @param rested if the call only settled, the time until which the claimer rested before the call; 0 for
   *   all other calls
   * @param isAlone whether the call asked for no jobs because an earlier attempt of the call had failed. If
   *   true, the claimer rests until the next survey
   */
  #rest(want: number, reply: Exchange, isAlone: boolean, rested: number): void {
    if (rested > 0) {
      this.#restFor(Math.min(rested - performance.now(), reply.nextDue ?? Number.POSITIVE_INFINITY))
      return
    }
    if (reply.jobs.length >= want) {
      this.#restUntil = 0
      return
    }
    const { jobs, nextDue = Number.POSITIVE_INFINITY } = reply
    // A store with damaged counters may say forever that there is a job. Without a pause, the calls to an
    // embedded store would then block the event loop.
    const isVain = want > 0 && jobs.length === 0 && !(nextDue > 0)
    this.#vain = isVain ? this.#vain + 1 : 0
    if (isVain) this.#restFor(Math.min(VAIN.to, VAIN.from * 2 ** (this.#vain - 1)))
    else this.#restFor(isAlone ? Number.POSITIVE_INFINITY : nextDue)
  }

  /** Lets the claimer rest for `ms` milliseconds, or until a ring comes. */
  #restFor(ms: number): void {
    this.#restUntil = ms > 0 ? performance.now() + ms : 0
    if (ms <= 0 || ms === Number.POSITIVE_INFINITY) return
    // A timer that fires too early does no harm, and setting it again each time would cost more.
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
      this.#options.changed?.(this)
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
