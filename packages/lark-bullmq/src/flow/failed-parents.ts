/**
 * Publishes the event `failed` for the jobs of a flow that have failed because a job below them has failed.
 * These jobs were never in their queues, so the store writes no event for them. The worker that ran the
 * failed job publishes the events.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { memberOf, queueOf } from '@s18i/lark-jobs/internal'
import { EveryJob } from '../job/every-job.ts'
import type { JobHome } from '../store/shared-store.ts'
import { outerParentOf } from './added-children.ts'
import { FlowNode } from './flow-node.ts'
import { JobChildren } from './job-children.ts'

/**
 * Milliseconds between two checks of the flow, from `first` to `last`, and the milliseconds after which the
 * checks end.
 */
const LOOK = { first: 5, last: 100, all: 5_000 }

/**
 * Waits until the flow knows that this job has failed, and publishes the events for the jobs above it.
 *
 * @param id the id of the job in Lark
 */
export async function tellParents(home: JobHome, id: string): Promise<void> {
  const over = performance.now() + LOOK.all
  let node = await FlowNode.find(home, id)
  for (let wait = LOOK.first; node?.state === 's'; wait = Math.min(2 * wait, LOOK.last)) {
    if (performance.now() > over) return
    await pause(wait)
    node = await FlowNode.find(home, id)
  }
  for (const parent of node?.followers ?? []) {
    const { failedReason } = (await parent.end()) ?? {}
    const told = { jobId: parent.shownId, failedReason, prev: 'active' }
    // `publish` is used because a hint may not reach a listener in the first second after it has begun to
    // listen.
    await home.store.publish(`Flow ${parent.shownId}`, parent.queue, 'failed', told)
  }
  await wakeParent(home, id)
}

/**
 * If this job was added as a child to another job, and its failure makes that job fail, that job is made due.
 * If that job already waits for its children, it becomes due without this call.
 */
async function wakeParent(home: JobHome, id: string): Promise<void> {
  const { store } = home
  const parent = await outerParentOf(home, id)
  if (parent === undefined) return
  const at = { store, queue: queueOf(parent.partition) }
  const over = performance.now() + LOOK.all
  for (let wait = LOOK.first; performance.now() < over; wait = Math.min(2 * wait, LOOK.last)) {
    const { failed, pending } = await JobChildren.of(at, parent.id)
    if (failed !== undefined) {
      const handle = store.jobs.handle(EveryJob, parent.id, { queue: at.queue })
      const { state, suspended } = (await handle.status()) ?? {}
      if (state === 'delayed' && suspended === undefined) await handle.runNow()
      return
    }
    if (!pending.some(({ flow, rule }) => flow === memberOf(id)!.flow && rule === 'fail')) return
    await pause(wait)
  }
}
