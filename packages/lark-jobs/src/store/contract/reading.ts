/**
 * The verbs that only read, for tools that show a store to people, and for processes that need to know the
 * state of a store.
 */
import type { JobRecord, LogLine } from '../../model/record.ts'
import type { KeptClasses } from './class-history.ts'
import type { History } from './history.ts'
import type { Inspection } from './inspection.ts'
import type { Counts, Filter, JobHead, LaneFilter, LanePage, Minute, Page, Standing } from './page.ts'
import type { DoubtedJob } from './rules/silence.ts'
import type { RunsAt } from './run-history.ts'
import type { FleetRuns } from './runs.ts'
import type { Stand, StandOptions } from './stand.ts'

export interface Reading {
  /**
   * The present time by the store's clock, in milliseconds since 1970. If the call names a partition, the
   * clock of the server with this partition is read. If not, the clock of any server that answers is read.
   */
  now(partition?: string): Promise<number>

  /** Lists every partition that ever had a job or a schedule. */
  partitions(): Promise<string[]>
  /** @param isLean whether to leave out the payload, which may be large */
  get(partition: string, id: string, isLean?: boolean): Promise<JobRecord | undefined>
  list(partition: string, filter: Filter): Promise<Page>
  /**
   * Like `list`, but returns only the fields of `JobHead`. No payload is read, so only `limit` limits the
   * page.
   */
  heads(partition: string, filter: Filter): Promise<Page<JobHead>>
  /** Lists the lanes in one state page by page. Only jobs that have a group or need permits are in lanes. */
  lanes(partition: string, filter: LaneFilter): Promise<LanePage>
  counts(partition: string): Promise<Counts>
  /**
   * How many waiting jobs have a priority below 0. Jobs in lanes do not count. An embedded store counts up to
   * `MAX_AHEAD`.
   */
  lowered(partition: string): Promise<number>
  /**
   * How many jobs ended in each of the last `MINUTES` minutes, the current minute included, the oldest first.
   * Minutes in which no job ended are left out.
   */
  minutes(partition: string): Promise<Minute[]>
  /**
   * How many jobs ended in each partition within the last minutes, hours and days, up to 90 days ago
   * (`history.ts`). The call names at most `MAX_STANDINGS` partitions, and the answers are in the order of
   * the partitions.
   */
  history(partitions: readonly string[]): Promise<History[]>
  /** Reads the results of the runs of all workers, including workers that have ended: see `runs.ts`. */
  workerRuns(): Promise<FleetRuns>
  /**
   * The counts of all runs at past instants, the oldest first (`run-history.ts`). The answer has the instants
   * that are needed to compute the runs within each of the last `count` buckets of `length` milliseconds.
   */
  runHistory(length: number, count: number): Promise<RunsAt[]>
  /**
   * The runs of each class within each of the last `count` buckets of `length` milliseconds, which is an hour
   * or a day, as far as these buckets are kept (`class-history.ts`).
   */
  classHistory(length: number, count: number): Promise<KeptClasses>
  /**
   * Reads the counts and pauses of at most `MAX_STANDINGS` partitions. The answers are in the order of the
   * partitions.
   *
   * @param next if given, the answer also has the minutes, how long jobs have been waiting, and the keys of
   *   the next `next` waiting and `next` delayed jobs (at most 100)
   */
  standings(partitions: readonly string[], next?: number): Promise<Standing[]>
  log(partition: string, id: string): Promise<LogLine[]>
  /**
   * Lists jobs that were taken back after a silence of the store, at most 100, the newest first: see
   * `silence.ts`.
   */
  doubts(partition: string): Promise<DoubtedJob[]>
  /**
   * Reads facts about the servers or the file of the store: see `inspection.ts`. The answer names servers
   * that did not reply.
   *
   * @param isBrief whether to return only what a server reports about itself. A brief inspection does not try
   *   the rights of the user, and `refused` is empty
   */
  inspect(isBrief?: boolean): Promise<Inspection>
  /**
   * Reads what prevents a job from beginning now (`stand.ts`); undefined if the job does not exist. The time
   * of the call grows with the number of active jobs, but not with other stored data.
   */
  stand(partition: string, id: string, options?: StandOptions): Promise<Stand | undefined>
}
