/**
 * What happens to jobs, as an application hears it: `for await (const event of Jobs.events())`. What it does
 * is in `event-stream.ts`, which is loaded when the first event is asked for.
 */

import type { EventKind } from '../../model/event.ts'
import type { ScheduleTick } from '../../model/tick.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'

/** Something has happened to a job. */
export interface QueueEvent {
  kind: EventKind
  /** The id of the job. */
  id: string
  queue: string
  /** Milliseconds since 1970, by the clock of the store. */
  at: number
  /** For a job that a schedule queued: the schedule, and the instant of its tick. */
  schedule?: ScheduleTick
  /** The cursor of this event: with it as `since`, another call goes on behind the event. */
  readonly cursor: string
}

/** Some events of a queue may be missing: look at its jobs. What happens after that is complete again. */
export interface EventGap {
  kind: 'gap'
  queue: string
  /** The cursor of this gap: with it as `since`, another call goes on behind the gap. */
  readonly cursor: string
}

export interface EventOptions {
  /** Only events of these queues. Default: of every queue, also of those that come later. */
  queues?: readonly string[]
  /** Only events of these kinds. Gaps always come. Default: all kinds. */
  kinds?: readonly EventKind[]
  /** The cursor of an event, or of `QueueEvents`: goes on behind it. Default: what happens from now on. */
  since?: string | undefined
  /** Aborted, it ends the events. */
  signal?: AbortSignalLike | undefined
}

/** What a reader gets: an event, or the end. */
export type NextEvent = IteratorResult<QueueEvent | EventGap, undefined>

/** What reads the events of one call. @internal */
export interface EventReader {
  readonly cursor: string | undefined
  begin(): Promise<unknown>
  next(): Promise<NextEvent>
  return(): Promise<NextEvent>
}

/** Events of jobs, of all processes; `Jobs.events()` makes it. */
export class QueueEvents implements AsyncIterableIterator<QueueEvent | EventGap>, AsyncDisposable {
  readonly #make: () => Promise<EventReader>
  #making: Promise<EventReader> | undefined
  #reader: EventReader | undefined

  /** @internal */
  constructor(make: () => Promise<EventReader>) {
    this.#make = make
  }

  /**
   * Resolves when the store writes what happens from then on, or when the events have ended before. Without
   * it, this begins with the first `next()`.
   *
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE, LAYOUT_UNKNOWN
   * @example const events = await Jobs.events({ queues: ['imports'] }).ready()
   */
  async ready(): Promise<this> {
    await (await this.#opened()).begin()
    return this
  }

  /**
   * Where another call goes on: behind the last event that was returned, and behind those of other kinds that
   * were passed over. Undefined before `ready()` or the first event.
   */
  get cursor(): string | undefined {
    return this.#reader?.cursor
  }

  /**
   * The next event. Waits until there is one, or the events end.
   *
   * @throws the errors of `ready`; STORE_DAMAGED
   */
  async next(): Promise<IteratorResult<QueueEvent | EventGap, undefined>> {
    return (await this.#opened()).next()
  }

  /** Ends the events, also for a call of `next()` that waits. The end of `for await` calls it. */
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
