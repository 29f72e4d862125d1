/**
 * The jobs of a queue that no worker could read: the workers that claimed such a job did not know its key,
 * the version of its payload, or its format, and put the job back for up to a minute. These jobs are counted
 * as waiting (`measurement.ts`), although the store keeps them as delayed.
 */
import type { Standing, Store, Stranded } from '../../store/contract/store.ts'
import type { QueueStandings } from './measurement.ts'

export interface StrandedJobs extends Stranded {
  /** The key of the first job that no worker could read. Absent if that job no longer exists. */
  key?: string
  because?: string
}

/** How many jobs no worker could read. */
export function strandedIn(standings: readonly Standing[]): number {
  return standings.reduce((sum, { stranded }) => sum + (stranded?.count ?? 0), 0)
}

/** Describes the jobs of a queue that no worker could read. Undefined if there are no such jobs. */
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
