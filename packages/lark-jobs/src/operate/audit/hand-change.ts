/** A change that people make by hand, with the data that `operate()` needs to record it (`recording.ts`). */

import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import type { Chosen } from '../look/filter.ts'
import type { Audited } from './audited.ts'

export interface HandChange<T> {
  what: Audited
  /** What is changed: which jobs, or words such as `queue emails`. */
  on: Chosen | string
  /** The queue to which jobs go. */
  to?: string | undefined
  /** The queue that was named with the ids. */
  queue?: string | undefined
  /** Aborted if the change was interrupted. */
  signal?: AbortSignalLike | undefined
  /** How many jobs, or other things, were changed. */
  count(answer: T): number
}

/**
 * Makes a change by hand.
 *
 * @param act makes the change, and reports its progress with `noted`
 */
export type Perform = <T>(
  change: HandChange<T>,
  act: (noted: (done: number) => void) => Promise<T>,
) => Promise<T>

/** Used if the application itself changes something, or if nobody asked for a record. */
export const unrecorded: Perform = (_, act) => act(() => {})
