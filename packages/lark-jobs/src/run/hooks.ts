/**
 * Hooks: functions of the application that are called when jobs of any class begin and end. Jobs do not wait
 * for hooks, and an error in a hook does not affect the job.
 */
import { defined } from '@s18i/lark/internal'
import { inContext } from '../model/context.ts'
import { isForEver } from '../model/journal.ts'
import { decode, whyDropped } from '../model/payload.ts'
import type { CancelReason, ClaimedJob, JobRecord, Outcome } from '../model/record.ts'
import type { TelemetryCalls } from '../model/run/telemetry.ts'
import { type ScheduleTick, scheduleTick } from '../model/tick.ts'
import type { JobClass } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import { readAnyway } from '../options/payload-rules.ts'
import { textOf } from '../words/thrown.ts'
import type { Execution } from './execution.ts'
import type { Make } from './made-job.ts'

/** The data about a job that every hook receives. */
export interface HookJob {
  id: string
  key: string
  /** The name of the job's class. */
  name: string
  queue: string
  /** The number of the attempt, from 1. */
  attempt: number
  /** The maximum number of attempts. Absent if `retryUntil` limits the time of the attempts instead. */
  tries?: number
  /** How many times a worker died while it ran the job. */
  crashes: number
  /** When the job was queued: milliseconds since 1970, by the store's clock. */
  queuedAt: number
  /** The schedule that queued the job, and the instant of the tick. Absent for any other job. */
  schedule?: ScheduleTick
  /**
   * A copy of the payload that `handle` receives, or of the stored payload if the class cannot read it. The
   * copy is made when a hook first reads this property. `console.log` and `JSON.stringify` do not show the
   * payload, because it may contain data that people must not see.
   */
  readonly payload: unknown
}

/** The job whose run begins or has ended. */
export interface JobEvent extends HookJob {
  /** Milliseconds from the time at which the job was due until this attempt began. */
  waited: number
  /** Present if an earlier run of the job has recorded steps, and this run continues after those steps. */
  isResumed?: true
}

export interface EndedEvent extends JobEvent {
  /** How long the attempt took, in milliseconds. */
  took: number
}

export interface CompletedEvent extends EndedEvent {
  /**
   * A copy of the result of `handle`, or `undefined` if the result was `true`, nothing, or not JSON. The copy
   * is made when a hook reads this property.
   */
  readonly result: unknown
}

export interface FailedEvent extends EndedEvent {
  /** The error of the attempt, or the reason of the abort. */
  error: unknown
  /** Milliseconds until the retry. Absent if there is no retry, because the job has failed for good. */
  retryIn?: number
  /** Whether this was the last attempt, so that the job has failed for good. */
  last: boolean
}

export interface ReleasedEvent extends EndedEvent {
  /** Milliseconds until the job is due again. */
  in: number
  /** The reason that the job gave to `release()`, if it gave one. */
  because?: string
}

export interface SuspendedEvent extends EndedEvent {
  /** Milliseconds until the job is due again. Absent if the job waits for a signal without a timeout. */
  in?: number
  /**
   * The names of the signals, each of which makes the job due earlier than `in` says. If the job waits for
   * another job or for an approval, the list has the name of the step that waits.
   */
  signals: readonly string[]
}

export interface CancelledEvent extends EndedEvent {
  /**
   * `user`: somebody cancelled the job while it ran. `expired`: the job was too late to begin (`expiresIn`).
   */
  reason: CancelReason
  /** The reason in the words of the person who cancelled the job. */
  because?: string
}

export interface CrashedEvent extends HookJob {
  /**
   * How the process of the job ended, if this is known: `its process ended with exit code 1: …`, or `its
   * worker died`.
   */
  cause: string
  /**
   * Whether the job has failed for good, because it has crashed too often (`maxCrashes`). If false, the job
   * runs again.
   */
  last: boolean
}

/** The hooks of an application. A hook may be async. No job waits for a hook. */
export interface Hooks {
  /** An attempt begins. */
  started?(event: JobEvent): unknown
  completed?(event: CompletedEvent): unknown
  /** An attempt failed. `last` in the event says whether this was the last attempt. */
  failed?(event: FailedEvent): unknown
  /** A job goes back to its queue without having failed: the job released itself, or its worker stopped. */
  released?(event: ReleasedEvent): unknown
  /**
   * The run of a job has ended because the job sleeps or waits for a signal (`this.sleep()`,
   * `this.waitFor()`). A later run continues the job, and the hook `started` is called for that run.
   */
  suspended?(event: SuspendedEvent): unknown
  /** A job was cancelled while it ran, or was too late to begin. */
  cancelled?(event: CancelledEvent): unknown
  /**
   * A worker died while it ran the job. The process that notices the crash calls this hook: another worker,
   * or the supervisor. If that process dies at the same moment, the hook is not called.
   */
  crashed?(event: CrashedEvent): unknown
}

/**
 * The middleware, hooks and other functions that run around every job, in a worker and with `dispatchNow`.
 */
export interface Around {
  middleware: readonly Middleware[]
  hooks: Hooks | undefined
  /** Makes the job objects. If undefined, `new` makes them. */
  make: Make | undefined
  /** The telemetry, which is called for every run. Undefined if there is no telemetry. */
  telemetry: TelemetryCalls | undefined
}

/**
 * Calls hooks, and warns once about each hook that throws. A worker without hooks has no object of this
 * class.
 */
