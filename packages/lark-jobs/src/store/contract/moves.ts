/**
 * The contract of moves, which bring waiting and delayed jobs into another partition. The other partition may
 * be on another server. Moves have their own interface beside the verbs for jobs (`store.ts`).
 * `test/conformance/moves.ts` tests what this comment says.
 *
 * **Three steps.** No verb writes to two partitions, so a move has three steps. Between the first step and
 * the last, the job is on its way:
 *
 *   take     The job leaves the line of the first partition, which keeps the complete job and the name of the
 *            new partition.
 *   put      The job is in the new partition, and keeps its place in the order of jobs.
 *   settle   The first partition removes the job, and only remembers for `MOVED_MEMORY` where the job has
 *            gone.
 *
 * After each of these steps, the job can run in at most one partition, and one partition has the complete
 * job. Each step may be repeated. If the process that moves a job dies, `due` hands out the job again after
 * `MOVE_LEASE_MS`, and any worker completes the move.
 *
 * **On its way**, a job is neither counted nor shown. The id of the job stays taken in the first partition,
 * and `fates` answers that the job is `present`.
 *
 * **Once.** Each move has an instant (`JobOptions.movedAt`), which is later than the instant of every earlier
 * move of a job with the same id. A `put` may arrive late, because its process was frozen. A late `put` finds
 * the job, or a note that the job has moved on, and changes nothing. So that a late `put` finds the job, a
 * moved job is kept for at least `MOVED_LEAST` after its end.
 *
 * **Conflicts.** Locks, and ids that the application chose, must be unique in the new partition. So the mover
 * asks for conflicts before the move (`meets`). If another job takes the lock between `meets` and the move,
 * the new partition has two jobs with this lock. If another job takes the id, the moved job stays on its way
 * until the other job has ended, and then takes the id. The moved job does not go back to the first
 * partition, because a frozen process could still put it into the new partition later.
 *
 * **Void.** If a moved job is purged or removed, or another job takes its id, a late `put` of the moved job
 * may still arrive, from a frozen process or from `due`. So the new partition notes for `MOVED_LEAST` that
 * this `put` must change nothing. A purge of a job on its way first asks the new partition for this note
 * (`revoke`, `moved.ts`), and then removes the job from the first partition.
 *
 * **What moves**: id, key, payload, options, priority, times, counters, errors, log, progress, group,
 * limiter, lock, age, hooks and journal. (A job whose journal is longer than `MAX_MOVED_JOURNAL` is refused.)
 * Two things are lost: the reason why the last run put the job back, and a late outcome of a run whose worker
 * has died.
 *
 * **Followed.** `where` says for each id where the job has gone. So all who know only the first partition can
 * find the job (`followed` in `moved.ts`): a handle, a process that awaits the result, the flow of a member,
 * the schedule of a tick.
 */
/** Milliseconds for which a job on its way belongs to the caller to whom it was handed out. */
export const MOVE_LEASE_MS = 5_000
/** Milliseconds for which a partition remembers where a job has moved. */
export const MOVED_MEMORY = 90 * 24 * 3_600_000
/** The most bytes that the journal of a moved job may have, because one call sends the whole journal. */
export const MAX_MOVED_JOURNAL = 8_388_608
/** The fewest milliseconds for which a moved job is kept after its end. */
export const MOVED_LEAST = 3_600_000

/** A job on its way. */
export interface MovingJob {
  id: string
  from: string
  to: string
  /** The instant that identifies this move (see **Once** above). */
  movedAt: number
  /** The complete job, in a form that only the store reads. */
  text: string
}

/** Identifies a job together with one of its moves. */
export type MoveName = Pick<MovingJob, 'id' | 'movedAt'>

/**
 * The answer of `take` for one job. `left`: the job did not fit into the answer, so the caller takes it with
 * another call.
 */
export type TakeVerdict = 'taken' | 'refused' | 'missing' | 'left'

/**
 * Where a job is. A job that never existed also gets the answer `here`. `lock`: the name of the lock that the
 * job holds.
 */
export type MovedPlace =
  | { kind: 'here'; group?: string; lock?: string }
  | { kind: 'moving' | 'moved'; to: string; movedAt: number }

export interface Moves {
  /**
   * Reports where jobs are, with one answer for each id (at most `MAX_ITEMS` ids). For a job in this
   * partition, the answer also has the group of the job and the name of its lock.
   */
  where(partition: string, ids: readonly string[]): Promise<MovedPlace[]>

  /** Reports for each of these jobs whether a job in this partition has the same id or the same lock. */
  meets(partition: string, jobs: readonly { id: string; lock?: string }[]): Promise<boolean[]>

  /**
   * Takes waiting or delayed jobs out of the partition. For each job, the call names the new partition. Jobs
   * in other states and damaged jobs are refused. Jobs that are already on their way to the same partition
   * are handed out again.
   */
  take(
    partition: string,
    ids: readonly string[],
    to: readonly string[],
  ): Promise<{ verdicts: TakeVerdict[]; jobs: MovingJob[] }>

  /**
   * Hands out jobs on their way that no process is bringing to their new partition. For `MOVE_LEASE_MS` they
   * belong to the caller.
   *
   * @param isAll whether to hand out also the jobs that belong to other callers now
   */
  due(partition: string, isAll?: boolean): Promise<MovingJob[]>

  /**
   * Queues jobs that were taken out of another partition. Rings waiting workers.
   *
   * @returns for each job whether it is in this partition now or was before. A job cannot arrive while
   *   another job has its id
   */
  put(partition: string, jobs: readonly MovingJob[]): Promise<boolean[]>

  /**
   * Tells the first partition that jobs have arrived in their new partition. Rings the watchers of the jobs.
   */
  settle(partition: string, jobs: readonly MoveName[]): Promise<void>

  /**
   * Makes sure that a later `put` for these moves, or for earlier moves of the same ids, changes nothing in
   * this partition.
   */
  revoke(partition: string, jobs: readonly MoveName[]): Promise<void>
}
