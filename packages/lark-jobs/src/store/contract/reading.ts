/** The verbs that only read: for people, and for processes that need to know the state of a store. */
import type { JobRecord, LogLine } from '../../model/record.ts'
import type { History } from './history.ts'
import type { Inspection } from './inspection.ts'
import type { Counts, Filter, JobHead, LaneFilter, LanePage, Minute, Page, Standing } from './page.ts'
import type { DoubtedJob } from './rules/silence.ts'
import type { RunsAt } from './run-history.ts'
import type { FleetRuns } from './runs.ts'
import type { Stand, StandOptions } from './stand.ts'

export interface Reading {
  /**
   * Milliseconds since 1970, by the store's clock: the clock of the partition, or without one, any clock that
   * answers.
   */
  now(partition?: string): Promise<number>

  /** Every partition that ever held a job or a schedule. */
  partitions(): Promise<string[]>
  /** @param isLean whether to leave out the payload, which may be large */
  get(partition: string, id: string, isLean?: boolean): Promise<JobRecord | undefined>
  list(partition: string, filter: Filter): Promise<Page>
  /** Like `list`, but only ids and keys. It reads no payloads, so only `limit` bounds the page. */
  heads(partition: string, filter: Filter): Promise<Page<JobHead>>
  /** The lanes in one state, by page: of jobs with a group, or that need permits. */
  lanes(partition: string, filter: LaneFilter): Promise<LanePage>
  counts(partition: string): Promise<Counts>
  /**
   * How many of the waiting jobs have a priority below 0, without those of lanes. An embedded store counts at
   * most `MAX_AHEAD`.
   */
  lowered(partition: string): Promise<number>
  /**
   * The counts of the last `MINUTES` minutes, the current one included, without minutes in which no job
   * ended. The oldest first.
   */
  minutes(partition: string): Promise<Minute[]>
  /**
   * How many jobs ended in at most `MAX_STANDINGS` partitions, in the order of the partitions: up to 90 days
   * back (`history.ts`).
   */
  history(partitions: readonly string[]): Promise<History[]>
  /** The results of the runs of all workers, including workers that have ended: see `runs.ts`. */
  workerRuns(): Promise<FleetRuns>
  /**
   * The counts of all runs at some instants, the oldest first: enough to tell what ran within each of `count`
   * buckets of `length` milliseconds (`run-history.ts`).
   */
  runHistory(length: number, count: number): Promise<RunsAt[]>
  /**
   * Counts and pauses of at most `MAX_STANDINGS` partitions, in their order.
   *
   * @param next asks also for the minutes, how long jobs have waited, and the keys of that many waiting and
   *   that many delayed jobs, at most 100 of each
   */
  standings(partitions: readonly string[], next?: number): Promise<Standing[]>
  log(partition: string, id: string): Promise<LogLine[]>
  /**
   * Jobs that were taken back after a silence of the store, at most 100, the newest first: see `silence.ts`.
   */
  doubts(partition: string): Promise<DoubtedJob[]>
  /**
   * Facts about the servers or the file of the store: see `inspection.ts`. The answer names servers that did
   * not reply.
   *
   * @param isBrief whether to return only what a server reports about itself. Then the rights of the user are
   *   not tried, and `refused` is empty
   */
  inspect(isBrief?: boolean): Promise<Inspection>
  /**
   * Where a job stands: what a claim would find if it looked for the job now (`stand.ts`). Undefined if there
   * is no such job. The cost is bounded, whatever is stored; it also grows with the number of active jobs.
   */
  stand(partition: string, id: string, options?: StandOptions): Promise<Stand | undefined>
}
