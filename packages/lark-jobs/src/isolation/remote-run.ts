/**
 * The worker's side of a run whose `handle` runs in an isolated process. The process sends the entries of
 * steps to this object, and the worker waits here for the end of `handle`.
 *
 *   waiting for a process → given to a process → running → ended
 *
 * The time that the run waits for a process does not count towards the timeout of the job.
 */
import { defined } from '@s18i/lark/internal'
import { context } from '../model/context.ts'
import type { JobsError } from '../model/errors.ts'
import type { KeptSignal, Recorded } from '../model/journal.ts'
import { classOf, type JobClass } from '../options/job-class.ts'
import type { Execution } from '../run/execution.ts'
import type { StepsOfRun } from '../step/steps-around.ts'
import type { UndoneSteps } from '../step/undoing.ts'
import { Deferred } from '../waiting/deferred.ts'
import { crossed } from './crossed-error.ts'
import type { Order } from './messages.ts'

let runs = 0

/** Entries of steps that the worker is sending to the store. */
interface TakenSteps {
  steps?: Recorded
  heard?: number
}

export class RemoteRun implements StepsOfRun {
  readonly number = ++runs
  readonly #context = context()
  readonly execution: Execution
  readonly jobClass: JobClass
  readonly #handled = new Deferred<unknown>()
  /** The promise of `handle`. */
  readonly handled: Promise<unknown> = this.#handled.promise
  readonly #undone = new Deferred<UndoneSteps>()
  /** Sends an order to the process of the run. Undefined while the run has no process. */
  #tell: ((order: Order) => void) | undefined
  /** Called with the reason when the signal is aborted. */
  aborting: (reason: unknown) => void = () => {}
  hasUndos = false
  /** Whether the steps of the run have recorded progress. */
  isProgress = false
  /** Undefined, because the isolated process itself checks for steps that were not awaited. */
  readonly notAwaited = undefined
  #waiting: TakenSteps = {}
  #sent: TakenSteps | undefined
  #rest: Recorded | undefined
  #isSignalled = false
  /** How long the handler may take, in milliseconds. */
  readonly #left: number
  /** Whether a process has begun to run the job. */
  hasBegun = false
  /** How many processes the run was given to. */
  hands = 0

  constructor(execution: Execution, jobClass: JobClass) {
    this.execution = execution
    this.jobClass = jobClass
    this.#left = execution.deadline - performance.now()
    execution.deadline = Number.POSITIVE_INFINITY
  }

  /** Gives the run to a process. */
  begin(tell: (order: Order) => void): void {
    const { job, claimer, environment } = this.execution
    const { partition, queue } = claimer
    this.#tell = tell
    this.hands += 1
    const now = environment.clock.now()
    const { key } = classOf(this.jobClass.Class)
    const around = { context: this.#context, trace: this.execution.processing?.carried }
    tell({ kind: 'run', run: this.number, class: key, job, partition, queue, now, ...around })
    if (this.#isSignalled) this.signalled()
  }

  /** Called when the process has begun to run the job. */
  began(): void {
    const { execution } = this
    this.hasBegun = true
    if (this.#left === Number.POSITIVE_INFINITY) return
    execution.deadline = performance.now() + this.#left
    execution.environment.hurries?.(execution)
  }

  returned(value: unknown): void {
    this.#handled.resolve(value)
  }

  threw(error: unknown): void {
    this.#handled.reject(error)
  }

  undone(found: UndoneSteps): void {
    this.#undone.resolve(found)
  }

  /** Called when the steps of the run have sent entries. */
  recorded(taken: TakenSteps): void {
    this.#note(taken.steps)
    this.#waiting = { ...this.#waiting, ...taken }
    this.execution.environment.records?.(this.execution)
  }

  /** @param rest the last entries of the steps */
  ended(rest: Recorded | undefined): void {
    this.#tell = undefined
    this.aborting = () => {}
    if (rest === undefined) return
    this.#note(rest)
    this.#rest = rest
    // The waiting entries are dropped, because `rest` contains them, too.
    this.#waiting = {}
    this.#sent = undefined
  }

  #note(steps: Recorded | undefined): void {
    this.hasUndos ||= steps?.hasUndos === true
    this.isProgress ||= steps?.isProgress === true
  }

  take(): TakenSteps {
    const taken = this.#waiting
    this.#waiting = {}
    if (taken.steps !== undefined || taken.heard !== undefined) this.#sent = taken
    return taken
  }

  answered(signals: readonly KeptSignal[], lost?: JobsError, known?: number): void {
    const isAsked = this.#sent !== undefined
    this.#sent = undefined
    if (!isAsked && signals.length === 0 && lost === undefined && known === undefined) return
    const told = { ...(lost && { lost: crossed(lost) }), ...defined({ known }) }
    this.#tell?.({ kind: 'stored', run: this.number, signals, ...told })
  }

  /** Handles a call without an answer: the same entries are sent again. */
  unanswered(): void {
    this.#waiting = { ...this.#sent, ...this.#waiting }
    this.#sent = undefined
  }

  signalled(): void {
    this.#isSignalled = true
    this.#tell?.({ kind: 'signalled', run: this.number })
  }

  abort(reason: unknown): void {
    this.#tell?.({ kind: 'abort', run: this.number, reason: crossed(reason) })
    this.aborting(reason)
  }

  /**
   * The entries that must be stored with the outcome, including the entries of a killed process that the
   * store had not confirmed.
   */
  end(): Recorded | undefined {
    return this.#rest ?? this.#sent?.steps ?? this.#waiting.steps
  }

  async undo(handled: Promise<unknown>): Promise<UndoneSteps> {
    return Promise.race([this.#undone.promise, handled.then(() => this.#undone.promise)])
  }
}
