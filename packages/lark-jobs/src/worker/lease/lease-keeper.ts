/**
 * Renews the leases of running jobs, of ended jobs whose outcomes have waited for long, and of the permits
 * that running jobs hold. A round of renewals begins every third of the length of a lease. The same calls
 * hand over log lines. The answers say which leases are lost and which jobs should be cancelled. A run that
 * has lost its lease is aborted with LEASE_LOST. When the store says that a partition has a notice, the jobs
 * of this partition are renewed at once.
 *
 * Progress and log lines of a watched job are handed over by separate calls, at most four a second for each
 * partition. Progress and log lines of other jobs wait for the next renewal.
 *
 * Each partition has one call at a time, so that log lines keep their order, and partitions do not wait for
 * each other. The keeper runs on the worker's event loop. While a handler blocks the loop, the lease thread
 * renews the leases (`lease-watch.ts`). If a lease ends nevertheless, the maintenance of any worker takes the
 * job back (`maintenance/maintenance.ts`, `Store.recover`).
 */
import { defined, visible } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import type { Execution } from '../../run/execution.ts'
import {
  type Extension,
  type LeaseNote,
  MAX_ITEMS,
  type Settlement,
  type Store,
} from '../../store/contract/store.ts'
import { Part } from '../part.ts'
import type { PermitPools } from '../permits/permit-pools.ts'
import type { Pulse } from './lease-thread.ts'
import { Renewals } from './renewals.ts'

export interface LeaseKeeperOptions {
  store: Store
  caller: string
  leaseMs: number
  running: ReadonlySet<Execution>
  /** The claimers that have outcomes for the store. */
  settling: () => Iterable<Settling>
  permits: Pick<PermitPools, 'renew'>
  trouble: (error: unknown) => void
  /**
   * Receives the time at which the last successful round began. This time is by the wall clock, because the
   * monotonic clock stops while a machine sleeps.
   */
  pulse: Pulse
}

interface Settling {
  readonly partition: string
  /**
   * @returns if a call has had no answer for `ms` milliseconds, the outcomes in this call and the outcomes
   * that wait for the next call; otherwise nothing
   */
  unsettled(ms: number): readonly Settlement[]
}

/** Milliseconds between two calls that hand over progress and log lines. */
const PROGRESS_PAUSE = 250

export class LeaseKeeper extends Part {
  readonly #options: LeaseKeeperOptions
  #timer: NodeJS.Timeout | undefined
  readonly #renewals = new Renewals()
  /** Resolves when all renewals of the last round have ended. */
  #round: Promise<void> | undefined
  /** How many rounds have begun, and the number of the last round in which all leases were renewed. */
  #rounds = 0
  #renewed = 0
  /** For each partition, a promise that resolves when all calls made so far have ended. */
  readonly #turns = new Map<string, Promise<boolean>>()
  /** The timer of the next call that hands over progress and log lines. */
  #soon: NodeJS.Timeout | undefined
  #handedOverAt = 0
  /** Partitions whose notices will be read by the next call. */
  readonly #noticed = new Set<string>()

  constructor(options: LeaseKeeperOptions) {
    super()
    this.#options = options
    options.pulse.renewedAt = Date.now()
  }

  protected override onStart(): void {
    // With a third of the lease, two rounds may fail before a lease ends.
    this.#timer = setInterval(() => void this.#renewNow(), this.#options.leaseMs / 3)
  }

  /** Renews now if a round is overdue. A round is late if the loop was blocked or the machine slept. */
  async catchUp(): Promise<void> {
    if (Date.now() - this.#options.pulse.renewedAt > this.#options.leaseMs / 2) await this.#renewNow()
  }

  /** Reads the notices of a partition. */
  look(partition: string): void {
    if (this.#noticed.has(partition)) return
    this.#noticed.add(partition)
    void this.#inTurn(partition, () => {
      // The answer to this call may not contain a notice that comes from now on. Another call must read such
      // a notice.
      this.#noticed.delete(partition)
      return this.#renewGroup(partition, this.#groups().get(partition) ?? [])
    })
  }

