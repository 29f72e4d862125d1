/**
 * A job in the model, and the effect of each event on it.
 */
import { type EffectKind, type Member, memberOf } from '../../src/model/effect.ts'
import type { EventKind } from '../../src/model/event.ts'
import type { Journal, Recorded } from '../../src/model/journal.ts'
import type {
  CancelReason,
  ClaimedJob,
  Counters,
  Group,
  JobOptions,
  Keep,
  Lock,
  NewJob,
  Outcome,
  State,
} from '../../src/model/record.ts'
import { laneName, readLane } from '../../src/store/contract/rules/lane.ts'
import { changedTags, saidOfPayload, withOptions } from '../../src/store/contract/rules/options.ts'
import { cancelledFor, readCancelled } from '../../src/store/contract/rules/reason.ts'
import { noticeOf, undoneFirst } from '../../src/store/contract/rules/undoing.ts'
import {
  type AlterVerdict,
  afterDeath,
  afterRun,
  type Change,
  type Consequence,
  isSuspect,
  MOVED_LEAST,
  mayPrefetch,
  type NewSignal,
  NODES,
  PINNED,
  RESEND_MEMORY,
  type RecoverOptions,
  type Running,
  type SignalVerdict,
  UNKEPT_MEMORY,
  waitsEnd,
} from '../../src/store/contract/store.ts'
import { ModelJournal } from './model-journal.ts'

export const endedStates = ['completed', 'failed', 'cancelled'] as const
export type Ended = (typeof endedStates)[number]

export class ModelJob implements Counters {
  readonly id: string
  priority: number
  payload: string
  /** The options in their stored form. */
  options: string | null
  runs = 0
  failures = 0
  crashes = 0
  releases = 0
  token = ''
  /** Whether the job was prefetched or handed out as a suspect, and has not started. */
  isAhead = false
  /** Whether the job is a suspect and started while other jobs ran in the same process. */
  isBeside = false
  /** Whether the job was taken back from a worker, and no person has retried it since then. */
  wasRecovered = false
  readonly lock: Lock | undefined
  group: Group | undefined
  readonly limiter: string | undefined
  /** The lane of the job (its group and its limiter), or '' if the job has neither. */
  readonly lane: string
  #keep: Keep
  readonly #isHooked: boolean
  /**
   * The effects of the job's end. An effect is due from `at` on. An acknowledged effect is remembered until
   * `over`. The map also has the remembered end of a watched job.
   */
  readonly effects = new Map<EffectKind | 'watch', { at: number } | { over: number }>()
  #watchedUntil = 0
  readonly #watchedEnd: () => void
  readonly #tell: (kind: EventKind) => void
  readonly #count: (member: Member, state: Ended) => boolean
  finishedAt = 0
  /**
   * Until when the ended job is kept because of the retention of its class. Undefined if the retention of the
   * queue counts.
   */
  keptUntil: number | undefined
  /**
   * Whether the job is no longer kept for its flow. The next `prune` removes a job that is no longer kept.
   */
  isUnpinned = false
  reason: CancelReason | undefined
  /** The reason that a person gave for cancelling the job. */
  #wrote: string | undefined
  /**
   * Why the last run put the job back, with the number of this run: the words of the job, or the names of the
   * signals for which it waits.
   */
  #because: { runs: number; text?: string; waits?: readonly string[] } | undefined
  /** The record of the job's steps. Undefined if they have recorded nothing, and no signal has come. */
  journal: ModelJournal | undefined
  #isUndoing = false
  place: number
  #state: 'pending' | 'active' | Ended = 'pending'
  /** Why the job is asked to end, in the form of `store/contract/rules/reason.ts`. */
  #asked: string | undefined
  readonly #now: () => number

  /** The number of runs when the job took its lock. */
  #runsBefore = 0
  #queuedAt: number

