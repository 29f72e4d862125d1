/**
 * What helps: something to look at or to do, as a word and its values. The library says what; each surface
 * has its own words for how, with a row for each `do`: the commands in `commands/words/remedy-commands.ts`,
 * the dashboard in `browser/parts/remedy.tsx`. The compiler refuses a table without one of them.
 */
export type Remedy =
  // To look at.
  | { do: 'see-overview' }
  | { do: 'see-doctor' }
  | { do: 'see-queues' }
  | { do: 'see-workers' }
  | { do: 'see-limiters' }
  | { do: 'see-groups'; queue: string }
  /** The jobs of a queue that run. */
  | { do: 'see-active'; queue: string }
  /** The jobs of a queue that have failed, and wait for their next try. */
  | { do: 'see-retrying'; queue: string }
  /** Why the jobs of a queue failed for good, by kind. */
  | { do: 'see-failures'; queue: string }
  /** What the first job of a queue waits for. */
  | { do: 'see-queue'; queue: string }
  | { do: 'see-job'; job: string }
  /** What a job threw. */
  | { do: 'see-errors'; job: string }
  /** Why a job does not run. */
  | { do: 'see-why'; job: string }
  | { do: 'see-flow'; flow: string }
  // To do.
  /** @param queue that it must serve. Missing: any */
  | { do: 'start-worker'; queue?: string }
  | { do: 'restart-worker'; worker: string }
  /** A queue that is paused, or one of its groups; a group with a long name by its hash. */
  | { do: 'resume'; queue: string; group?: string; groupHash?: string }
  | { do: 'send-signal'; job: string; signal: string }
  | { do: 'resume-schedule'; schedule: string }
  | { do: 'retry'; job: string }
  /** A job, or without one all jobs of a queue that is not configured. */
  | { do: 'move'; queue: string; to: string; job?: string }
  /** The jobs of a queue. @param key of their class. Missing: any */
  | { do: 'cancel'; queue: string; key?: string }

/** What to do, as parts of a text: words, and remedies for which a surface has words. */
export type Advice = readonly (string | Remedy)[]
