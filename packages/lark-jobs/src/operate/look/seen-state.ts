/**
 * Converts between the state of a job that people see and the state in which the store keeps it. The two
 * states differ only for a job that no worker could read: the store delays such a job until another worker
 * may try (`Stranded`), but people see the job as waiting.
 */
import type { JobRecord, State } from '../../model/record.ts'
import type { Counts, Standing, Store, Stranded } from '../../store/contract/store.ts'

export function seenState({ state, strandedSince }: Pick<JobRecord, 'state' | 'strandedSince'>): State {
  return state === 'delayed' && strandedSince !== undefined ? 'waiting' : state
}

/** Returns the states in which a store keeps the jobs that people see in the given states. */
export function storedStates(seen: readonly State[]): State[] {
  const stored = [...new Set(seen)]
  if (stored.includes('waiting') && !stored.includes('delayed'))
    stored.splice(stored.indexOf('waiting') + 1, 0, 'delayed')
  return stored
}

/**
 * Returns the states in which the store may change a job that was found in one of the given states. A job
 * that was waiting, delayed or active may now be waiting or delayed, because it became due or was put back.
 * Any other change of the state means that a person has changed the job since it was found. For example, a
 * failed job was retried.
 */
export function stillIn(found: readonly State[]): State[] {
  const isOpen = found.some((state) => state === 'waiting' || state === 'delayed' || state === 'active')
  return [...new Set<State>([...found, ...(isOpen ? (['waiting', 'delayed'] as const) : [])])]
}

/**
 * Whether people see only some of the stored delayed jobs in one of these states, and the other delayed jobs
 * in a state that is not given.
 */
export function partsDelayed(seen: readonly State[]): boolean {
  return seen.includes('waiting') !== seen.includes('delayed')
}

export function seenCounts({
  counts,
  stranded,
}: Pick<Standing, 'counts'> & { stranded?: Pick<Stranded, 'delayed'> }): Counts {
  if (stranded === undefined) return counts
  const { delayed } = stranded
  return { ...counts, waiting: counts.waiting + delayed, delayed: counts.delayed - delayed }
}

/** How many of the jobs that a partition keeps as delayed could not be read by any worker. */
export async function strandedAmong(store: Store, partition: string, counts: Counts): Promise<number> {
  if (counts.delayed === 0) return 0
  return (await store.standings([partition], 0))[0]!.stranded?.delayed ?? 0
}
