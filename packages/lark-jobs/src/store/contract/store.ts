/**
 * The contract between the job queue and a store. `redis/` and `sqlite/` implement this contract; code
 * outside of `store/` does not name them. `test/conformance/` tests what this comment says.
 *
 * **Partition.** A queue is kept in one or more partitions: `emails`, `emails/1`, `emails/2`, …
 * (`partition.ts`). A verb works on one partition and is atomic there. A call takes and returns at most
 * `MAX_ITEMS` items and about `MAX_BYTES`, or a single larger job; callers with more items call repeatedly.
 * The cost of a call grows with the number of its items, but not with the number of stored jobs. A verb reads
 * only payloads that it hands out.
 *
 * **Clock.** Only the store's clock counts. Calls and answers carry durations, not times.
 *
 * **Groups.** Groups (`record.ts`) take turns, and all jobs without a group together count as one group. If a
 * group has limits, only as many of its jobs begin as the limits allow. Jobs of a group that wait for its
 * limits do not block other groups. If a partition has jobs with groups, no jobs are prefetched there. A
 * group is in one of these states:
 *
 *   turn    The jobs of the group may begin. A claim takes one job of each group in turn, and puts these
 *           groups at the end of the order.
 *   asleep  The group waits until a time: a job becomes due, its rate allows a job, or its pause ends.
 *   full    The group waits until one of its jobs ends.
 *
 * **Order.** A paused queue hands out no jobs. Which of two jobs goes first depends on the first of these
 * things that differs: the turn of their groups; the priority, higher first; the place; and the order in
 * which the jobs were queued. The place of a job is the time at which it was queued, or its due time if it
 * was delayed. Jobs of a group with the same place are in the order of their ids. (Ids that Lark makes rise
 * with time; ids that an application chooses may not.) A delayed job is `waiting` from its due time on, for
 * `claim`, `counts` and `list`; no process has to move it.
 *
 * **Calls.** Each call of `enqueue` and `exchange` names its caller and has a number. The caller raises the
 * number by one for each new call on this partition, and makes only one call at a time. If an answer is lost,
 * the caller sends the call again with the same number and gets the first answer; the call takes effect only
 * once. A partition remembers the last call of a caller for at least `CALL_MEMORY`.
 *
 * **Leases.** The jobs that one `exchange` hands out are one claim. The jobs of a claim share a lease of
 * `want.leaseMs` milliseconds and the token `<caller>.<number>` of the call. Only a caller that sends the
 * token can settle or extend the jobs. A call with another token gets `lost`, and changes nothing. When one
 * job of a claim is extended, all jobs of the claim that are still held are extended. When a lease has ended,
 * the jobs stay held until `recover` takes them back. Even after `recover`, a late outcome with the old token
 * counts for a job that had started, until the job is claimed again, delayed, or retried by hand. The crash
 * that was counted for the job stays.
 *
 * **Silences.** After a silence of the store, each lease lasts for its whole length once more: see
 * `silence.ts`.
 *
 * **Prefetch.** The first `want.limit` jobs of a claim count as started. The next `want.prefetch` jobs count
 * as started only when an `extend` names them. If a prefetched job is taken back before an `extend` names it,
 * it counts no run and no crash. A job that was taken back once is not prefetched any more until it is
 * retried by hand. So even a job that kills its worker before an `extend` can name it counts a crash the next
 * time. A claim ends before a job that must not be prefetched, because a claim that skips the job would break
 * the order.
 *
 * **Suspects.** A job that will reach the limit with its next crash is a suspect, and should run alone in its
 * process. A suspect counts as started only when an `extend` says so, at any place in a claim. The same
 * `extend` says whether the suspect is alone (`LeaseNote.alone`). The job fails at its next crash if it was
 * alone and the process ended from within (`RecoverOptions.fromWithin`). If other jobs ran beside it, or
 * somebody may have killed the process, the job fails at `MAX_CRASHES_UNSURE` crashes. The limit that makes a
 * job a suspect is `MAX_CRASHES`, unless the class sets another limit (`JobOptions.maxCrashes`). A limit of
 * the class holds for every job that was alone, even if the process was killed. A job that may crash only
 * once is never a suspect. A job that may crash only once is neither prefetched nor handed out with a ring,
 * so each claim of the job counts as a start.
 *
 * **Locks.** Of all jobs with the same lock name, only one at a time holds the lock (`record.ts`). Another
 * job with this lock name is rejected, or its payload replaces the payload of the holder. A job that releases
 * its lock when it starts is not prefetched.
 *
 * **Own ids.** A job whose id the application chose (`NewJob.ownId`) is rejected while the store keeps a job
 * with this id. With `reuse`, the new job replaces a job that has ended. If the hook of the ended job's class
 * must still run, the id stays taken until the hook has run, even if the job was removed. All other ids of
 * removed jobs are free, even if the store still remembers the end of the removed job.
 *
 * **Effects.** An effect says what must happen elsewhere because a job ended. The atomic step that ends the
 * job writes its effects. An effect is handed out until a worker acknowledges it (`effects.ts`).
 *
 * **Retention.** `StoreOptions` say how many ended jobs of each state a partition keeps, and for how long
 * (`retention.ts`). The announcements of live workers say how many jobs each of them keeps, and all of them
 * use the largest number (`AgreedRetentions`). When a partition has too many ended jobs, the call that ends
 * the next job removes some. `prune` removes jobs that are too old. One call removes only a limited number of
 * ended jobs. A failed member of a flow is kept until its flow is removed (`PINNED`, `MAX_PINNED`).
 *
 * **Failure.** `STORE_UNREACHABLE`: the call certainly changed nothing. `STORE_UNCERTAIN`: the call was sent
 * and got no answer; the caller sends it again with the same number. (The store itself repeats calls that
 * only read, and changes by hand, of flows and of schedules, until their time is over.) `STORE_REFUSED`: the
 * server refused the call (read-only, out of memory, disk full), and nothing was changed. `STORE_DAMAGED`:
 * the call met data that Lark did not write; changes that the call had made before it met this data remain.
 */

