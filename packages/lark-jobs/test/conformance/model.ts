/**
 * The contract of one partition, as plainly as it can be said: a map of jobs and no index. It answers as a store
 * must answer; where the contract leaves a choice (which of several jobs of one place, or of one ending time),
 * it checks what the store chose and follows.
 */
import { expect } from 'vitest'
import type { CancelReason, Counters, LeasedJob, NewJob, Outcome, State } from '../../src/record.ts'
import {
  type AlterVerdict,
  type Change,
  type Counts,
  type Enqueued,
  type Extension,
  type LeaseNote,
  MAX_CRASHES,
  type Recovery,
  type Retention,
  type Settlement,
  type Verdict,
} from '../../src/store/store.ts'

interface ModelJob extends Counters {
  id: string
  payload: string
  priority: number
  state: 'pending' | 'active' | Ended
  place: number
  token: string
  leaseEnd: number
  finishedAt: number
  asked?: CancelReason
  reason?: CancelReason
}

type Ended = 'completed' | 'failed' | 'cancelled'
export const endings = ['completed', 'failed', 'cancelled'] as const

export class Model {
  readonly jobs = new Map<string, ModelJob>()
  paused = false
  readonly #retention: Retention
  readonly #now: () => number

  /** @param retention of each ended state */
  constructor(retention: Retention, now: () => number) {
    this.#retention = retention
    this.#now = now
  }

  state(job: ModelJob): State {
    if (job.state !== 'pending') return job.state
    return job.place <= this.#now() ? 'waiting' : 'delayed'
  }

  in(state: State): ModelJob[] {
    return [...this.jobs.values()].filter((job) => this.state(job) === state)
  }

  counts(): Counts {
    const counts: Counts = {
      waiting: 0,
      delayed: 0,
      blocked: 0,
      active: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    }
    for (const job of this.jobs.values()) counts[this.state(job)] += 1
    return counts
  }

