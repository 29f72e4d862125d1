/**
 * Takes changes back: retries, jobs that were made due, and moves. The jobs are changed in place, so that
 * none is lost if the process dies meanwhile.
 */

import { groupedBy } from '../../model/grouped.ts'
import type { JobRecord } from '../../model/record.ts'
import { getFollowed } from '../../store/contract/moved.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { Store } from '../../store/contract/store.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { RECORDS } from '../look/whole-records.ts'
import { pending } from './changed.ts'
import { readRecord } from './import.ts'
import { carry } from './move.ts'

export interface Undone {
  /** Jobs that are again what their records say. */
  undone: number
  /** Jobs that are left as they are: they have begun or were edited since, or are gone. */
  left: number
}

/** @throws IMPORT_INVALID for a value that is not the record of a job, before any job is changed */
export async function undo(
  { store }: OpenQueues,
  values: readonly unknown[],
  noted: (done: number) => void,
): Promise<Undone> {
  const places = groupedBy(values.map(readRecord), ({ partition }) => partition)
  const counts = { undone: 0, left: 0 }
  for (const [partition, records] of places)
    for (const some of inLots(records, RECORDS)) {
      const verdicts = await store.undo(partition, some)
      for (const [i, verdict] of verdicts.entries()) {
        const isUndone = verdict === 'done' || (verdict === 'missing' && (await cameBack(store, some[i]!)))
        counts[isUndone ? 'undone' : 'left']++
      }
      noted(counts.undone)
    }
  return counts
}

/** Moves a job back that was moved since, if it is as its record says. @returns whether it is there again */
async function cameBack(store: Store, { partition, id, state, runs, options }: JobRecord): Promise<boolean> {
  if (!pending.some((each) => each === state)) return false
  const job = await getFollowed(store, partition, id, true)
  if (job === undefined || job.runs !== runs || job.options?.editedAt !== options?.editedAt) return false
  return (await carry(store, job.partition, [id], [partition])).get(id) === 'done'
}
