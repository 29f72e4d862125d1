/**
 * One look at the whole store, for figures, metrics and health: what every queue holds, since when its jobs wait, and how
 * the runs of all workers went.
 */
import type { WorkerRecord } from '../model/record.ts'
import { RunCounts } from '../model/run-counts.ts'
import { type FleetRuns, folded, MAX_STANDINGS, type Standing } from '../store/contract/store.ts'
import { everyPartition, type OpenQueues } from './stored-jobs.ts'

export interface Measurement {
  /** Milliseconds since 1970, by the store. */
  at: number
  /** Milliseconds that the store took to answer the smallest question. */
  latency: number
  workers: WorkerRecord[]
  queues: { queue: string; standings: Standing[] }[]
  runs: FleetRuns
}

/** @param named only this queue */
export async function measure(open: OpenQueues, named?: string): Promise<Measurement> {
  const { store } = open
  const asked = performance.now()
  const at = await store.now()
  const latency = performance.now() - asked
  const [workers, runs, found] = await Promise.all([
    store.workers(),
    store.workerRuns(),
    everyPartition(open),
  ])
  const chosen = [...found].filter(([queue]) => named === undefined || queue === named)
  const partitions = chosen.flatMap(([, list]) => list)
  const all: Standing[] = []
  // There may be thousands of partitions, and a call that waits behind too many others would be given up.
  for (let i = 0; i < partitions.length; i += MAX_STANDINGS)
    all.push(...(await store.standings(partitions.slice(i, i + MAX_STANDINGS), 0)))
  const queues = chosen.map(([queue, list]) => ({ queue, standings: all.splice(0, list.length) }))
  return { at, latency, workers, queues, runs }
}

/** When the first waiting job of a queue was due; undefined if none waits. */
export function oldestOf(standings: readonly Standing[]): number | undefined {
  const times = standings.flatMap(({ oldest }) => oldest ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

/** The counts of all runs that ever were, by queue and key. The key of crashed runs is '': it is not known. */
export function countsByKey({
  past,
  workers,
}: FleetRuns): { queue: string; key: string; counts: RunCounts }[] {
  return Object.entries(folded(past, workers)).map(([pair, text]) => {
    const end = pair.indexOf(' ')
    return { queue: pair.slice(0, end), key: pair.slice(end + 1), counts: RunCounts.read(text) }
  })
}
