/**
 * A model of one partition: the store contract, as simple as possible, with a map of jobs, a map of leases,
 * and no index. The model answers calls as a store must answer them. If the contract leaves a choice (between
 * jobs with the same place, or with the same time of their end), the model checks what the store chose and
 * does the same.
 */
import { expect } from 'vitest'
import type { EffectName, Member } from '../../src/model/effect.ts'
import type { EventKind } from '../../src/model/event.ts'
import type { Recorded } from '../../src/model/journal.ts'
import {
  type ClaimedJob,
  type Lock,
  type NewJob,
  type Outcome,
  type State,
  states,
} from '../../src/model/record.ts'
import { readCancelled } from '../../src/store/contract/rules/reason.ts'
import {
  type AlterVerdict,
  type AppendVerdict,
  type Change,
  type Counts,
  EARLY_MEMORY,
  type EffectsWanted,
  type Enqueued,
  type Extension,
  type Fate,
  type LeaseNote,
  MEMBER_LEASE_MS,
  type Minute,
  type NewSignal,
  RESEND_MEMORY,
  type Recording,
  type RecoverOptions,
  type Recovery,
  type Retention,
  type Setting,
  type SettingChange,
  type Settlement,
  type SignalVerdict,
  type StepsNote,
  settingOf,
  silenceOf,
  type TakeVerdict,
  type Verdict,
  type Want,
} from '../../src/store/contract/store.ts'
import { ModelEvents } from './model-events.ts'
import { type Ended, endedStates, ModelJob, rank } from './model-job.ts'
import { ModelJournal } from './model-journal.ts'
import { ModelLanes } from './model-lanes.ts'
import { ModelMinutes } from './model-minutes.ts'

export class Model {
  readonly jobs = new Map<string, ModelJob>()
  /** The jobs that were removed, but are kept until their effects are acknowledged. */
  readonly hidden = new Map<string, ModelJob>()
  /** The ends of members of flows whose home is this partition, in order. */
  readonly ends: (Member & { state: Ended })[] = []
  readonly lanes: ModelLanes
  readonly events: ModelEvents
  #pause: { until: number; because?: string } = { until: 0 }
  /** The end of the lease of each claim, by token. */
  readonly #leases = new Map<string, number>()
  /** The job that took each lock last, by the name of the lock. */
  readonly #lockers = new Map<string, string>()
  /** The throttles, by the name of the lock. */
  readonly #throttles = new Map<string, { until: number; id: string }>()
  /** The claims whose lease was extended after a silence, and was not renewed after that. */
  readonly #extended = new Set<string>()
  /** The jobs that were taken back after a silence. */
  readonly #doubts = new Set<string>()
  /** The journals of jobs that have not come, and until when each is kept. */
  readonly #early = new Map<string, { journal: ModelJournal; until: number }>()
  /** When a worker last made a call while there were leases, and when the last silence ended. */
  #heardAt = 0
  #silentAt: number | undefined
  readonly #minutes: ModelMinutes
  readonly #retention: Retention
  readonly #now: () => number
  readonly #partition: string

  /** @param retention the retention of each ended state */
  constructor(retention: Retention, now: () => number, partition: string) {
    this.#partition = partition
    this.#retention = retention
    this.#now = now
    this.lanes = new ModelLanes(this.jobs, now)
    this.events = new ModelEvents(now)
    this.#minutes = new ModelMinutes(now)
  }

  in(state: State): ModelJob[] {
    return [...this.jobs.values()].filter((job) => job.state === state)
  }

  counts(): Counts {
    const counts = Object.fromEntries(states.map((state) => [state, 0])) as Counts
    for (const job of this.jobs.values()) counts[job.state] += 1
    return counts
  }

  /** How many jobs have failed and wait for their next try. */
  retrying(): number {
    return [...this.jobs.values()].filter((job) => job.isPending && job.failures > 0).length
  }

  minutes(): Minute[] {
    return this.#minutes.all
  }

  get paused(): boolean {
    return this.#pause.until > this.#now()
  }

