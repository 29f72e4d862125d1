/**
 * Hooks: what the application hears of all its jobs, whatever their class. Nobody waits for them, and what goes wrong
 * in one concerns no job.
 */
import { textOf } from './thrown.ts'

/** A job whose run begins or has ended. */
export interface JobEvent {
  id: string
  key: string
  /** The name of its class. */
  name: string
  queue: string
  /** Which attempt it is, from 1. */
  attempt: number
}

export interface EndedEvent extends JobEvent {
  /** Milliseconds. */
  took: number
}

export interface FailedEvent extends EndedEvent {
  /** What the attempt threw, or why it was ended. */
  error: unknown
  /** Milliseconds until the next attempt; absent when the job has failed for good. */
  retryIn?: number
}

export interface ReleasedEvent extends EndedEvent {
  /** Milliseconds until it is due again. */
  in: number
}

/** Each may be async; none is waited for. */
export interface Hooks {
  /** An attempt begins. */
  started?(event: JobEvent): unknown
  completed?(event: EndedEvent): unknown
  /** An attempt failed, be it the last or not. */
  failed?(event: FailedEvent): unknown
  /** A job goes back without having failed: it released itself, or its worker stopped. */
  released?(event: ReleasedEvent): unknown
}

/** Calls hooks, and warns once of each that throws. */
export class HookCalls {
  readonly #hooks: Hooks
  readonly #warn: (text: string) => void
  readonly #warned = new Set<string>()

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

  #failed(name: string, error: unknown): void {
    if (this.#warned.has(name)) return
    this.#warned.add(name)
    this.#warn(`The hook ${name} threw, and may again: ${textOf(error)}`)
  }
}
