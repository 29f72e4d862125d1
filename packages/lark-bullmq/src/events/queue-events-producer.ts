/**
 * The `QueueEventsProducer` of BullMQ: publishes events of the application to the `QueueEvents` of a queue in
 * all processes.
 */
import { opened, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refuseMethods, refuseProperties, wrongValue } from '../compared/unsupported.ts'
import { readQueue } from '../queue/queue-name.ts'
import { type JobHome, type QueueBaseOptions, SharedStore } from '../store/shared-store.ts'
import { BullEmitter, type IoredisListener } from './emitter.ts'

export interface QueueEventsProducerListener extends IoredisListener {
  error: (error: Error) => void
}

/**
 * @example
 * const producer = new QueueEventsProducer('emails', { connection })
 * await producer.publishEvent({ eventName: 'imported', file: 'june.csv' })
 * // elsewhere: events.on('imported', ({ file }) => …)
 */
export class QueueEventsProducer extends BullEmitter<QueueEventsProducerListener> implements AsyncDisposable {
  readonly name: string
  readonly opts: QueueBaseOptions
  readonly #home: JobHome
  #closing: Promise<void> | undefined

  /** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
  constructor(name: string, opts: QueueBaseOptions = {}) {
    const who = `QueueEventsProducer ${shown(name)}`
    super(who, 'events of FlowProducer')
    const queue = readQueue(who, name)
    this.name = name
    this.opts = checkOptions(who, 'options of FlowProducer', opts)
    this.#home = { store: SharedStore.of(who, opts, queue, name), queue }
  }

  /** The prefix and the name of the queue: `prefix:queue`. @throws Error if the prefix is not known yet */
  get qualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /** The promise that `close()` has returned. Undefined before `close()` was called. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  /**
   * Publishes an event to all `QueueEvents` that listen now. As in BullMQ, the values of the event arrive as
   * texts.
   *
   * @param event the name and the values of the event: at most 4 KiB as JSON
   * @param _maxEvents has no effect, because the store keeps the last 10,000 events of a queue while a
   *   process listens
   * @throws JOB_INVALID
   */
  async publishEvent<T extends { eventName: string }>(event: T, _maxEvents?: number): Promise<void> {
    const { eventName, ...values } = event
    if (typeof eventName !== 'string' || eventName === '')
      throw wrongValue(`${this}`, 'eventName', eventName, 'a text')
    const texts = Object.entries(values).map(([name, value]) => [name, String(value)])
    await this.#home.store.publish(`${this}`, this.#home.queue, eventName, Object.fromEntries(texts))
  }

  /** Resolves when the store is open. */
  async waitUntilReady(): Promise<void> {
    await opened(this.#home.store.jobs)
  }

  /** Closes this object. The store is closed with its last user in this process. */
  close(): Promise<void> {
    this.#closing ??= this.#home.store.leave()
    return this.#closing
  }

  disconnect(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
refuseMethods(QueueEventsProducer.prototype, 'methods of QueueEventsProducer')
refuseProperties(QueueEventsProducer.prototype, 'properties of QueueEvents')
