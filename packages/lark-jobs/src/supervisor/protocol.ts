/**
 * The messages between a supervisor and its worker processes, over the IPC channel between them, and the data
 * that a process gets when it is started.
 *
 * The application (`process.send` in a job) and Node (`node --watch`) use the same channel, so each message
 * of Lark is put under the key `lark`. The supervisor passes all other messages on to the process that
 * started it.
 */
import type { Settlement } from '../store/contract/store.ts'
import type { WorkerSummary } from '../worker/report.ts'
import type { Vitals } from '../worker/vitals.ts'

/**
 * How long after its deadline a process may take to close the store, in milliseconds. A process that takes
 * longer is killed.
 */
export const GRACE = 4_000
/** The environment variable that holds a `ProcessSlot`, as JSON. */
export const PROCESS_SLOT = 'LARK_SUPERVISED'
/**
 * The environment variable that is set if another process watches the sources, and stops this process when
 * they change.
 */
export const WATCHED = 'LARK_WATCHED'
/**
 * The file descriptor of a pipe whose other end only the supervisor has: the pipe closes when the supervisor
 * ends.
 */
export const LIFELINE = 4

/** The place of a worker process among the processes of its supervisor. */
export interface ProcessSlot {
  /** The number of the process, from 1. */
  number: number
  /** How many worker processes there are. */
  of: number
  /** Whether the process reports the condition of its worker (`Vitals`) every second. */
  says?: boolean
  /**
   * The id of the process's worker. The supervisor chooses this id, so that the supervisor knows which leases
   * to hand back even if the process dies early.
   */
  worker: string
}

/** The messages of a worker process to its supervisor. */
export type ProcessReport =
  /** A warning that applies to every process. The supervisor prints it once. */
  | { kind: 'remark'; text: string }
  /** The process could not start, and ends. */
  | { kind: 'refused'; code: string; message: string; hint?: string }
  /** The process serves its queues. */
  | { kind: 'serving' }
  /** The condition of the worker. This message is sent every second if the supervisor has asked for it. */
  | { kind: 'vitals'; vitals: Vitals }
  /**
   * What the process has done so far. This message is sent at most once a second, and when the process ends.
   */
  | { kind: 'figures'; figures: Figures }
  /**
   * The process was told to restart. The process goes on until the supervisor says that it is the turn of
   * this process.
   */
  | { kind: 'restart' }
  /** The process is stopping without a command of the supervisor. */
  | { kind: 'leaving' }
  /**
   * The process is ending in an orderly way, and needs up to this many milliseconds to report to the store
   * how its jobs ended, or to shut down.
   */
  | { kind: 'needs'; ms: number }
  /**
   * The process ends with jobs that it has not settled. `cause`: why the process ends, as the rest of a
   * sentence that begins with "its process". `ranJobs`: whether handlers were running, so that the end counts
   * as a crash of their jobs.
   */
  | { kind: 'ends'; cause: string; ranJobs: boolean }
  /** The outcome of a job that the store may not have received before the process was gone. */
  | { kind: 'outcome'; partition: string; settlement: Settlement }
  /**
   * The worker of the process has stopped in an orderly way. `finished`: the worker has stopped by itself,
   * and the process is not replaced.
   */
  | { kind: 'ended'; finished: boolean }

/**
 * The commands of the supervisor to a process: claim no more jobs; stop within this many milliseconds; or
 * stop so that another process takes its place.
 */
export type ProcessCommand =
  | { kind: 'quiet' }
  | { kind: 'stop' | 'restart'; deadline: number; outcomes?: number | undefined }

/** The content of a message of Lark. Undefined for a message of the application. */
export function larkMessage<T extends ProcessReport | ProcessCommand>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}

/** How the runs of one queue ended. */
export type QueueFigures = Pick<WorkerSummary, 'completed' | 'retried' | 'failed'>

/**
 * What a worker process has done since its start. All figures are totals. So if a process dies, at most the
 * figures of its last second are lost.
 */
export interface Figures {
  summary: WorkerSummary
  queues: Record<string, QueueFigures>
  /** Runs for which no line was printed. */
  hidden: number
  /** The time at which the last run ended, in milliseconds since 1970. 0 if no run has ended. */
  last: number
}

export function noFigures(): Figures {
  const summary = {
    completed: 0,
    retried: 0,
    failed: 0,
    released: 0,
    suspended: 0,
    cancelled: 0,
    lost: 0,
    unstored: 0,
    took: 0,
  }
  return { summary, queues: {}, hidden: 0, last: 0 }
}

/**
 * The sum of what two processes have done. `took`: from the first start of a run to the last end of a run in
 * either process.
 */
export function sum(one: Figures, other: Figures): Figures {
  const worked = [one, other].filter(({ last }) => last > 0)
  const last = Math.max(one.last, other.last)
  const first = Math.min(last, ...worked.map((figures) => figures.last - figures.summary.took))
  const queues = { ...one.queues }
  for (const [queue, figures] of Object.entries(other.queues))
    queues[queue] = added(queues[queue] ?? { completed: 0, retried: 0, failed: 0 }, figures)
  const summary = { ...added(one.summary, other.summary), took: last - first }
  return { summary, queues, hidden: one.hidden + other.hidden, last }
}

/** How many runs have ended, no matter how. */
export function ended({ summary }: Figures): number {
  const { took: _, lost: __, ...ends } = summary
  return Object.values(ends).reduce((all, count) => all + count, 0)
}

function added<T extends { [K in keyof T]: number }>(one: T, other: T): T {
  const all = { ...one }
  for (const name of Object.keys(other) as (keyof T)[]) all[name] = (one[name] + other[name]) as T[keyof T]
  return all
}
