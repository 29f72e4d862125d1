/**
 * The contract between the job queue and a store of journals (`model/journal.ts`). Journals have their own
 * interface beside the verbs for jobs (`store.ts`). `test/conformance/journals.ts` tests what this comment
 * says.
 *
 * **Recording.** Only the worker that holds a job may write entries, with `record` or with the outcome of the
 * run (`Outcome`). Entries from a worker that has lost its lease are refused. Each call names the index of
 * its first entry, so that a repeated call adds nothing twice. A person may add entries while no worker holds
 * the job (`append`). After a failover, the new server may lack the last entries. A store never adds entries
 * after a gap: if entries are missing, `record` answers how many entries the store has (`Recording.short`),
 * and the worker sends the missing entries again. If the entries of an outcome come after a gap, the outcome
 * counts without these entries, and a later run repeats the steps whose entries are missing.
 *
 * In a store whose `durability` is `strict` or `replicated`, `record` answers when the entries are on disk or
 * on a replica. If the entries are not safe, the answer says why (`Recording.unsafe`).
 *
 * **Progress.** An entry that is marked as progress sets the failures and crashes of the job to 0. So a job
 * fails only because of what has happened since its last progress. For example, if a job runs for weeks, the
 * crashes of many deployments do not add up until the job fails.
 *
 * **Signals.** A signal is kept for every job that has not ended, even if the job does not wait for a signal.
 * If the application chose the id of the job, a signal is kept for `EARLY_MEMORY` even before the job exists.
 * Signals are kept in the order of arrival, and are not removed when a run takes them: the entries of the
 * journal say which signals were taken. Of several signals with the same name and key, only the first is
 * kept. If signals arrive in a partition before the job is moved there, they come after the signals that the
 * job brings, and make the job due if it waits for one of them.
 *
 * **Suspended.** The outcome `suspended` puts a job back until a time, or until a signal comes whose name is
 * in `waits`. `heard` says how many signals the run knew. If the store has more signals than that, the job is
 * due at once, so that no signal is missed. The `waits` of a job count until its next run begins.
 *
 * If an outcome has `rests`, the store measures how long the job is suspended, until its next run is claimed.
 * The measured time does not count for the job's `retryUntil`. A retry by hand sets the time to 0.
 *
 * **Children.** A child is a job that another job has started and awaits. The end of a child comes to the
 * other job as a signal whose name begins with `CHILD_SIGNAL`. The verdict for a signal about the end of a
 * child is never `full`, because its sender would repeat it for ever. If the text of such a signal does not
 * fit, the `brief` text of the signal is kept. The size of the journal limits the number of children, because
 * the journal has an entry for each child.
 *
 * If a person changes the due time of a suspended job (`run-now`, `reschedule`, or `undo` of these), all
 * waits of the job end at the new time, which the store writes into the journal (`waitsEnd`).
 *
 * **Undos.** Entries may say that the job has steps to undo (`Recorded.hasUndos`). A job with steps to undo
 * ends as failed or cancelled only after a run has undone the steps (`rules/undoing.ts`). If an outcome, a
 * cancel by hand or too many crashes would end the job before its steps are undone, the job goes back to its
 * line, is due at once, and its journal says how it will end. Failures and crashes of the job before the undo
 * do not count. The outcome `suspended` with `undoing` does the same, and also says when the run that undoes
 * continues. A job whose steps are being undone cannot be cancelled (the verdict is `asked`); the job ends
 * when its worker says so, or after too many crashes. After a retry by hand, the job still has its steps to
 * undo. If a job is removed, its steps are not undone.
 *
 * **With the job.** A claim returns the first entries of the journal, at most `JOURNAL_BYTES`, and all
 * signals; `read` returns the other entries. A journal moves with its job. The journal is removed with its
 * job, and when a person retries a completed job.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { JobsError } from '../../model/errors.ts'
import type { Journal, KeptSignal, Recorded, WholeJournal } from '../../model/journal.ts'

/**
 * The largest size of the entries in a claim and in the answer of each `read`, in bytes. A larger entry comes
 * alone.
 */
export const JOURNAL_BYTES = 65_536
/**
 * The largest number of signals that a job may have, and the largest size of their texts in bytes. Signals
 * about the ends of children do not count.
 */
