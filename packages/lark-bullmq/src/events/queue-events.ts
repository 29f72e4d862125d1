/**
 * The `QueueEvents` of BullMQ, which tell what happens to the jobs of a queue in all processes. They listen
 * to the store from the first listener on, or from `waitUntilReady()`. Until then they cost nothing.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import type { EventKind, QueueEvents } from '@s18i/lark-jobs'
import { memberOf, passes, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refuseMethods, refuseProperties } from '../compared/unsupported.ts'
import { BullJob } from '../job/bull-job.ts'
import { readQueue } from '../queue/queue-name.ts'
import { type JobHome, type QueueBaseOptions, RETRY, SharedStore } from '../store/shared-store.ts'
import { BullEmitter, type IoredisListener } from './emitter.ts'

export interface BullEventsOptions extends QueueBaseOptions {
  /** It has no effect, because listening begins with the first listener or with `waitUntilReady()`. */
  autorun?: boolean
  /** It has no effect, because the store wakes whoever listens. */
  blockingTimeout?: number
}

/**
 * `id` is a cursor. Another process can continue after this event if it passes the cursor as `since` to
 * `Jobs.events()`.
 */
export interface BullEvents extends IoredisListener {
  added: (args: { jobId: string; name: string }, id: string) => void
  waiting: (args: { jobId: string; prev?: string }, id: string) => void
  active: (args: { jobId: string; prev?: string }, id: string) => void
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  completed: (args: { jobId: string; returnvalue: any; prev?: string }, id: string) => void
  failed: (args: { jobId: string; failedReason: string; prev?: string }, id: string) => void
  removed: (args: { jobId: string; prev?: string }, id: string) => void
  stalled: (args: { jobId: string }, id: string) => void
  error: (error: Error) => void
}

/** The events of Lark that each event of BullMQ is made from. */
const kinds: Record<string, readonly EventKind[]> = {
  added: ['queued'],
  waiting: ['queued', 'retrying', 'released', 'returned'],
  active: ['started'],
  completed: ['completed'],
  failed: ['failed', 'cancelled'],
  removed: ['removed'],
  stalled: ['crashed'],
}

/**
 * @example
 * const events = new QueueEvents('emails', { connection })
 * events.on('completed', ({ jobId, returnvalue }) => console.log(jobId, returnvalue))
 */
export class BullQueueListener extends BullEmitter<BullEvents> implements AsyncDisposable {
  readonly name: string
  readonly opts: BullEventsOptions
  readonly #home: JobHome
  #events: QueueEvents | undefined
  /** Resolves when the object receives events. It is undefined as long as there is no listener. */
  #ready: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Aborted when the object is closed. */
  readonly #stopped = new AbortController()
  /** The cursor of the last event, after which listening continues. */
  #heard: string | undefined

  /** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
  constructor(name: string, opts: BullEventsOptions = {}) {
    const who = `QueueEvents ${shown(name)}`
    super(who, 'events of QueueEvents')
    this.name = readQueue(who, name)
    this.opts = checkOptions(who, 'options of QueueEvents', opts)
    this.#home = { store: SharedStore.of(who, opts, name), queue: name }
  }

  /** The promise of `close()`; undefined before that call. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  protected override listened(event: string): void {
    if (event !== 'error' && event !== 'ioredis:close') this.#begin()
  }

  #begin(): void {
    if (this.#ready !== undefined || this.#closing !== undefined) return
    this.#ready = new Promise((resolve, reject) => {
      this.#hearAgain(resolve).catch((error) => {
        reject(error)
        if (!this.#stopped.signal.aborted) this.tell('error', error)
      })
    })
    // `waitUntilReady()` rejects with this error, and the event `error` reports it.
    this.#ready.catch(() => {})
  }

  /**
   * Receives events until the object is closed. If the store is away at first or later, it reports this and
   * tries again.
   */
  async #hearAgain(isReady: () => void): Promise<void> {
    const { signal } = this.#stopped
    for (let wait = RETRY.from; ; wait = Math.min(RETRY.to, wait * 2)) {
      try {
        await this.#hear(() => {
          wait = RETRY.from
          isReady()
        })
        return
      } catch (error) {
        if (!passes(error) || signal.aborted) throw error
        this.tell('error', error as Error)
        await pause(wait, undefined, { signal })
      }
    }
  }

  /** @param isReady called once all later events will be received */
  async #hear(isReady: () => void): Promise<void> {
    const all = Object.values(kinds).flat()
    const since = this.#heard
    const events = this.#home.store.jobs.events({
      queues: [this.name],
      kinds: [...new Set(all)],
      ...defined({ since }),
    })
    this.#events = events
    await events.ready()
    this.#heard ??= events.cursor
    isReady()
    for await (const event of events) {
      if (event.kind === 'gap') continue
      const { id, kind, cursor } = event
      const heard = (name: string) => kinds[name]!.includes(kind) && this.listenerCount(name) > 0
      // The application may know a job of a flow by another id, which it has chosen itself.
      const isNeeded = heard('added') || heard('completed') || heard('failed') || memberOf(id) !== undefined
      const job = isNeeded ? await this.#find(id) : undefined
      const jobId = job?.id ?? id
      if (heard('added')) this.tell('added', { jobId, name: job?.name ?? '' }, cursor)
      if (heard('waiting'))
        this.tell('waiting', { jobId, ...(kind !== 'queued' && { prev: 'active' }) }, cursor)
      if (heard('active')) this.tell('active', { jobId, prev: 'waiting' }, cursor)
      if (heard('completed'))
        this.tell('completed', { jobId, returnvalue: job?.returnvalue, prev: 'active' }, cursor)
      if (heard('failed'))
        this.tell('failed', { jobId, failedReason: job?.failedReason ?? '', prev: 'active' }, cursor)
      if (heard('removed')) this.tell('removed', { jobId }, cursor)
      if (heard('stalled')) this.tell('stalled', { jobId }, cursor)
      this.#heard = cursor
    }
  }

  async #find(id: string): Promise<BullJob | undefined> {
    const found = await this.#home.store.jobs.find(id, { queue: this.name })
    return found && BullJob.found(this.#home, found)
  }

  /**
   * Resolves once all later events will be received. Listeners that are added afterwards get these events,
   * too, because listening begins with this call.
   */
  async waitUntilReady(): Promise<void> {
    this.#begin()
    await this.#ready
  }

  /** Does nothing, because a `QueueEvents` listens as soon as it has a listener. */
  async run(): Promise<void> {}

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  disconnect(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#stopped.abort()
    // If the store is away, there is no stream of events to end.
    await this.#events?.return().catch(() => {})
    await this.#home.store.leave()
  }
}
refuseMethods(BullQueueListener.prototype, 'methods of QueueEvents')
refuseProperties(BullQueueListener.prototype, 'properties of QueueEvents')
