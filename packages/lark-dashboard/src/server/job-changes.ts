/**
 * Changes of jobs that can be taken back: what the store has before is remembered for as long as the viewer
 * may undo it.
 */
import {
  type CancelFilter,
  type Cancelled,
  type JobDetail,
  type JobRecord,
  type Moved,
  movable,
  type Operate,
  type PendingFilter,
  type Removed,
  type RemoveFilter,
  type Rescheduled,
  type RetryFilter,
  type State,
  type Undone,
} from '@s18i/lark-jobs/operate'
import type { Act } from './act.ts'
import { refused } from './input.ts'
import type { Meanwhile } from './underway.ts'

/** The most jobs whose records are kept for an undo. */
const MOST_UNDONE = 1_000
/** How many jobs are looked up at a time. */
const AT_ONCE = 50

interface ChangeInput {
  dryRun?: boolean
  queue?: string
  /** Of a change that may take long. */
  meanwhile?: Meanwhile
}

/** With the id of an undo, if it can be undone. */
export type Undoable<T> = T & { undo?: string }

const optionsOf = ({ dryRun = false, queue, meanwhile }: ChangeInput) => ({
  dryRun,
  ...(queue !== undefined && { queue }),
  ...meanwhile,
})

/** Undone for the jobs that have not begun or were edited meanwhile. */
export async function retryJobs(
  { operate, undos, viewer }: Act,
  which: string[] | RetryFilter,
  input: ChangeInput,
): Promise<Undoable<{ retried: number }>> {
  if (input.dryRun) return { retried: await operate.retry(which, optionsOf(input)) }
  const before = await recordsOf(operate, which, 'failed', input.queue)
  const retried = await operate.retry(which, optionsOf(input))
  if (before === undefined || retried === 0) return { retried }
  return { retried, undo: undos.keep(viewer.user, () => operate.undo(before)) }
}

export async function cancelJobs(
  { operate }: Act,
  which: string[] | CancelFilter,
  input: ChangeInput & { because?: string },
): Promise<Cancelled> {
  const { because } = input
  return await operate.cancel(which, { ...optionsOf(input), ...(because !== undefined && { because }) })
}

/** Undone for the jobs that have not begun meanwhile. */
export async function runJobsNow(
  { operate, undos, viewer }: Act,
  which: string[] | PendingFilter,
  input: ChangeInput,
): Promise<Undoable<Rescheduled>> {
  if (input.dryRun) return await operate.runNow(which, optionsOf(input))
  const found = await recordsOf(operate, which, 'delayed', input.queue)
  const answer = await operate.runNow(which, optionsOf(input))
  const before = found?.filter(({ state }) => state === 'delayed') ?? []
  if (before.length === 0 || answer.rescheduled === 0) return answer
  return { ...answer, undo: undos.keep(viewer.user, () => operate.undo(before)) }
}

/** Undone for the jobs that have not begun meanwhile. */
export async function moveJobs(
  { operate, undos, viewer }: Act,
  which: string[] | PendingFilter,
  input: ChangeInput & { to: string },
): Promise<Undoable<Moved>> {
  const { to } = input
  if (input.dryRun) return await operate.move(which, to, optionsOf(input))
  const before = await recordsOf(operate, which, movable, input.queue)
  const answer = await operate.move(which, to, optionsOf(input))
  const moved = before?.filter(({ partition }) => partition.split('/', 1)[0] !== to) ?? []
  if (moved.length === 0 || answer.moved === 0) return answer
  return { ...answer, undo: undos.keep(viewer.user, () => operate.undo(moved)) }
}

export async function removeJobs(
  { operate, undos, viewer }: Act,
  which: string[] | RemoveFilter,
  input: ChangeInput,
): Promise<Undoable<Removed>> {
  if (input.dryRun) return await operate.remove(which, optionsOf(input))
  const removed: JobRecord[] = []
  let isWhole = true
  const before = (jobs: readonly JobRecord[]) => {
    if (removed.length + jobs.length <= MOST_UNDONE) removed.push(...jobs)
    else isWhole = false
  }
  const answer = await operate.remove(which, { ...optionsOf(input), before })
  if (!isWhole || removed.length === 0) return answer
  const undo = async (): Promise<Undone> => {
    const { imported } = await operate.import(removed, { source: 'an undo', commands: true })
    return { undone: imported, left: removed.length - imported }
  }
  return { ...answer, undo: undos.keep(viewer.user, undo) }
}

export async function purgeJobs(
  { operate }: Act,
  which: string[] | RemoveFilter,
  input: ChangeInput,
): Promise<Removed> {
  return await operate.purge(which, optionsOf(input))
}

/** @param input `payload` is JSON text, so that the viewer's numbers arrive as they were written */
export async function editJob(
  { operate }: Act,
  input: { id: string; queue?: string; payload: string },
): Promise<{ edited: number; running: number }> {
  let payload: unknown
  try {
    payload = JSON.parse(input.payload)
  } catch {
    throw refused('payload', input.payload, 'JSON')
  }
  const { id, queue } = input
  return await operate.edit([id], payload, queue === undefined ? {} : { queue })
}

/**
 * The records of the jobs that are about to be changed, without payloads, which an undo leaves as they are;
 * undefined if they are too many to keep.
 *
 * @param state in which a filter without a state finds jobs
 */
async function recordsOf(
  operate: Operate,
  which: string[] | RetryFilter | PendingFilter,
  state: State | readonly State[],
  queue: string | undefined,
): Promise<JobRecord[] | undefined> {
  const records: JobRecord[] = []
  if (!Array.isArray(which)) {
    const { all: _, ...filter } = which as RetryFilter & { all?: true }
    for await (const some of operate.records({ state, ...filter })) {
      records.push(...some.map((job) => ({ ...job, payload: '' })))
      if (records.length > MOST_UNDONE) return undefined
    }
    return records
  }
  for (let i = 0; i < which.length; i += AT_ONCE) {
    const some = which.slice(i, i + AT_ONCE)
    const jobs = await Promise.all(some.map((id) => operate.find(id, queue === undefined ? {} : { queue })))
    records.push(...jobs.filter((job) => job !== undefined).map(recordOf))
  }
  return records
}

function recordOf({ queue: _, log: __, payload: ___, result, progress, ...rest }: JobDetail): JobRecord {
  return {
    ...rest,
    payload: '',
    ...(result !== undefined && { result: JSON.stringify(result) }),
    ...(progress !== undefined && { progress: JSON.stringify(progress) }),
  }
}
