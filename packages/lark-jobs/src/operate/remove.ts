/**
 * Removes jobs: from all that people see (`remove`), or for good from all that Lark reads (`purge`). A running job is
 * left as it is.
 */
import { JobsError } from '../model/errors.ts'
import { queueOf } from '../model/partition.ts'
import type { State } from '../model/record.ts'
import type { OptionsOf } from '../options/schema.ts'
import { MAX_ITEMS } from '../store/contract/store.ts'
import {
  all,
  type ChangeOptions,
  type Chosen,
  conditions,
  type Flags,
  isIds,
  type JobFilter,
  jobConditions,
  readChosen,
} from './filter.ts'
import {
  AT_ONCE,
  alterAll,
  checkQueues,
  idsOf,
  locate,
  locateAll,
  type OpenQueues,
  partitionsToLookIn,
} from './stored-jobs.ts'

/** The states in which a job can be removed. */
export const removable = ['waiting', 'delayed', 'blocked', 'completed', 'failed', 'cancelled'] as const
export type Removable = (typeof removable)[number]

const conditionEntries = jobConditions(removable)
const removeConditions = conditions({ ...conditionEntries, all })

/** The conditions that choose jobs. A job must meet all of them. */
export interface RemoveConditions extends OptionsOf<typeof conditionEntries> {}

/** At least one condition, or `{ all: true }` for every job of the store that does not run. */
export type RemoveFilter = JobFilter<RemoveConditions>

/** `dryRun`: only counts the jobs that would be removed now. `queue`: of ids. */
export interface RemoveOptions extends ChangeOptions {}

export interface Removed {
  /** Jobs that are gone. */
  removed: number
  /** Jobs that the filter matches and that run: they are left as they are. */
  running: number
}

type RemoveKind = 'remove' | 'purge'

/** Checks the arguments. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readRemove(
  kind: RemoveKind,
  which: unknown,
  options: unknown,
  flags?: Flags,
): Chosen<RemoveFilter> {
  return readChosen(`Jobs.${kind}()`, removeConditions, which, options, flags) as Chosen<RemoveFilter>
}

/**
 * Removes the jobs with these ids, or all jobs that match a filter when it reads them. Jobs that are dispatched
 * meanwhile may remain.
 *
 * @throws JOB_NOT_REMOVABLE, before any job is removed; JOB_NOT_FOUND, but not for a purge; JOB_ID_AMBIGUOUS,
 * UNKNOWN_QUEUE
 */
export async function remove(
  open: OpenQueues,
  kind: RemoveKind,
  which: Chosen<RemoveFilter>,
  { dryRun = false, queue: queueOfIds }: RemoveOptions,
): Promise<Removed> {
  const { store } = open
  const found: Removed = { removed: 0, running: 0 }
  const act = async (partition: string, ids: readonly string[]) => {
    if (dryRun) found.removed += ids.length
    for (const verdict of dryRun ? [] : await alterAll(store, partition, ids, { kind })) {
      if (verdict === 'done') found.removed++
      if (verdict === 'refused') found.running++
    }
  }
  if (isIds(which)) {
    for (const [id, partitions] of await placesOf(open, kind, which, queueOfIds))
      for (const partition of partitions) await act(partition, [id])
    return found
  }
  const { key, queue, state } = which
  for (const partition of await partitionsToLookIn(open, queue)) {
    if (state === undefined)
      for await (const page of idsOf(store, partition, 'active', key)) found.running += page.length
    for (const each of state === undefined ? removable : [state]) {
      const ids: string[] = []
      for await (const page of idsOf(store, partition, each, key)) ids.push(...page)
      await act(partition, ids)
    }
    const isWhole = key === undefined && state === undefined
    if (kind === 'purge' && isWhole && !dryRun) while ((await store.clear(partition, 'hidden')) >= MAX_ITEMS);
  }
  return found
}

/** The partition of each job; for a purge, those where something is kept of it, also of a removed job. */
async function placesOf(
  open: OpenQueues,
  kind: RemoveKind,
  ids: readonly string[],
  queue: string | undefined,
): Promise<Map<string, string[]>> {
  const all = kind === 'purge' ? await partitionsToLookIn(open, queue) : []
  const places = new Map<string, string[]>()
  if (kind === 'remove')
    for (const { id, partition } of await locateAll(open, ids, queue, 'lark jobs:status', check))
      places.set(id, [partition])
  else
    for (const id of ids) {
      const job = await locate(open, all, id)
      if (job !== undefined) check(job)
      const kept = await remembering(open, all, id)
      const its = all.filter((partition, i) => partition === job?.partition || kept[i])
      checkQueues(id, new Set(its.map(queueOf)))
      places.set(id, its)
    }
  return places
}

/** Whether each partition has the job, or keeps something of it after it was removed. */
async function remembering(
  { store }: OpenQueues,
  partitions: readonly string[],
  id: string,
): Promise<boolean[]> {
  const are: boolean[] = []
  for (let i = 0; i < partitions.length; i += AT_ONCE) {
    const some = partitions.slice(i, i + AT_ONCE)
    const fates = await Promise.all(some.map((partition) => store.flows.fates(partition, [id])))
    are.push(...fates.map(([fate]) => fate!.kind !== 'unknown'))
  }
  return are
}

function check({ id, state }: { id: string; state: State }): void {
  if ((removable as readonly State[]).includes(state)) return
  const message = `${id} is ${state}; only a job that does not run can be removed`
  throw new JobsError('JOB_NOT_REMOVABLE', message, { id, hint: 'Cancel it first, and wait for its end.' })
}
