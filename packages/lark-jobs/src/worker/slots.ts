/**
 * The jobs that a worker runs now: each begins with a lease and ends with an outcome for its partition's claimer.
 *
 * A job whose lease is lost keeps its slot until its handler ends, and then has nothing to settle. One that is given
 * back leaves its slot at once, whatever its handler still does.
 */
import { JobsError } from '../model/errors.ts'
import type { LogLine, Outcome } from '../model/record.ts'
import { timedOut } from '../model/run.ts'
import type { JobClass } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import type { Registry } from '../options/registry.ts'
import { within } from '../run/bounded-wait.ts'
import { Deadline } from '../run/deadline.ts'
import { Execution, type RunEnvironment } from '../run/execution.ts'
import { ExecutionHooks } from '../run/hooks.ts'
import type { Permits } from '../run/middleware/permits.ts'
import { limitOf, retryIn } from '../run/retry.ts'
import { conclude, runJob, stopped } from '../run/runner.ts'
import type { Claimer } from './fetch/claimer.ts'
import { type HeldJob, type Ledger, NEVER, TOLD } from './lease/ledger.ts'
import { LongRuns } from './long-runs.ts'
import { startGate } from './maintenance/start-gate.ts'
import type { StoreClock } from './maintenance/store-clock.ts'
import { CONCURRENCY, type WorkerOptions } from './options.ts'
import type { Ending, Report, RunningJob, Summary } from './report.ts'

/** Milliseconds that handlers get to hear their signal before their jobs are given back. */
const LAST_WORDS = 1_000

/** A run in a slot: with its place in the ledger, and the claimer that settles it. */
export class SlotExecution extends Execution {
  readonly held: HeldJob
  readonly claimer: Claimer

  constructor(
    held: HeldJob,
    claimer: Claimer,
    jobClass: JobClass | undefined,
    environment: RunEnvironment,
    startedAt: number,
  ) {
    super(held.lease, claimer, jobClass, environment, startedAt)
    this.held = held
    this.claimer = claimer
  }
}

export class Slots implements RunEnvironment {
  readonly running = new Set<SlotExecution>()
  /** How many there are. It may be set at any time: of fewer, those that are too many are free when their jobs end. */
  concurrency: number
  readonly tally = new Tally()
  readonly clock: StoreClock
  readonly middleware: readonly Middleware[]
  readonly permits: Permits
  /** Handlers that still run though their jobs were given back: they ignored their signal. */
  abandoned = 0
  readonly #registry: Registry
  readonly #report: Report
  readonly #ledger: Ledger
  readonly #onStuck: (() => void) | undefined
  readonly #changed: (took: number) => void
  readonly #hooks: ExecutionHooks | undefined
  readonly #deadline = new Deadline(this.running, (running) => this.#stuck(running))
  readonly #longRuns = new LongRuns(this.running, (long) => this.#report.running?.(long.map(seen)))

  /** @param changed called when a slot is free again, with the milliseconds for which it was not */
  constructor(
    options: Pick<WorkerOptions, 'registry' | 'report' | 'concurrency' | 'middleware' | 'hooks' | 'onStuck'>,
    ledger: Ledger,
    clock: StoreClock,
    permits: Permits,
    changed: (took: number) => void,
  ) {
    this.concurrency = options.concurrency ?? CONCURRENCY
    this.#registry = options.registry
    this.#report = options.report
    this.middleware = options.middleware ?? []
    this.#hooks = options.hooks && new ExecutionHooks(options.hooks, (text) => options.report.warn(text))
    this.#onStuck = options.onStuck
    this.#ledger = ledger
    this.clock = clock
    this.permits = permits
    this.#changed = changed
  }

  /** How many are free; below 0 when there are fewer now than jobs that run. */
  get free(): number {
    return this.concurrency - this.running.size
  }

