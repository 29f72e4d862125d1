/**
 * What a supervisor and its worker processes say to each other, over the IPC channel between them, and what a
 * process is told when it is started.
 *
 * The channel is also the application's (`process.send` of a job) and Node's (`node --watch`), so each message of ours
 * is under the key `lark`. The supervisor hands all others on to the process that started it.
 */
import type { Summary } from '../worker/report.ts'

/** Milliseconds that a process gets beyond its deadline, to let go of the store; then it is killed. */
export const GRACE = 4_000
/** The environment variable that holds a `ProcessSlot`, as JSON. */
export const PROCESS_SLOT = 'LARK_SUPERVISED'
/** The file descriptor of a pipe whose other end only the supervisor holds: it ends when the supervisor does. */
export const LIFELINE = 4

/** Who a worker process is. */
export interface ProcessSlot {
  /** From 1. */
  number: number
  /** How many there are. */
  of: number
  /** Its worker's id: the supervisor chooses it, so that it knows whose leases to hand back, however early it dies. */
  worker: string
}

/** From a worker process. */
export type ProcessReport =
  /** Something that is true of every process, for the supervisor to say once. */
  | { kind: 'remark'; text: string }
  /** It could not start, and ends. */
  | { kind: 'refused'; code: string; message: string; hint?: string }
  /** It serves its queues. */
  | { kind: 'serving' }
  /** What it did so far: at most once a second, and at its end. */
  | { kind: 'figures'; figures: Figures }
  /** It stops, though the supervisor did not ask for it. */
  | { kind: 'leaving' }
  /** Its worker has stopped in order. `finished`: of its own accord, and no other is needed in its place. */
  | { kind: 'ended'; finished: boolean }

/** From the supervisor: take no more; stop, within so many milliseconds. */
export type ProcessCommand = { kind: 'quiet' } | { kind: 'stop'; deadline: number }

/** What a message of the channel says to us; undefined when it is the application's. */
export function larkMessage<T extends ProcessReport | ProcessCommand>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}

/** How the runs of one queue ended. */
export interface QueueFigures {
  completed: number
  retried: number
  failed: number
}

/**
 * What a worker process has done since its start. These are sums, not changes: a message that is lost with a process
 * costs the last second and nothing before it.
 */
export interface Figures {
  summary: Summary
  queues: Record<string, QueueFigures>
  /** Runs for which no line was printed. */
  hidden: number
  /** When the last run ended, in milliseconds since 1970; 0 when none has. */
  last: number
}

export function noFigures(): Figures {
  const summary = { completed: 0, retried: 0, failed: 0, released: 0, cancelled: 0, lost: 0, took: 0 }
  return { summary, queues: {}, hidden: 0, last: 0 }
}

/** What two processes did. Their time is from the first start of a run to the last end, whoever had them. */
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

/** Runs that have ended, however. */
export function ended({ summary }: Figures): number {
  const { took: _, lost: __, ...ends } = summary
  return Object.values(ends).reduce((all, count) => all + count, 0)
}

function added<T extends { [K in keyof T]: number }>(one: T, other: T): T {
  const all = { ...one }
  for (const name of Object.keys(other) as (keyof T)[]) all[name] = (one[name] + other[name]) as T[keyof T]
  return all
}
