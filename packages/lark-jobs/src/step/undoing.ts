/**
 * Finds the undo functions of the steps of a job. The handler of the job runs again and gets the recorded
 * results, but no step runs and no wait begins. When the handler comes to a step that is to be undone, the
 * step's `undo` is noted. The handler stops when all undos are known, or when it cannot go on. Then
 * `undo-steps.ts` calls the undos, the last step first.
 */
import { never } from './awaited.ts'

/** What became of the undos of a job. */
export type UndoneSteps =
  | { kind: 'undone' }
  /** A try failed. The next one is due in that many milliseconds. */
  | { kind: 'later'; in: number }
  /** Some steps were not undone: their names for people, and the error of the first. */
  | { kind: 'failed'; steps: string[]; error: unknown }

/**
 * How many milliseconds the handler has for coming to the other steps, after it has come to a step that does
 * not run. A step that it has not come to by then is no longer in the code.
 */
const GONE = 1_000

export class Undoing<U> {
  /** How each step is undone, by its key. */
  readonly found = new Map<string, U>()
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
   * @param undo how the step is undone; undefined if it cannot be undone
   * @param owed the keys of the steps to undo
   * @returns whether all undos are known, and the handler stops there
   */
  came(key: string, undo: U | undefined, owed: readonly string[]): boolean {
    if (undo !== undefined) this.found.set(key, undo)
    this.#look(owed)
    return this.#isOver
  }

  /** The handler has come to a step that does not run, and stops there. */
  stuck(): Promise<never> {
    clearTimeout(this.#timer)
    if (!this.#isOver) this.#timer = setTimeout(this.#end, GONE)
    return never()
  }

  /**
   * Resolves when all undos are known, or when no further one can be found.
   *
   * @throws the error of the handler, if it throws before it has come to all of them
   */
  async gathered(handled: Promise<unknown>, owed: readonly string[]): Promise<void> {
    this.#look(owed)
    await Promise.race([this.#through, handled]).finally(() => {
      this.#isOver = true
      clearTimeout(this.#timer)
    })
  }

  #look(owed: readonly string[]): void {
    if (owed.every((key) => this.found.has(key))) {
      this.#isOver = true
      this.#end()
    }
  }
}