import type { BlockingNow } from '../../model/blocked-loop.ts'
import type { Effect } from '../../model/effect.ts'
import type { Limits } from '../../model/limits.ts'
import type {
  AnnouncedWorker,
  CancelReason,
  ClaimedJob,
  JobRecord,
  LogLine,
  NewJob,
  Outcome,
  State,
  WorkerRecord,
} from '../../model/record.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'

import type { Audit } from './audit.ts'
import type { AlterVerdict, Change, MetGroup, Restored, Setting, SettingChange } from './change.ts'
import type { Durability } from './connection/durability.ts'
import type { EffectsWanted } from './effects.ts'
import type { Bound, Enqueued } from './enqueued.ts'
import type { Heard } from './events.ts'
import type { Flows } from './flows.ts'
import type { Journals } from './journals.ts'
import type { Limiters } from './limiters.ts'
import type { LostWorker } from './lost-workers.ts'
import type { Moves } from './moves.ts'
import type { WorkerOrder } from './orders.ts'
import type { Reading } from './reading.ts'
import type { RecoverOptions, Recovery } from './recovery.ts'
import type { Retentions } from './rules/retention.ts'
import type { DueFlows, Schedules } from './schedules.ts'
import type { WatchVerb } from './watch.ts'

export { endedStates } from '../../model/record.ts'
export * from './audit.ts'
export * from './change.ts'
export * from './class-history.ts'
export * from './connection/durability.ts'
export * from './effects.ts'
export * from './enqueued.ts'
export * from './events.ts'
export * from './flows.ts'
export * from './history.ts'
export * from './inspection.ts'
export * from './journals.ts'
export * from './limiters.ts'
export * from './lost-workers.ts'
export * from './moves.ts'
export * from './orders.ts'
export * from './page.ts'
export * from './prefilter.ts'
export * from './reading.ts'
export * from './recovery.ts'
export * from './rules/after-run.ts'
export * from './rules/capacity.ts'
export * from './rules/resend.ts'
export * from './rules/retention.ts'
export * from './rules/silence.ts'
export * from './run-history.ts'
export * from './runs.ts'
export * from './schedules.ts'
export * from './stand.ts'
export * from './watch.ts'

export interface StoreOptions extends Retentions {
  /** What a power cut may lose. Default `normal`. */
  durability?: Durability
  /** The role of the process that uses the store, which the server shows to people. Default `web`. */
  role?: Role
  /** Whether the store is opened only for emergencies and is rarely used. */
  standsBy?: boolean
  /** The clock, in milliseconds since 1970. Only tests set this; by default a store uses its own clock. */
  clock?: () => number
}