  /**
   * @param watchedEnd called when the job ends while somebody watches the job
   * @param tell called with each event of the job
   * @param count called with the end of the job if the job is a member of a flow. @returns whether the flow
   *   lives in the same partition
   */
  constructor(
    given: NewJob,
    now: () => number,
    watchedEnd: () => void,
    tell: (kind: EventKind) => void,
    count: (member: Member, state: Ended) => boolean,
  ) {
    const { id, payload, priority = 0, delay = 0, group, limiter, lock, hooked = false, keep = {} } = given
    this.id = id
    this.payload = payload
    this.options = withOptions(null, given.options ?? {})
    this.priority = priority
    this.place = now() + delay
    this.lock = lock
    this.group = group
    this.limiter = limiter
    this.lane = group || limiter ? laneName(group?.name, limiter) : ''
    this.#keep = keep
    this.#isHooked = hooked
    this.#queuedAt = now()
    this.#now = now
    this.#watchedEnd = watchedEnd
    this.#tell = tell
    this.#count = count
    tell('queued')
  }

  get state(): State {
    if (this.#state !== 'pending') return this.#state
    return this.place <= this.#now() ? 'waiting' : 'delayed'
  }

  get because(): string | undefined {
    if (this.state === 'cancelled') return this.#wrote
    return this.#putBackWhy?.text
  }

  /** The signals for which the suspended job waits. Undefined if the job is not suspended. */
  get suspended(): readonly string[] | undefined {
    return this.#putBackWhy?.waits
  }

  get #putBackWhy(): { text?: string; waits?: readonly string[] } | undefined {
    return this.isPending && this.#because?.runs === this.runs ? this.#because : undefined
  }

  /** Whether the steps of the job are being undone. */
  get undoing(): boolean {
    return this.#isUndoing && !this.isEnded
  }

  get wholeJournal(): Journal | undefined {
    return this.journal?.readWhole(this.#now())
  }

  get #undo(): string | null {
    return this.journal?.undo ?? null
  }

