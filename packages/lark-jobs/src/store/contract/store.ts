/**
 * The contract between the job queue and a store. `redis/` and `sqlite/` each implement it, and no code
 * outside of `store/` knows them by name. `test/conformance/` tests what this comment says.
 *
 * **Partition.** A queue is kept in one or more partitions: `emails`, `emails/1`, `emails/2`, …
 * (`partition.ts`). A verb works on one partition and is atomic there. It takes at most `MAX_ITEMS` items and
 * about `MAX_BYTES`, and hands out no more than that, or a single job that is larger; callers loop. The cost
 * of a verb grows with the items that it is given, not with the number of jobs stored. No verb reads a
 * payload that it does not hand out.
 *
 * **Clock.** Only the store's clock counts. Calls and answers carry durations, not times.
 *
 * **Groups.** Groups (`record.ts`) take turns. All jobs without a group take turns as if they were one more
 * group. If a group has limits, no more of its jobs begin than they allow, and the jobs that may not begin do
 * not block others. In a partition that has jobs with groups, no jobs are prefetched. A group is in one of
 * these states:
 *
 *   turn    its jobs may begin. A claim takes one job of each group in turn; then these groups are last
 *   asleep  until a time: a job is due, its rate allows one, or its pause is over
 *   full    until one of its jobs ends
 *
 * **Order.** A paused queue hands out nothing. Otherwise the order is: the group's turn → priority, higher
 * first → place → first in, first out. Within a group, jobs of one millisecond go in the order of their ids,
 * which is the order in which they were made, unless the application chose an id. The place of a job is the
 * time it was queued, or its due time if it was delayed. No process has to move a job that is due: it is
 * `waiting` from that instant, for `claim`, `counts` and `list` alike.
 *
 * **Calls.** `enqueue` and `exchange` carry their caller and a number. The caller raises the number by one
 * with each new call on that partition, and has one call under way at a time. If a reply is lost, the caller
 * sends the call again with the same number, and gets the first answer; the call takes effect once. A
 * partition remembers a caller's last call for at least `CALL_MEMORY`.
 *
 * **Leases.** The jobs that one `exchange` hands out are one claim: they share a lease of `want.leaseMs`
 * milliseconds and the token `<caller>.<number>` of that call. Only a caller that sends the token can settle
 * or extend the jobs: any other gets `lost`, and nothing changes. Extending one job of a claim extends all of
 * its jobs that are still held. A lease that has ended still counts as held until `recover` takes it back.
 * After that, a late outcome of a job that had started still counts, with that token, until the job is
 * claimed again, or put off, or retried by hand. The crash that was counted stays.
 *
 * **Silences.** After a silence of the store, leases last for their length once more: see `silence.ts`.
 *
 * **Prefetch.** The first `want.limit` jobs of a claim count as started. The next `want.prefetch` jobs count
 * as started only when an `extend` names them. If a prefetched job is taken back before that, no run and no
 * crash is counted. But a job that was taken back once is not prefetched again until it is retried by hand: a
 * claim ends before it, because passing over it would break the order. So a job that kills its worker is
 * found.
 *
 * **Suspects.** A job that is one crash before the limit should run alone in its process. Wherever in a claim
 * it is, it counts as started only when an `extend` says so, and this also says whether it is alone
 * (`LeaseNote.alone`). If it was alone, and the process ended from within (`RecoverOptions.fromWithin`), its
 * next crash fails it. If other jobs ran beside it, or somebody may have killed the process, it fails at
 * `MAX_CRASHES_UNSURE` crashes. The limit is the job's own (`JobOptions.maxCrashes`), and then holds for a
 * job that was alone whatever ended the process, or `MAX_CRASHES`. A job that may crash once only is never a
 * suspect. It is not prefetched, nor handed out with a ring, so each claim of it counts as a start.
 *
 * **Locks.** Of the jobs with one lock name, one at a time holds the lock (`record.ts`). A second job is not
 * queued, or changes the first. A job that releases its lock when it starts is not prefetched.
 *
 * **Own ids.** A job whose id the application chose (`NewJob.ownId`) is rejected while a job with this id is
 * kept, or with `reuse` is queued in the place of one that has ended. While the class of an ended job has not
 * been told of the end, the id is taken in any case, even if the job was removed: its hook must have run
 * before a new job may begin. Otherwise the id of a removed job is free, whatever the store still remembers
 * of the job.
 *
 * **Effects.** What must happen elsewhere because a job ended is written with its end, and handed out until
 * it is acknowledged (`effects.ts`).
 *
 * **Retention.** The options say how many ended jobs of each state a partition keeps, and for how long
 * (`retention.ts`). A store that announces a worker keeps more if another living worker was announced with
 * options that keep more. The call that exceeds the number removes the excess, and `prune` removes old jobs;
 * each removes a bounded number a call. A member of a flow that failed is kept until its flow is forgotten
 * (`PINNED`, `MAX_PINNED`).
 *
 * **Failure.** A verb that certainly changed nothing rejects with `STORE_UNREACHABLE`. A verb that was sent
 * and got no answer rejects with `STORE_UNCERTAIN`: send it again with the same number. (Verbs that only
 * read, and changes by hand, of flows and of schedules, were sent again already, for as long as the call
 * has.) If the server refuses (read-only, out of memory, disk full), it rejects with `STORE_REFUSED` and has
 * changed nothing. If it meets data that Lark did not write, it rejects with `STORE_DAMAGED`; the changes
 * that it had made before remain.
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
import type { Schedules } from './schedules.ts'
import type { WatchVerb } from './watch.ts'

export { endedStates } from '../../model/record.ts'
export * from './audit.ts'
export * from './change.ts'
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
  /** Default `normal`. */
  durability?: Durability
  /** The role of the process that uses the store. People who look at the server see it. Default `web`. */
  role?: Role
  /** The store is opened only for emergencies, and is rarely used. */
  standsBy?: boolean
  /** Milliseconds since 1970. Only tests set it; by default a store uses its own clock. */
  clock?: () => number
}

