/** The states of a job, in the words of BullMQ. */
import type { State } from '@s18i/lark-jobs'
import { childSignal, type NodeState } from '@s18i/lark-jobs/internal'

export type FinishedStatus = 'completed' | 'failed'
export type JobState = FinishedStatus | 'active' | 'delayed' | 'prioritized' | 'waiting' | 'waiting-children'

/** @param suspended the signals that a suspended job waits for */
export function stateOf(state: State, priority: number, suspended?: readonly string[]): JobState {
  if (state === 'delayed' && waitsForChildren(suspended)) return 'waiting-children'
  if (state === 'waiting') return priority < 0 ? 'prioritized' : 'waiting'
  if (state === 'cancelled') return 'failed'
  return state === 'blocked' ? 'waiting-children' : state
}

/** Whether a suspended job waits for the end of children that were added to it. */
export function waitsForChildren(suspended: readonly string[] = []): boolean {
  return suspended.some((name) => name.startsWith(childSignal('')))
}

/** The state of a node that has no job in its queue. The job of a started node is on its way to its queue. */
export const stateOfNode: Readonly<Record<NodeState, JobState>> = {
  ...{
    b: 'waiting-children',
    s: 'waiting',
    c: 'completed',
    f: 'failed',
    x: 'failed',
    '-': 'waiting-children',
  },
}