  get #hasRecorded(): boolean {
    return (this.journal?.entries.length ?? 0) > 0
  }

  /** The journal of the job, which is made if the job has none. */
  get opened(): ModelJournal {
    this.journal ??= new ModelJournal()
    return this.journal
  }

  get isPending(): boolean {
    return this.#state === 'pending'
  }

  get isEnded(): boolean {
    return this.#state !== 'pending' && this.#state !== 'active'
  }

  /** Whether the job must not be prefetched. */
  get noPrefetch(): boolean {
    return this.wasRecovered || this.lock?.until === 'start' || !mayPrefetch(this.#own)
  }

  /**
   * Whether the job holds its lock. The caller must check before that no other job has taken the lock since.
   */
  get holdsLock(): boolean {
    if (this.lock === undefined || this.lock.until === 'queued' || this.isEnded) return false
    return this.lock.until === 'done' || (this.isPending && this.runs === this.#runsBefore)
  }

  /**
   * Called when another job with the same lock was dispatched. @returns whether this job now has the payload
   * of the other job
   */
  replace(
    { payload, options }: NewJob,
    { replace, debounce, maxWait = Number.POSITIVE_INFINITY }: Lock,
  ): boolean {
    if (!replace || !this.isPending || this.#hasRecorded) return false
    this.payload = payload
    this.lateToken = undefined
    this.options = withOptions(this.options, saidOfPayload(options))
    const now = this.#now()
    if (debounce !== undefined && this.state === 'delayed')
      this.place = Math.max(now, Math.min(now + debounce, this.#queuedAt + maxWait))
    return true
  }

  /** The reason for which the holder is asked to cancel the job. */
  get asked(): string | undefined {
    return this.#asked
  }

  get holder(): string {
    return this.token.slice(0, this.token.lastIndexOf('.'))
  }

  /** Those fields of the claimed job that the model knows. */
  get handedOut(): Partial<ClaimedJob> {
    const { id, payload, priority, token, runs, failures, crashes, releases } = this
    const lane = readLane(this.lane)
    const journal = this.journal?.read(this.#now())
    const fields = { id, payload, priority, token, runs, failures, crashes, releases }
    return { ...fields, ...(this.lane && lane), ...(journal && { journal }) }
  }

  /** The token with which a late outcome still counts. */
  lateToken: string | undefined

  /**
   * Called when the job was taken back and waits: until the next claim, a late outcome with this token
   * counts.
   */
  holdAgain(): void {
    this.#state = 'active'
    this.token = this.lateToken!
    this.lateToken = undefined
  }

  claim(token: string, isAhead: boolean): void {
    this.lateToken = undefined
    this.#state = 'active'
    this.runs += 1
    this.token = token
    this.journal?.wake(this.#now())
    this.isAhead = isAhead || this.#isSuspect
    if (!this.isAhead) this.#tell('started')
  }

  /** @returns how the outcome counts in the minutes */
  follow(outcome: Outcome): Consequence['counts'] {
    if (this.isAhead && outcome.kind !== 'unstarted') {
      this.isAhead = false
      this.#tell('started')
    }
    const undo = (outcome.kind === 'suspended' ? outcome.undoing : undefined) ?? this.#undo
    const asked = noticeOf(this.#asked ?? null, undo, outcome.kind)
    this.record(outcome.steps)
    if (outcome.kind === 'suspended' && outcome.rests) this.opened.rest(this.#now())
    const hasNews = outcome.kind === 'suspended' && (this.journal?.signals.length ?? 0) > outcome.heard
    const heard = hasNews ? { ...outcome, in: 0 } : outcome
    return this.#become(afterRun(heard, { ...this.#counters, asked }, this.#now()))
  }

  /** Keeps what a run has recorded. @returns see `ModelJournal.record` */
  record(steps: Recorded | undefined): number | undefined {
    if (steps === undefined || (steps.entries.length === 0 && !steps.hasUndos)) return undefined
    return this.opened.record(steps)
  }

  /** A run that goes on has recorded something. */
  recordMore(steps: Recorded | undefined): number | undefined {
    if (steps?.isProgress) Object.assign(this, { failures: 0, crashes: 0 })
    return this.record(steps)
  }

  /** A signal has come for the job. @returns whether it wakes the job */
  hear(signal: NewSignal): SignalVerdict {
    if (this.isEnded) return 'ended'
    if (!this.opened.hear(signal)) return 'known'
    if (this.suspended?.includes(signal.name) && this.state === 'delayed') this.place = this.#now()
    return 'kept'
  }

  /** The holder reports that the job has started. @param alone for a suspect: whether no other job runs */
  start(alone: boolean | undefined): void {
    if (this.isAhead) this.#tell('started')
    if (!this.#isSuspect) this.isAhead = false
    else if (alone !== undefined || this.isAhead) Object.assign(this, { isAhead: false, isBeside: !alone })
  }

  /** @returns how the outcome counts in the minutes, and whether a crash was counted */
  takeBack(options: Pick<RecoverOptions, 'forgiving' | 'fromWithin'>): Pick<Consequence, 'counts' | 'event'> {
    const asked = noticeOf(this.#asked ?? null, this.#undo)
    const running = { ...this.#counters, asked, options: this.#own, isBeside: this.isBeside }
    const { token } = this
    const { event } = afterDeath(running, options)
    const counts = this.#become(afterDeath(running, options))
    if (running.hasStarted && this.isPending && !this.#undo) this.lateToken = token
    return { ...(counts && { counts }), ...(event && { event }) }
  }

  /** The options of the job, parsed. */
  get #own(): JobOptions | undefined {
    return this.options === null ? undefined : JSON.parse(this.options)
  }

  get #isSuspect(): boolean {
    return isSuspect({ crashes: this.crashes, options: this.#own })
  }

  get #counters(): Counters & Pick<Running, 'asked' | 'hasStarted'> {
    const { runs, failures, crashes, releases } = this
    return { runs, failures, crashes, releases, asked: this.#asked ?? null, hasStarted: !this.isAhead }
  }

  #become(consequence: Consequence): Consequence['counts'] {
    const after = undoneFirst(consequence, this.#undo, this.#now())
    const { state, dueAt = this.place, because, waits, undo, noPrefetch, isUntold, reason } = after
    const { runs, failures, crashes, releases, event } = after
    if (event !== undefined) this.#tell(event)
    if (because !== undefined) this.#because = { runs: this.runs, text: because }
    if (waits !== undefined && state === 'pending') this.#because = { runs: this.runs, waits }
    if (because !== undefined || waits !== undefined) this.#isUndoing = false
    if (undo !== undefined) {
      this.opened.undo = undo
      this.#because = undefined
      this.#isUndoing = true
    }
    Object.assign(this, { runs, failures, crashes, releases })
    if (noPrefetch) this.wasRecovered = true
    if (state === 'pending') this.#putBack(dueAt)
    else this.#end(state, reason, isUntold)
    return after.counts
  }

  /** Applies a change. The caller carries out a `remove` or `purge` itself, if the verdict allows it. */
  apply(change: Change): AlterVerdict {
    const isActive = this.#state === 'active'
    if (change.only?.includes(this.state) === false) return 'refused'
    if ('ifNotBegun' in change && change.ifNotBegun && (isActive || this.runs > 0)) return 'refused'
    switch (change.kind) {
      case 'retry': {
        if (this.isPending || isActive) return 'refused'
        this.effects.clear()
        const failures = change.keepsFailures ? this.failures + (this.#state === 'completed' ? 1 : 0) : 0
        Object.assign(this, { failures, crashes: 0, wasRecovered: false, reason: undefined })
        if (change.fromStart || this.#state === 'completed') this.journal = undefined
        else if (this.#undo !== null) this.journal!.undo = ''
        this.journal?.forgetRest()
        this.#because = undefined
        this.#isUndoing = false
        this.#putBack(this.#now())
        this.#queuedAt = Math.max(this.#now(), this.#queuedAt + 1)
        this.#runsBefore = this.runs
        this.#tell('queued')
        return 'done'
      }
      case 'cancel':
        if (!this.isEnded && this.#undo) return 'asked'
        if (isActive) this.#asked = cancelledFor(change.reason, change.because)
        else if (this.isPending) return this.#cancelPending(cancelledFor(change.reason, change.because))
        else return 'refused'
        return 'asked'
      case 'remove':
      case 'purge':
        return isActive ? 'refused' : 'done'
      case 'unpin':
        if (this.state !== 'failed') return 'refused'
        if (this.keptUntil !== undefined) this.#keepFor(this.#ageIn('failed'))
        this.isUnpinned = true
        return 'done'
      case 'run-now':
        if (this.state !== 'delayed') return 'refused'
        this.#moveWaits(this.#now())
        this.#putBack(this.#now())
        return 'done'
      case 'reschedule':
        if (!this.isPending) return 'refused'
        this.#moveWaits(this.#now() + change.in)
        this.#putBack(this.#now() + change.in)
        return 'done'
      case 'edit':
        if ((isActive && !change.whileActive) || (!change.force && this.#hasRecorded)) return 'refused'
        this.payload = change.payload
        this.lateToken = undefined
        this.options = withOptions(this.options, {
          editedAt: this.#now(),
          ...(change.redact && { redact: change.redact.length > 0 ? change.redact : undefined }),
        })
        return 'done'
      case 'prioritize':
        if (!this.isPending) return 'refused'
        this.priority = change.priority
        return 'done'
      case 'report':
        return 'done'
      case 'add-tags':
      case 'remove-tags': {
        const { tags: before = [] }: JobOptions = JSON.parse(this.options ?? '{}')
        const tags = changedTags(before, change)
        if (tags === undefined) return 'refused'
        this.options = withOptions(this.options, { tags: tags.length > 0 ? tags : undefined })
        return 'done'
      }
    }
  }

  #cancelPending(text: string): AlterVerdict {
    const { runs, failures, crashes, releases } = this
    this.#become({ runs, failures, crashes, releases, state: 'cancelled', reason: text, isUntold: true })
    return this.isPending ? 'asked' : 'done'
  }

  /** Changes the end of the waits of a suspended job. */
  #moveWaits(until: number): void {
    if (this.suspended !== undefined) this.opened.entries.push(waitsEnd(until))
  }

  /** Called when the job was moved to another partition and back. @param rules the rules of its group */
  comeBack(rules: Pick<Group, 'limits' | 'strict'>, now: number): void {
    const { movedAt = 0 } = this.#own ?? {}
    const away = Math.max(now, movedAt + 1)
    this.options = withOptions(this.options, { movedAt: Math.max(now, away + 1) })
    if (this.group !== undefined) this.group = { name: this.group.name, ...rules }
    this.#keep = { ...this.#keep, least: Math.max(this.#keep.least ?? 0, MOVED_LEAST) }
    this.lateToken = undefined
    if (this.suspended === undefined) this.#because = undefined
    this.#watchedUntil = 0
    this.#tell('moved')
    this.#tell('queued')
  }

  watch(ttl: number): void {
    if (this.#watchedUntil < this.#now() + ttl / 2) this.#watchedUntil = this.#now() + ttl
  }

  get isWatched(): boolean {
    return this.#watchedUntil > this.#now()
  }

  /**
   * Removes the job. The removal counts as the end of the job if the job has not ended before. @param
   * isByHand whether somebody removed the job, and not retention
   */
  remove(isByHand: boolean): void {
    if (this.isPending && (memberOf(this.id) !== undefined || this.isWatched))
      this.#end('cancelled', 'removed')
    else if (isByHand) this.#tell('removed')
  }

  /** @param isUntold whether no running handler was told about the end */
  #end(state: Ended, text?: string, isUntold = false): void {
    const { reason, because } = text === undefined ? {} : readCancelled(text)
    this.#letGo()
    this.isUnpinned = false
    this.#state = state
    this.#tell(reason === 'removed' ? reason : state)
    this.finishedAt = this.#now()
    if (isUntold && this.#isHooked) this.effects.set('hook', { at: this.finishedAt })
    const member = memberOf(this.id)
    const isElsewhere = member !== undefined && !this.#count(member, state)
    if (isElsewhere) this.effects.set('member', { at: this.finishedAt })
    else if (this.isWatched) this.effects.set('watch', { over: this.finishedAt + RESEND_MEMORY })
    if (this.isWatched) this.#watchedEnd()
    this.#watchedUntil = 0
    const isPinned = state === 'failed' && member !== undefined && member.index < NODES
    this.#keepFor(reason === 'removed' ? undefined : isPinned ? PINNED : this.#ageIn(state))
    if (this.keptUntil === this.finishedAt) {
      if (!isElsewhere && !this.effects.has('watch'))
        this.effects.set('watch', { over: this.finishedAt + UNKEPT_MEMORY })
      this.#watchedEnd()
    }
    if (reason === undefined) return
    this.reason = reason
    this.#wrote = because
    this.#because = undefined
  }

  #keepFor(age: number | undefined): void {
    this.keptUntil = age === undefined ? undefined : this.finishedAt + age
  }

  #ageIn(state: Ended): number | undefined {
    const { [state]: own, least } = this.#keep
    return own === undefined && least === undefined ? undefined : Math.max(own ?? 0, least ?? 0)
  }

  /**
   * Called when the age that the class sets is over. @returns whether the retention of the queue counts from
   * now on
   */
  expire(): boolean {
    this.keptUntil = undefined
    return this.#keep.least !== undefined && this.#keep[this.#state as Ended] === undefined
  }

  #putBack(place: number): void {
    this.#letGo()
    this.lateToken = undefined
    this.#state = 'pending'
    this.place = place
  }

  #letGo(): void {
    this.token = ''
    this.isAhead = false
    this.isBeside = false
    this.#asked = undefined
  }
}

/** Compares two jobs: negative if `a` must run before `b`, and 0 if the contract allows any order. */
export function rank(a: ModelJob, b: ModelJob, aging?: number): number {
  if (aging === undefined) return b.priority - a.priority || a.place - b.place
  return a.place - a.priority * aging - (b.place - b.priority * aging) || b.priority - a.priority
}