/**
 * What a process or thread does with a store: dispatch (`web`), work, renew leases, supervise processes, or
 * run a command.
 */
export type Role = 'web' | 'worker' | 'lease-thread' | 'supervisor' | 'command'

/** The caller, and the number of its call on this partition. */
export interface Call {
  /** Must not end in a dot and a number, because its tokens end in these. */
  caller: string
  number: number
  /** For an `enqueue`: how many jobs that have not begun the partition may hold, as the caller states it. */
  bound?: Bound | undefined
  /** Milliseconds that the caller waits for an answer. Default: the store's own limit. */
  patience?: number
}

export interface Settlement {
  id: string
  token: string
  outcome: Outcome
}

export type Verdict = 'settled' | 'lost'

export interface Want {
  /** How many jobs to claim that start at once. */
  limit: number
  /**
   * How many more jobs to claim (prefetch) that start soon. Default 0. If `limit` is 0 too, the call only
   * settles.
   */
  prefetch?: number
  /** Milliseconds. */
  leaseMs: number
  /**
   * Limits of the partition, as the claimer states them. The claim then gets no more jobs than they allow,
   * and no prefetched jobs. `nextDue` says when a rate allows the next job, and a caller that waits for a job
   * to end is rung when one ends.
   */
  limits?: Limits | undefined
  /**
   * Whole milliseconds: priorities age. Each step of a job's priority counts as if the job had been queued
   * that much earlier, or later if the priority is below 0. Among jobs with the same place, the higher
   * priority goes first. The jobs of a group age, too.
   */
  aging?: number | undefined
  /** By limiter (`record.ts#NewJob.limiter`): for how many jobs the claimer has permits. */
  permits?: Readonly<Record<string, number>> | undefined
  /** Asks for effects, and acknowledges some. */
  effects?: EffectsWanted | undefined
  /**
   * Receives jobs that arrive while the caller waits: at most as many as the claim lacked for `limit`. A
   * store may hand them over with the ring, which saves a call. If the ring is lost, they come with the next
   * `exchange`.
   */
  hand?: (claim: Claim) => void
}

/** Jobs that a waiting caller got with a ring. */
export interface Claim {
  /** Like the number of a call: it is part of the token of these jobs. */
  number: number
  jobs: ClaimedJob[]
}

/** A message for the worker that holds a job: somebody asked to cancel the job. */
export interface Notice {
  kind: 'cancel'
  id: string
  reason: CancelReason
  /** What the person wrote, for people. */
  because?: string
}

