/**
 * The journal of a job: what its steps have recorded, and the signals that came for it. It is kept in the
 * store from the first entry, or the first signal, until the job is removed.
 */

/** A signal that was sent to a job. */
export interface KeptSignal {
  name: string
  /** JSON, or '' if it has no value. */
  text: string
  /** The sender's own, if the journal is read as a whole. */
  key?: string
}

/** All of a journal, as a file has it from which its job can be put back. */
export interface WholeJournal {
  entries: string[]
  signals: KeptSignal[]
  undo?: string
}

export interface Journal {
  /**
   * In the order in which they were recorded, from some place on. A store reads none of them
   * (`step/entries.ts`).
   */
  entries: string[]
  /** How many entries there are in all, and their bytes. */
  count: number
  bytes: number
  /** From the first on, in the order in which they came. Only with the first entries. */
  signals: KeptSignal[]
  /**
   * Absent: no step is to be undone. '': there are some. Else: they must be undone now, and how the job ends
   * after that (`store/contract/rules/undoing.ts`).
   */
  undo?: string
  /** Milliseconds in which the job was suspended. Only if the outcomes of its runs said so (`rests`). */
  rested?: number
}

/** Entries on their way into a journal. */
export interface Recorded {
  /**
   * The place of the first of them: so many entries come before it. Those that are there already are not
   * added again.
   */
  at: number
  entries: string[]
  /** The job has got further than ever before: the crashes and failures before do not count any more. */
  isProgress?: boolean
  /** Some steps must be undone before the job ends as failed or cancelled. */
  hasUndos?: true
}

/** Milliseconds after which a job is due that waits for a signal without a timeout: a hundred years. */
export const FOREVER = 100 * 365 * 86_400_000

/** @param ms until a suspended job is due */
export function isForEver(ms: number): boolean {
  return ms > FOREVER / 2
}
