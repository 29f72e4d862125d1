/**
 * Changes of jobs that can be undone. The server keeps the previous records of the jobs for as long as the
 * viewer may undo the change.
 */
import { defined } from '@s18i/lark/internal'
import type {
  CancelFilter,
  Cancelled,
  JobRecord,
  Moved,
  PendingFilter,
  Removed,
  RemoveFilter,
  Rescheduled,
  RetryFilter,
  UndoableChange,
  UndoableOptions,
} from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { refused } from '../guard/input.ts'
import type { Meanwhile } from './underway.ts'

/**
 * The maximum number of jobs whose records are kept for an undo, and of characters in these records as JSON.
 */
const MOST_UNDONE = 100_000
const MOST_CHARACTERS = 32 * 2 ** 20

interface ChangeInput {
  dryRun?: boolean
  queue?: string
  /** Present only for a change that may take long. */
  meanwhile?: Meanwhile
}

/** The answer of a change, with the id of its undo if it can be undone. */
export type Undoable<T> = T & { undo?: string }

const optionsOf = ({ dryRun = false, queue, meanwhile }: ChangeInput) => ({
  dryRun,
  ...defined({ queue }),
  ...meanwhile,
})

/**
 * Makes a change, and keeps the records that are needed to undo it. An undo leaves jobs unchanged that have
 * begun or were edited after the change. A change of too many or too large jobs cannot be undone.
 *
 * @param of the name of the change
 */
async function undoable<Answer extends object>(
  { operate, undos, viewer }: Act,
  of: UndoableChange,
  input: ChangeInput,
  change: (options: UndoableOptions) => Promise<Answer>,
): Promise<Undoable<Answer>> {
  if (input.dryRun) return await change(optionsOf(input))
  const records: JobRecord[] = []
  let characters = 0
  let isWhole = true
  // Removed jobs no longer exist, and cancelled jobs may not be kept. After any other change, the jobs still
  // exist with their payloads.
  const isGone = of === 'remove' || of === 'cancel'
  const before = (jobs: readonly JobRecord[]) => {
    const some = isGone ? jobs : jobs.map((job) => ({ ...job, payload: '' }))
    for (const job of some) characters += JSON.stringify(job).length
    isWhole = records.length + some.length <= MOST_UNDONE && characters <= MOST_CHARACTERS
    if (!isWhole) {
      records.length = 0
      return 'enough'
    }
    records.push(...some)
  }
  const answer = await change({ ...optionsOf(input), before })
  if (!isWhole || records.length === 0) return answer
  const undo = () => operate.undo(records, { of, commands: true })
  return { ...answer, undo: undos.keep(viewer.user, undo, characters) }
}

export async function retryJobs(
  act: Act,
  which: string[] | RetryFilter,
  input: ChangeInput,
): Promise<Undoable<{ retried: number }>> {
  return await undoable(act, 'retry', input, async (options) => {
    return { retried: await act.operate.retry(which, options) }
  })
}

export async function cancelJobs(
  act: Act,
  which: string[] | CancelFilter,
  input: ChangeInput & { because?: string },
): Promise<Undoable<Cancelled>> {
  const because = defined({ because: input.because })
  return await undoable(act, 'cancel', input, (options) => {
    return act.operate.cancel(which, { ...options, ...because })
  })
}

export async function runJobsNow(
  act: Act,
  which: string[] | PendingFilter,
  input: ChangeInput,
): Promise<Undoable<Rescheduled>> {
  return await undoable(act, 'run-now', input, (options) => act.operate.runNow(which, options))
}

export async function moveJobs(
  act: Act,
  which: string[] | PendingFilter,
  input: ChangeInput & { to: string },
): Promise<Undoable<Moved>> {
  return await undoable(act, 'move', input, (options) => act.operate.move(which, input.to, options))
}

export async function removeJobs(
  act: Act,
  which: string[] | RemoveFilter,
  input: ChangeInput,
): Promise<Undoable<Removed>> {
  return await undoable(act, 'remove', input, (options) => act.operate.remove(which, options))
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