export interface Exchange {
  /** One verdict for each settlement, in their order. */
  verdicts: Verdict[]
  /** In the order in which they should start. */
  jobs: ClaimedJob[]
  /** By limiter: how many jobs at least could begin if the claimer had permits for them. */
  limited?: Record<string, number>
  /**
   * Milliseconds until the next job is due. 0: more jobs wait now. 1 without jobs may also mean that jobs
   * wait, but entries of cancelled jobs are before them, and the call could not pass all of these. Undefined:
   * there is no job, or the partition is paused.
   */
  nextDue?: number
  /** Effects that the caller should deliver now. */
  effects?: Effect[]
  /**
   * Milliseconds until a schedule or a flow of the partition is due (`schedules.ts`). Only if the claim got
   * fewer jobs than `want.limit`, or if the settlements made a flow due; undefined if none will be due.
   */
  nextTick?: number
}

export interface LeaseNote {
  id: string
  token: string
  /** Lines written since the last note. They are kept like the lines of an ended job. */
  log?: LogLine[]
  /** JSON text: the progress that the job reported last, if it is new. The store keeps the latest. */
  progress?: string
  /**
   * For a suspect: whether it runs alone in its process from now on. Default: unchanged; at first it is not
   * alone.
   */
  alone?: boolean
  /** The job has not begun, and does not count as started: the note only renews its lease. */
  unstarted?: true
}

export interface Extension {
  /** Ids of jobs whose lease the caller no longer has. */
  lost: string[]
  notices: Notice[]
  /** Ids of jobs that somebody watches (`watch.ts`); undefined if there are none. */
  watched?: string[]
}

/** A partition to survey. Leases and effects are always surveyed. The flags ask for more. */
export interface Surveyed {
  partition: string
  /** Whether the caller is idle in the partition, and asks when a job may begin there. */
  waits?: boolean
  /** Asks whether `prune` would remove something. */
  prunes?: boolean
}

/** A worker to announce, as `announce` does. */
export interface Announced {
  worker: AnnouncedWorker
  /** Milliseconds. */
  ttl: number
}

/**
 * What there is to do in a partition. A field is undefined if there is nothing, or if it was not asked for.
 */
export interface Finding {
  partition: string
  /** Milliseconds since 1970, by the clock of its part of the store. */
  at: number
  /** Milliseconds until the next lease ends; 0 when one has ended. */
  nextLeaseEnd?: number
  /** Milliseconds until there is an effect to hand out. */
  nextEffect?: number
  /** Jobs are on their way to another partition, and nobody has brought them there (`moves.ts`). */
  isMoving?: boolean
  /**
   * Milliseconds until a job may begin, as far as the store knows. Also 0 if the caller is not registered as
   * waiting there, because it was rung, or because another server has taken over that does not know the
   * caller.
   */
  nextDue?: number
  /** `prune` would remove something. */
  isOld?: boolean
  /** Milliseconds until a schedule is due (`schedules.ts`); 0 when one is. */
  nextTick?: number
}

export interface Survey {
  /** Milliseconds since 1970, by the clock of any part of the store that answered. */
  at: number
  /** How many partitions ever held a job; undefined when no worker was announced. */
  partitions?: number
  /** Only partitions with something to do, in no order. */
  findings: Finding[]
  /**
   * The error for each partition that could not be surveyed: its part of the store is away, or its data is
   * damaged.
   */
  failures: ReadonlyMap<string, unknown>
  /** The error, if the partitions could be surveyed but the worker could not be announced. */
  unannounced?: unknown
  /** The last order to the worker that was announced: see `orders.ts`. */
  order?: WorkerOrder
}

export interface Store extends Reading, AsyncDisposable {
  /** For people: `redis://host:6379/0` or `sqlite:/path/jobs.db`, without a password. */
  readonly name: string
  /** Whether another process does the work of a call, while this process goes on. */
  readonly isRemote: boolean
  /** The permits and circuits that workers share: an interface of its own. */
  readonly limiters: Limiters
  /** Which members of flows have ended: an interface of its own. */
  readonly flows: Flows
  /** Schedules and the jobs of their ticks: an interface of its own. */
  readonly schedules: Schedules
  /** What the steps of jobs have recorded: an interface of its own. */
  readonly journals: Journals
  /** Moves of jobs to other partitions: an interface of its own. */
  readonly moves: Moves
  /** What people changed by hand: an interface of its own. */
  readonly audit: Audit

