/**
 * Finds why jobs failed, for all open browsers of a process. While a browser shows the failed jobs, the
 * process remembers them, and reads only the changes.
 */
import type { BookedFailures, FailureBook, FailureFilter, Operate } from '@s18i/lark-jobs/operate'

/** The maximum number of kinds of failures in one answer. */
const MOST_KINDS = 200
/** The conditions that can be answered from the remembered jobs. */
const known: readonly string[] = ['queue', 'key', 'kind', 'since']

export class Failing {
  readonly #operate: Operate
  #book: Promise<FailureBook> | undefined

  constructor(operate: Operate) {
    this.#operate = operate
  }

  /** For conditions that the remembered jobs cannot answer, all failed jobs are read. */
  async look(filter: FailureFilter): Promise<BookedFailures> {
    if (Object.keys(filter).every((name) => known.includes(name))) {
      this.#book ??= this.#operate.failureBook()
      return await (await this.#book).look(filter, { limit: MOST_KINDS })
    }
    const found = await this.#operate.failures(filter, { limit: MOST_KINDS })
    const { failed } = found
    const kinds = found.kinds.map((kind) => ({ ...kind, hours: [] }))
    return { ...found, kinds, at: Date.now(), read: failed, stored: failed, isReading: false }
  }

  close(): void {
    void this.#book?.then((book) => book.close())
  }
}
