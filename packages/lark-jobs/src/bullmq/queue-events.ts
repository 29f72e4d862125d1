/**
 * The `QueueEvents` of BullMQ: what happens to the jobs of a queue, in all processes. It listens to the store from the first
 * listener on. Without one it costs nothing.
 */
import type { EventKind } from '../model/event.ts'
import type { QueueEvents } from '../operate/queue-events.ts'
import { BullJob, type JobHome } from './bull-job.ts'
import { BullEmitter } from './emitter.ts'
import { readQueue } from './queue.ts'
import { type PlaceOptions, SharedStore } from './shared-store.ts'
import { checkOptions, refuseMethods } from './unsupported.ts'

export interface BullEventsOptions extends PlaceOptions {
  /** Is not needed: it listens from the first listener on. */
  autorun?: boolean
}

/** `id` is a cursor: another process can go on after the event with it, as `since` of `Jobs.events()`. */
export interface BullEvents {
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

/** The events of Lark that lead to each of BullMQ's. */
const kinds: Record<string, readonly EventKind[]> = {
  added: ['queued'],
  waiting: ['queued'],
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
  readonly #home: JobHome
  #events: QueueEvents | undefined
  #ready: Promise<unknown> | undefined
  #closing: Promise<void> | undefined

  /** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
  constructor(name: string, opts: BullEventsOptions = {}) {
    const who = `QueueEvents '${name}'`
    super(who, 'events of QueueEvents')
    this.name = readQueue(who, name)
    checkOptions(who, 'options of QueueEvents', opts)
    this.#home = { store: SharedStore.of(who, opts, name), queue: name }
  }

  protected override listened(event: string): void {
    if (event === 'error' || this.#events !== undefined || this.#closing !== undefined) return
    const all = Object.values(kinds).flat()
    const events = this.#home.store.jobs.events({ queues: [this.name], kinds: [...new Set(all)] })
    this.#events = events
    this.#ready = events.ready()
    // `waitUntilReady()` rejects with this error, and `#hear` emits it.
    this.#ready.catch(() => {})
    this.#hear(events).catch((error) => this.tell('error', error))
  }

  async #hear(events: QueueEvents): Promise<void> {
    for await (const event of events) {
      if (event.kind === 'gap') continue
      const { id: jobId, kind, cursor } = event
      const heard = (name: string) => kinds[name]!.includes(kind) && this.listenerCount(name) > 0
      const job =
        heard('added') || heard('completed') || heard('failed') ? await this.#find(jobId) : undefined
      if (heard('added')) this.tell('added', { jobId, name: job?.name ?? '' }, cursor)
      if (heard('waiting')) this.tell('waiting', { jobId }, cursor)
      if (heard('active')) this.tell('active', { jobId, prev: 'waiting' }, cursor)
      if (heard('completed'))
        this.tell('completed', { jobId, returnvalue: job?.returnvalue, prev: 'active' }, cursor)
      if (heard('failed'))
        this.tell('failed', { jobId, failedReason: job?.failedReason ?? '', prev: 'active' }, cursor)
      if (heard('removed')) this.tell('removed', { jobId }, cursor)
      if (heard('stalled')) this.tell('stalled', { jobId }, cursor)
    }
  }

  async #find(id: string): Promise<BullJob | undefined> {
    const found = await this.#home.store.jobs.find(id, { queue: this.name })
    return found && BullJob.found(this.#home, found)
  }

  /** Resolves when it hears what happens from then on; without a listener, when the store is open. */
  async waitUntilReady(): Promise<void> {
    await (this.#ready ?? this.#home.store.standing(this.name))
  }

  /** Does nothing: it listens from the first listener on. */
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
    await this.#events?.return()
    await this.#home.store.leave()
  }
}
refuseMethods(BullQueueListener.prototype, 'methods of QueueEvents')