  /**
   * Opens the store. Must be called before any other verb; calling it again is cheap.
   * @returns warnings for people, for example about a server that would evict jobs when its memory is full
   * @throws LAYOUT_UNKNOWN if another version of Lark created the store, STORE_UNREACHABLE
   */
  open(): Promise<string[]>

  // hot: every job passes through these verbs

  /** Queues jobs, all or none of them. Rings waiting workers (see `wait`). */
  enqueue(partition: string, call: Call, jobs: readonly NewJob[]): Promise<Enqueued[]>

  /**
   * Settles jobs, then claims jobs, in one atomic step. A caller that got fewer than `want.limit` is rung
   * when more jobs come. Outcomes and counters: `completed`, `failed`, `released` and `cancelled` count a
   * run, `returned` does not.
   */
  exchange(partition: string, call: Call, settlements: readonly Settlement[], want: Want): Promise<Exchange>

  /**
   * Renews leases to `leaseMs` milliseconds from now, marks these jobs as started, stores log lines and
   * progress, and returns notices. Rings those who watch a job with new progress. Safe to repeat.
   */
  extend(partition: string, caller: string, notes: readonly LeaseNote[], leaseMs: number): Promise<Extension>

  // maintenance: any worker, for all workers

  /**
   * Reports what there is to do in at most `MAX_ITEMS` partitions, and does none of it. It makes a few reads
   * for each partition, whatever is stored there. So an idle worker makes one call for all the partitions
   * that it serves and maintains. On one server this is one call; on a cluster it is one for each partition,
   * because each has its own slot.
   *
   * The caller stays registered as waiting where it was. A store that accepts no writes at the moment (a
   * replica, a server that loads its data) refuses this call too, so an answer proves that the store works.
   *
   * @param announced a worker to announce with the same call
   * @param leaseMs milliseconds, if the caller is a worker: partitions with leases note the time of this
   *   survey (`silence.ts`)
   */
  survey(
    caller: string,
    partitions: readonly Surveyed[],
    announced?: Announced,
    leaseMs?: number,
  ): Promise<Survey>

  /**
   * Takes back the jobs that dead workers held, at most `MAX_ITEMS` a call. Rings waiting workers. Also hands
   * out effects (`effects.ts`), for a caller that claims no jobs.
   */
  recover(partition: string, options?: RecoverOptions): Promise<Recovery>

  /**
   * Removes ended jobs past their age, with their logs, and other expired data.
   *
   * @returns how many were removed; if fewer than `MAX_ITEMS`, all that were to be removed
   */
  prune(partition: string): Promise<number>

  /**
   * Waits until a partition may have a job for this caller: that is, until a job came in, went back to its
   * queue, or the queue was resumed, since the last `exchange` there that got fewer jobs than it wanted.
   * Rings that come between two waits are kept. A ring is only a hint and can be lost with a connection, so
   * callers also look every few seconds. A dispatch rings at most as many waiting workers as it brings jobs.
   * @param noticed called at once with a partition that has a notice for this caller; the wait goes on.
   *   `alter` left it for a job that the caller holds (`extend` returns it), a job that the caller watches
   *   has ended (`watch` returns it), or there are events (`listen` returns them). With the id of a job that
   *   the caller holds, a signal has come for it, and nothing else. This is a hint too
   * @returns the partitions that rang; none if `timeout` (milliseconds) passed or `signal` was aborted
   */
  wait(
    caller: string,
    timeout: number,
    signal?: AbortSignalLike,
    noticed?: (partition: string, signalled?: string) => void,
  ): Promise<string[]>

  /** Reports the fates of jobs, and rings the watcher when another of them ends: see `watch.ts`. */
  readonly watch: WatchVerb

  /**
   * Returns the events after a position, and makes the partition write events from now on: see `events.ts`.
   * Safe to repeat. Rings the listener when there are more events.
   *
   * @param listener an id that no worker has
   * @param ttl milliseconds after which the listening lapses
   * @param position of the previous answer. Default: the answer has no entries, and the listening begins here
   */
  listen(partition: string, listener: string, ttl: number, position?: string): Promise<Heard>

