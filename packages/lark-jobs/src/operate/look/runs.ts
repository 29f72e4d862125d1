/** Lists the jobs that workers are running now, page by page. No payloads are read. */
import { defined } from '@s18i/lark/internal'
import { queueOf } from '../../model/partition.ts'
import { isText, type OptionsOf, option } from '../../options/schema.ts'
import { MAX_ITEMS, MAX_STANDINGS } from '../../store/contract/store.ts'
import { Cursors } from './cursor.ts'
import { checkFilter, conditions, type Flags, queueName } from './filter.ts'
import { type PageOptions, pageOptions } from './groups.ts'
import { type OpenQueues, partitionsToLookIn } from './stored-jobs.ts'

/**
 * How often a call may read the counts of `MAX_STANDINGS` partitions, in order to skip partitions without
 * active jobs.
 */
const LOOKS = 5

const filterSchema = conditions({
  /** Only jobs of this queue. Default: every queue. */
  queue: queueName,
  /** Only jobs that the worker with this id holds. Default: every worker. */
  worker: option<string>('the id of a worker', isText),
})

export interface RunFilter extends OptionsOf<typeof filterSchema.entries> {}

/** An active job. */
export interface ActiveJob {
  id: string
  key: string
  queue: string
  partition: string
  /** The id of the worker that holds the job. */
  worker: string
  /** When the worker claimed the job: milliseconds since 1970. */
  since: number
}

export interface RunPage {
  runs: ActiveJob[]
  /**
   * Where the next page begins. Absent if there are no more jobs. A page with a cursor may have fewer entries
   * than `limit`, or none.
   */
  cursor?: string
}

/** @throws FILTER_INVALID */
export function checkRuns(filter: unknown, options: unknown, flags?: Flags): void {
  checkFilter('operate().runs()', filter, filterSchema, { flags })
  checkFilter('operate().runs()', options, pageOptions, { flags, whole: 'the second argument' })
}

/** @throws CURSOR_INVALID, UNKNOWN_QUEUE @param filter must be checked already, like `options` */
export async function runs(
  open: OpenQueues,
  { queue, worker }: RunFilter,
  { cursor, limit = 100 }: PageOptions,
  flags?: Flags,
): Promise<RunPage> {
  const { store } = open
  const what = [queue, worker, store.isRemote]
  const cursors = new Cursors<[partition: string, after: string | null]>('operate().runs()', what)
  const from = cursor === undefined ? undefined : cursors.read(cursor, flags)
  const partitions = (await partitionsToLookIn(open, queue))
    .sort()
    .filter((partition) => from === undefined || partition >= from[0])
  const found: ActiveJob[] = []
  let looked = 0
  for (let i = 0; i < partitions.length; i += MAX_STANDINGS) {
    const some = partitions.slice(i, i + MAX_STANDINGS)
    if (i === LOOKS * MAX_STANDINGS) return { runs: found, cursor: cursors.write([some[0]!, null]) }
    for (const [n, { counts, damage }] of (await store.standings(some)).entries()) {
      if (damage !== undefined) throw damage
      if (counts.active === 0) continue
      const partition = some[n]!
      let after = partition === from?.[0] ? (from[1] ?? undefined) : undefined
      do {
        const left = Math.min(worker === undefined ? limit - found.length : MAX_ITEMS, MAX_ITEMS - looked)
        if (left <= 0 || found.length >= limit)
          return { runs: found, cursor: cursors.write([partition, after ?? null]) }
        const filter = { state: 'active' as const, limit: left, isById: true, isMarked: true }
        const page = await store.heads(partition, {
          ...filter,
          ...defined({ cursor: after }),
        })
        looked += page.jobs.length
        for (const [index, { id, key, holder = '', claimedAt = 0 }] of page.jobs.entries()) {
          if (worker !== undefined && holder !== worker) continue
          found.push({ id, key, queue: queueOf(partition), partition, worker: holder, since: claimedAt })
          const next = page.marks?.[index] ?? page.cursor
          if (found.length === limit && next !== undefined)
            return { runs: found, cursor: cursors.write([partition, next]) }
        }
        after = page.cursor
      } while (after !== undefined)
    }
  }
  return { runs: found }
}
