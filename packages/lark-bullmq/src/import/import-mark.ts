/**
 * The marks that an import writes to the jobs of BullMQ. A mark says to which store a job goes, and since
 * when the job may be in that store. The mark `<store> <time>` is written before the job is queued in Lark,
 * and the mark `<store>` when Lark has the job. So if the process dies at any moment:
 *
 * - A job without a mark was not sent to Lark. If the queue in Lark has a job with the same id, it is another
 *   job.
 * - A job with a time in its mark may be in Lark. Lark keeps imported jobs for some time after their end, so
 *   during this time its id shows whether Lark has the job. After this time, a job that Lark does not have
 *   may have run there.
 */

import { createHash } from 'node:crypto'
import { JobsError } from '@s18i/lark-jobs'
import { textOf } from '@s18i/lark-jobs/internal'
import { REMEMBERED } from './jobs.ts'
import type { BullmqSource } from './source.ts'

/**
 * A margin in milliseconds: Lark is assumed to forget a job this much earlier than it says, because a clock
 * may be changed.
 */
const MARGIN = 60_000

/**
 * `none`: the job has no mark. `other`: the job was imported to another store. `begun`: the id shows whether
 * Lark has the job. `old`: the import of the job began so long ago that Lark may have forgotten the job.
 * `done`: Lark has or had the job.
 */
export type MarkState = 'none' | 'other' | 'begun' | 'old' | 'done'

export class ImportMark {
  readonly done: string
  readonly #source: BullmqSource
  /** Why jobs could not be marked. Undefined if jobs can be marked. */
  unmarked: string | undefined

  /** @param store a text that distinguishes the store from other stores */
  constructor(source: BullmqSource, store: string) {
    this.#source = source
    this.done = createHash('sha256').update(store).digest('base64url').slice(0, 12)
  }

  /** @param now milliseconds since 1970, by the clock of BullMQ's server */
  begun(now: number): string {
    return `${this.done} ${now}`
  }

  read(mark: string | undefined, now: number): MarkState {
    if (mark === undefined) return 'none'
    if (mark === this.done) return 'done'
    const [store, since] = mark.split(' ')
    if (store !== this.done) return 'other'
    // A time that cannot be read counts as old.
    return now - Number(since) < REMEMBERED - MARGIN ? 'begun' : 'old'
  }

  async write(queue: string, ids: readonly string[], text: string): Promise<void> {
    if (this.unmarked !== undefined || ids.length === 0) return
    try {
      await this.#source.mark(queue, ids, text)
    } catch (error) {
      if (JobsError.is(error, 'STORE_UNREACHABLE') || JobsError.is(error, 'STORE_UNCERTAIN')) throw error
      // The import goes on without marks, so that a user who may only read BullMQ's keys can import, too.
      this.unmarked = textOf(error)
    }
  }
}
