/**
 * Orders to workers. Quiet and resume undo each other, but only if the order has changed the state of every
 * worker, because an undo must not resume a worker that another person has made quiet.
 */
import type { WorkerFilter, WorkerOrderResult } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import type { Undoable } from './job-changes.ts'

/** The data for the browser about the workers that got the order. */
export interface Told {
  workers: number
  /** How many workers did not get the order, because they cannot restart on their own. */
  left: number
}

const counted = ({ workers, left }: WorkerOrderResult): Told => ({
  workers: workers.length,
  left: left.length,
})

export async function orderWorkers(
  { operate, undos, viewer }: Act,
  order: 'quiet' | 'resume',
  filter: WorkerFilter,
): Promise<Undoable<Told>> {
  const told = await operate.workers[order](filter)
  const before = order === 'quiet' ? 'running' : 'quiet'
  if (told.workers.length === 0 || told.workers.some(({ state }) => state !== before)) return counted(told)
  const undo = undos.keep(viewer.user, async () => {
    const back = await operate.workers[order === 'quiet' ? 'resume' : 'quiet'](filter)
    return { undone: back.workers.length, left: Math.max(0, told.workers.length - back.workers.length) }
  })
  return { ...counted(told), undo }
}

export async function restartWorkers({ operate }: Act, filter: WorkerFilter): Promise<Told> {
  return counted(await operate.workers.restart(filter))
}
