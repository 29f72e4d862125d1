/**
 * A change that a person makes by hand, with the data that is needed to record it in the audit
 * (`recording.ts`).
 */

import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import type { Chosen } from '../look/filter.ts'
import type { Audited } from './audited.ts'

export interface HandChange<T> {
  what: Audited
  /** Describes what is changed: the chosen jobs, or a text such as `queue emails`. */
  on: Chosen | string
  /** The queue to which jobs are moved. */
  to?: string | undefined
  /** The queue that the caller gave together with the ids of jobs. */
  queue?: string | undefined
  /** A signal that is aborted if the change is interrupted. */
  signal?: AbortSignalLike | undefined
  /** Returns how many jobs, or other things, were changed. */
  count(answer: T): number
}

/**
 * Makes a change by hand.
 *
 * @param act makes the change, and calls `noted` to report its progress
 */
export type Perform = <T>(
  change: HandChange<T>,
  act: (noted: (done: number) => void) => Promise<T>,
) => Promise<T>

/** Makes a change without recording it: for changes that the application itself makes. */
export const unrecorded: Perform = (_, act) => act(() => {})
