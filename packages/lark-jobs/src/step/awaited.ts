/**
 * A promise that knows whether somebody awaits it. The loser of a `Promise.race` was awaited, and may stay
 * open when the handler ends; a sleep whose `await` was forgotten may not.
 */
export interface Attention {
  isPaid: boolean
}

export class Awaited<T> extends Promise<T> {
  #attention: Attention | undefined

  /** What `then` returns is a plain promise: nobody asks whether that is awaited. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  /** @param act gets what tells whether the promise is awaited */
  static of<T>(act: (attention: Attention) => Promise<T>): Promise<T> {
    const attention = { isPaid: false }
    const promise = new Awaited<T>((resolve) => resolve(act(attention)))
    promise.#attention = attention
    return promise
  }

  // `await` calls it, as it does for all but plain promises.
  // biome-ignore lint/suspicious/noThenProperty: it is that of a promise
  override then<R = T, E = never>(
    resolved?: ((value: T) => R | PromiseLike<R>) | null,
    rejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    if (this.#attention !== undefined) this.#attention.isPaid = true
    return super.then(resolved, rejected)
  }
}

/**
 * A run that is suspended stays where it is, for ever. Each time another promise: what waits for one that all
 * share would be kept for ever.
 */
export const never = () => new Promise<never>(() => {})
