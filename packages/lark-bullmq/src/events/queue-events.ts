/**
 * The `QueueEvents` of BullMQ: emits events for what happens to the jobs of a queue in all processes. It
 * begins to listen to the store when the first listener is added, or with `waitUntilReady()`. Before that it
 * costs nothing.
 */

import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import type { EventKind, JobDetail, QueueEvent, QueueEvents } from '@s18i/lark-jobs'
import { memberOf, passes, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refuseMethods, refuseProperties } from '../compared/unsupported.ts'
import { FlowNode } from '../flow/flow-node.ts'
import { type Any, BullJob } from '../job/bull-job.ts'
import type { JobProgress } from '../job/job-json.ts'
import { knownId, larkIds } from '../job/own-id.ts'
import { readQueue } from '../queue/queue-name.ts'
import {
  type EventArgs,
  type JobHome,
  type QueueBaseOptions,
  RETRY,
  SharedStore,
} from '../store/shared-store.ts'
import { DueJobs } from './due-jobs.ts'
import { BullEmitter, type IoredisListener, type Listeners } from './emitter.ts'

export interface BullEventsOptions extends QueueBaseOptions {
  /**
   * Whether the object begins to listen by itself: when the first listener is added, or with
   * `waitUntilReady()`. Default: true.
   */
  autorun?: boolean
  /** This option has no effect, because the store wakes each process that listens. */
  blockingTimeout?: number
}

/**
 * The events. The argument `id` of an event is a cursor. A process that passes this cursor as `since` to
 * `Jobs.events()` continues after the event.
 */
export interface BullEvents<ReturnType = Any> extends IoredisListener {
  added: (args: { jobId: string; name: string }, id: string) => void
  waiting: (args: { jobId: string; prev?: string }, id: string) => void
  active: (args: { jobId: string; prev?: string }, id: string) => void
  completed: (args: { jobId: string; returnvalue: ReturnType; prev?: string }, id: string) => void
  failed: (args: { jobId: string; failedReason: string; prev?: string }, id: string) => void
  removed: (args: { jobId: string; prev?: string }, id: string) => void
  stalled: (args: { jobId: string }, id: string) => void
  progress: (args: { jobId: string; data: JobProgress }, id: string) => void
  /** `delay`: when the job is due, in milliseconds since 1970. */
  delayed: (args: { jobId: string; delay: number }, id: string) => void
  drained: (id: string) => void
  deduplicated: (
    args: { jobId: string; deduplicationId: string; deduplicatedJobId: string },
    id: string,
  ) => void
  duplicated: (args: { jobId: string }, id: string) => void
  paused: (args: object, id: string) => void
  resumed: (args: object, id: string) => void
  cleaned: (args: { count: string }, id: string) => void
  'retries-exhausted': (args: { jobId: string; attemptsMade: string }, id: string) => void
  'waiting-children': (args: { jobId: string }, id: string) => void
  error: (error: Error) => void
}

/** The events of Lark that each event of BullMQ is made from. */
const kinds: Record<string, readonly EventKind[]> = {
  added: ['queued'],
  waiting: ['queued', 'retrying', 'released', 'returned'],
  delayed: ['queued', 'retrying', 'released'],
  active: ['started'],
  completed: ['completed'],
  failed: ['failed', 'cancelled'],
  'retries-exhausted': ['failed'],
  drained: ['completed', 'failed', 'cancelled'],
  removed: ['removed'],
  stalled: ['crashed'],
}
/**
 * The kind of the events that `Store.publish` writes. The types of `Jobs.events()` do not include this kind.
 */
const PUBLISHED = 'published'
/** `drained` may be emitted after this many milliseconds without an event. */
const QUIET = 30
/** The events for which the job must be read. */
const ofJobs = ['added', 'delayed', 'completed', 'failed', 'retries-exhausted']

/**
 * @example
 * const events = new QueueEvents('emails', { connection })
 * events.on('completed', ({ jobId, returnvalue }) => console.log(jobId, returnvalue))
 */
