/**
 * Batches: many jobs at once, with callbacks when all have ended.
 */
import { jobsInside } from '../default-jobs.ts'
import type { Draft } from '../draft.ts'
import { DispatchableFlow } from './flow-dispatchable.ts'
import { insideOfFlow } from './flow-draft.ts'

/** The result of a batch. */
export interface BatchCounts {
  /** How many members completed. */
  completed: number
  /** How many members ended without completing. */
  failed: number
  total: number
}

/** A batch that is not dispatched yet: see `batch()`. */
export class Batch extends DispatchableFlow<BatchCounts> {
  /**
   * The same batch, which completes even if some members fail or are cancelled. Without this method, the
   * first failed member cancels all members that have not begun.
   *
   * @param most how many members may fail or be cancelled. Default: any number
   */
  allowFailures(most?: number): this {
    const { content } = insideOfFlow(this)
    if (content.kind !== 'batch') return this
    return this.with({ content: { ...content, allowed: most ?? 'any' } })
  }
}

/**
 * Makes a batch: up to a million jobs that run in parallel. Workers begin while the batch is still being
 * filled, so its jobs need not fit into memory. Its callbacks start when all jobs have ended.
 *
 * @param members drafts of jobs: a list, or anything that can be iterated, also with `for await`. A generator
 *   can be iterated only once, so its batch can be dispatched only once
 * @returns a draft of the batch. Its result says how many members have completed and how many have failed
 * @example await batch(items.map((item) => new ProcessItem().with({ itemId: item.id }))) .name('import')
 *   .allowFailures(10) .onCompleted(new ReportJob().with({})) .dispatch()
 */
export function batch(members: Iterable<Draft> | AsyncIterable<Draft>): Batch {
  return new Batch(jobsInside, { content: { kind: 'batch', members }, callbacks: [] })
}