  /**
   * Writes an event of an application, if somebody listens: see `events.ts`. Sent again, it may come twice.
   *
   * @param text one line of at most `PUBLISHED_BYTES`
   * @returns whether somebody listens
   */
  publish(partition: string, text: string): Promise<boolean>

  /** Rings one other waiting worker. A worker calls it when it is rung and has no free slot. */
  wake(partition: string, caller: string): Promise<void>

  /**
   * Lists a worker as alive for `ttl` milliseconds, with its numbers for keeping ended jobs: all announced
   * workers learn the numbers of the others, and keep as much. Its keys stay known for ever.
   *
   * @returns the last order to the worker: see `orders.ts`
   */
  announce(worker: AnnouncedWorker, ttl: number): Promise<WorkerOrder | undefined>
  /**
   * Notes with a worker that a handler blocks its event loop. The next announcement of the worker drops the
   * note. Nothing happens if there is no such worker.
   */
  noteBlocking(worker: string, blocks: BlockingNow): Promise<void>
  /**
   * Gives live workers an order, which takes the place of earlier ones.
   *
   * @param workers at most `MAX_ITEMS` ids
   * @returns the ids of those that live, in no order
   */
  order(workers: readonly string[], order: WorkerOrder): Promise<string[]>
  /**
   * Removes a worker from the lists of live and of waiting workers, and takes back jobs that were handed to
   * it with a ring. This is the last call of a worker.
   */
  retire(caller: string): Promise<void>
  /** The live workers. */
  workers(): Promise<WorkerRecord[]>
  /**
   * The workers that have died within the last `LOST_KEPT` milliseconds, the latest first: see
   * `lost-workers.ts`.
   */
  lostWorkers(): Promise<LostWorker[]>
  /** Every key that any worker ever announced. */
  keys(): Promise<string[]>

  // operating

  /**
   * Changes jobs by hand. One verdict for each id. The worker that holds an `asked` job is rung (see `wait`).
   */
  alter(partition: string, ids: readonly string[], change: Change): Promise<AlterVerdict[]>
  /**
   * Puts back ended jobs that were removed, as in their records: with their ids, counters, errors, results
   * and the times of their ends, but without locks, logs and ages of their own. They cause no second effects.
   * Their partition keeps them like its other ended jobs. Safe to repeat.
   */
  restore(partition: string, jobs: readonly JobRecord[]): Promise<Restored[]>
  /**
   * Undoes a retry, a cancel or a change of a due time: jobs return to the state in their records, which were
   * read before the change. Waiting and delayed jobs that had ended end again, with their former times,
   * failures, crashes, result, progress and reason; others get their former due time, and so do cancelled
   * jobs that were waiting or delayed. If a cancelled job was suspended, it is due at once, and comes to the
   * same wait again. A cancelled job that no run has begun to undo is not undone any more. Payloads, errors
   * and logs stay as they are. A job that has begun since or was edited is refused, and so is the record of a
   * job that ran. Safe to repeat.
   */
  undo(partition: string, jobs: readonly JobRecord[]): Promise<AlterVerdict[]>
  /**
   * Stores the given settings. A pause may end by itself; until then `nextDue` says when. Resuming rings
   * waiting workers. Setting a pause that ends by itself rings them too, so that they learn the time, unless
   * the pause only becomes longer.
   * @returns all settings
   */
  configure(partition: string, settings: SettingChange): Promise<Setting>
  /**
   * Pauses a group: none of its jobs begins for `ms` milliseconds, or without `ms` until the group is
   * resumed. 0 resumes it. Running jobs go on. `by`: the person who does it, if there is one; kept with the
   * time.
   */
  pause(partition: string, group: string, ms?: number, by?: string): Promise<MetGroup>
  /**
   * Removes at most `MAX_ITEMS` jobs of a state other than active. `hidden`: purges removed jobs that are
   * kept for their effects (`effects.ts`).
   * @returns how many were removed; if fewer than `MAX_ITEMS`, all of them
   */
  clear(partition: string, state: Exclude<State, 'active'> | 'hidden'): Promise<number>

  /**
   * Overwrites removed data, as far as the store can do that quickly: the embedded store does in a file of at
   * most 16 MiB that no other process holds at the time.
   */
  scrub?(): Promise<void>

  /** Changes the role that was given in the options. People who look at the server see it. */
  become?(role: Role): void

  /** Closes connections and files. Idempotent. */
  close(): Promise<void>
}
