/**
 * The kinds of reasons why a job does not run, or how it ended. The files `reasons-….ts` find the reasons and
 * write their sentences.
 */
import type { Remedy } from '../../model/remedy.ts'
import type { FlowRef } from '../flows/flow-parts.ts'

/**
 *   ended          the job has ended
 *   lock           another job holds the unique lock of the job, or goes first because of that lock
 *   running        the job is running
 *   prefetched     a worker has claimed the job, but has not begun to run it
 *   silent-worker  the worker that holds the job does not renew its lease
 *   blocked        the job is a node of a flow, and waits for other nodes
 *   paused-queue, paused-group    a person or a job has paused the queue or the group of the job
 *   unreadable     the record of the job is damaged, or in a format that this version does not read
 *   undoing        the steps of the job are being undone, and then the job ends
 *   suspended      the job sleeps, or waits for a signal or for the next try of a step
 *   delayed        the job is due later
 *   no-worker      no living worker takes jobs of the queue
 *   unknown-key    no living worker of the queue has the class of the job
 *   strict         the group of the job runs one job after the other, and another job goes first
 *   group-limit, class-limit, limiter, queue-limit    a limit is reached, so no more jobs may run or begin
 *                                                     now
 *   circuit        a circuit breaker is open
 *   queue-order    jobs wait in other queues that the workers serve first
 *   busy-workers   all slots of the workers are in use
 *   behind         other jobs go before the job
 *   turn           other groups have their turn first
 *   next           nothing prevents the job from beginning
 *   store          the store refuses new jobs or may lose jobs: this reason comes in addition to others
 */
export const reasonKinds = [
  'ended',
  'lock',
  'running',
  'prefetched',
  'silent-worker',
  'blocked',
  'paused-queue',
  'paused-group',
  'unreadable',
  'undoing',
  'suspended',
  'delayed',
  'no-worker',
  'unknown-key',
  'strict',
  'group-limit',
  'class-limit',
  'limiter',
  'queue-limit',
  'circuit',
  'queue-order',
  'busy-workers',
  'behind',
  'turn',
  'next',
  'store',
] as const
export type ReasonKind = (typeof reasonKinds)[number]

/**
 * A reason, and what a person can do about it. The texts may contain texts of the application, such as names
 * of queues.
 */
export interface Reason {
  kind: ReasonKind
  /** The reason for people: a sentence without a full stop. */
  text: string
  /** When the reason ends by itself, if that is known: milliseconds since 1970. */
  until?: number
  /**
   * The ids of jobs that the job waits for, or that hold something which the job waits for. If there are many
   * jobs, only some are named.
   */
  jobs?: string[]
  /** The ids of the workers that hold the job, or hold something which the job waits for. */
  workers?: string[]
  /** The flow that the job waits for. */
  flow?: FlowRef
  /** When somebody asked a running job to end: milliseconds since 1970. */
  askedAt?: number
  /** What a person can do about the reason, or where to learn more. */
  remedy?: Remedy
}
