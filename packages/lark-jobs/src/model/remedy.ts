/**
 * A remedy: advice to look at data or to change data, as a kind (`do`) with values. Each user interface has
 * its own words for a remedy, in a table with a row for each `do`: the commands in
 * `commands/words/remedy-commands.ts`, the dashboard in `browser/parts/remedy.tsx`. The compiler refuses a
 * table that lacks a row.
 */
export type Remedy =
  // Remedies that only look at data.
  | { do: 'see-overview' }
  | { do: 'see-doctor' }
  | { do: 'see-queues' }
  | { do: 'see-workers' }
  | { do: 'see-limiters' }
  | { do: 'see-groups'; queue: string }
  /** Shows the running jobs of a queue. */
  | { do: 'see-active'; queue: string }
  /** Shows the jobs of a queue that have failed and wait for their next try. */
  | { do: 'see-retrying'; queue: string }
  /** Shows why jobs of a queue failed for good, by kind of failure. */
  | { do: 'see-failures'; queue: string }
  /** Shows why the first job of a queue waits. */
  | { do: 'see-queue'; queue: string }
  | { do: 'see-job'; job: string }
  /** Shows the errors that a job threw. */
  | { do: 'see-errors'; job: string }
  /** Shows why a job does not run. */
  | { do: 'see-why'; job: string }
  | { do: 'see-flow'; flow: string }
  /** Shows a change at a pace, which can be resumed and stopped there. */
  | { do: 'see-change'; change: string }
  // Remedies that change data.
  /** Starts a worker. `queue`: the queue that the worker must serve. Absent: any queue. */
  | { do: 'start-worker'; queue?: string }
  | { do: 'restart-worker'; worker: string }
  /** Resumes a paused queue or one of its groups. A group with a long name is given by its hash. */
  | { do: 'resume'; queue: string; group?: string; groupHash?: string }
  | { do: 'send-signal'; job: string; signal: string }
  | { do: 'resume-schedule'; schedule: string }
  | { do: 'retry'; job: string }
  /** Moves a job to another queue. Without `job`, all jobs of a queue that is not configured are moved. */
  | { do: 'move'; queue: string; to: string; job?: string }
  /** Cancels the jobs of a queue. `key`: the key of their class. Absent: any class. */
  | { do: 'cancel'; queue: string; key?: string }

/**
 * What to do, as the parts of a text: words, and remedies that the user interface replaces with its own
 * words.
 */
export type Advice = readonly (string | Remedy)[]
