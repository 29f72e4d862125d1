/**
 * What the store may have handed to a worker in one partition while its event loop did not get to read it: by the
 * call that is under way, or with a ring. Shared with the lease thread, which takes it back when the loop stands
 * still. Whoever is first has it:
 *
 *   nothing → unread (under its number) → read, by the worker
 *                                       → recalled, by the thread; the worker then gives back what comes
 */

/** Where claims come from. */
export const CALL = 0
export const RING = 1
export type Source = typeof CALL | typeof RING
export const sources: readonly Source[] = [CALL, RING]

export class Unread {
  readonly memory: SharedArrayBuffer
  /** Of each source: the number of the call; below 0 when the claim was recalled, 0 when there is none. */
  readonly #numbers: Int32Array
  /** Since when, by `performance.now()` of the worker. */
  readonly #since: Float64Array

  constructor(memory = new SharedArrayBuffer(24)) {
    this.memory = memory
    this.#since = new Float64Array(memory, 0, 2)
    this.#numbers = new Int32Array(memory, 16, 2)
  }

  /** The worker has asked, or will take what comes with a ring. @param number of the call, 0 to expect nothing */
  expect(source: Source, number: number, now: number): void {
    this.#since[source] = now
    Atomics.store(this.#numbers, source, number)
  }

  /** The worker reads it. @returns false when it was recalled */
  read(source: Source, number: number): boolean {
    return Atomics.compareExchange(this.#numbers, source, number, 0) === number
  }

  /** Since when something is unread; undefined when nothing is. */
  since(source: Source): number | undefined {
    return Atomics.load(this.#numbers, source) > 0 ? this.#since[source] : undefined
  }

  /** The thread takes it. @returns its number; undefined when there is none, or the worker was first */
  recall(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    if (number <= 0) return undefined
    return Atomics.compareExchange(this.#numbers, source, number, -number) === number ? number : undefined
  }

  /** The number of what was recalled and the worker has not come to. */
  recalled(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    return number < 0 ? -number : undefined
  }
}
