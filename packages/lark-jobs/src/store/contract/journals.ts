/**
 * The contract between the job queue and a store of journals (`model/journal.ts`). It is an interface of its
 * own, beside the job verbs (`store.ts`). `test/conformance/journals.ts` tests what this comment says.
 *
 * **Recording.** Only the worker that holds a job writes entries: with `extend` (`LeaseNote.steps`), or with
 * the outcome of the run (`Outcome`). So a lost lease refuses them. Each call says the place of its first
 * entry, so a call may be sent again. A person may add entries while no worker holds the job (`append`).
 * Nothing is added behind a gap: a server that took over may not know the last entries. `extend` then answers
 * how many it knows (`Extension.short`), and the worker sends the others again; an outcome counts without its
 * entries, and a later run does again what is missing.
 *
 * In a store whose `durability` is `strict` or `replicated`, `extend` answers when the entries are on disk,
 * or on a replica, or else says why not (`Extension.unsafe`).
 *
 * **Progress.** An entry that says so sets the failures and crashes of the job to 0: a job fails for what it
 * did since it got further, and not because it lived through many deployments.
 *
 * **Signals.** A signal is kept for a job that has not ended, whether or not it waits for one. If the
 * application chose the id, it is kept even before there is a job, for `EARLY_MEMORY`. Signals are kept in
 * the order in which they came, and none is taken away: the entries say which ones the job has taken. A
 * signal with a key is kept once for its name. Those that came early to a partition to which the job is moved
 * are behind those that it brings, and make it due if it waits for one.
 *
 * **Suspended.** The outcome `suspended` puts a job back until a time, or until a signal comes with one of
 * the names in `waits`. `heard` says how many signals the run knew: if there are more, the job is due at
 * once. So no signal is lost in between. What a job waits for counts until its next run begins.
 *
 * Of a job whose outcome says so (`rests`), the store keeps for how long it was suspended, until the claim of
 * its next run: that does not count for its `retryUntil`. A retry by hand begins anew with nothing.
 *
 * **Children.** The end of a job that another has begun, and awaits, comes as a signal whose name begins with
 * `CHILD_SIGNAL`. It is never `full`: whoever brings it would bring it again and again. If there is no room
 * for its text, its `brief` one is kept. A job begins no more children than its journal has room for.
 *
 * A person who changes when a suspended job is due (`run-now`, `reschedule`, or `undo` of these) moves the
 * end of all its waits: the store itself records `waitsEnd`.
 *
 * **Undos.** Entries may say that the job has steps to undo (`Recorded.hasUndos`). Such a job ends as failed
 * or cancelled only after a run that undoes them (`rules/undoing.ts`): what would end it before — its run, a
 * cancel by hand, too many crashes — puts it back instead, due at once, and its journal says how it ends
 * then. Its failures and crashes until then do not count. The outcome `suspended` with `undoing` says the
 * same, and when the run that undoes goes on. A job that is being undone cannot be cancelled (`asked`); it
 * ends as its worker says, or by too many crashes. A retry by hand leaves it as one that has steps to undo.
 * A job that is removed is not undone.
 *
 * **With the job.** A claim brings the first entries, at most `JOURNAL_BYTES`, and all signals; `read` brings
 * the rest. A journal is removed with its job, goes along when the job is moved, and is forgotten when a job
 * that completed is retried by hand.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { Journal, Recorded, WholeJournal } from '../../model/journal.ts'

/**
 * The most bytes of entries that come with a claim, and with each `read`. A single entry that is larger comes
 * alone.
 */
export const JOURNAL_BYTES = 65_536
/** The most signals of a job, and bytes of their texts, but for the ends of its children. */
export const MAX_SIGNALS = 1_000
export const MAX_SIGNAL_BYTES = 4_194_304
/** The most bytes of the texts that tell of the ends of children of a job, but for brief ones. */
export const MAX_CHILD_BYTES = 16_777_216
/** How the names of signals begin that tell of the end of a child. */
export const CHILD_SIGNAL = '$child:'
/** Milliseconds for which a signal is kept for a job that does not exist yet. */
export const EARLY_MEMORY = 3_600_000

/** The entry that says until when a job waits from now on. @param until milliseconds since 1970 */
export function waitsEnd(until: number): string {
  return `n\n${until}`
}

export interface NewSignal {
  name: string
  /** JSON, or '' if it has no value. */
  text: string
  /** Of the end of a child: what is kept if there is no room for the text. Absent: the text in any case. */
  brief?: string
  /** The sender's own: a second signal of this name with the same key is `known`. */
  key?: string
  /** Keep it even if there is no such job yet. */
  mayBeEarly?: boolean
}

/**
 *   kept     the job will get it; `early`: there is no such job yet
 *   known    a signal with this key came before
 *   missing  there is no such job
 *   ended    the job has ended
 *   full     the job would have more than `MAX_SIGNALS` signals, or `MAX_SIGNAL_BYTES` of them
 */
export type SignalVerdict = 'kept' | 'early' | 'known' | 'missing' | 'ended' | 'full'

/**
 *   added    the journal ends with these entries
 *   changed  it has others at their places
 *   active   a worker holds the job
 *   missing  there is no such job, or it has no journal
 */
export type AppendVerdict = 'added' | 'changed' | 'active' | 'missing'

/**
 *   brought  the journal ends with these entries
 *   changed  it has others before them
 *   exists   there is such a job: nothing has changed
 */
export type BringVerdict = 'brought' | 'changed' | 'exists'

export interface Journals {
  /**
   * The entries of a job from a place on, as many as fit, and with the first the signals with their keys;
   * undefined if it has no journal.
   */
  read(partition: string, id: string, from: number): Promise<Journal | undefined>

  /** Adds entries behind the last one of a job that no worker holds. Safe to repeat. */
  append(partition: string, id: string, steps: Pick<Recorded, 'at' | 'entries'>): Promise<AppendVerdict>

  /**
   * Keeps a journal for a job that does not exist yet: the new job takes it, or after `EARLY_MEMORY` nobody
   * does. The first call has the place 0, and all signals, before which no others count; further ones add
   * entries. Safe to repeat, also from the first.
   */
  bring(
    partition: string,
    id: string,
    journal: Pick<Recorded, 'at'> & Pick<WholeJournal, 'entries'> & Partial<WholeJournal>,
  ): Promise<BringVerdict>

  /** Keeps a signal for a job, and makes the job due if it waits for it. Not safe to repeat without a key. */
  signal(partition: string, id: string, signal: NewSignal): Promise<SignalVerdict>
}