export class BullQueueListener<ReturnType = Any>
  extends BullEmitter<BullEvents<ReturnType>>
  implements AsyncDisposable
{
  readonly name: string
  readonly opts: BullEventsOptions
  readonly #home: JobHome
  #events: QueueEvents | undefined
  /** Resolves when the object receives events. Undefined before the object begins to listen. */
  #ready: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** The delayed jobs for which `waiting` must be emitted when they are due. */
  readonly #due = new DueJobs((id) => {
    this.#fellDue(id).catch((error) => this.tell('error', error))
  })
  /** Whether `run()` was called. */
  #isRunning = false
  /** Whether `drained` was emitted since a job came or began. */
  #isDrained = false
  /** The timer of `drained`. */
  #draining: NodeJS.Timeout | undefined
  /** Aborted when this object is closed. */
  readonly #stopped = new AbortController()
  /** The cursor of the last event, after which listening continues. */
  #heard: string | undefined

  /** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
  constructor(name: string, opts: BullEventsOptions = {}) {
    const who = `QueueEvents ${shown(name)}`
    super(who, 'events of QueueEvents', true)
    const queue = readQueue(who, name)
    this.name = name
    this.opts = checkOptions(who, 'options of QueueEvents', opts)
    this.#home = { store: SharedStore.of(who, opts, queue, name), queue }
  }

  override on<L extends Listeners<L> = BullEvents<ReturnType>, E extends keyof L & string = keyof L & string>(
    event: E,
    listener: L[E],
  ): this {
    return super.on(event as never, listener as never)
  }

  override once<
    L extends Listeners<L> = BullEvents<ReturnType>,
    E extends keyof L & string = keyof L & string,
  >(event: E, listener: L[E]): this {
    return super.once(event as never, listener as never)
  }

  override off<
    L extends Listeners<L> = BullEvents<ReturnType>,
    E extends keyof L & string = keyof L & string,
  >(event: E, listener: L[E]): this {
    return super.off(event as never, listener as never)
  }

  /** The prefix and the name of the queue: `prefix:queue`. @throws Error if the prefix is not known yet */
  get qualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /** The promise that `close()` has returned. Undefined before `close()` was called. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  protected override listened(event: string): void {
    if (event !== 'error' && event !== 'ioredis:close' && this.opts.autorun !== false) this.#begin()
  }

  #begin(): void {
    if (this.#ready !== undefined || this.#closing !== undefined) return
    this.#ready = new Promise((resolve, reject) => {
      this.#hearAgain(resolve).catch((error) => {
        reject(error)
        if (!this.#stopped.signal.aborted) this.tell('error', error)
      })
    })
    // The rejection is ignored here, because `waitUntilReady()` rejects with the same error, and the event
    // `error` reports it.
    this.#ready.catch(() => {})
  }

  /**
   * Receives events until the object is closed. If the store does not answer, this method emits an error and
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

  /** @param isReady called once this object receives each event that is written from then on */
  async #hear(isReady: () => void): Promise<void> {
    const all = Object.values(kinds).flat()
    const since = this.#heard
    const events = this.#home.store.jobs.events({
      queues: [this.#home.queue],
      kinds: [...new Set(all), PUBLISHED as EventKind],
      ...defined({ since }),
    })
    this.#events = events
    await events.ready()
    this.#heard ??= events.cursor
    isReady()
    for await (const event of events) {
      if (event.kind === 'gap') continue
      if ((event.kind as string) === PUBLISHED) await this.#published(event)
      else await this.#changed(event)
      this.#heard = event.cursor
    }
  }

  /** Emits the events of BullMQ for a change of a job. */
  async #changed({ id, kind, cursor, at }: QueueEvent): Promise<void> {
    const heard = Object.keys(kinds).filter(
      (name) => kinds[name]!.includes(kind) && this.#hears(name, knownId(id)),
    )
    if (kind === 'started' || kind === 'queued') {
      this.#isDrained = false
      clearTimeout(this.#draining)
    }
    // Jobs of flows are read, too, because the application may have chosen other ids for them.
    const isPut = heard.includes('waiting') && kind !== 'returned'
    const isNeeded = isPut || heard.some((name) => ofJobs.includes(name)) || memberOf(id) !== undefined
    const found = isNeeded ? await this.#find(id) : undefined
    const job = found && BullJob.found(this.#home, found)
    const jobId = job?.id ?? knownId(id)
    const isDelayed = found?.dueAt !== undefined && found.dueAt > at
    const { attemptsMade = 0, opts } = job ?? {}
    const wasDelayed = this.#due.forget(id)
    if (isDelayed && this.#hears('waiting', knownId(id))) this.#due.remember(id, found.dueAt! - at)
    else if (wasDelayed && kind === 'started') this.#tellOf('waiting', { jobId, prev: 'delayed' }, cursor)
    const told: Record<string, EventArgs | undefined> = {
      added: { jobId, name: job?.name ?? '' },
      waiting: isDelayed ? undefined : { jobId, ...defined({ prev: await this.#before(id, kind, isPut) }) },
      delayed: isDelayed ? { jobId, delay: found.dueAt } : undefined,
      active: { jobId, prev: 'waiting' },
      completed: { jobId, returnvalue: job?.returnvalue, prev: 'active' },
      failed: { jobId, failedReason: job?.failedReason ?? '', prev: 'active' },
      'retries-exhausted':
        opts !== undefined && attemptsMade >= (opts.attempts ?? 0)
          ? { jobId, attemptsMade: String(attemptsMade) }
          : undefined,
      removed: { jobId },
      stalled: { jobId },
    }
    for (const name of heard) if (told[name] !== undefined) this.#tellOf(name, told[name], cursor)
    if (heard.includes('drained')) this.#drainsSoon(cursor)
  }

  /** The state that a job had before it was `waiting`. Undefined if the job is new. */
  async #before(id: string, kind: EventKind, isPut: boolean): Promise<string | undefined> {
    if (kind !== 'queued') return 'active'
    const node = isPut && memberOf(id) !== undefined ? await FlowNode.find(this.#home, id) : undefined
    return node !== undefined && node.children.length > 0 ? 'waiting-children' : undefined
  }

  /** Emits `waiting` for a delayed job whose time has come, unless its due time was changed meanwhile. */
  async #fellDue(id: string): Promise<void> {
    const found = await this.#find(id)
    if (found?.state === 'delayed') this.#due.remember(id, Math.max(20, found.dueAt! - Date.now()))
    if (found?.state !== 'waiting') return
    this.#tellOf(
      'waiting',
      { jobId: BullJob.found(this.#home, found).id, prev: 'delayed' },
      this.#heard ?? '',
    )
  }

  /** Emits an event that a `QueueEventsProducer` or an object of this package has published. */
  async #published({ id: text, cursor }: QueueEvent): Promise<void> {
    const [name, args] = JSON.parse(text) as [string, EventArgs & { jobId?: string }]
    // The job was promoted, so it is waiting already.
    if (name === 'waiting' && args.jobId !== undefined) this.#due.forget(args.jobId)
    if (name === 'progress' && args.data === undefined) {
      const { jobId = '' } = args
      const job = this.#hears(name, jobId) ? await this.#find(larkIds(jobId)[0]!) : undefined
      if (job?.progress !== undefined) {
        const told: EventArgs = { ...args, data: job.progress }
        this.#tellOf(name, told, cursor)
      }
    } else this.#tellOf(name, args, cursor)
  }

  /** Whether the application has a listener for this event, for all jobs or for this job. */
  #hears(name: string, jobId: string): boolean {
    return this.listenerCount(name) > 0 || this.listenerCount(`${name}:${jobId}`) > 0
  }

  /** As in BullMQ, an event of a job is also emitted as `completed:7`. */
  #tellOf(name: string, args: EventArgs, cursor: string): void {
    const tell = this.tell.bind(this) as (name: string, ...args: unknown[]) => void
    tell(name, args, cursor)
    if (args.jobId !== undefined) tell(`${name}:${args.jobId}`, args, cursor)
  }

  /**
   * Emits `drained` after a moment without an event, if no job waits or runs then. Without this pause,
   * `drained` could be emitted after each of several jobs: the store may already have no job left while
   * events of earlier jobs are still to come.
   */
  #drainsSoon(cursor: string): void {
    clearTimeout(this.#draining)
    this.#draining = setTimeout(() => {
      this.#drained(cursor).catch((error) => this.tell('error', error))
    }, QUIET)
  }

  /** Emits `drained`, once, if no job waits or runs. */
  async #drained(cursor: string): Promise<void> {
    if (this.#isDrained || this.#stopped.signal.aborted) return
    const { waiting, active } = (await this.#home.store.standing(this.#home.queue)).counts
    this.#isDrained = waiting + active === 0
    if (this.#isDrained) this.tell('drained', cursor)
  }

  async #find(id: string): Promise<JobDetail | undefined> {
    return await this.#home.store.jobs.find(id, { queue: this.#home.queue })
  }

  /** Resolves when this object receives all events from now on. Listeners may be added after this call. */
  async waitUntilReady(): Promise<void> {
    if (this.opts.autorun !== false) this.#begin()
    await (this.#ready ?? this.#home.store.standing(this.#home.queue))
  }

  /**
   * Begins to listen, if the object was made with `autorun: false`.
   *
   * @returns a promise that resolves when the object is closed
   */
  async run(): Promise<void> {
    if (this.opts.autorun !== false || this.#isRunning) throw new Error('Queue Events is already running.')
    this.#isRunning = true
    this.#begin()
    const { signal } = this.#stopped
    if (!signal.aborted) await once(signal, 'abort')
  }

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
    clearTimeout(this.#draining)
    this.#due.close()
    // An error is ignored here, because without an answer of the store there is no stream of events to end.
    await this.#events?.return().catch(() => {})
    await this.#home.store.leave()
  }
}
refuseMethods(BullQueueListener.prototype, 'methods of QueueEvents')
refuseProperties(BullQueueListener.prototype, 'properties of QueueEvents')
