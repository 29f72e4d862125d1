/**
 * Reads the complete records of all jobs that meet a filter, in lots, for a file from which the jobs can be
 * restored.
 */
import { defined } from '@s18i/lark/internal'
import { groupedBy } from '../../model/grouped.ts'
import type { WholeRecord } from '../../model/record.ts'
import type { OptionsOf } from '../../options/schema.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { MAX_ITEMS } from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, signal } from './filter.ts'
import { checkList, type ListFilter, list } from './list.ts'
import type { OpenQueues } from './stored-jobs.ts'
import { RECORDS, wholeRecords } from './whole-records.ts'

const optionsSchema = conditions({
  /** When this signal is aborted, the reading ends before the next lot. */
  signal,
})

export interface RecordOptions extends OptionsOf<typeof optionsSchema.entries> {}

/** @throws FILTER_INVALID */
export function checkRecords(filter: unknown, options: unknown, flags?: Flags): void {
  checkList(filter, {}, flags)
  checkFilter('operate().records()', options, optionsSchema, { flags, whole: 'the second argument' })
}

/** @throws UNKNOWN_QUEUE @param filter must be checked already, like `options` */
export async function* records(
  open: OpenQueues,
  filter: ListFilter,
  { signal }: RecordOptions,
): AsyncGenerator<WholeRecord[]> {
  let cursor: string | undefined
  do {
    const page = await list(open, filter, {
      limit: MAX_ITEMS,
      isLean: filter.where === undefined,
      ...defined({ cursor }),
    })
    for (const lot of inLots(page.jobs, RECORDS)) {
      if (signal?.aborted) return
      for (const [partition, some] of groupedBy(lot, ({ partition }) => partition)) {
        const found = await wholeRecords(open.store, partition, some)
        if (found.length > 0) yield found
      }
    }
    cursor = page.cursor
  } while (cursor !== undefined && !signal?.aborted)
}
