/**
 * The contract between the job queue and a place where jobs are kept. `redis/` and `sqlite/` each keep it;
 * nothing above this line knows them by name. `test/conformance/` says in tests what this page says in prose.
 *
 * **Partition.** A queue is kept in one or more partitions: `emails`, or `emails/0`, `emails/1`, … A verb works
 * on one partition and is atomic there. It takes at most `MAX_ITEMS` items and about `MAX_BYTES`, and hands out no more
 * than that, or one job that is larger; callers loop. No verb's cost grows with the number of jobs stored, only with the
 * items that it is given, and none reads a payload that it does not hand out.
 *
 * **Clock.** Time is the store's own. Delays go in, and times until something come out, as durations.
 *
 * **Groups.** The jobs of a group (`record.ts`) take turns with those of others. All jobs without one take their turn as
 * if they were one more. Within limits of its own a group begins no more than they allow, and what may not begin is in
 * nobody's way. Where a partition has jobs of groups, nothing is handed out ahead.
 *
 *   turn    each claim gives as many jobs of each as of the others, one after the other; who got some is last then
 *   asleep  until a time: a job falls due, its rate allows one, or its pause is over
 *   full    until one of its jobs ends
 *
 * **Order.** Paused or not → the group's turn → priority, higher first → place → first in, first out; within a group, at
 * one millisecond, in the order of ids, which is that of making. A job's place is the time it was queued, or the time it
 * falls due when it was delayed. A job that falls due needs nobody to move it: it is `waiting` from that instant, for
 * `claim`, `counts` and `list` alike.
 *
 * **Calls.** `enqueue` and `exchange` name their caller and a number that this caller raises by one with each
 * new call on that partition, one under way at a time. A call that is sent again because its reply was lost
 * carries the same number, and gets the answer of the first time; nothing happens twice. A partition remembers
 * a caller's last call for at least `CALL_MEMORY`.
 *
 * **Leases.** The jobs that one `exchange` hands out are one claim: they share a lease of `want.lease` milliseconds
 * and the token `<caller>.<number>` of that call. Only who shows the token settles or extends: everybody else gets
 * `lost`, and nothing changes. To extend one job of a claim is to extend all of it that is still held. A lease that
 * ended, but was not taken back by `recover`, still counts as held.
 *
 * **Ahead.** The first `want.limit` jobs of a claim count as started, the next `want.ahead` only when an `extend`
 * names them. One that is taken back before that has burnt nothing: no run and no crash. But whatever was taken back
 * once is not handed out ahead again until it is retried by hand: a claim ends before it, since to pass it over would
 * break the order. So a job that kills its worker is found out.
 *
 * **Suspects.** A job that stands one crash before the limit is to run alone in its process. Wherever in a claim it
 * comes, it has not started before an `extend` says so, and whether it is alone (`LeaseNote.alone`). Its next crash
 * fails it only if it was; beside others the crash is counted, and fails it at `MAX_CRASHES_BESIDE`.
 *
 * **Locks.** Of the jobs with a lock of one name, one at a time holds it (`record.ts`). A job that would be the second is
 * not queued, or changes the first. One that lets go of its lock when it starts is not handed out ahead.
 *
 * **Endings.** An ended job is kept as `retention` says: so many of a state, so long. The excess goes with the
 * call that made it, the old with `prune`; each takes a bounded number a call.
 *
 * **Failure.** A verb that certainly did nothing rejects with `STORE_UNREACHABLE`; one that was sent and got no
 * answer with `STORE_UNCERTAIN`: send it again under the same number. What the server refuses (read-only, out of
 * memory, disk full) rejects with `STORE_REFUSED` and has changed nothing. One that meets data which Lark did not write
 * rejects with `STORE_DAMAGED`; what it had done before stays.
 */
import type { Signal } from '../abort-signal.ts'
import type { Limits } from '../limit.ts'
import type {
  CancelReason,
  JobRecord,
  LeasedJob,
  LogLine,
  NewJob,
  Outcome,
  State,
  WorkerRecord,
} from '../record.ts'

import type { AlterVerdict, Change, MetGroup, Setting, Settings } from './change.ts'
import type { Limiters } from './limiters.ts'
import type { Counts, Filter, JobHead, Minute, Page, Standing } from './page.ts'
import type { RecoverOptions, Recovery } from './recovery.ts'
import type { Announced, Survey, Surveyed } from './survey.ts'

export * from './change.ts'
export * from './limiters.ts'
export * from './limits.ts'
export * from './page.ts'
export * from './recovery.ts'
export * from './survey.ts'

/** How many ended jobs a partition keeps of a state, and for how long (milliseconds). */
export interface Retention {
  count: number
  age: number
}

export interface StoreOptions {
  retention: { completed: Retention; failed: Retention; cancelled: Retention }
  /**
   * What a power cut may cost: `normal` (default) the last second (Redis, AOF everysec) or the commits since the last
   * sync (SQLite), `strict` nothing, `replicated` nothing that a replica has, and a dispatch is answered when one has
   * it (Redis only).
   */
  durability?: 'normal' | 'strict' | 'replicated'
  /** What the process that opens it does there, for people who look at the server. Default `web`. */
  role?: Role
  /** It is opened only for emergencies, and rarely used. */
  standsBy?: boolean
  /** Milliseconds since 1970. Only tests set it; without it a store goes by its own clock. */
  clock?: () => number
}

