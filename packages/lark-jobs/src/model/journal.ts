/**
 * The journal of a job: the entries of its steps, and the signals that came for it. It is kept in the store
 * from the first entry or signal until the job is removed.
 */

/** A signal that was sent to a job. */
export interface KeptSignal {
  name: string
  /** JSON, or '' if it has no value. */
  text: string
  /** The sender's key, if the journal is read as a whole. */
  key?: string
}

/** A complete journal, in the form in which a file has it for putting the job back. */
export interface WholeJournal {
  entries: string[]
  signals: KeptSignal[]
  undo?: string
}

export interface Journal {
  /**
   * In the order in which they were recorded, from some index on. Stores do not read them
   * (`step/entries.ts`).
   */
  entries: string[]
  /** How many entries there are in all, and their bytes. */
  count: number
  bytes: number
  /** All signals, in the order in which they came. Only with the first entries. */
  signals: KeptSignal[]
  /**
   * Absent: no step is to be undone. '': there are steps to undo. Otherwise they must be undone now, and the
   * text says how the job ends after that (`store/contract/rules/undoing.ts`).
   */
  undo?: string
  /**
   * Milliseconds for which the job was suspended. Kept only if the outcomes of its runs have `rests`.
   */
  rested?: number
}

/** Entries on their way into a journal. */
export interface Recorded {
  /**
   * The index of the first of them: that many entries come before it. Entries that exist already are not
   * added again.
   */
  at: number
  entries: string[]
  /** The job has made progress: its earlier crashes and failures no longer count. */
  isProgress?: boolean
  /** Some steps must be undone before the job ends as failed or cancelled. */
  hasUndos?: true
}

/** Milliseconds after which a job that waits for a signal without a timeout is due: a hundred years. */
export const FOREVER = 100 * 365 * 86_400_000

/** @param ms until a suspended job is due */
export function isForEver(ms: number): boolean {
  return ms > FOREVER / 2
}
