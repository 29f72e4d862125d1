/**
 * The journal of a job: the entries of its steps, and the signals that were sent to it. The store keeps a
 * journal from the first entry or signal until the job is removed.
 */

/** A signal that was sent to a job. */
export interface KeptSignal {
  name: string
  /** The value as JSON, or '' if the signal has no value. */
  text: string
  /** The key that the sender chose. Only a `WholeJournal` has this key. */
  key?: string
}

/**
 * A complete journal, in the form in which an export writes it to a file. An import restores the job from
 * that file.
 */
export interface WholeJournal {
  entries: string[]
  signals: KeptSignal[]
  undo?: string
}

export interface Journal {
  /**
   * The entries from some index on, in the order in which they were recorded. Stores do not read their
   * content (`step/entries.ts`).
   */
  entries: string[]
  /** How many entries the journal has in all. */
  count: number
  bytes: number
  /**
   * All signals, in the order in which they arrived. A store returns the signals only together with the first
   * entries.
   */
  signals: KeptSignal[]
  /**
   * Whether steps must be undone before the job ends as failed or cancelled. If absent, there is nothing to
   * undo. If empty, the steps must be undone if the job fails or is cancelled. Any other text means that the
   * steps must be undone now, and says how the job ends after that (`store/contract/rules/undoing.ts`).
   */
  undo?: string
  /**
   * The total time for which the job was suspended, in milliseconds. The store keeps this time only if the
   * outcomes of the job's runs have `rests`.
   */
  rested?: number
}

/** Entries that are to be added to a journal. */
export interface Recorded {
  /**
   * The index of the first entry, that is, the number of entries before it. Entries that already exist are
   * not added again.
   */
  at: number
  entries: string[]
  /**
   * Whether the entries are progress. After progress, the earlier crashes and failures of the job no longer
   * count.
   */
  isProgress?: boolean
  /** Present if some steps must be undone before the job ends as failed or cancelled. */
  hasUndos?: true
}

/** The delay of a job that waits for a signal without a timeout: a hundred years, in milliseconds. */
export const FOREVER = 100 * 365 * 86_400_000

/** @param ms the time until a suspended job is due, in milliseconds */
export function isForEver(ms: number): boolean {
  return ms > FOREVER / 2
}
