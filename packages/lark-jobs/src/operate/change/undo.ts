/**
 * Undoes changes of jobs with the records that were kept before the change. The row of each change in
 * `job-changes.ts` says how to undo the change: jobs that still exist get back the state in their records,
 * and jobs that no longer exist are restored from their records. In both cases a job is in at most one place,
 * and no job is lost if the process dies meanwhile.
 */

import { memberOf } from '../../model/effect.ts'
import { groupedBy } from '../../model/grouped.ts'
import type { JobRecord } from '../../model/record.ts'
import { flag, type OptionsOf, oneOf } from '../../options/schema.ts'
import { getFollowed } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { Store } from '../../store/contract/store.ts'
import { checkFilter, conditions } from '../look/filter.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { RECORDS } from '../look/whole-records.ts'
import { pending, type UndoableChange, undoableChanges } from './changed.ts'
import { importJobs, readRecord } from './import.ts'
import { jobChanges } from './job-changes.ts'
import { carry } from './move.ts'

export interface Undone {
  /** How many jobs got back the state in their records. */
  undone: number
  /**
   * How many jobs were left unchanged, because they have begun or were edited meanwhile, or no longer exist.
   */
  left: number
}

const undoConditions = conditions({
  /**
   * The change to undo. Jobs that no longer exist are restored only if this is `remove` or `cancel`. Default:
   * any change except `remove` and `cancel`.
   */
  of: oneOf<UndoableChange>(undoableChanges),
  /**
   * For `remove` and `cancel`: also restores jobs that run commands of `lark`, with any command. Use this
   * option only for records that you trust. Default: such jobs are refused.
   */
  commands: flag(),
})

export interface UndoOptions extends OptionsOf<typeof undoConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkUndo(options: unknown): void {
  checkFilter('operate().undo()', options, undoConditions, { whole: 'the second argument' })
}

/** @throws IMPORT_INVALID for a value that is not the record of a job, before any job is changed */
export async function undo(
  open: OpenQueues,
  values: readonly unknown[],
  { of = 'retry', commands }: UndoOptions,
  noted: (done: number) => void,
): Promise<Undone> {
  const way = jobChanges[of].undo
  const put = async (records: readonly unknown[]) => {
    const { imported, existing } = await importJobs(open, records, { ...(commands && { commands }) }, noted)
    return { undone: imported, left: existing }
  }
  if (way === 'put back') return await put(values)
  const { missing, ...counts } = await undoInPlace(open.store, values, noted)
  // Jobs of flows are not restored, because the flow would not learn of the end of a restored job.
  const gone = way === 'in place' ? [] : missing.filter(({ id }) => memberOf(id) === undefined)
  const due = ({ dueAt, queuedAt }: JobRecord) => dueAt ?? queuedAt
  const back = await put(gone.sort((one, other) => due(one) - due(other)))
  return { undone: counts.undone + back.undone, left: counts.left - back.undone }
}

/** In the result, `left` also counts the jobs that no longer exist. */
async function undoInPlace(
  store: Store,
  values: readonly unknown[],
  noted: (done: number) => void,
): Promise<Undone & { missing: JobRecord[] }> {
  const places = groupedBy(values.map(readRecord), ({ partition }) => partition)
  const counts = { undone: 0, left: 0 }
  const missing: JobRecord[] = []
  for (const [partition, records] of places)
    for (const some of inLots(records, RECORDS)) {
      const verdicts = await store.undo(partition, some)
      for (const [i, verdict] of verdicts.entries()) {
        const record = some[i]!
        const isUndone = verdict === 'done' || (verdict === 'missing' && (await cameBack(store, record)))
        counts[isUndone ? 'undone' : 'left']++
        if (!isUndone && verdict === 'missing') missing.push(record)
      }
      noted(counts.undone)
    }
  return { ...counts, missing }
}

/**
 * Moves a job back to its former queue, if nothing but the queue differs from the job's record. @returns
 * whether the job was moved back
 */
async function cameBack(store: Store, { partition, id, state, runs, options }: JobRecord): Promise<boolean> {
  if (!pending.some((each) => each === state)) return false
  const job = await getFollowed(store, partition, id, true)
  if (job === undefined || job.runs !== runs || job.options?.editedAt !== options?.editedAt) return false
  return (await carry(store, job.partition, [id], [partition])).get(id) === 'done'
}
