/**
 * The contract of moves: how waiting jobs get into another partition, which may be on another server. It is
 * an interface of its own, beside the job verbs (`store.ts`). `test/conformance/moves.ts` tests what this
 * comment says.
 *
 * **Three steps.** No verb writes to two partitions, so a move has three steps, and in between the job is on
 * its way:
 *
 *   take     it leaves the partition and its line. The partition keeps all of the job, with where it goes
 *   put      it is in the other partition, at the place in the order that it had
 *   settle   the first partition keeps only where the job has gone, for `MOVED_MEMORY`
 *
 * After each of these steps, the job can run in at most one partition, and one partition has the complete
 * job. Each step may be repeated. If whoever moves jobs dies in between, `due` hands them out again after
 * `MOVE_LEASE_MS`, and any worker goes on.
 *
 * **On its way** a job is neither counted nor shown. But its id is taken, and `fates` answers that it is
 * `present`.
 *
 * **Once.** Each move of a job has a later instant (`JobOptions.movedAt`), even if its id was free in
 * between, and another job has it. A `put` that comes late, because its process was frozen, finds the job or
 * a note that it has moved on, and changes nothing. To make sure of that, a moved job is kept for at least
 * `MOVED_LEAST` after its end.
 *
 * **Conflicts.** Locks and ids of the application must be unique in the new partition, so the mover asks for
 * conflicts before (`meets`). If another job takes the lock after that, both jobs are in the partition. If
 * another job takes the id, that job keeps it: the moved job stays on its way until the other has ended, and
 * then takes its place. It does not go back, because a frozen process could still put it into the new
 * partition later.
 *
 * **Void.** If a job that was moved is purged or removed, or another job takes its place, a late `put` of it
 * may still come, from a frozen process or from `due`. So its partition notes for `MOVED_LEAST` that this put
 * changes nothing. A purge of a job on its way asks for this first (`revoke`, `moved.ts`), and then removes
 * what the first partition keeps.
 *
 * **What goes along**: id, key, payload, options, priority, times, counters, errors, log, progress, group,
 * limiter, lock, age, hooks, journal. (A job with a longer journal than `MAX_MOVED_JOURNAL` is refused.) What
 * does not: why the last run put the job back, and a late outcome of a run whose worker had died.
 *
 * **Where it went.** `where` answers this for each id. So whoever knows only the first partition can find the
 * job (`followed`): a handle, a process that awaits its result, the flow of a member, the schedule of a tick.
 */
/** Milliseconds for which a job on its way belongs to the caller to whom it was handed out. */
export const MOVE_LEASE_MS = 5_000
/** Milliseconds for which a partition remembers where a job has moved. */
export const MOVED_MEMORY = 90 * 24 * 3_600_000
/** The most bytes of a journal that can be moved: it is sent in one call. */
export const MAX_MOVED_JOURNAL = 8_388_608
/** The fewest milliseconds for which a moved job is kept after its end. */
export const MOVED_LEAST = 3_600_000

/** A job on its way. */
export interface MovingJob {
  id: string
  from: string
  to: string
  /** The instant of this move. */
  movedAt: number
  /** The complete job. Only the store reads this text. */
  text: string
}

/** Identifies a job together with one of its moves. */
export type MoveName = Pick<MovingJob, 'id' | 'movedAt'>

/** `left`: the answer has no room for it. Ask again for these. */
export type TakeVerdict = 'taken' | 'refused' | 'missing' | 'left'

/**
 * Where a job is. `here` is also the answer for a job that never existed. `lock`: the lock that the job
 * holds.
 */
export type MovedPlace =
  | { kind: 'here'; group?: string; lock?: string }
  | { kind: 'moving' | 'moved'; to: string; movedAt: number }

export interface Moves {
  /**
   * Where jobs are, at most `MAX_ITEMS`: one answer for each id. For a job in this partition, also its group
   * and the name of its lock.
   */
  where(partition: string, ids: readonly string[]): Promise<MovedPlace[]>

  /** For each of these jobs, whether a job in this partition conflicts with it, by its id or by its lock. */
  meets(partition: string, jobs: readonly { id: string; lock?: string }[]): Promise<boolean[]>

  /**
   * Takes out jobs that are waiting or delayed, each for a partition. Jobs in other states are refused, and
   * so are damaged ones. Jobs that are on their way to the same partition already are handed out again.
   */
  take(
    partition: string,
    ids: readonly string[],
    to: readonly string[],
  ): Promise<{ verdicts: TakeVerdict[]; jobs: MovingJob[] }>

  /**
   * Jobs on their way that nobody has brought to their partition. They belong to the caller for
   * `MOVE_LEASE_MS`.
   *
   * @param isAll whether to include jobs that belong to other callers
   */
  due(partition: string, isAll?: boolean): Promise<MovingJob[]>

  /**
   * Queues jobs that were taken out elsewhere. Rings waiting workers.
   *
   * @returns for each job whether it has arrived, now or before. It cannot arrive while another job has its
   *   id
   */
  put(partition: string, jobs: readonly MovingJob[]): Promise<boolean[]>

  /** Notes that jobs have arrived. Rings those who watch them. */
  settle(partition: string, jobs: readonly MoveName[]): Promise<void>

  /**
   * Makes sure that a later `put` of these moves, or of earlier moves of the same ids, changes nothing here.
   */
  revoke(partition: string, jobs: readonly MoveName[]): Promise<void>
}
