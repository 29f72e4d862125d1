/**
 * A change that people make by hand: what it says of itself, so that `operate()` can record it
 * (`recording.ts`).
 */

import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import type { Chosen } from '../look/filter.ts'
import type { Audited } from './audited.ts'

export interface HandChange<T> {
  what: Audited
  /** On what: which jobs, or words such as `queue emails`. */
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
 * @param act makes it, and says with `noted` how far it is
 */
export type Perform = <T>(
  change: HandChange<T>,
  act: (noted: (done: number) => void) => Promise<T>,
) => Promise<T>

/** The application changes something itself, or nobody asked for a record. */
export const unrecorded: Perform = (_, act) => act(() => {})