  /** Called when a job has reported progress or has written to its log. */
  reported({ watchedUntil }: Execution): void {
    const now = performance.now()
    if (watchedUntil <= now || this.#soon !== undefined) return
    this.#soon = setTimeout(() => this.#handOver(), Math.max(0, this.#handedOverAt + PROGRESS_PAUSE - now))
  }

  /** Waits for the calls that are under way. */
  protected override async onStop(): Promise<void> {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
    this.#soon = undefined
    await Promise.all([...this.#turns.values(), this.#round])
  }

  /** Hands over the progress and the log lines of the watched jobs. */
  #handOver(): void {
    this.#soon = undefined
    for (const partition of this.#groups().keys())
      void this.#inTurn(partition, () => {
        const now = performance.now()
        const isAwaited = (running: Execution) => running.hasNews && running.watchedUntil > now
        return this.#renewGroup(partition, (this.#groups().get(partition) ?? []).filter(isAwaited))
      })
  }

  /** @param work the call; its promise must never reject */
  #inTurn(partition: string, work: () => Promise<boolean>): Promise<boolean> {
    const turn = (this.#turns.get(partition) ?? Promise.resolve()).then(work)
    this.#turns.set(partition, turn)
    void turn.then(() => {
      if (this.#turns.get(partition) === turn) this.#turns.delete(partition)
    })
    return turn
  }

  /**
   * Renews all leases of the worker. This method does not wait for partitions whose renewals were not
   * answered in the last round.
   */
  async #renewNow(): Promise<void> {
    const began = Date.now()
    const round = ++this.#rounds
    const { permits, settling, pulse } = this.#options
    const { present, all } = this.#renewals.begin([
      ...[...this.#groups()].map(([partition, group]) => {
        const renew = () => this.#inTurn(partition, () => this.#renewGroup(partition, group))
        return [`running in ${partition}`, renew] as const
      }),
      ...[...settling()].map(
        (each) => [`ended in ${each.partition}`, () => this.#renewUnsettled(each)] as const,
      ),
    ])
    this.#round = Promise.all([permits.renew(), all]).then((answers) => {
      if (answers.includes(false) || round < this.#renewed) return
      this.#renewed = round
      pulse.renewedAt = began
    })
    await present
  }

  /** @returns whether the store answered */
  async #renewGroup(partition: string, group: Execution[]): Promise<boolean> {
    if (group.length <= MAX_ITEMS) return group.length === 0 || this.#renew(partition, group)
    for (let i = 0; i < group.length; i += MAX_ITEMS) {
      if (!(await this.#renew(partition, group.slice(i, i + MAX_ITEMS)))) return false
    }
    return true
  }

  /**
   * Renews the leases of ended jobs whose outcomes wait for the store. If many processes write to an embedded
   * store, the store may delay the call with the outcomes for longer than a lease, and still answer other
   * calls. The answer to the delayed call says which of these leases are lost.
   *
   * @returns whether the store answered
   */
  async #renewUnsettled(settling: Settling): Promise<boolean> {
    const { store, caller, leaseMs, trouble } = this.#options
    const notes = settling.unsettled(leaseMs / 8).map(({ id, token, outcome }): LeaseNote => {
      return { id, token, ...(outcome.kind === 'unstarted' && { unstarted: true }) }
    })
    try {
      for (let i = 0; i < notes.length; i += MAX_ITEMS)
        await store.extend(settling.partition, caller, notes.slice(i, i + MAX_ITEMS), leaseMs)
      return true
    } catch (error) {
      trouble(error)
      return false
    }
  }

  /**
   * The jobs whose leases must be renewed, by partition. They are grouped because two partitions may each
   * have a job with the same id.
   */
  #groups(): Map<string, Execution[]> {
    const newest = new Map<string, Map<string, Execution>>()
    for (const running of this.#options.running) {
      if (running.abandoned) continue
      const { id } = running.job
      const { partition } = running.claimer
      const group = newest.get(partition) ?? new Map<string, Execution>()
      // This worker has claimed the same job again, so the first run has lost its lease.
      const before = group.get(id)
      if (before !== undefined) lose(before)
      newest.set(partition, group.set(id, running))
    }
    return new Map([...newest].map(([partition, group]) => [partition, [...group.values()]]))
  }

  async #renew(partition: string, group: Execution[]): Promise<boolean> {
    const { store, caller, leaseMs } = this.#options
    const notes = group.map((running): LeaseNote => {
      const { id, token } = running.job
      const note: LeaseNote = { id, token }
      const [log, progress] = [running.takeLog(), running.takeProgress()]
      if (log !== undefined) note.log = log
      if (progress !== undefined) note.progress = progress
      return note
    })
    if (notes.some(({ log, progress }) => log !== undefined || progress !== undefined))
      this.#handedOverAt = performance.now()
    try {
      this.#tell(group, await store.extend(partition, caller, notes, leaseMs))
      return true
    } catch (error) {
      // If the call had no answer, the store may already have the lines. It is better to lose some lines than
      // to store them twice.
      if (!JobsError.is(error, 'STORE_UNCERTAIN')) {
        for (const [i, { log }] of notes.entries()) if (log !== undefined) group[i]!.keepLog(log)
      }
      for (const [i, { progress }] of notes.entries()) group[i]!.keepProgress(progress)
      this.#options.trouble(error)
      return false
    }
  }

  #tell(group: Execution[], { lost, notices, watched = [] }: Extension): void {
    // A job counts as watched for the time of one lease. The next renewal comes before that time has passed,
    // and its answer says again which jobs are watched.
    const until = performance.now() + this.#options.leaseMs
    const ids = new Set(watched)
    for (const running of group) {
      if (ids.has(running.job.id)) {
        running.watchedUntil = until
        // The job may have written lines during the call.
        if (running.hasNews) this.reported(running)
      } else running.watchedUntil = running.hasReported ? 0 : Number.POSITIVE_INFINITY
    }
    if (lost.length === 0 && notices.length === 0) return
    for (const running of group) {
      const { id } = running.job
      if (lost.includes(id)) {
        if (this.#options.running.has(running)) lose(running)
        continue
      }
      const notice = notices.find((each) => each.id === id)
      if (notice !== undefined) {
        const { reason, because } = notice
        running.cancelled = { reason, ...defined({ because }) }
        const why = because === undefined ? '' : `: ${visible(because)}`
        const error = new JobsError('JOB_CANCELLED', `${id} was cancelled${why}`, { id, reason, because })
        running.run.abort(error)
      }
    }
  }
}

/** Aborts a run whose lease is lost. The store no longer accepts the outcome of this run. */
export function lose(running: Execution): void {
  running.abandoned = true
  running.run.abort(leaseLost(running))
}

export function leaseLost({ job: { id } }: Execution): JobsError {
  return new JobsError('LEASE_LOST', `The lease on ${id} is lost; another worker may be running it`, { id })
}
