/**
 * Takes changes back: retries, and jobs that were made due. The jobs are changed in place, so that none is lost if the
 * process dies meanwhile.
 */

import { groupedBy } from '../../model/grouped.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { RECORDS } from '../look/whole-records.ts'
import { readRecord } from './import.ts'

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
      for (const verdict of await store.undo(partition, some))
        counts[verdict === 'done' ? 'undone' : 'left']++
      noted(counts.undone)
    }
  return counts
}
