/**
 * The way to the undos of a job. Its handler runs again, and gets what was recorded; no step runs, and no
 * wait begins. So it comes to the steps that are to be undone, and says how. When all are known, or it comes
 * no further, it stays where it is. `steps.ts#undo` calls the undos then, the last step first.
 */
import { never } from './awaited.ts'

/** How what was begun was undone. */
export type UndoneSteps =
  | { kind: 'undone' }
  /** A try failed: the next one is in so many milliseconds. */
  | { kind: 'later'; in: number }
  /** Some was not: the names, as people read them, and why the first of them was not. */
  | { kind: 'failed'; steps: string[]; error: unknown }

/**
 * Milliseconds for which the handler may come to the other steps, after it has come to one that does not run.
 * What it has not come to then is gone from the code.
 */
const GONE = 1_000

/** How often an undo is tried, at least. */
export const UNDO_TRIES = 5

export class Undoing<U> {
  /** By the keys of steps: how each is undone. */
  readonly found = new Map<string, U>()
  #owed: readonly string[] | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false
  readonly #through: Promise<void>
  #end!: () => void

  constructor() {
    this.#through = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /**
   * The handler has come to a step.
   *
   * @param undo undefined: it cannot be undone
   * @returns whether all is known, and the handler stays there
   */
  came(key: string, undo: U | undefined): boolean {
    if (undo !== undefined) this.found.set(key, undo)
    this.#look()
    return this.#isOver
  }

  /** The handler has come to what does not run, and stays there. */
  stuck(): Promise<never> {
    clearTimeout(this.#timer)
    if (!this.#isOver) this.#timer = setTimeout(this.#end, GONE)
    return never()
  }

  /**
   * Resolves when all is known that will be.
   *
   * @param owed the keys of what is to be undone
   * @throws what the handler throws before it has come to all of them
   */
  async gathered(owed: readonly string[], handled: Promise<unknown>): Promise<void> {
    this.#owed = owed
    this.#look()
    await Promise.race([this.#through, handled]).finally(() => {
      this.#isOver = true
      clearTimeout(this.#timer)
    })
  }

  #look(): void {
    if (this.#owed?.every((key) => this.found.has(key))) {
      this.#isOver = true
      this.#end()
    }
  }
}