export const MAX_SIGNALS = 1_000
export const MAX_SIGNAL_BYTES = 4_194_304
/** The largest size of the texts about the ends of a job's children, in bytes. Brief texts do not count. */
export const MAX_CHILD_BYTES = 16_777_216
/** The names of signals about the end of a child begin with this text. */
export const CHILD_SIGNAL = '$child:'
/** Milliseconds for which a signal is kept for a job that does not exist yet. */
export const EARLY_MEMORY = 3_600_000

/**
 * Makes the entry that changes the end of a job's waits. @param until the new end: milliseconds since 1970
 */
export function waitsEnd(until: number): string {
  return `n\n${until}`
}

export interface NewSignal {
  name: string
  /** The value of the signal as JSON, or '' if the signal has no value. */
  text: string
  /**
   * For the end of a child: the text that is kept if there is no room for `text`; if absent, `text` is always
   * kept.
   */
  brief?: string
  /** A key that the sender chooses. The verdict for a second signal with the same name and key is `known`. */
  key?: string
  /** Whether the store keeps the signal even if the job does not exist yet. */
  mayBeEarly?: boolean
}

/**
 * What a store has done with a signal.
 *
 *   kept     The job will get the signal. `early`: the job does not exist yet.
 *   known    A signal with this name and key came before.
 *   missing  The job does not exist.
 *   ended    The job has ended.
 *   full     The job would have more than `MAX_SIGNALS` signals, or signals of more than `MAX_SIGNAL_BYTES`.
 */
export type SignalVerdict = 'kept' | 'early' | 'known' | 'missing' | 'ended' | 'full'

/**
 * What a store has done with entries that a person adds.
 *
 *   added    The journal now ends with these entries.
 *   changed  The journal has other entries at these indices.
 *   active   A worker holds the job.
 *   missing  The job does not exist, or has no journal.
 */
export type AppendVerdict = 'added' | 'changed' | 'active' | 'missing'

/**
 * What a store has done with entries of a journal that arrive before their job.
 *
 *   brought  The journal now ends with these entries.
 *   changed  The journal has other entries before these entries.
 *   exists   The job exists already. Nothing has changed.
 */
export type BringVerdict = 'brought' | 'changed' | 'exists'

/** A report about the steps of a run that goes on. */
export interface StepsNote {
  id: string
  token: string
  /** The entries that the run has recorded since the last note about it. */
  steps?: Recorded
  /** How many signals the run knows. The answer has the signals that come after the first `heard` signals. */
  heard?: number
}

export interface Recording {
  /** Ids of jobs whose lease the caller no longer has. */
  lost: string[]
  /** The signals that the runs do not know yet; undefined if there are none. */
  signals?: { id: string; signals: KeptSignal[] }[]
  /**
   * The journals that lack entries before the entries of a note, with the number of entries that the store
   * has; undefined if there are none.
   */
  short?: { id: string; count: number }[]
  /**
   * Why the entries are not as safe as the durability of the store demands. If present, the caller sends the
   * entries again.
   */
  unsafe?: JobsError
}

export interface Journals {
  /**
   * Adds entries that runs have recorded, marks their jobs as started, and returns signals that the runs do
   * not know. Leases are not renewed. Safe to repeat.
   */
  record(partition: string, notes: readonly StepsNote[]): Promise<Recording>

  /**
   * Reads the entries of a job from an index on, as many as fit; undefined if the job has no journal. An
   * answer from the index 0 also has the signals and their keys.
   */
  read(partition: string, id: string, from: number): Promise<Journal | undefined>

  /** Adds entries at the end of the journal of a job that no worker holds. Safe to repeat. */
  append(partition: string, id: string, steps: Pick<Recorded, 'at' | 'entries'>): Promise<AppendVerdict>

  /**
   * Keeps a journal for a job that does not exist yet. A job that is queued with this id takes the journal.
   * If no such job is queued within `EARLY_MEMORY`, the journal is lost. The first call has the index 0 and
   * all signals, which come before any other signals of the job. Further calls add entries. After a failure,
   * the caller may repeat the calls from any of them on.
   */
  bring(
    partition: string,
    id: string,
    journal: Pick<Recorded, 'at'> & Pick<WholeJournal, 'entries'> & Partial<WholeJournal>,
  ): Promise<BringVerdict>

  /**
   * Keeps a signal for a job, and makes the job due if it waits for this signal. Only a signal with a key may
   * be sent again safely.
   */
  signal(partition: string, id: string, signal: NewSignal): Promise<SignalVerdict>
}
