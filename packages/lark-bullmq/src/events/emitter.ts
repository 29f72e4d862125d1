/**
 * The base of what emits events: a queue, a worker, or the events of a queue. An event that never comes is
 * refused when somebody listens for it. An error that nobody listens for is printed, as in BullMQ.
 */
import { EventEmitter } from 'node:events'
import { type ComparedTopic, comparisonOf } from '../compared/compared.ts'
import { unsupportedName } from '../compared/unsupported.ts'

// biome-ignore lint/suspicious/noExplicitAny: listeners of all types
export type Listeners<L> = { [Name in keyof L]: (...args: any[]) => void }

/** An event of BullMQ that never comes. Applications may listen for it. */
export interface IoredisListener {
  'ioredis:close': () => void
}

export abstract class BullEmitter<L extends Listeners<L>> extends EventEmitter {
  /** Its name in messages: `Worker 'emails'`. */
  readonly #who: string

  /** @internal */
  constructor(who: string, topic: ComparedTopic) {
    super()
    this.#who = who
    super.on('newListener', (event: string | symbol) => {
      const name = String(event)
      if (name === 'newListener' || name === 'removeListener') return
      const [verdict = 'missing'] = comparisonOf(topic, name) ?? []
      if (verdict === 'missing') throw unsupportedName(who, topic, 'the event', name)
      this.listened(name)
    })
  }

  /** Called before a listener is added. */
  protected listened(_event: string): void {}

  override on<E extends keyof L & string>(event: E, listener: L[E]): this {
    return super.on(event, listener)
  }

  override once<E extends keyof L & string>(event: E, listener: L[E]): this {
    return super.once(event, listener)
  }

  override off<E extends keyof L & string>(event: E, listener: L[E]): this {
    return super.off(event, listener)
  }

  /** Calls the listeners. If one of them throws, the error is emitted as `error`. */
  protected tell<E extends keyof L & string>(event: E, ...args: Parameters<L[E]>): void {
    try {
      if (event === 'error' && this.listenerCount('error') === 0) console.error(`${this.#who}:`, ...args)
      else this.emit(event, ...args)
    } catch (error) {
      if (event === 'error' || this.listenerCount('error') === 0) console.error(`${this.#who}:`, error)
      else this.emit('error', error)
    }
  }

  override toString(): string {
    return this.#who
  }
}
