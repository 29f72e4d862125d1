/**
 * The changes that can be made to jobs, the states in which each is possible, and the role that each needs.
 */
import type { State } from '@s18i/lark-jobs/operate'
import type { Role } from '../../../src/server/guard/viewer.ts'
import { make } from '../../data/changes.ts'
import { plural } from '../../parts/numbers.ts'

/** `move` needs a queue: see `move-jobs.tsx`. */
export type JobVerb = 'retry' | 'run-now' | 'move' | 'cancel' | 'remove'

interface Verb {
  title: string
  role: Role
  /** The states of the jobs that the change can be made to. */
  states: readonly State[]
  /** The key on the keyboard that makes the change. */
  key?: string
}

export const jobVerbs: Readonly<Record<JobVerb, Verb>> = {
  retry: { title: 'Retry', role: 'operate', states: ['failed', 'cancelled', 'completed'], key: 'r' },
  'run-now': { title: 'Run now', role: 'operate', states: ['delayed'], key: 'n' },
  move: { title: 'Move', role: 'operate', states: ['waiting', 'delayed'] },
  cancel: { title: 'Cancel', role: 'operate', states: ['waiting', 'delayed', 'active'] },
  remove: {
    title: 'Remove',
    role: 'admin',
    states: ['waiting', 'delayed', 'completed', 'failed', 'cancelled'],
  },
}

export const verbNames = Object.keys(jobVerbs) as JobVerb[]

/** Whether the change can be undone, and destroys nothing. */
export function isGentle(verb: JobVerb): boolean {
  return verb === 'retry' || verb === 'run-now'
}

/** Changes jobs, and shows a notice about the result. */
export function changeWith(
  verb: Exclude<JobVerb, 'move'>,
  input: { ids: string[]; queue: string } | { filter: never },
): Promise<unknown> {
  if (verb === 'retry')
    return make('jobs.retry', input, ({ retried }) => `${plural(retried, 'job')} queued again`)
  if (verb === 'run-now')
    return make('jobs.run-now', input, ({ rescheduled }) => `${plural(rescheduled, 'job')} due now`)
  if (verb === 'remove')
    return make('jobs.remove', input, ({ removed, running }) => {
      return `${plural(removed, 'job')} removed${running > 0 ? `; ${running} run, and stay` : ''}`
    })
  return make('jobs.cancel', input, ({ cancelled, asked }) => {
    return `${plural(cancelled, 'job')} cancelled${asked > 0 ? `; ${asked} run, and are asked to end` : ''}`
  })
}