  /** @param now by `performance.now()` @returns false when the lease thread has given it back meanwhile */
  begin(held: HeldJob, claimer: Claimer, now: number): boolean {
    const { key, unreadable } = held.lease
    // A newer worker may read it, as it may know a key that is unknown here.
    const jobClass = unreadable?.kind === 'marked' ? undefined : this.#registry.find(key)
    const running = new SlotExecution(held, claimer, jobClass, this, now)
    if (!this.#ledger.begin(held, running.deadline, this.#retryIn(running))) {
      claimer.limited?.ended(held.lease)
      return false
    }
    this.tally.started(running.startedAt)
    this.running.add(running)
    startGate.entered()
    this.#deadline.watch(running)
    this.#longRuns.watch()
    this.#hooks?.started(running)
    runJob(running, this.#ended)
    return true
  }

  wrote({ lease, name }: SlotExecution, line: LogLine): void {
    this.#report.wrote(lease, name, line)
  }

  goesOn(running: SlotExecution): void {
    running.goOn()
    this.#ledger.judge(running.held, running.deadline, TOLD)
    this.#deadline.watch(running)
  }

  readonly #ended = (running: SlotExecution, outcome: Outcome): void => {
    // It may have been given back meanwhile.
    if (!this.#leave(running)) return
    running.claimer.ahead.ended()
    const { isLost, abandoned, startedAt, throughAt } = running
    const now = throughAt || performance.now()
    this.#settle(running, outcome, now)
    if (abandoned && isLost) this.lost(running.lease.id)
    this.#changed(now - startedAt)
  }

  /** The store said that a job was no longer ours. @param outcome how it was counted, if it was */
  lost(id: string, outcome?: Outcome): void {
    // It never began here, and whoever has it now will tell.
    if (outcome?.kind === 'returned') return
    this.tally.lost(outcome)
    this.#report.warn(`The lease on ${id} was lost: how it ended here does not count`)
  }

  /** Abort, give back, in that order. What a handler does after its last words no longer counts. */
  async giveBack(stopped: Promise<void>): Promise<void> {
    const reason = new JobsError('WORKER_STOPPED', 'The worker stops; the job is given back')
    for (const running of this.running) running.run.abort(reason)
    if (this.running.size > 0) await within(LAST_WORDS, stopped)
    for (const running of [...this.running]) this.#abandon(running, { kind: 'released', in: 0 })
  }

  /** Where its process is replaced, its job need not wait for that. */
  #stuck(running: SlotExecution): void {
    const { name, lease, jobClass } = running
    const isReplaced = this.#onStuck !== undefined && jobClass !== undefined
    const then = isReplaced ? 'its process is replaced' : 'keeps its slot'
    this.#report.warn(`${name} ${lease.id} is stuck: it ignores its signal since its timeout, and ${then}`)
    if (isReplaced) conclude(running, jobClass, stopped(running, jobClass), this.#replaced)
  }

  readonly #replaced = (running: SlotExecution, outcome: Outcome): void => {
    // It may have been given back while its class was told.
    if (!this.running.has(running)) return
    this.#abandon(running, outcome)
    this.#onStuck?.()
  }

  /** Goes on without its handler. */
  #abandon(running: SlotExecution, outcome: Outcome): void {
    const now = performance.now()
    this.#leave(running)
    this.abandoned++
    this.#settle(running, outcome, now)
    running.abandoned = true
    this.#changed(now - running.startedAt)
  }

  #leave(running: SlotExecution): boolean {
    if (!this.running.delete(running)) return false
    startGate.left(running.held)
    this.#ledger.end(running.held)
    if (running.lease.limiter !== undefined) running.claimer.limited?.ended(running.lease)
    return true
  }

  /** Only who will be replaced when a handler blocks it has its lease thread judge. */
  #retryIn(running: SlotExecution): number {
    const { jobClass, timeout, name } = running
    if (this.#onStuck === undefined || jobClass === undefined) return NEVER
    // An error, which takes microseconds to make, only for those who look at it.
    const isLookedAt = jobClass.hasRetryIf || typeof jobClass.backoff === 'function'
    const error = isLookedAt ? timedOut(name, timeout) : undefined
    return retryIn(error, running, jobClass, timeout) ?? NEVER
  }

  stop(): void {
    this.#deadline.stop()
    this.#longRuns.stop()
  }

  /** Has its end told to the store, if it still counts. */
  #settle(running: SlotExecution, outcome: Outcome, now: number): void {
    const { held, lease, claimer, queue, jobClass, name } = running
    if (running.abandoned) {
      this.#ledger.settled(held)
      return
    }
    const log = running.takeLog()
    claimer.settle(lease.id, lease.token, log === undefined ? outcome : { ...outcome, log }, now, held)
    this.tally.ended(outcome, now)
    const tries = lease.options?.tries ?? jobClass?.tries
    const took = now - running.startedAt
    const ending: Ending = { lease, name, queue, outcome, took }
    if (tries !== undefined) ending.tries = tries
    // Most have neither failed nor gone back, and are asked no more.
    if (outcome.kind === 'released') ending.isAsked = running.run.decision?.kind === 'released'
    if (outcome.kind === 'failed' && jobClass !== undefined)
      ending.isTimed = limitOf(lease, jobClass) !== undefined
    this.#report.ended(ending)
    this.#hooks?.ended(running, outcome, took)
  }
}

/** A job that runs, as a report sees it. */
function seen({ lease, name, queue, startedAt }: Execution): RunningJob {
  return { lease, name, queue, took: performance.now() - startedAt }
}

/** Counts how runs ended. */
class Tally {
  readonly #counts = { completed: 0, retried: 0, failed: 0, released: 0, cancelled: 0, lost: 0 }
  #first: number | undefined
  #last = 0

  /** @param now by `performance.now()` */
  started(now: number): void {
    this.#first ??= now
  }

  ended(outcome: Outcome, now: number): void {
    this.#last = now
    this.#counts[kindOf(outcome)]++
  }

  /** @param outcome how it was counted before the store said so */
  lost(outcome?: Outcome): void {
    this.#counts.lost++
    if (outcome !== undefined) this.#counts[kindOf(outcome)]--
  }

  get summary(): Summary {
    return { ...this.#counts, took: this.#first === undefined ? 0 : Math.max(0, this.#last - this.#first) }
  }
}

function kindOf(outcome: Outcome): Exclude<keyof Summary, 'lost' | 'took'> {
  if (outcome.kind === 'failed') return outcome.retryIn === undefined ? 'failed' : 'retried'
  return outcome.kind === 'returned' ? 'released' : outcome.kind
}
