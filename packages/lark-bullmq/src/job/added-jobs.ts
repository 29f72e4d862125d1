/**
 * Adds jobs to a queue: for `Queue.add()`, and for a `FlowProducer` whose job has no children.
 */

import { JobsError } from '@s18i/lark-jobs'
import { dispatchAll } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'
import { BullJob } from './bull-job.ts'
import { type AddedJob, draftedBy } from './job-options.ts'

/** @throws BULLMQ_UNSUPPORTED, JOB_INVALID; the errors of a dispatch */
export async function addJobs(who: string, home: JobHome, added: readonly AddedJob[]): Promise<BullJob[]> {
  const drafted = added.map((each) => draftedBy(who, home.queue, each))
  const handles = await dispatchAll(home.store.jobs, drafted)
  return handles.map(({ id, rejection }, i) => {
    const { name, data = {}, opts } = added[i]!
    if (rejection?.reason === 'full')
      throw new JobsError('JOB_NOT_QUEUED', `${who}: the job ${name} was not added: the queue is full`)
    return new BullJob(home, { id, name, data, opts, timestamp: Date.now() })
  })
}
