/**
 * Changes the priority of jobs that do not run and have not ended. Each keeps its place among the jobs of its
 * new priority.
 */
import { jobSettings } from '../../options/job-settings.ts'
import { voiceOf } from '../../options/schema.ts'
import type { Change } from '../../store/contract/store.ts'
import {
  type ChangeOptions,
  type Chosen,
  checkFilter,
  conditions,
  type Flags,
  readChosen,
} from '../look/filter.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { altering, changeJobs } from './change.ts'
import { checkPending, pending } from './reschedule.ts'

export interface Prioritized {
  /** Jobs that have the priority now. */
  prioritized: number
  /**
   * Jobs that were left as they are: they began meanwhile, or their queue has 256 other priorities in use.
   */
  left: number
}

const { priority } = jobSettings.entries

/** Checks the arguments of `prioritize`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readPrioritize(
  which: unknown,
  given: unknown,
  options: unknown,
  flags?: Flags,
): [Chosen, Change] {
  const chosen = readChosen('Jobs.prioritize()', pending, which, options, flags)
  checkFilter('Jobs.prioritize()', { priority: given }, conditions({ priority }), { flags })
  return [chosen, { kind: 'prioritize', priority: given as number }]
}

/** Checks what a handle says. @throws JOB_INVALID */
export function readPriority(id: string, given: unknown): Change {
  const voice = voiceOf('JOB_INVALID', `${id}: prioritize()`)
  return { kind: 'prioritize', ...conditions({ priority }).readAll({ priority: given }, voice) }
}

/** @throws JOB_NOT_PENDING, and the errors of `changeJobs` */
export async function prioritize(
  open: OpenQueues,
  which: Chosen,
  change: Change,
  options: ChangeOptions,
): Promise<Prioritized> {
  const { done, refused } = await changeJobs(
    open,
    which,
    { states: pending, verdict: () => 'done', check: checkPending, act: altering(open, change) },
    options,
  )
  return { prioritized: done, left: refused }
}
