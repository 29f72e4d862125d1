/**
 * Finds the undo functions of the steps of a job. The handler of the job runs again and gets the recorded
 * results, but no step runs and no wait begins. When the handler comes to a step that must be undone, the
 * `undo` of the step is noted. The handler is stopped when all undos are known, or when it cannot continue.
 * Then `undo-steps.ts` calls the undos, beginning with the last step.
 */
import { never } from './awaited.ts'

/** The result of undoing the steps of a job. */
export type UndoneSteps =
  | { kind: 'undone' }
  /** A try failed. The next try is due in `in` milliseconds. */
  | { kind: 'later'; in: number }
  /** Some steps were not undone: their names for people, and the error of the first of these steps. */
  | { kind: 'failed'; steps: string[]; error: unknown }

/**
 * How long the handler may take to reach the other steps, in milliseconds, after it has reached a step that
 * does not run. A step that the handler does not reach in this time counts as removed from the code.
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
   * Called when the handler comes to a step.
   *
   * @param undo how the step is undone, or undefined if the step has no undo
   * @param owed the keys of the steps to undo
   * @returns whether all undos are known, so that the handler stops at this step
   */
  came(key: string, undo: U | undefined, owed: readonly string[]): boolean {
    if (undo !== undefined) this.found.set(key, undo)
    this.#look(owed)
    return this.#isOver
  }

  /** Stops the handler at a step that does not run. */
  stuck(): Promise<never> {
    clearTimeout(this.#timer)
    if (!this.#isOver) this.#timer = setTimeout(this.#end, GONE)
    return never()
  }

  /**
   * Resolves when all undos are known, or when no further undo can be found.
   *
   * @throws the error of the handler, if it throws before it has come to all steps that must be undone
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