export class HookCalls {
  readonly #hooks: Hooks
  readonly #warn: (text: string) => void
  readonly #warned = new Set<string>()

  /** @param warn called once for each hook that throws */
  constructor(hooks: Hooks, warn: (text: string) => void) {
    this.#hooks = hooks
    this.#warn = warn
  }

  has(name: keyof Hooks): boolean {
    return this.#hooks[name] !== undefined
  }

  call<K extends keyof Hooks>(name: K, event: Parameters<NonNullable<Hooks[K]>>[0]): void {
    const hook = this.#hooks[name] as ((event: unknown) => unknown) | undefined
    if (hook === undefined) return
    try {
      const ending = hook.call(this.#hooks, event)
      if (ending instanceof Promise) ending.catch((error) => this.#failed(name, error))
    } catch (error) {
      this.#failed(name, error)
    }
  }

  /** Calls `started` for a run that begins. */
  started(execution: Execution): void {
    this.#in('started', execution, {})
  }

  /** Calls the hook for the outcome of a run. @param took how long the run took, in milliseconds */
  ended(execution: Execution, outcome: Outcome, took: number): void {
    if (outcome.kind === 'completed') this.#in('completed', execution, { took }, outcome.result)
    if (outcome.kind === 'failed') {
      const { retryIn } = outcome
      const more = retryIn === undefined ? { last: true } : { retryIn, last: false }
      this.#in('failed', execution, { took, error: execution.thrown, ...more })
    }
    if (outcome.kind === 'released') {
      const { in: ms, because } = outcome
      this.#in('released', execution, { took, in: ms, ...defined({ because }) })
    }
    if (outcome.kind === 'suspended') {
      const { in: ms, waits, awaits: signals = waits } = outcome
      this.#in('suspended', execution, { took, ...(!isForEver(ms) && { in: ms }), signals })
    }
    if (outcome.kind === 'cancelled')
      this.#in('cancelled', execution, { took, ...execution.whyCancelled(outcome.reason) })
  }

  /**
   * Calls `crashed` for a job whose worker has died while it ran the job.
   *
   * @param jobClass the class of the job. Undefined if this process does not know the class: then the event
   *   has the key as its name
   * @param last whether the job has failed for good
   */
  crashed(job: JobRecord, jobClass: JobClass | undefined, queue: string, last: boolean): void {
    const cause = job.errors.findLast(({ code }) => code === 'WORKER_DIED')?.message ?? 'its worker died'
    const { name = job.key } = jobClass ?? {}
    const event = new EventJob(job, name, queue, job.payload, jobClass)
    inContext(job.options?.context, () => this.call('crashed', Object.assign(event, { cause, last })))
  }

  /**
   * Calls a hook in the context of the job. No hook is called for a job whose class this process does not
   * know.
   */
  #in(name: keyof Hooks, execution: Execution, more: object, result?: string): void {
    const { job, jobClass, claimer, environment, startedAt } = execution
    if (jobClass === undefined || this.#hooks[name] === undefined) return
    const event = new EventJob(job, jobClass.name, claimer.queue, job.payload, jobClass, result)
    const began = environment.clock.now() - (performance.now() - startedAt)
    const waited = Math.max(0, Math.round(began - (job.dueAt ?? job.queuedAt)))
    const run = { waited, ...(job.journal !== undefined && job.journal.count > 0 && { isResumed: true }) }
    inContext(job.options?.context, this.#tell, this, name, Object.assign(event, run, more))
  }

  #tell(this: void, calls: HookCalls, name: keyof Hooks, event: unknown): void {
    calls.call(name, event as never)
  }

  #failed(name: string, error: unknown): void {
    if (this.#warned.has(name)) return
    this.#warned.add(name)
    this.#warn(`The hook ${name} threw, and may again: ${textOf(error)}`)
  }
}

/** The job of an event. Fields that must be parsed are parsed when a hook reads them. */
export class EventJob implements HookJob {
  readonly id: string
  readonly key: string
  readonly name: string
  readonly queue: string
  readonly attempt: number
  declare readonly tries?: number
  readonly crashes: number
  readonly queuedAt: number
  declare readonly schedule?: ScheduleTick
  readonly #text: string
  readonly #class: JobClass | undefined
  readonly #result: string | undefined
  #payload: { copy: unknown } | undefined

  /** @param text the stored text of the payload @param result the result as JSON text */
  constructor(
    job: Pick<ClaimedJob, 'id' | 'key' | 'failures' | 'crashes' | 'queuedAt' | 'options'>,
    name: string,
    queue: string,
    text: string,
    jobClass?: JobClass,
    result?: string,
  ) {
    this.id = job.id
    this.key = jobClass?.key ?? job.key
    this.name = name
    this.queue = queue
    this.attempt = job.failures + 1
    this.crashes = job.crashes
    this.queuedAt = job.queuedAt
    const tries = job.options?.tries ?? jobClass?.tries
    if (tries !== undefined && !(job.options?.retryUntil ?? jobClass?.retryUntil)) this.tries = tries
    const schedule = scheduleTick(job.id)
    if (schedule !== undefined) this.schedule = schedule
    this.#text = text
    this.#class = jobClass
    this.#result = result
  }

  get payload(): unknown {
    this.#payload ??= {
      copy: this.#class === undefined ? decode(this.#text) : readAnyway(this.#text, this.#class),
    }
    return this.#payload.copy
  }

  get result(): unknown {
    const result = this.#result
    return result === undefined || whyDropped(result) !== undefined ? undefined : decode(result)
  }
}
