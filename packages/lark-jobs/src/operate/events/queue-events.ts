/**
 * Events for an application: `for await (const event of Jobs.events())`. The implementation is in
 * `event-stream.ts`, which is loaded when the first event is requested.
 */

import type { EventKind } from '../../model/event.ts'
import type { ScheduleTick } from '../../model/tick.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'

/** An event of a job, for example that the job has completed. */
export interface QueueEvent {
  kind: EventKind
  /** The id of the job. */
  id: string
  queue: string
  /** Milliseconds since 1970, by the clock of the store. */
  at: number
  /** For a job that a schedule queued: the schedule, and the instant of its tick. */
  schedule?: ScheduleTick
  /** The cursor of this event. Another call with this cursor as `since` continues after the event. */
  readonly cursor: string
}

/**
 * Says that some events of a queue may be missing. The application should look at the jobs of the queue. No
 * events are missing after the gap.
 */
export interface EventGap {
  kind: 'gap'
  queue: string
  /** The cursor of this gap. Another call with this cursor as `since` continues after the gap. */
  readonly cursor: string
}

export interface EventOptions {
  /** Only events of these queues. Default: every queue, including queues that are added later. */
  queues?: readonly string[]
  /** Only events of these kinds. Gaps are always included. Default: all kinds. */
  kinds?: readonly EventKind[]
  /**
   * The cursor of an event or of `QueueEvents`, after which to continue. Default: only events from now on.
   */
  since?: string | undefined
  /** Aborting this signal ends the iteration. */
  signal?: AbortSignalLike | undefined
}

/** The answer of a reader: an event, or the end. */
export type NextEvent = IteratorResult<QueueEvent | EventGap, undefined>

/** Reads the events of one call. @internal */
export interface EventReader {
  readonly cursor: string | undefined
  begin(): Promise<unknown>
  next(): Promise<NextEvent>
  return(): Promise<NextEvent>
}

/** An iterator over the events of jobs in all processes, made by `Jobs.events()`. */
export class QueueEvents implements AsyncIterableIterator<QueueEvent | EventGap>, AsyncDisposable {
  readonly #make: () => Promise<EventReader>
  #making: Promise<EventReader> | undefined
  #reader: EventReader | undefined

  /** @internal */
  constructor(make: () => Promise<EventReader>) {
    this.#make = make
  }

  /**
   * Resolves when the store has begun to write events, or when the iteration has ended before that. Without
   * this call, the store begins to write events with the first `next()`.
   *
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE, LAYOUT_UNKNOWN
   * @example const events = await Jobs.events({ queues: ['imports'] }).ready()
   */
  async ready(): Promise<this> {
    await (await this.#opened()).begin()
    return this
  }

  /**
   * The cursor with which another call continues: after the last event that was returned, and after any later
   * events of other kinds that were skipped. Undefined before `ready()` or the first event.
   */
  get cursor(): string | undefined {
    return this.#reader?.cursor
  }

  /**
   * Waits for the next event, or for the end of the iteration.
   *
   * @throws the errors of `ready`; STORE_DAMAGED
   */
  async next(): Promise<IteratorResult<QueueEvent | EventGap, undefined>> {
    return (await this.#opened()).next()
  }

  /**
   * Ends the iteration, including a call of `next()` that is waiting. `for await` calls this method when the
   * loop ends.
   */
  async return(): Promise<IteratorResult<QueueEvent | EventGap, undefined>> {
    return (await this.#opened()).return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  async #opened(): Promise<EventReader> {
    this.#making ??= this.#make()
    this.#reader = await this.#making
    return this.#reader
  }
}
