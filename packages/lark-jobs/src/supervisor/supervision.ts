/**
 * What a supervisor and its worker processes say to each other, over the IPC channel between them, and what a
 * process is told when it is started.
 *
 * The channel is also the application's (`process.send` of a job) and Node's (`node --watch`), so each message of ours
 * is under the key `lark`. The supervisor hands all others on to the process that started it.
 */
import type { Figures } from './supervised-figures.ts'

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
export function ours<T extends ProcessReport | ProcessCommand>(message: unknown): T | undefined {
  return (message as { lark?: T } | null)?.lark
}