/**
 * What a process or thread does with a store: dispatch (`web`), work, renew leases, supervise processes, or
 * run a command.
 */
export type Role = 'web' | 'worker' | 'lease-thread' | 'supervisor' | 'command'

/** Identifies a call on a partition (see **Calls** above). */
export interface Call {
  /**
   * The id of the caller, which must not end in a dot and a number, because a token has the form
   * `<caller>.<number>`.
   */
  caller: string
  number: number
  /**
   * For an `enqueue`: the largest number of jobs in the partition that have not begun. The caller states this
   * limit with each call.
   */
  bound?: Bound | undefined
  /** Milliseconds for which the caller waits for an answer. Default: the limit of the store. */
  patience?: number
}

export interface Settlement {
  id: string
  token: string
  outcome: Outcome
}

export type Verdict = 'settled' | 'lost'

export interface Want {
  /** How many jobs to claim that the caller starts at once. */
  limit: number
  /**
   * How many more jobs to claim that the caller starts soon (prefetch). Default 0. A call with the `limit` 0
   * and the `prefetch` 0 only settles.
   */
  prefetch?: number
  /** The length of the lease of the claimed jobs, in milliseconds. */
  leaseMs: number
  /**
   * The limits of the partition, which the claimer states with each call. If limits are stored with the
   * partition (`configure`), both hold. The claim gets at most as many jobs
   * as the limits allow, and no prefetched jobs. `nextDue` says when a rate allows the next job. If the
   * number of active jobs is at its limit, the caller is rung when an active job ends.
   */
  limits?: Limits | undefined
  /**
   * If present, priorities age: each step of a job's priority counts as if the job had been queued this many
   * milliseconds earlier (whole milliseconds), or later for each step below 0. Of jobs with the same place,
   * the job with the higher priority goes first. Priorities also age among the jobs of a group.
   */
  aging?: number | undefined
  /** For how many jobs the claimer has permits, by limiter (`record.ts#NewJob.limiter`). */
  permits?: Readonly<Record<string, number>> | undefined
  /** Asks for effects and acknowledges effects (`effects.ts`). */
  effects?: EffectsWanted | undefined
  /**
   * Whether to hand out the due flows if this call makes a flow due (`flows.ts`), so that the caller needs no
   * call of `due`.
   */
  flows?: true
  /**
   * Receives jobs that arrive while the caller waits in `wait`: at most as many as the claim lacked for
   * `limit`. A store may hand over jobs together with a ring, which saves a call. If the ring is lost, the
   * jobs come with the next `exchange`.
   */
  hand?: (claim: Claim) => void
}

/** Jobs that a store hands to a waiting caller together with a ring. */
export interface Claim {
  /** A number like that of a call, which is part of the token of these jobs. */
  number: number
  jobs: ClaimedJob[]
}

/** A message for the worker that holds a job: somebody asked to cancel the job. */
export interface Notice {
  kind: 'cancel'
  id: string
  reason: CancelReason
  /** A text for people, from the person who asked. */
  because?: string
}

export interface Exchange {
  /** One verdict for each settlement, in the order of the settlements. */
  verdicts: Verdict[]
  /** The claimed jobs, in the order in which they should start. */
  jobs: ClaimedJob[]
  /** How many more jobs at least could begin if the claimer had permits for them, by limiter. */
  limited?: Record<string, number>
  /**
   * Milliseconds until the next job is due. 0: more jobs wait now. Undefined: there is no job, or the
   * partition is paused until somebody resumes it. If the answer has no jobs and `nextDue` is 1, jobs may
   * wait behind entries of cancelled jobs, and the call could not remove all of these entries.
   */
  nextDue?: number
  /** Effects that the caller should deliver now. */
  effects?: Effect[]
  /**
   * Milliseconds until a schedule or a flow of the partition is due (`schedules.ts`); undefined if none will
   * be due. If the claim got as many jobs as it wanted (`want.limit`), the field is also undefined, unless a
   * settlement made a flow due.
   */
  nextTick?: number
  /** The due flows that the caller asked for. */
  dueFlows?: DueFlows
}

