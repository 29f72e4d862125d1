/**
 * Why a job does not run, or what became of it: the reasons that people see, one by one.
 */
import type { Remedy } from '../../model/remedy.ts'
import type { FlowRef } from '../flows/flow-parts.ts'

/**
 *   ended          it has ended
 *   lock           another job has its unique lock, or goes first because of it
 *   running        it runs
 *   prefetched     a worker has taken it, and has not begun
 *   silent-worker  the worker that holds it does not renew its lease
 *   blocked        it is a node of a flow, and waits for other nodes
 *   paused-queue, paused-group    somebody, or a job, has paused its queue, or its group
 *   unreadable     its record is damaged, or in a format that this version does not read
 *   undoing        its steps are undone, and then it ends
 *   suspended      it sleeps, or waits for a signal or for the next try of a step
 *   delayed        it is due later
 *   no-worker      no living worker takes jobs of its queue
 *   unknown-key    no living worker of its queue has its class
 *   strict         its group runs one job after the other, and another goes first
 *   group-limit, class-limit, limiter, queue-limit    as many jobs run, or have begun lately, as may
 *   circuit        a circuit breaker is open
 *   queue-order    its workers serve other queues first, in which jobs wait
 *   busy-workers   all slots of its workers are in use
 *   behind         other jobs go before it
 *   turn           other groups have their turn before
 *   next           nothing keeps it from beginning
 *   store          its store refuses new jobs, or may lose some: this comes beside the others
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

/** A reason, and how it ends. It may contain texts of users. */
export interface Reason {
  kind: ReasonKind
  /** A sentence without a full stop. */
  text: string
  /** When it ends by itself, if that is known: milliseconds since 1970. */
  until?: number
  /** Ids of jobs that it waits for, or that hold something that it waits for. Not all, if there are many. */
  jobs?: string[]
  /** Ids of the workers that hold it, or hold something that it waits for. */
  workers?: string[]
  /** The flow that it waits for. */
  flow?: FlowRef
  /** When somebody asked a running job to end: milliseconds since 1970. */
  askedAt?: number
  /** How to end it, or where to learn more. */
  remedy?: Remedy
}
