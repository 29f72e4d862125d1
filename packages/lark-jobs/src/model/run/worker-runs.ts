/** What a worker announces of its runs. */

/** The counts of a worker's runs. Each text is a packed `RunCounts` (`run-counts.ts`). */
export interface WorkerRuns {
  /** The counts since the worker started, by queue and key, with a space between these. */
  all: Record<string, string>
  /** The counts of the last minutes, by queue. */
  lately: Record<string, string>
  /**
   * How many runs became due in each minute, by queue. A text has the form `minute:count`, with spaces
   * between the minutes.
   */
  arrived: Record<string, string>
  /**
   * The slowest runs of the last day, by queue and key as in `all`. Absent if no run took long enough, or if
   * the worker's version of Lark does not report them.
   */
  slow?: Record<string, SlowRun[]>
}

/** A slow run: its job, how many milliseconds it took, and when it ended by the store's clock. */
export type SlowRun = [id: string, took: number, at: number]