export interface LeaseNote {
  id: string
  token: string
  /**
   * Log lines that the job has written since the last note. The store keeps as many lines as of an ended job.
   */
  log?: LogLine[]
  /**
   * The progress that the job reported last, as JSON text, if it is new. The store keeps only the latest
   * progress.
   */
  progress?: string
  /**
   * For a suspect: whether it runs alone in its process from now on. At first a suspect is not alone. Absent:
   * unchanged since the last note about the job.
   */
  alone?: boolean
  /** The job has not begun. The note only renews its lease, and the job does not count as started. */
  unstarted?: true
}

export interface Extension {
  /** Ids of jobs whose lease the caller no longer has. */
  lost: string[]
  notices: Notice[]
  /** Ids of jobs that somebody watches (`watch.ts`); undefined if there are none. */
  watched?: string[]
}

/** A partition to survey. Leases and effects are always surveyed; the flags ask for more facts. */
export interface Surveyed {
  partition: string
  /** Whether the survey also says when a job may begin, because the caller is idle in the partition. */
  waits?: boolean
  /** Whether the survey also sets `Finding.isOld`. */
  prunes?: boolean
}

/** A worker to announce together with a survey (see `announce`). */
export interface Announced {
  worker: AnnouncedWorker
  /** Milliseconds for which the worker counts as alive. */
  ttl: number
}

/**
 * The work that a survey has found in a partition. A field is undefined if there is no such work, or if the
 * call did not ask for it.
 */
export interface Finding {
  partition: string
  /** The time of the survey, by the clock of the server that has the partition (milliseconds since 1970). */
  at: number
  /** Milliseconds until the next lease ends; 0 if a lease has ended already. */
  nextLeaseEnd?: number
  /** Milliseconds until there is an effect to hand out. */
  nextEffect?: number
  /**
   * Whether jobs are on their way to another partition and no process is bringing them there (`moves.ts`).
   */
  isMoving?: boolean
  /**
   * Milliseconds until a job may begin, as far as the store knows. The field is also 0 if the caller is not
   * registered as waiting in the partition, because it was rung, or because another server has taken over and
   * does not know the caller.
   */
  nextDue?: number
  /** Whether `prune` would remove something. */
  isOld?: boolean
  /** Milliseconds until a schedule is due (`schedules.ts`); 0 if a schedule is due now. */
  nextTick?: number
}

export interface Survey {
  /** The time of the survey, by the clock of any server that answered (milliseconds since 1970). */
  at: number
  /** How many partitions the store has; undefined if no worker was announced. */
  partitions?: number
  /** The partitions that have work, in no particular order. */
  findings: Finding[]
  /**
   * The error for each partition that could not be surveyed, because its server is away or its data is
   * damaged.
   */
  failures: ReadonlyMap<string, unknown>
  /** The error if the worker could not be announced although partitions were surveyed. */
  unannounced?: unknown
  /** The last order that the announced worker got: see `orders.ts`. */
  order?: WorkerOrder
}

export interface Store extends Reading, AsyncDisposable {
  /**
   * The name of the store in messages, without a password: `redis://host:6379/0` or `sqlite:/path/jobs.db`.
   */
  readonly name: string
  /**
   * Whether another process (a server) executes a call, so that this process can do other work at the same
   * time.
   */
  readonly isRemote: boolean
  /** The verbs for the permits and circuits that workers share. */
  readonly limiters: Limiters
  /** The verbs for flows. */
  readonly flows: Flows
  /** The verbs for schedules. */
  readonly schedules: Schedules
  /** The verbs for journals (the records of the steps of jobs) and for signals. */
  readonly journals: Journals
  /** The verbs that move jobs to other partitions. */
  readonly moves: Moves
  /** The verbs for the audit of what people changed by hand. */
  readonly audit: Audit

  /**
   * Opens the store. Call this before any other verb. A second call does nothing.
   * @returns warnings for people, for example about a server that would evict jobs when its memory is full
   * @throws LAYOUT_UNKNOWN if another version of Lark created the store, STORE_UNREACHABLE
   */
  open(): Promise<string[]>

  // Hot verbs: every job passes through these.

  /**
   * Queues the jobs of a call in one atomic step, with an answer for each job. Rings waiting workers (see
   * `wait`).
   */
  enqueue(partition: string, call: Call, jobs: readonly NewJob[]): Promise<Enqueued[]>

