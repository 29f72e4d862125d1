/**
 * The jobs of a queue that no worker could read: the workers that claimed them did not know their key, the
 * version of their payload, or their format, and put them back for up to a minute. They count as waiting
 * (`measurement.ts`), although the store calls them delayed.
 */
import type { Standing, Store, Stranded } from '../../store/contract/store.ts'
import type { QueueStandings } from './measurement.ts'

export interface StrandedJobs extends Stranded {
  /** The key of the first of them, and why it was put back. Missing: it no longer exists. */
  key?: string
  because?: string
}

/** How many jobs no worker could read. */
export function strandedIn(standings: readonly Standing[]): number {
  return standings.reduce((sum, { stranded }) => sum + (stranded?.count ?? 0), 0)
}

/** Undefined if there are none. */
export async function strandedOf(
  store: Store,
  { partitions, standings }: QueueStandings,
): Promise<StrandedJobs | undefined> {
  const all = standings.flatMap(({ stranded }, i) =>
    stranded ? { ...stranded, partition: partitions[i]! } : [],
  )
  const [first] = all.sort((one, other) => one.since - other.since)
  if (first === undefined) return undefined
  const { partition, id, since } = first
  const delayed = all.reduce((sum, each) => sum + each.delayed, 0)
  const job = await store.get(partition, id, true)
  return {
    ...{ count: strandedIn(standings), delayed, since, id },
    ...(job?.because !== undefined && { key: job.key, because: job.because }),
  }
}