/** What a process does with a store: dispatch (`web`), work, look after leases or processes, or run a command. */
export type Role = 'web' | 'worker' | 'lease-thread' | 'supervisor' | 'command'

/** Who calls, and which of its calls on this partition it is. */
export interface Call {
  /** Must not end in a dot and a number: that is how its tokens end. */
  caller: string
  number: number
  /** Of an `enqueue`: how many jobs the partition may hold that have not begun, as the caller knows it. */
  bound?: Bound | undefined
  /** Milliseconds that the caller waits for an answer; without it the store goes by its own patience. */
  patience?: number
}

/** What a full partition does with one job more: it refuses that, or drops the one that is first in its lowest line. */
export interface Bound {
  max: number
  full: 'reject' | 'drop-oldest'
}

/**
 * What became of a job that was to be queued. `exists`: one of that id is there already.
 *
 *   rejected  it met the lock of another (`by`), or, `throttled`, came too soon after one; or the partition is full
 *   replaced  another, which had the lock and had not begun, has its payload now
 */
export type Enqueued =
  | 'queued'
  | 'exists'
  | { kind: 'rejected'; reason: 'unique' | 'throttled'; by: string }
  | { kind: 'rejected'; reason: 'full' }
  | { kind: 'replaced'; by: string }

export interface Settlement {
  id: string
  token: string
  outcome: Outcome
}

export type Verdict = 'settled' | 'lost'

export interface Want {
  /** Jobs to claim that start at once. */
  limit: number
  /** Jobs to claim beyond those, that start soon. Default 0; with a `limit` of 0 as well, the call only settles. */
  ahead?: number
  /** Milliseconds. */
  lease: number
  /**
   * Limits of the partition, as the claimer knows them: it is handed no more than they allow, and nothing ahead. Then
   * `nextDue` says when a rate allows the next, and whoever waits for a job to end is rung when one does.
   */
  limits?: Limits | undefined
  /**
   * Milliseconds, whole: priorities age. A job then stands as if it had come so much sooner for each step of its priority,
   * or later below 0; of the same place the higher one goes first. Groups have priorities that do not age.
   */
  aging?: number | undefined
  /** How many jobs of each limiter (`record.ts#NewJob.limiter`) the claimer has permits for. */
  permits?: Readonly<Record<string, number>> | undefined
  /**
   * Takes jobs that come while the caller waits, up to as many as it got less than `limit`: a store may hand them over
   * with the ring, which spares the asking. Those of a ring that is lost come with the next `exchange`.
   */
  hand?: (claim: Claim) => void
}

/** Jobs that were claimed without asking. */
export interface Claim {
  /** As of a call: it is part of their token. */
  number: number
  jobs: LeasedJob[]
}

/** Word for a held job's holder: someone asked for it to be cancelled. */
export interface Notice {
  kind: 'cancel'
  id: string
  reason: CancelReason
}

export interface Exchange {
  /** One a settlement, in their order. */
  verdicts: Verdict[]
  /** In the order they should start. */
  jobs: LeasedJob[]
  /** Limiters of which jobs might begin, if the claimer had permits: so many of each, at least. */
  limited?: Record<string, number>
  /** Milliseconds until the next job falls due; 0 when more wait now; undefined when none is known or paused. */
  nextDue?: number
}

export interface LeaseNote {
  id: string
  token: string
  /** Lines written since the last note; kept with the job as if it had ended with them. */
  log?: LogLine[]
  /** Of a suspect: whether it runs alone in its process from now on. Without it, that stays as it was; at first it is not. */
  alone?: boolean
}

export interface Extension {
  /** Ids whose lease is no longer the caller's. */
  lost: string[]
  notices: Notice[]
}

export interface Store extends AsyncDisposable {
  /** What people call it: `redis://host:6379/0` or `sqlite:/path/jobs.db`. Never a password. */
  readonly name: string
  /** Whether another process does the work of a call, while this one goes on. */
  readonly isElsewhere: boolean
  /** Permits and circuits that workers share: an interface of its own. */
  readonly limiters: Limiters

  /**
   * Makes ready. Called once before any other verb; cheap to call again.
   * @returns warnings for people, such as a server that would drop jobs when its memory is full
   * @throws LAYOUT_UNKNOWN when another version of Lark laid the store out, STORE_UNREACHABLE
   */
  open(): Promise<string[]>

  // hot: the way of every job

  /** Queues jobs, all or none. Rings waiting workers (see `wait`). */
  enqueue(partition: string, call: Call, jobs: readonly NewJob[]): Promise<Enqueued[]>

  /**
   * Settles, then claims, in one step. Who gets less than `want.limit` is rung when more comes.
   * A settled job's counters: `completed`, `failed`, `released` and `cancelled` count a run, `returned` does not.
   */
  exchange(partition: string, call: Call, settlements: readonly Settlement[], want: Want): Promise<Exchange>

