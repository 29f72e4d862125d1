/** The states of a job, in the words of BullMQ. */
import type { State } from '@s18i/lark-jobs'
import type { NodeState } from '@s18i/lark-jobs/internal'

export type FinishedStatus = 'completed' | 'failed'
export type JobState = FinishedStatus | 'active' | 'delayed' | 'prioritized' | 'waiting' | 'waiting-children'

export function stateOf(state: State, priority: number): JobState {
  if (state === 'waiting') return priority < 0 ? 'prioritized' : 'waiting'
  if (state === 'cancelled') return 'failed'
  return state === 'blocked' ? 'waiting-children' : state
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
