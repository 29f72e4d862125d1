/**
 * Answers that all viewers of a process share for a while. An error is shared only by the viewers who are
 * waiting for the same answer.
 */

/** The maximum number of answers that are kept. */
const MOST = 200

export class KeptAnswers<T> {
  readonly #ms: number
  readonly #answers = new Map<string, { asked: number; answer: Promise<T> }>()

  /** @param ms for how long an answer is shared */
  constructor(ms: number) {
    this.#ms = ms
  }

  /** @param ask called unless there is a recent answer to the question */
  async get(question: string, ask: () => Promise<T>): Promise<T> {
    const now = performance.now()
    const known = this.#answers.get(question)
    if (known !== undefined && now - known.asked <= this.#ms) return await known.answer
    for (const [each, { asked }] of this.#answers)
      if (now - asked > this.#ms || this.#answers.size >= MOST) this.#answers.delete(each)
    const fresh = { asked: now, answer: ask() }
    this.#answers.set(question, fresh)
    fresh.answer.catch(() => {
      if (this.#answers.get(question) === fresh) this.#answers.delete(question)
    })
    return await fresh.answer
  }
}
