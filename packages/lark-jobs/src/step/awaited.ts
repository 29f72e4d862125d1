/**
 * A promise that knows whether any code awaits it. A wait that lost a `Promise.race` was awaited, so it may
 * still be open when the handler ends. A sleep that no code awaits is a mistake.
 */
export interface Attention {
  isPaid: boolean
}

export class Awaited<T> extends Promise<T> {
  #attention: Attention | undefined

  /** `then` returns a plain promise, because no code asks whether the promise of `then` is awaited. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  /** @param act receives an object that says whether the promise is awaited */
  static of<T>(act: (attention: Attention) => Promise<T>): Promise<T> {
    const attention = { isPaid: false }
    const promise = new Awaited<T>((resolve) => resolve(act(attention)))
    promise.#attention = attention
    return promise
  }

  // `await` calls this method, because the promise belongs to a subclass of `Promise`.
  // biome-ignore lint/suspicious/noThenProperty: this class is a promise
  override then<R = T, E = never>(
    resolved?: ((value: T) => R | PromiseLike<R>) | null,
    rejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    if (this.#attention !== undefined) this.#attention.isPaid = true
    return super.then(resolved, rejected)
  }
}

/**
 * A promise that never settles: a suspended run stops at it. Each call makes a new promise, because one
 * shared promise would keep the handlers of all runs in memory.
 */
export const never = () => new Promise<never>(() => {})