  configure({ paused, for: ms, because, keepsLonger }: SettingChange): Setting {
    const until = !paused ? 0 : ms === undefined ? Number.POSITIVE_INFINITY : this.#now() + ms
    const stays = paused === undefined || (keepsLonger && this.paused && this.#pause.until >= until)
    if (!stays) this.#pause = { until, ...(because !== undefined && { because }) }
    return settingOf(this.paused ? this.#pause : { until: 0 }, this.lanes.paused)
  }

  nextDue(): number | undefined {
    if (this.paused)
      return this.#pause.until === Number.POSITIVE_INFINITY ? undefined : this.#pause.until - this.#now()
    if (this.lanes.size > 0) {
      const at = this.lanes.nextAt
      return at === undefined ? undefined : Math.max(0, at - this.#now())
    }
    const places = [...this.jobs.values()].filter((job) => job.isPending).map((job) => job.place)
    return places.length === 0 ? undefined : Math.max(0, Math.min(...places) - this.#now())
  }

  enqueue(jobs: readonly NewJob[]): Enqueued[] {
    const answers = jobs.map((given): Enqueued => {
      const { id, ownId } = given
      const before = this.#find(id)
      if (before && ownId === undefined) return 'exists'
      const isOver = this.hidden.has(id) || (before?.isEnded && ownId === 'reuse')
      if (before && (!isOver || before.effects.has('hook')))
        return { kind: 'rejected', reason: 'exists', by: id, state: before.state }
      const met = given.lock && this.#meet(given, given.lock)
      if (met) return met
      if (before) this.#makeWay(id)
      const tell = (kind: EventKind) => this.events.tell(kind, id)
      const job = new ModelJob(
        given,
        this.#now,
        () => this.forgetEffects(),
        tell,
        (member, state) => this.#count(member, state),
      )
      this.jobs.set(given.id, job)
      job.journal = this.#early.get(id)?.journal
      this.#early.delete(id)
      this.lanes.open(job)
      return 'queued'
    })
    this.lanes.reposition()
    return answers
  }

  #count(member: Member, state: Ended): boolean {
    if (member.home !== this.#partition) return false
    this.ends.push({ ...member, state })
    return true
  }

  /** Forgets an ended job, because a new job takes its id. */
  #makeWay(id: string): void {
    this.jobs.delete(id)
    this.hidden.delete(id)
  }

  #meet(job: NewJob, lock: Lock): Enqueued | undefined {
    const { id } = job
    const { name, throttle } = lock
    const last = this.#throttles.get(name)
    if (throttle !== undefined && last !== undefined && last.until > this.#now())
      return { kind: 'rejected', reason: 'throttled', by: last.id }
    const other = this.#locker(name)
    if (other) {
      const { state } = other
      if (!other.replace(job, lock)) return { kind: 'rejected', reason: 'unique', by: other.id }
      if (state === 'delayed' && lock.debounce !== undefined) this.lanes.moved(other)
      return { kind: 'replaced', by: other.id }
    }
    this.#lockers.set(name, id)
    if (throttle !== undefined) this.#throttles.set(name, { until: this.#now() + throttle, id })
    return undefined
  }

  #locker(name: string): ModelJob | undefined {
    const job = this.jobs.get(this.#lockers.get(name) ?? '')
    // A new job may have the id of the job that took the lock.
    return job?.lock?.name === name && job.holdsLock ? job : undefined
  }

  settle({ id, token, outcome }: Settlement): Verdict {
    const job = this.#held(id, token) ?? this.#holdLate(id, token, outcome)
    if (!job) return 'lost'
    this.#minutes.count(job.follow(outcome))
    this.lanes.moved(job, true)
    if (outcome.kind === 'released' && outcome.pauses === 'group' && job.group)
      this.lanes.pauseMore(job.group.name, outcome.in)
    if (outcome.kind === 'released' && outcome.pauses === 'queue')
      this.configure({ paused: true, for: outcome.in, because: outcome.because, keepsLonger: true })
    return 'settled'
  }

  #holdLate(id: string, token: string, outcome: Outcome): ModelJob | undefined {
    const job = this.jobs.get(id)
    if (!job?.isPending || job.lateToken !== token || outcome.kind === 'unstarted') return undefined
    job.holdAgain()
    this.#doubts.delete(id)
    return job
  }

  /** Checks that a store must hand out these jobs, and hands them out. */
  claim(claimed: readonly ClaimedJob[], want: Want, token: string): void {
    const { leaseMs, limits } = want
    this.lanes.reposition()
    const limit = Math.min(want.limit, (limits?.concurrency ?? Infinity) - this.in('active').length)
    const ahead = limits ? 0 : (want.prefetch ?? 0)
    if (claimed.length > 0) this.#leases.set(token, this.#now() + leaseMs)
    if (this.lanes.size > 0 && !this.paused && limit > 0) {
      this.lanes.claim(claimed, limit, token, want)
      return
    }
    const most =
      this.paused || this.lanes.size > 0 ? 0 : Math.max(0, Math.min(limit + ahead, this.in('waiting').length))
    for (const [place, handed] of claimed.entries()) {
      const job = this.#firstInLine(want.aging).find(({ id }) => id === handed.id)
      if (!job) throw new Error(`${handed.id} was handed out, but the first are ${this.#tellFirst()}`)
      const isAhead = place >= limit
      expect(isAhead && job.noPrefetch, `${job.id} must not be handed out ahead`).toBe(false)
      job.claim(token, isAhead)
      expect(handed).toMatchObject(job.handedOut)
    }
    // A claim ends early only before a job that must start at once.
    if (claimed.length >= limit && claimed.length < most) {
      expect(this.#firstInLine(want.aging).some((job) => job.noPrefetch)).toBe(true)
    } else {
      expect(claimed).toHaveLength(most)
    }
  }

  /**
   * Whether a claim got fewer jobs than it wanted because of the limit of active jobs. In this case, the next
   * due time is unknown.
   */
  isFull({ limit, limits }: Want, claimed: readonly ClaimedJob[]): boolean {
    return (
      !this.paused && !!limits && claimed.length < limit && this.in('active').length >= limits.concurrency!
    )
  }

  /**
   * Returns the jobs of a claim that are still active, which is the answer if the call is sent again. The
   * jobs may have been edited meanwhile.
   */
  stillHeld(claimed: readonly ClaimedJob[]): ClaimedJob[] {
    return claimed.flatMap(({ options: _, journal: __, ...leased }) => {
      const job = this.#held(leased.id, leased.token)
      if (!job) return []
      const { journal = undefined } = job.handedOut
      const now = { ...leased, payload: job.payload, ...(journal && { journal }) }
      return job.options === null ? [now] : [{ ...now, options: JSON.parse(job.options) }]
    })
  }

  extend(notes: readonly LeaseNote[], leaseMs: number): Extension {
    const extension: Extension = { lost: [], notices: [] }
    for (const { id, token, alone } of notes) {
      const job = this.#held(id, token)
      if (!job) {
        extension.lost.push(id)
        continue
      }
      this.#leases.set(token, this.#now() + leaseMs)
      this.#extended.delete(token)
      job.start(alone)
      if (job.isWatched) extension.watched = [...(extension.watched ?? []), id]
      if (job.asked) extension.notices.push({ kind: 'cancel', id, ...readCancelled(job.asked) })
    }
    return extension
  }

  /** Keeps what running jobs have recorded, and returns the signals that they do not know. */
  record(notes: readonly StepsNote[]): Recording {
    const recording: Recording = { lost: [] }
    for (const { id, token, steps, heard } of notes) {
      const job = this.#held(id, token)
      if (!job) {
        recording.lost.push(id)
        continue
      }
      job.start(undefined)
      const count = job.recordMore(steps)
      if (count !== undefined) recording.short = [...(recording.short ?? []), { id, count }]
      const signals = (heard !== undefined && job.journal?.heardAfter(heard)) || []
      if (signals.length > 0) recording.signals = [...(recording.signals ?? []), { id, signals }]
    }
    return recording
  }

  /** Adds entries by hand. */
  append(id: string, steps: Pick<Recorded, 'at' | 'entries'>): AppendVerdict {
    const job = this.jobs.get(id)
    if (job?.journal === undefined) return 'missing'
    return job.state === 'active' ? 'active' : job.journal.append(steps)
  }

  signal(id: string, signal: NewSignal): SignalVerdict {
    const job = this.jobs.get(id)
    if (job !== undefined) {
      const { place } = job
      const verdict = job.hear(signal)
      if (job.place !== place) this.lanes.moved(job)
      this.lanes.reposition()
      return verdict
    }
    if (!signal.mayBeEarly) return 'missing'
    const early = this.#early.get(id) ?? { journal: new ModelJournal(), until: this.#now() + EARLY_MEMORY }
    this.#early.set(id, early)
    return early.journal.hear(signal) ? 'early' : 'known'
  }

  /** How many jobs are suspended. */
  suspended(): number {
    return [...this.jobs.values()].filter((job) => job.suspended !== undefined).length
  }

  /** Called when a worker asks for work. */
  hear(leaseMs: number): void {
    const now = this.#now()
    const ends = this.in('active').map((job) => this.#leaseEnd(job))
    if (ends.length === 0) return
    if (now - Math.max(this.#heardAt, Math.min(...ends) - leaseMs) > silenceOf(leaseMs)) this.#silentAt = now
    this.#heardAt = now
  }

  /** Takes back the jobs of dead workers. */
  recover({
    forgiving = false,
    holder,
    until = this.#now(),
    unread,
    leaseMs,
    fromWithin = false,
  }: RecoverOptions): Required<Pick<Recovery, 'crashed' | 'doubted'>> & Recovery {
    const recovery: ReturnType<Model['recover']> = { recovered: [], failed: [], crashed: [], doubted: [] }
    if (this.#now() > until) return recovery
    const counts = leaseMs !== undefined && holder === undefined && unread === undefined
    if (counts) this.hear(leaseMs)
    const grace = counts && this.#silentAt !== undefined ? this.#silentAt + leaseMs : 0
    for (const job of this.in('active')) {
      const isOver = holder === undefined ? this.#leaseEnd(job) <= this.#now() : job.holder === holder
      if (unread === undefined ? !isOver : job.token !== unread) continue
      const isSilent = this.#leaseEnd(job) <= grace
      if (isSilent && this.#now() < grace && !this.#extended.has(job.token)) {
        this.#extended.add(job.token)
        this.#leases.set(job.token, grace)
        continue
      }
      const isDoubt = isSilent && !job.isAhead
      const isForgiven = forgiving || (isDoubt && !this.#doubts.has(job.id))
      if (isDoubt) recovery.doubted.push(job.id)
      const death = { forgiving: isForgiven, fromWithin }
      const after = unread === undefined ? job.takeBack(death) : undefined
      this.#minutes.count(after === undefined ? job.follow({ kind: 'unstarted' }) : after.counts)
      this.lanes.moved(job, true)
      if (after?.event === 'crashed') recovery.crashed.push(job.id)
      if (job.isPending) recovery.recovered.push(job.id)
      if (job.state === 'failed') recovery.failed.push(job.id)
    }
    for (const id of recovery.doubted) this.#doubts.add(id)
    this.lanes.reposition()
    const ends = this.in('active').map((job) => this.#leaseEnd(job) - this.#now())
    if (ends.length > 0) recovery.nextLeaseEnd = Math.max(0, Math.min(...ends))
    return recovery
  }

  /** Returns the milliseconds until the next effect is due. */
  nextEffect(): number | undefined {
    const times = this.#allJobs.flatMap(({ effects }) => [...effects.values()]).flatMap(dueOf)
    return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - this.#now())
  }

  /** Returns the effects that a call gets if it asks for effects in this way. */
  effects({ leaseMs, done = [] }: EffectsWanted): EffectName[] {
    for (const { kind, id, at } of done) {
      const effects = this.#find(id)?.effects
      const effect = effects?.get(kind)
      if (effect === undefined || !('at' in effect) || this.#find(id)?.finishedAt !== at) continue
      if (kind === 'hook') effects!.delete(kind)
      else effects!.set(kind, { over: this.#now() + RESEND_MEMORY })
    }
    if (done.length > 0) this.forgetEffects()
    const handed: EffectName[] = []
    if (leaseMs === 0) return handed
    for (const { id, effects, finishedAt } of this.#allJobs) {
      for (const [kind, effect] of effects) {
        if (!('at' in effect) || effect.at > this.#now() || kind === 'watch') continue
        const ms = kind === 'hook' ? leaseMs : MEMBER_LEASE_MS
        if (ms === undefined) continue
        effects.set(kind, { at: this.#now() + ms })
        handed.push({ kind, id, at: finishedAt })
      }
    }
    return handed
  }

  /** Forgets the effects that were acknowledged long ago. */
  forgetEffects(): void {
    for (const { effects } of this.#allJobs)
      for (const [kind, effect] of effects)
        if ('over' in effect && effect.over <= this.#now()) effects.delete(kind)
    for (const [id, { effects }] of this.hidden) if (effects.size === 0) this.hidden.delete(id)
  }

  /** Watches jobs from now on. Returns the present fate of each job. */
  watch(ids: readonly string[], ttl: number): Fate['kind'][] {
    const fates = ids.map((id) => this.fate(id))
    for (const [i, id] of ids.entries()) if (fates[i] === 'present') this.#find(id)!.watch(ttl)
    return fates
  }

  fate(id: string): Fate['kind'] {
    const job = this.#find(id)
    if (job === undefined) return 'unknown'
    return job.isEnded ? 'ended' : 'present'
  }

  /** The ids of all jobs that a store knows. */
  get ids(): string[] {
    return this.#allJobs.map(({ id }) => id).filter((id) => !this.isBare(id))
  }

  /**
   * Whether a removed job is a completed member of a flow. The flow needs only the index of this member, so
   * the contract allows a store to remove the job.
   */
  isBare(id: string): boolean {
    return this.hidden.get(id)?.state === 'completed'
  }

  get hasBare(): boolean {
    return [...this.hidden.keys()].some((id) => this.isBare(id))
  }

  get #allJobs(): ModelJob[] {
    return [...this.jobs.values(), ...this.hidden.values()]
  }

  #find(id: string): ModelJob | undefined {
    return this.jobs.get(id) ?? this.hidden.get(id)
  }

  #remove(job: ModelJob, isByHand = false): void {
    job.remove(isByHand)
    job.journal = undefined
    this.jobs.delete(job.id)
    if (job.effects.size > 0) this.hidden.set(job.id, job)
  }

  leaseEndOf(id: string): number {
    return this.#leaseEnd(this.jobs.get(id)!)
  }

  prune(): number {
    const ended = endedStates.flatMap((state) => this.in(state))
    const isOld = ({ finishedAt, keptUntil }: ModelJob) =>
      keptUntil === undefined && finishedAt <= this.#now() - this.#retention.age
    const isOver = ({ keptUntil = Number.POSITIVE_INFINITY }: ModelJob) => keptUntil <= this.#now()
    const old = [...ended.filter(isOld), ...ended.filter((job) => isOver(job) && !job.expire())]
    for (const job of old) this.#remove(job)
    for (const [id, { until }] of this.#early) if (until <= this.#now()) this.#early.delete(id)
    this.forgetEffects()
    return old.length
  }

  clear(state: Exclude<State, 'active'> | 'hidden'): number {
    const { size } = this.hidden
    if (state === 'hidden') {
      for (const [id, job] of this.hidden) this.#forgetTraces(id, job)
      this.hidden.clear()
      return size
    }
    const gone = this.in(state)
    for (const job of gone) {
      const wasPending = job.isPending
      this.#remove(job, true)
      if (wasPending) this.lanes.moved(job)
    }
    this.lanes.reposition()
    return gone.length
  }

  alter(ids: readonly string[], change: Change): AlterVerdict[] {
    const verdicts = ids.map((id) => {
      const hidden = this.hidden.get(id)
      if (change.kind === 'purge' && hidden !== undefined) {
        this.hidden.delete(id)
        this.#forgetTraces(id, hidden)
        return 'done'
      }
      const job = this.jobs.get(id)
      const name = change.kind === 'retry' && job?.isEnded ? job.lock?.name : undefined
      if (name !== undefined && this.#locker(name)) return 'refused'
      const wasPending = job?.isPending
      const priority = job?.priority
      const verdict = job?.apply(change) ?? 'missing'
      if (change.kind === 'purge' && job === undefined) this.#doubts.delete(id)
      if (name !== undefined) this.#lockers.set(name, id)
      if (change.kind === 'remove' && verdict === 'done') this.#remove(job!, true)
      if (change.kind === 'purge' && verdict === 'done') {
        this.jobs.delete(id)
        this.#forgetTraces(id, job!)
        this.events.tell('removed', id)
      }
      const stays = change.kind === 'prioritize' ? priority === job?.priority : staying[change.kind]
      if (verdict === 'done' && !stays && job && (wasPending || job.isPending)) this.lanes.moved(job)
      return verdict
    })
    this.lanes.reposition()
    return verdicts
  }

  /** Moves jobs to another partition, and moves the taken jobs back. */
  moveThereAndBack(ids: readonly string[]): TakeVerdict[] {
    const verdicts = ids.map((id): TakeVerdict => {
      const job = this.jobs.get(id)
      return job === undefined ? 'missing' : job.isPending ? 'taken' : 'refused'
    })
    const gone = ids.filter((_, i) => verdicts[i] === 'taken').map((id) => this.jobs.get(id)!)
    const stands = gone.map((job) => this.lanes.stand(job))
    for (const job of gone) this.jobs.delete(job.id)
    for (const job of gone) this.lanes.moved(job)
    this.lanes.reposition()
    for (const [i, job] of gone.entries()) {
      this.jobs.set(job.id, job)
      job.comeBack(stands[i]!.rules, this.#now())
      this.lanes.come(job, stands[i]!)
    }
    this.lanes.reposition()
    return verdicts
  }

  #forgetTraces(id: string, { lock }: ModelJob): void {
    this.#doubts.delete(id)
    if (lock !== undefined && this.#throttles.get(lock.name)?.id === id) this.#throttles.delete(lock.name)
  }

  /** Removes the ended jobs that are not kept. */
  dropUnkept(): void {
    for (const state of endedStates)
      for (const job of this.in(state))
        if (job.keptUntil === job.finishedAt && !job.isUnpinned) this.#remove(job)
  }

  /**
   * Whether more jobs have ended than are kept. If so, the store has chosen which jobs it keeps: see `keep`.
   */
  exceeds(state: Ended): boolean {
    return this.#others(state).length > this.#retention.count
  }

  /** Returns the ended jobs whose class sets no retention. */
  #others(state: Ended): ModelJob[] {
    return this.in(state).filter(({ keptUntil }) => keptUntil === undefined)
  }

  /** Checks that the store kept the newest jobs, and removes all other ended jobs from the model. */
  keep(state: Ended, kept: readonly string[]): void {
    const others = this.#others(state)
    const gone = others.filter((job) => !kept.includes(job.id))
    expect(others.length - gone.length).toBe(this.#retention.count)
    const oldest = Math.min(
      ...others.filter((job) => !gone.includes(job)).map(({ finishedAt }) => finishedAt),
    )
    for (const job of gone) {
      expect(job.finishedAt).toBeLessThanOrEqual(oldest)
      this.#remove(job)
    }
  }

  #held(id: string, token: string): ModelJob | undefined {
    const job = this.jobs.get(id)
    return job?.state === 'active' && job.token === token ? job : undefined
  }

  #leaseEnd(job: ModelJob): number {
    return this.#leases.get(job.token)!
  }

  /** Returns the job that must be handed out next, or several jobs if the contract allows each of them. */
  #firstInLine(aging?: number): ModelJob[] {
    const waiting = this.in('waiting')
    return waiting.filter((job) => waiting.every((other) => rank(job, other, aging) <= 0))
  }

  #tellFirst(): string {
    return this.#firstInLine()
      .map(({ id }) => id)
      .join(', ')
  }
}

/**
 * For each kind of change: whether a job keeps its place in line. After a change of the priority, the job may
 * keep it.
 */
const staying: Record<Change['kind'], boolean> = {
  ...{ edit: true, 'add-tags': true, 'remove-tags': true, report: true },
  ...{ retry: false, cancel: false, remove: false, purge: false, unpin: false, 'run-now': false },
  ...{ reschedule: false, prioritize: false },
}

function dueOf(effect: { at: number } | { over: number }): number | [] {
  return 'at' in effect ? effect.at : []
}
