/**
 * Hooks: functions of the application that are called when jobs of any class begin and end. Jobs do not wait for them,
 * and an error in a hook does not affect the job.
 */
import { inContext } from '../model/context.ts'
import type { Outcome } from '../model/record.ts'
import { textOf } from '../model/thrown.ts'
import type { Middleware } from '../options/middleware.ts'
import type { Execution } from './execution.ts'
import type { Make } from './made-job.ts'

/** The job whose run begins or has ended. */
export interface JobEvent {
  id: string
  key: string
  /** The name of its class. */
  name: string
  queue: string
  /** The number of the attempt, from 1. */
  attempt: number
}

export interface EndedEvent extends JobEvent {
  /** Milliseconds. */
  took: number
}

export interface FailedEvent extends EndedEvent {
  /** What the attempt threw, or why it was aborted. */
  error: unknown
  /** Milliseconds until the retry. Absent: there is no retry, and the job has failed. */
  retryIn?: number
}

export interface ReleasedEvent extends EndedEvent {
  /** Milliseconds until the job is due again. */
  in: number
}

/** A hook may be async. No job waits for it. */
export interface Hooks {
  /** An attempt begins. */
  started?(event: JobEvent): unknown
  completed?(event: EndedEvent): unknown
  /** An attempt failed, whether it was the last or not. */
  failed?(event: FailedEvent): unknown
  /** A job goes back without having failed: it released itself, or its worker stopped. */
  released?(event: ReleasedEvent): unknown
}

/** What runs around every job, in a worker and with `dispatchNow`. */
export interface Around {
  middleware: readonly Middleware[]
  hooks: Hooks | undefined
  /** Makes the jobs. Undefined: `new` does. */
  make: Make | undefined
}

/** Calls hooks, and warns once about each hook that throws. A worker without hooks makes none. */
export class HookCalls {
  readonly #hooks: Hooks
  readonly #warn: (text: string) => void
  readonly #warned = new Set<string>()

  /** @param warn told once of each hook that throws */
  constructor(hooks: Hooks, warn: (text: string) => void) {
    this.#hooks = hooks
    this.#warn = warn
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

  /** A run of a worker begins. */
  started(execution: Execution): void {
    this.#in(execution, (event) => this.call('started', event))
  }

  /** A run of a worker has ended. @param took milliseconds */
  ended(execution: Execution, outcome: Outcome, took: number): void {
    this.#in(execution, (event) => {
      if (outcome.kind === 'completed') this.call('completed', { ...event, took })
      if (outcome.kind === 'released') this.call('released', { ...event, took, in: outcome.in })
      if (outcome.kind === 'failed') {
        const { retryIn } = outcome
        const { thrown: error } = execution
        this.call('failed', { ...event, took, error, ...(retryIn !== undefined && { retryIn }) })
      }
    })
  }

  /** Calls in the context of the job. A job without a class in this process calls no hook. */
  #in({ lease, jobClass, claimer }: Execution, tell: (event: JobEvent) => void): void {
    if (jobClass === undefined) return
    const { key, name } = jobClass
    const event = { id: lease.id, key, name, queue: claimer.queue, attempt: lease.failures + 1 }
    inContext(lease.options?.context, tell, event)
  }

  #failed(name: string, error: unknown): void {
    if (this.#warned.has(name)) return
    this.#warned.add(name)
    this.#warn(`The hook ${name} threw, and may again: ${textOf(error)}`)
  }
}