  /**
   * Settles jobs and then claims jobs, in one atomic step. A caller that got fewer jobs than `want.limit` is
   * rung when more jobs come. A settled job counts a run, except with the outcome `unstarted`.
   */
  exchange(partition: string, call: Call, settlements: readonly Settlement[], want: Want): Promise<Exchange>

  /**
   * Renews leases: they end `leaseMs` milliseconds from now. Also marks the jobs as started, stores log lines
   * and progress, and returns notices. Rings the watchers of a job that has new progress. Safe to repeat.
   */
  extend(partition: string, caller: string, notes: readonly LeaseNote[], leaseMs: number): Promise<Extension>

  // Maintenance: any worker makes these calls for all workers.

  /**
   * Reports the work in at most `MAX_ITEMS` partitions, but does not do the work. The number of reads for a
   * partition does not grow with what is stored there. So with one call, an idle worker surveys all
   * partitions that it serves and maintains. On a cluster this is one command for each node that has some of
   * the partitions.
   *
   * The caller stays registered as waiting in its partitions. A server that accepts no writes now (a replica,
   * or a server that loads its data) refuses a survey. So an answer proves that the store works.
   *
   * @param announced a worker that this call also announces
   * @param leaseMs the lease length of a worker, in milliseconds. If it is given, partitions with leases note
   *   the time of this survey (`silence.ts`)
   */
  survey(
    caller: string,
    partitions: readonly Surveyed[],
    announced?: Announced,
    leaseMs?: number,
  ): Promise<Survey>

  /**
   * Takes back jobs that dead workers held, at most `MAX_ITEMS` a call. Rings waiting workers. A caller that
   * claims no jobs also gets effects here (`effects.ts`).
   */
  recover(partition: string, options?: RecoverOptions): Promise<Recovery>

  /**
   * Removes ended jobs that have reached their age, with their logs, and other expired data.
   *
   * @returns how many jobs were removed. If the number is `MAX_ITEMS` or more, there may be more old jobs, so
   * the caller calls again
   */
  prune(partition: string): Promise<number>

  /**
   * Waits until a partition may have a job for this caller. A caller waits in the partitions where its last
   * `exchange` got fewer jobs than it wanted. A waiting caller is rung when a job arrives, when a job goes
   * back to its line, or when the partition is resumed. A ring that comes between two calls of `wait` is
   * kept. Rings are only hints and can be lost with a connection, so callers also look every few seconds. A
   * dispatch of N jobs rings at most N waiting workers.
   * @param noticed called with a partition that has something else for this caller, while the wait goes on: a
   *   notice of `alter` for a job that the caller holds (`extend` returns the notice), the end of a watched
   *   job (`watch` returns it), or events (`listen` returns them). If the call also has the id of a job, the
   *   only news is that a signal has come for this job. Calls of `noticed` are hints, like rings
   * @returns the partitions that rang. The list is empty if `timeout` milliseconds have passed or `signal`
   * was aborted
   */
  wait(
    caller: string,
    timeout: number,
    signal?: AbortSignalLike,
    noticed?: (partition: string, signalled?: string) => void,
  ): Promise<string[]>

  /**
   * Reports the fates of jobs, and rings the watcher when a job ends that has not ended yet: see `watch.ts`.
   */
  readonly watch: WatchVerb

  /**
   * Returns the events after a position. From now on the partition writes events, and rings the listener when
   * there are new ones: see `events.ts`. Safe to repeat.
   *
   * @param listener an id that no worker has
   * @param ttl milliseconds after which the partition stops writing events, unless a listener calls again
   * @param position the position in the previous answer; if absent, the answer has no events, only the
   * position from which the next call goes on
   */
  listen(partition: string, listener: string, ttl: number, position?: string): Promise<Heard>

  /**
   * Writes an event of an application, if there is a listener: see `events.ts`. A call that is sent again may
   * write the event twice.
   *
   * @param text one line of at most `PUBLISHED_BYTES`
   * @returns whether there is a listener
   */
  publish(partition: string, text: string): Promise<boolean>

  /** Rings another waiting worker. A worker calls this when it is rung but cannot take a job. */
  wake(partition: string, caller: string): Promise<void>