  /**
   * Renews leases to `lease` milliseconds from now, notes that these jobs have started, takes log lines, brings
   * notices. Safe to repeat.
   */
  extend(partition: string, caller: string, notes: readonly LeaseNote[], lease: number): Promise<Extension>

  // upkeep: any worker, for everyone

  /**
   * Says what there is to do in at most `MAX_ITEMS` partitions, and does none of it: a few looks for each, whatever is
   * stored there. So a worker with nothing to do asks one thing for all that it serves and looks after. One call where
   * all is on one server; on a cluster one for each partition, since each has a slot of its own.
   *
   * The caller stays noted as waiting where it was. And what takes no writes just now (a replica, a server that loads
   * its data) refuses this too: an answer says that the store works.
   *
   * @param announced makes a worker known on the way
   */
  survey(caller: string, partitions: readonly Surveyed[], announced?: Announced): Promise<Survey>

  /** Takes back what dead workers held: at most `MAX_ITEMS` a call. Rings waiting workers. */
  recover(partition: string, options?: RecoverOptions): Promise<Recovery>

  /**
   * Jobs that ended where no handler ran, though their class has something to do then (`hooked`): they crashed too often,
   * failed `untold`, or were cancelled or dropped while they did not run. At most `MAX_ENDINGS`, those that ended first before the others.
   * Each belongs to whoever takes it for `lease` milliseconds; then it is given to the next, unless it was named as done.
   *
   * @param done ids of which that was done
   */
  endings(partition: string, done: readonly string[], lease: number): Promise<JobRecord[]>

  /** Forgets ended jobs past their age, with their logs, and what else is over. @returns how many; under `MAX_ITEMS`: all */
  prune(partition: string): Promise<number>

  /**
   * Waits until a partition may have something for this caller, that is: since its last `exchange` there which
   * got less than it wanted, a job came in, fell back, or the queue was resumed. Rings that come between two
   * waits are kept. A hint, not a promise: a ring can be lost with a connection, so callers look again by
   * themselves every few seconds. A dispatch rings at most as many waiting workers as it brings jobs.
   * @param noticed told at once of partitions in which `alter` left a notice of a job that this caller holds; the wait
   *   goes on. A hint as well: `extend` brings the notice
   * @returns the partitions that rang; none when `timeout` (milliseconds) passed or `signal` was aborted
   */
  wait(
    caller: string,
    timeout: number,
    signal?: Signal,
    noticed?: (partition: string) => void,
  ): Promise<string[]>

  /** Rings one other waiting worker: what a worker does with a ring that it has no room to answer. */
  wake(partition: string, caller: string): Promise<void>

  /** Makes a worker known for `ttl` milliseconds. Its keys stay known for ever. */
  announce(worker: WorkerRecord, ttl: number): Promise<void>
  /** Takes it back, its place among the waiting, and what was handed to it: the last thing a worker does. */
  retire(caller: string): Promise<void>
  /** The workers that live. */
  workers(): Promise<WorkerRecord[]>
  /** Every key that any worker ever announced. */
  keys(): Promise<string[]>

  // reading, by page

  /** Milliseconds since 1970, by the store's clock: that of a partition, or without one, any that answers. */
  now(partition?: string): Promise<number>

  /** Every partition that ever held a job. */
  partitions(): Promise<string[]>
  get(partition: string, id: string): Promise<JobRecord | undefined>
  list(partition: string, filter: Filter): Promise<Page>
  /** The same page, as `limit` has it, without what may be large: no payload is read. */
  heads(partition: string, filter: Filter): Promise<Page<JobHead>>
  counts(partition: string): Promise<Counts>
  /** Of the last `MINUTES` minutes, this one included, those in which something ended; oldest first. */
  minutes(partition: string): Promise<Minute[]>
  /** Counts and minutes of at most `MAX_STANDINGS` partitions, and whether one is paused: in their order. */
  standings(partitions: readonly string[]): Promise<Standing[]>
  log(partition: string, id: string): Promise<LogLine[]>

  // operating

  /** Changes jobs by hand. One verdict an id. Who holds one that is `asked` to end is rung (see `wait`). */
  alter(partition: string, ids: readonly string[], change: Change): Promise<AlterVerdict[]>
  /** Keeps what is given, leaves the rest. Resuming rings waiting workers. @returns what is set then */
  configure(partition: string, settings: Partial<Settings>): Promise<Setting>
  /**
   * A group of a partition begins nothing for so many milliseconds, or without them until it is told to go on: 0. What
   * runs goes on.
   */
  pause(partition: string, group: string, ms?: number): Promise<MetGroup>
  /** Removes at most `MAX_ITEMS` jobs of a state other than active. @returns how many; under `MAX_ITEMS`: all */
  clear(partition: string, state: Exclude<State, 'active'>): Promise<number>

  /** The process does something else from now on than was said in the options. For people who look at the server. */
  become?(role: Role): void

  /** Lets go of connections and files. Idempotent. */
  close(): Promise<void>
}
