/**
 * The contract of moves: how jobs that wait get into another partition, which may be on another server. It is
 * an interface of its own, beside the job verbs (`store.ts`). `test/conformance/moves.ts` tests what this
 * comment says.
 *
 * **Three steps.** No verb writes to two partitions, so a job is on its way in between:
 *
 *   take     it leaves the partition and its line. The partition keeps all of the job, with where it goes
 *   put      it is in the other partition, at the place in the order that it had
 *   settle   the first partition keeps only where the job has gone, for `MOVED_MEMORY`
 *
 * In each of these a job can run in one partition at most, and one of them has all of it. Each step may be
 * repeated. If whoever moves jobs dies in between, `due` hands them out again after `MOVE_LEASE_MS`, and any
 * worker goes on.
 *
 * **On its way** a job counts nowhere, and nobody sees it. But its id is taken, and who asks for its fate is
 * told that it is `present`.
 *
 * **Once.** Each move of a job has a later instant (`JobOptions.movedAt`), even if its id was free in
 * between, and another job has it. A `put` that comes late, because its process stood still, finds the job,
 * or that it has gone on from there, and changes nothing. The job of the put is kept for `MOVED_LEAST` at
 * least when it has ended, so it is there to be found.
 *
 * **Met.** What must not meet (a lock, an id of the application) is asked for before (`meets`). If another
 * job takes the lock after that, both are there. If another takes the id, it has it: the moved one stays on
 * its way until the other has ended, and then takes its place. It does not go back, because a process that
 * stood still could put it there after that.
 *
 * **Void.** If a job that was moved is purged or removed, or another takes its place, a `put` of it may still
 * come, from a process that stood still, or from `due`. So its partition notes for `MOVED_LEAST` that this
 * put changes nothing. A purge of a job on its way asks for this first (`revoke`, `moved.ts`), and then
 * removes what the first partition keeps.
 *
 * **What goes along**: id, key, payload, options, priority, times, counters, errors, log, progress, group,
 * limiter, lock, age, hooks, journal. (A job with a longer journal than `MAX_MOVED_JOURNAL` is refused.) What
 * stays: why the last run put the job back, and a late outcome of a run whose worker had died.
 *
 * **Where it went.** `where` says it for each id. So who knows only the first partition finds the job
 * (`followed`): a handle, who awaits its result, the flow of a member, the schedule of a tick.
 */
/** Milliseconds for which whoever was handed a job on its way has it. */
export const MOVE_LEASE_MS = 5_000
/** Milliseconds for which a partition keeps where a job has gone. */
export const MOVED_MEMORY = 90 * 24 * 3_600_000
/** The most bytes of a journal that is moved: all of it goes in one call. */
export const MAX_MOVED_JOURNAL = 8_388_608
/** Milliseconds for which a job that was moved is kept at least when it has ended. */
export const MOVED_LEAST = 3_600_000

/** A job on its way. */
export interface MovingJob {
  id: string
  from: string
  to: string
  /** The instant of this move. */
  movedAt: number
  /** All of it. Only the store reads it. */
  text: string
}

/** A job by one of its moves. */
export type MoveName = Pick<MovingJob, 'id' | 'movedAt'>

/** `left`: the answer has no room for it. Ask again for these. */
export type TakeVerdict = 'taken' | 'refused' | 'missing' | 'left'

/** Where a job is. `here` also for one that was never there. `lock`: that it holds. */
export type MovedPlace =
  | { kind: 'here'; group?: string; lock?: string }
  | { kind: 'moving' | 'moved'; to: string; movedAt: number }

export interface Moves {
  /**
   * Where jobs are, at most `MAX_ITEMS`: one answer for each id. Of one that is here, its group and the name
   * of its lock.
   */
  where(partition: string, ids: readonly string[]): Promise<MovedPlace[]>

  /** Whether a job that waits, or is kept, is in the way of each of these: by its id, or by its lock. */
  meets(partition: string, jobs: readonly { id: string; lock?: string }[]): Promise<boolean[]>

  /**
   * Takes jobs out that are waiting or delayed, each to a partition. Others are refused, and so are damaged
   * ones. What is on its way to the same partition already is handed out again.
   */
  take(
    partition: string,
    ids: readonly string[],
    to: readonly string[],
  ): Promise<{ verdicts: TakeVerdict[]; jobs: MovingJob[] }>

  /**
   * Jobs on their way that nobody has brought to their partition. The caller has them for `MOVE_LEASE_MS`.
   *
   * @param isAll also those that others have
   */
  due(partition: string, isAll?: boolean): Promise<MovingJob[]>

  /**
   * Queues jobs that were taken out elsewhere. Rings waiting workers.
   *
   * @returns whether each has arrived, now or before; it has not while another job has its id
   */
  put(partition: string, jobs: readonly MovingJob[]): Promise<boolean[]>

  /** Notes that jobs have arrived. Rings those who watch them. */
  settle(partition: string, jobs: readonly MoveName[]): Promise<void>

  /** A `put` of these moves here, and of earlier ones of the same ids, changes nothing from now on. */
  revoke(partition: string, jobs: readonly MoveName[]): Promise<void>
}