  nextDue(): number | undefined {
    if (this.paused) return undefined
    const places = [...this.jobs.values()].filter((job) => job.state === 'pending').map((job) => job.place)
    return places.length === 0 ? undefined : Math.max(0, Math.min(...places) - this.#now())
  }

  enqueue(jobs: readonly NewJob[]): Enqueued[] {
    return jobs.map(({ id, payload, priority = 0, delay = 0 }) => {
      if (this.jobs.has(id)) return 'exists'
      const counters = { runs: 0, failures: 0, crashes: 0, releases: 0 }
      const rest = { token: '', leaseEnd: 0, finishedAt: 0, ...counters }
      this.jobs.set(id, { id, payload, priority, state: 'pending', place: this.#now() + delay, ...rest })
      return 'queued'
    })
  }

  settle({ id, token, outcome }: Settlement): Verdict {
    const job = this.#held(id, token)
    if (!job) return 'lost'
    this.#follow(job, outcome)
    return 'settled'
  }

  /** Checks that these are the jobs that must be handed out, and hands them out. */
  claim(claimed: readonly LeasedJob[], limit: number, token: string, lease: number): void {
    const expected = this.paused ? 0 : Math.min(limit, this.in('waiting').length)
    expect(claimed).toHaveLength(expected)
    for (const leased of claimed) {
      const job = this.jobs.get(leased.id)!
      const first = this.in('waiting').reduce((best, other) => (rank(other, best) < 0 ? other : best))
      expect([job.priority, job.place, this.state(job)]).toEqual([first.priority, first.place, 'waiting'])
      Object.assign(job, { state: 'active', runs: job.runs + 1, token, leaseEnd: this.#now() + lease })
      const { id, payload, priority, runs, failures, crashes, releases } = job
      expect(leased).toMatchObject({ id, payload, priority, token, runs, failures, crashes, releases })
    }
  }

  extend(notes: readonly LeaseNote[], lease: number): Extension {
    const extension: Extension = { lost: [], notices: [] }
    for (const { id, token } of notes) {
      const job = this.#held(id, token)
      if (!job) extension.lost.push(id)
      else job.leaseEnd = this.#now() + lease
      if (job?.asked) extension.notices.push({ kind: 'cancel', id, reason: job.asked })
    }
    return extension
  }

  recover(): Recovery {
    const recovery: Recovery = { recovered: [], failed: [] }
    for (const job of this.in('active')) {
      if (job.leaseEnd > this.#now()) continue
      job.crashes += 1
      if (job.crashes >= MAX_CRASHES) this.#end(job, 'failed')
      else this.#putBack(job, job.place)
      if (job.state === 'failed') recovery.failed.push(job.id)
      if (job.state === 'pending') recovery.recovered.push(job.id)
    }
    const ends = this.in('active').map((job) => job.leaseEnd - this.#now())
    if (ends.length > 0) recovery.nextLeaseEnd = Math.min(...ends)
    return recovery
  }

  prune(): number {
    const old = endings
      .flatMap((state) => this.in(state))
      .filter((job) => job.finishedAt <= this.#now() - this.#retention.age)
    for (const job of old) this.jobs.delete(job.id)
    return old.length
  }

  clear(state: Exclude<State, 'active'>): number {
    const gone = this.in(state)
    for (const job of gone) this.jobs.delete(job.id)
    return gone.length
  }

  alter(ids: readonly string[], change: Change): AlterVerdict[] {
    return ids.map((id) => {
      const job = this.jobs.get(id)
      return job ? this.#apply(job, change) : 'missing'
    })
  }

  /** Whether the ended jobs exceed what is kept: then the store has chosen, see `follow`. */
  exceeds(state: Ended): boolean {
    return this.in(state).length > this.#retention.count
  }

  /** Checks that the store kept the newest, and forgets the others. */
  keep(state: Ended, kept: readonly string[]): void {
    expect(kept).toHaveLength(this.#retention.count)
    const gone = this.in(state).filter((job) => !kept.includes(job.id))
    const oldest = Math.min(...kept.map((id) => this.jobs.get(id)!.finishedAt))
    for (const job of gone) {
      expect(job.finishedAt).toBeLessThanOrEqual(oldest)
      this.jobs.delete(job.id)
    }
  }

  #held(id: string, token: string): ModelJob | undefined {
    const job = this.jobs.get(id)
    return job?.state === 'active' && job.token === token ? job : undefined
  }

  #follow(job: ModelJob, outcome: Outcome): void {
    switch (outcome.kind) {
      case 'completed':
        this.#end(job, 'completed')
        break
      case 'failed':
        job.failures += 1
        if (outcome.retryIn === undefined) this.#end(job, 'failed')
        else this.#putBack(job, this.#now() + outcome.retryIn)
        break
      case 'released':
        job.releases += 1
        this.#putBack(job, this.#now() + outcome.in)
        break
      case 'returned':
        job.runs -= 1
        this.#putBack(job, job.place)
        break
      case 'cancelled':
        this.#end(job, 'cancelled', outcome.reason)
        break
    }
  }

  #end(job: ModelJob, state: Ended, reason?: CancelReason): void {
    Object.assign(job, { state, token: '', finishedAt: this.#now() })
    delete job.asked
    if (reason) job.reason = reason
  }

  #putBack(job: ModelJob, place: number): void {
    if (job.asked) this.#end(job, 'cancelled', job.asked)
    else Object.assign(job, { state: 'pending', token: '', place })
  }

  #apply(job: ModelJob, change: Change): AlterVerdict {
    const state = this.state(job)
    const ended = state === 'completed' || state === 'failed' || state === 'cancelled'
    switch (change.kind) {
      case 'retry':
        if (!ended) return 'refused'
        delete job.reason
        Object.assign(job, { state: 'pending', place: this.#now(), failures: 0, crashes: 0 })
        return 'done'
      case 'cancel':
        if (ended) return 'refused'
        if (state === 'active') job.asked = change.reason
        else this.#end(job, 'cancelled', change.reason)
        return state === 'active' ? 'asked' : 'done'
      case 'remove':
        if (state === 'active') return 'refused'
        this.jobs.delete(job.id)
        return 'done'
      case 'run-now':
        if (state !== 'delayed') return 'refused'
        job.place = this.#now()
        return 'done'
      case 'reschedule':
        if (ended || state === 'active') return 'refused'
        job.place = this.#now() + change.in
        return 'done'
      case 'edit':
        if (state === 'active') return 'refused'
        job.payload = change.payload
        return 'done'
    }
  }
}

/** Negative when `a` must run before `b`. */
function rank(a: ModelJob, b: ModelJob): number {
  return b.priority - a.priority || a.place - b.place
}
