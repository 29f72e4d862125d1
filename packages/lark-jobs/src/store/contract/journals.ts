/**
 * The contract between the job queue and a store of journals (`model/journal.ts`). It is an interface of its
 * own, beside the job verbs (`store.ts`). `test/conformance/journals.ts` tests what this comment says.
 *
 * **Recording.** Only the worker that holds a job writes entries: with `record`, or with the outcome of the
 * run (`Outcome`). So entries of a worker that has lost its lease are refused. Each call says the index of
 * its first entry, so a call may be sent again. A person may add entries while no worker holds the job
 * (`append`). Nothing is added after a gap: after a failover, the new server may not have the last entries.
 * Then `record` answers how many the store has (`Recording.short`), and the worker sends the others again. If
 * the entries of an outcome come after such a gap, the outcome counts without them, and a later run repeats
 * the steps that are missing.
 *
 * In a store whose `durability` is `strict` or `replicated`, `record` answers when the entries are on disk,
 * or on a replica, or else says why not (`Recording.unsafe`).
 *
 * **Progress.** An entry that is marked as progress sets the failures and crashes of the job to 0: a job
 * fails for what happened since its last progress, and not because it lived through many deployments.
 *
 * **Signals.** A signal is kept for a job that has not ended, whether or not it waits for one. If the
 * application chose the id, it is kept even before there is a job, for `EARLY_MEMORY`. Signals are kept in
 * the order in which they came, and none is removed: the entries say which ones the job has taken. Of several
 * signals with the same name and key, one is kept. Signals that came early to a partition to which the job is
 * moved follow those that the job brings, and make it due if it waits for one of them.
 *
 * **Suspended.** The outcome `suspended` puts a job back until a time, or until a signal comes with one of
 * the names in `waits`. `heard` says how many signals the run knew. If there are more, the job is due at
 * once, so no signal is lost in between. The waits of a job count until its next run begins.
 *
 * If an outcome asks for it (`rests`), the store keeps how long the job was suspended, until the claim of its
 * next run: that time does not count for its `retryUntil`. A retry by hand sets it to 0.
 *
 * **Children.** When a job has started another job and awaits it, the end of that child comes as a signal
 * whose name begins with `CHILD_SIGNAL`. Such a signal is never answered `full`, because its sender would
 * send it again and again. If there is no room for its text, its `brief` text is kept. A job starts no more
 * children than its journal has room for.
 *
 * A person who changes when a suspended job is due (`run-now`, `reschedule`, or `undo` of these) moves the
 * end of all its waits: the store itself records `waitsEnd`.
 *
 * **Undos.** Entries may say that the job has steps to undo (`Recorded.hasUndos`). Such a job ends as failed
 * or cancelled only after a run that undoes them (`rules/undoing.ts`): anything that would end it before that
 * (its run, a cancel by hand, too many crashes) puts it back instead, due at once, and its journal says how
 * it will end. Its failures and crashes up to then do not count. The outcome `suspended` with `undoing` does
 * the same, and also says when the run that undoes goes on. A job that is being undone cannot be cancelled
 * (`asked`); it ends as its worker says, or by too many crashes. After a retry by hand it still has steps to
 * undo. A job that is removed is not undone.
 *
 * **With the job.** A claim brings the first entries, at most `JOURNAL_BYTES`, and all signals; `read` brings
 * the rest. A journal is removed with its job, moves with its job, and is forgotten when a job that completed
 * is retried by hand.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { JobsError } from '../../model/errors.ts'
import type { Journal, KeptSignal, Recorded, WholeJournal } from '../../model/journal.ts'

/**
 * The most bytes of entries that come with a claim, and with each `read`. A single entry that is larger comes
 * alone.
 */
export const JOURNAL_BYTES = 65_536
/** The most signals of a job, and the most bytes of their texts, without the ends of its children. */
export const MAX_SIGNALS = 1_000
export const MAX_SIGNAL_BYTES = 4_194_304
/** The most bytes of the texts about ends of children of a job, without brief ones. */
export const MAX_CHILD_BYTES = 16_777_216
/** The beginning of the names of signals about the end of a child. */
export const CHILD_SIGNAL = '$child:'
/** Milliseconds for which a signal is kept for a job that does not exist yet. */
export const EARLY_MEMORY = 3_600_000

/** The entry which says until when a job waits from now on. @param until milliseconds since 1970 */
export function waitsEnd(until: number): string {
  return `n\n${until}`
}

export interface NewSignal {
  name: string
  /** JSON, or '' if it has no value. */
  text: string
  /**
   * For the end of a child: the text to keep if there is no room for `text`. Absent: `text` is kept in any
   * case.
   */
  brief?: string
  /** A key of the sender: a second signal with the same name and key is `known`. */
  key?: string
  /** Keep it even if the job does not exist yet. */
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
 *   changed  it has other entries at these indices
 *   active   a worker holds the job
 *   missing  there is no such job, or it has no journal
 */
export type AppendVerdict = 'added' | 'changed' | 'active' | 'missing'

/**
 *   brought  the journal ends with these entries
 *   changed  it has other entries before them
 *   exists   the job exists already: nothing has changed
 */
export type BringVerdict = 'brought' | 'changed' | 'exists'

/** The report of a run, which goes on, about its steps. */
export interface StepsNote {
  id: string
  token: string
  /** The entries that the run has recorded since its last note. */
  steps?: Recorded
  /** Asks for the signals after the first `heard` ones. */
  heard?: number
}

export interface Recording {
  /** Ids of jobs whose lease the caller no longer has. */
  lost: string[]
  /** The signals that were asked for; undefined if there are none. */
  signals?: { id: string; signals: KeptSignal[] }[]
  /** The journals that lack entries before those of their notes; undefined if there are none. */
  short?: { id: string; count: number }[]
  /** Why the entries are not as safe as the durability of the store says. The caller sends them again. */
  unsafe?: JobsError
}

export interface Journals {
  /**
   * Adds what runs have recorded, marks their jobs as started, and hands out the signals that they ask for.
   * Their leases stay as they are. Safe to repeat.
   */
  record(partition: string, notes: readonly StepsNote[]): Promise<Recording>

  /**
   * The entries of a job from an index on, as many as fit. With the first entry come the signals, with their
   * keys. Undefined if the job has no journal.
   */
  read(partition: string, id: string, from: number): Promise<Journal | undefined>

  /** Adds entries after the last one of a job that no worker holds. Safe to repeat. */
  append(partition: string, id: string, steps: Pick<Recorded, 'at' | 'entries'>): Promise<AppendVerdict>

  /**
   * Keeps a journal for a job that does not exist yet. The new job takes it over; if none comes within
   * `EARLY_MEMORY`, it is lost. The first call has the index 0 and all signals, and these come before any
   * other signals. Further calls add entries. Safe to repeat, also from the first call.
   */
  bring(
    partition: string,
    id: string,
    journal: Pick<Recorded, 'at'> & Pick<WholeJournal, 'entries'> & Partial<WholeJournal>,
  ): Promise<BringVerdict>

  /** Keeps a signal for a job, and makes the job due if it waits for it. Not safe to repeat without a key. */
  signal(partition: string, id: string, signal: NewSignal): Promise<SignalVerdict>
}