  /**
   * Lists a worker as alive for `ttl` milliseconds, with its retentions (`AgreedRetentions`): every announced
   * worker learns the retentions of all live workers. The store remembers the keys of the worker for ever.
   *
   * @returns the last order that the worker got: see `orders.ts`
   */
  announce(worker: AnnouncedWorker, ttl: number): Promise<WorkerOrder | undefined>
  /**
   * Notes in the record of a worker that a handler blocks its event loop. The next announcement of the worker
   * removes the note. If the worker does not exist, nothing happens.
   */
  noteBlocking(worker: string, blocks: BlockingNow): Promise<void>
  /**
   * Gives live workers an order, which replaces their earlier orders.
   *
   * @param workers at most `MAX_ITEMS` ids
   * @returns the ids of those workers that live, in no particular order
   */
  order(workers: readonly string[], order: WorkerOrder): Promise<string[]>
  /**
   * Removes a worker from the lists of live and of waiting workers, and takes back jobs that were handed to
   * the worker with a ring. `retire` is the last call of a worker.
   */
  retire(caller: string): Promise<void>
  /** Reads the records of the live workers. */
  workers(): Promise<WorkerRecord[]>
  /**
   * Reads the records of workers that have died within the last `LOST_KEPT` milliseconds, the latest first:
   * see `lost-workers.ts`.
   */
  lostWorkers(): Promise<LostWorker[]>
  /** Reads every key that a worker ever announced. */
  keys(): Promise<string[]>

  // Operating: changes and settings by hand.

  /**
   * Changes jobs by hand, and returns one verdict for each id. If a verdict is `asked`, the worker that holds
   * the job is rung (see `wait`).
   */
  alter(partition: string, ids: readonly string[], change: Change): Promise<AlterVerdict[]>
  /**
   * Puts back ended jobs that were removed, from their records. The jobs get back their ids, counters,
   * errors, results and the times of their ends, but not their locks, logs and ages that their classes set.
   * No effects are written again. The partition keeps the jobs as its retention says. Safe to repeat.
   */
  restore(partition: string, jobs: readonly JobRecord[]): Promise<Restored[]>
  /**
   * Undoes a retry, a cancel or a change of a due time: jobs return to the state in their records, which were
   * read before the change. A retried job ends again, with its former times, failures, crashes, result,
   * progress and reason. A job that was waiting or delayed, also a cancelled one, gets its former due time.
   * If a cancelled job was suspended, it is due at once, and its run comes to the same wait again. If a
   * cancelled job has steps to undo and no run has begun to undo the steps, they are no longer undone.
   * Payloads, errors and logs do not change. A job that has begun or was edited since the change is refused.
   * A record that was read while the job was active is also refused. Safe to repeat.
   */
  undo(partition: string, jobs: readonly JobRecord[]): Promise<AlterVerdict[]>
  /**
   * Changes the given settings. New limits hold from the next claim on, together with the limits that the
   * claim states: of two numbers of active jobs, the lower number holds; of two rates, the stored rate holds.
   * Waiting workers are rung when limits change. If a pause has an end, the `nextDue` of `exchange` and of
   * `survey` says when the pause ends. When the queue is resumed, waiting workers are rung. Waiting workers
   * are also rung when the partition gets a pause with an end, so that they learn this end. Waiting workers
   * are not rung if an earlier pause only becomes longer.
   * @returns all settings of the partition after the change
   */
  configure(partition: string, settings: SettingChange): Promise<Setting>
  /**
   * Pauses a group: none of its jobs begins for `ms` milliseconds; active jobs go on. Without `ms`, the pause
   * lasts until somebody resumes the group. A pause of 0 resumes the group. `by`: the person who pauses the
   * group, which is kept with the time.
   */
  pause(partition: string, group: string, ms?: number, by?: string): Promise<MetGroup>
  /**
   * Removes jobs in a state other than active, at most `MAX_ITEMS`. `hidden`: purges removed jobs that are
   * kept only for their effects (`effects.ts`).
   * @returns how many jobs were removed. If the number is `MAX_ITEMS`, there may be more such jobs, so the
   * caller calls again
   */
  clear(partition: string, state: Exclude<State, 'active'> | 'hidden'): Promise<number>

  /**
   * Overwrites removed data, if this is fast. The embedded store overwrites a file of at most 16 MiB that no
   * other process uses at the time.
   */
  scrub?(): Promise<void>

  /** Changes the role that the server shows to people (`StoreOptions.role`). */
  become?(role: Role): void

  /** Closes connections and files. Idempotent. */
  close(): Promise<void>
}
