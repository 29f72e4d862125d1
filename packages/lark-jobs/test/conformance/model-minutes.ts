/**
 * How many jobs ended in each minute, in the model.
 */
import { type Consequence, MINUTES, type Minute } from '../../src/store/contract/store.ts'

const MINUTE = 60_000

export class ModelMinutes {
  readonly #now: () => number
  readonly #minutes = new Map<number, Minute>()

  constructor(now: () => number) {
    this.#now = now
  }

  get all(): Minute[] {
    const oldest = this.#minute - (MINUTES - 1) * MINUTE
    return [...this.#minutes.values()].filter(({ at }) => at >= oldest)
  }

  count(kind: Consequence['counts']): void {
    if (kind === undefined) return
    const at = this.#minute
    const minute = this.#minutes.get(at) ?? { at, completed: 0, failed: 0, retried: 0 }
    minute[kind] += 1
    this.#minutes.set(at, minute)
  }

  get #minute(): number {
    return Math.floor(this.#now() / MINUTE) * MINUTE
  }
}
