/**
 * One measurement of the whole store, for figures, metrics and health: the contents of every queue, how long
 * its jobs have waited, and the results of the runs of all workers.
 */

import type { WorkerRecord } from '../../model/record.ts'
import { RunCounts } from '../../model/run/run-counts.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import {
  type FleetRuns,
  folded,
  MAX_STANDINGS,
  MINUTE,
  type Standing,
  type Store,
} from '../../store/contract/store.ts'
import { seenCounts } from '../look/seen-state.ts'
import { everyPartition, type OpenQueues } from '../look/stored-jobs.ts'

/** A queue with its partitions, and the contents of each partition in the same order. */
export interface QueueStandings {
  queue: string
  partitions: string[]
  standings: Standing[]
}

export interface Measurement {
  /** The time by the store's clock: milliseconds since 1970. */
  at: number
  /** How long the store took to answer the smallest request (the request for its time), in milliseconds. */
  latency: number
  workers: WorkerRecord[]
  queues: QueueStandings[]
  runs: FleetRuns
}

/**
 * @param named the only queue to measure. Default: every queue
 * @param next of how many of the next jobs in each partition and state the keys are read
 */
export async function measure(open: OpenQueues, named?: string, next = 0): Promise<Measurement> {
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
  return { at, latency, workers, queues: await standingsOf(store, chosen, next), runs }
}

/**
 * The contents of partitions as people see them: jobs that no worker could read are counted as waiting.
 *
 * @param next see `measure`
 */
export async function standingsOf(
  store: Store,
  queues: Iterable<[queue: string, partitions: string[]]>,
  next: number,
): Promise<QueueStandings[]> {
  const chosen = [...queues]
  const partitions = chosen.flatMap(([, list]) => list)
  const all: Standing[] = []
  // The partitions are read in lots, because there may be thousands of partitions, and a call that waits
  // behind too many other calls would time out.
  for (const some of inLots(partitions, MAX_STANDINGS))
    all.push(...(await store.standings(some, next)).map((each) => ({ ...each, counts: seenCounts(each) })))
  return chosen.map(([queue, list]) => ({ queue, partitions: list, standings: all.splice(0, list.length) }))
}

/** When the first waiting job of a queue became due. Undefined if no job waits. */
export function oldestOf(standings: readonly Standing[]): number | undefined {
  const times = standings.flatMap(({ oldest }) => oldest ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

/** How many runs ended within a period. */
export interface EndedCounts {
  completed: number
  /** How many runs failed and are not retried. */
  failed: number
  /** How many runs failed and were to be retried. */
  retried: number
}

/**
 * How many runs of a queue ended since an instant. The store counts by the minute, so the minute of the
 * instant counts as a whole.
 */
export function endedSince(standings: readonly Standing[], since: number): EndedCounts {
  return ended(standings, (at) => (at > since - MINUTE ? 1 : 0))
}

/**
 * @param part takes the instant at which a minute begins, and returns which share of that minute counts, from
 * 0 to 1
 */
export function ended(standings: readonly Standing[], part: (at: number) => number): EndedCounts {
  const minutes = standings.flatMap((standing) => standing.minutes)
  const total = (kind: keyof EndedCounts) =>
    Math.round(minutes.reduce((count, minute) => count + minute[kind] * part(minute.at), 0))
  return { completed: total('completed'), failed: total('failed'), retried: total('retried') }
}

/**
 * The counts of all runs so far, by queue and key. Crashed runs are counted under the key '', because their
 * key is not known.
 */
export function countsByKey({
  past,
  workers,
}: FleetRuns): { queue: string; key: string; counts: RunCounts }[] {
  return Object.entries(folded(past, workers)).map(([pair, text]) => {
    const end = pair.indexOf(' ')
    return { queue: pair.slice(0, end), key: pair.slice(end + 1), counts: RunCounts.read(text) }
  })
}
