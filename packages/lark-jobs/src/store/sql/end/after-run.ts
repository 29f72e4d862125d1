/**
 * Writes the consequence of a run (`store/contract/rules/after-run.ts`) to the row of the job. If the job was
 * active, the caller must call `letGoOf` (`lease.ts`).
 */
import { defined } from '@s18i/lark/internal'
import type { JobError } from '../../../model/record.ts'
import { putBack, strandedSince, suspendedFor, UNDOING } from '../../contract/rules/reason.ts'
import { undoneFirst } from '../../contract/rules/undoing.ts'
import { type Consequence, MAX_ERRORS } from '../../contract/store.ts'
import { tell } from '../events/events.ts'
import { keepUndo, undoOf } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { errorsOf, type JobRow } from '../row.ts'
import { PENDING } from '../states.ts'
import { end } from './end.ts'
import { move } from './move.ts'

/** @param took how long the run took, in milliseconds */
export function follow(partition: Partition, row: JobRow, consequence: Consequence, took?: number): void {
  const { state, dueAt, reason, because, isStranded, waits, undo, error, alike, result, ...rest } =
    undoneFirst(consequence, undoOf(partition, row), partition.now)
  const { noPrefetch, isUntold, counts, event, ...counters } = rest
  if (undo !== undefined) keepUndo(partition, row, undo)
  if (event !== undefined) tell(partition, event, [row.id])
  if (counts !== undefined) partition.minute[counts] += 1
  const since = isStranded && (strandedSince(row.reason, row.runs - 1) ?? row.dueAt)
  const change = {
    ...counters,
    ...(error !== undefined && { errors: withError(row, { ...error, at: partition.now }) }),
    ...defined({ result }),
    ...(noPrefetch && { direct: 1 as const }),
    ...defined({ dueAt }),
    ...(because !== undefined && { reason: putBack(row.runs, because, since) }),
    ...(undo !== undefined && { reason: UNDOING }),
    ...defined({ reason: reason ?? (waits && suspendedFor(row.runs, waits)) }),
  }
  if (state === 'pending') move(partition, row, { ...change, state: PENDING })
  else end(partition, row, { ...change, state, isUntold, took, alike })
}

/** The errors of a job and a further error, as JSON. Only the newest `MAX_ERRORS` errors are kept. */
function withError(row: JobRow, error: JobError): string {
  return JSON.stringify([...errorsOf(row), error].slice(-MAX_ERRORS))
}
