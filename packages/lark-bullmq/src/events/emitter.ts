/**
 * The base class of the classes that emit events: queues, workers, and the events of a queue. A listener for
 * an event that Lark does not have is refused. As in BullMQ, an error is printed if the application has no
 * listener for errors.
 */
import { EventEmitter } from 'node:events'
import { type ComparedTopic, comparisonOf } from '../compared/compared.ts'
import { unsupportedName } from '../compared/unsupported.ts'

// biome-ignore lint/suspicious/noExplicitAny: listeners of all types
export type Listeners<L> = { [Name in keyof L]: (...args: any[]) => void }

/** An event of BullMQ that never comes, but for which applications may listen. */
export interface IoredisListener {
  'ioredis:close': () => void
}

export abstract class BullEmitter<L extends Listeners<L>> extends EventEmitter {
  /** The name of the object in messages, such as `Worker 'emails'`. */
  readonly #who: string

  /** @param isOpen whether applications may have events of their own @internal */
  constructor(who: string, topic: ComparedTopic, isOpen = false) {
    super()
    this.#who = who
    super.on('newListener', (event: string | symbol) => {
      const name = String(event)
      if (name === 'newListener' || name === 'removeListener') return
      const [verdict = isOpen ? 'same' : 'missing'] = comparisonOf(topic, name) ?? []
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

  /** Calls the listeners. If a listener throws an error, the error is passed to the listeners of `error`. */
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
