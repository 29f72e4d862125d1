/**
 * The operations on jobs that `Jobs` and `operate()` share: read, retry, cancel, pause, resume and others.
 * Each call checks its arguments before it opens the store, and imports the code that it needs, because most
 * processes only dispatch.
 */
import { defined } from '@s18i/lark/internal'
import { readId } from '../model/id.ts'
import type { JobLike, PayloadOf } from '../options/job-class.ts'
import type { Duration } from '../words/duration.ts'
import type { Audited } from './audit/audited.ts'
import type {
  CancelFilter,
  Cancelled,
  CancelOptions,
  Edited,
  EditFilter,
  EditOptions,
  Moved,
  MoveOptions,
  PendingFilter,
  Prioritized,
  PurgeOptions,
  Removed,
  RemoveFilter,
  RemoveOptions,
  Rescheduled,
  RescheduleOptions,
  RetryFilter,
  RetryOptions,
  TagFilter,
  Tagged,
  Untagged,
} from './change/changed.ts'
import type { EveryQueue, PauseOptions, PauseResult, PauseTarget } from './change/pause.ts'
import type { JobChange, OpenChange } from './change/row.ts'
import { type EventOptions, QueueEvents } from './events/queue-events.ts'
import type { ChangeOptions } from './look/filter.ts'
import type { JobPage, ListFilter, ListOptions } from './look/list.ts'
import type { FailedOptions, FindOptions, JobDetail, StoredJob } from './look/stored-jobs.ts'
import type { Status } from './measures/status.ts'
import type { Operating } from './operated.ts'
import { ScheduleOperations } from './schedule-operations.ts'

export abstract class Operations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    this.#operating = operating
  }

  /** The operations on schedules: read, pause, resume, remove, run now. */
  get schedules(): ScheduleOperations {
    const { jobs, perform, person } = this.#operating
    return new ScheduleOperations(() => jobs.open(), perform, person)
  }

  /**
   * Finds the job with this id, with its log. Undefined if there is no such job, or if it was removed.
   * `Jobs.find<ImportJob>(id)` gives the payload and the result the types of that class, but does not check
   * that the job really has that class.
   *
   * @param options `queue`: looks only in this queue. Several queues may have a job with an id that you chose
   * @throws JOB_ID_INVALID for a value that cannot be the id of a job; JOB_ID_AMBIGUOUS, FILTER_INVALID,
   *   UNKNOWN_QUEUE
   * @example const rows = (await Jobs.find<ImportJob>(id))?.result?.rows
   */
  async find<J extends JobLike = JobLike>(
    id: string,
    options: FindOptions = {},
  ): Promise<JobDetail<J> | undefined> {
    readId(id)
    const { checkFind, find } = await import('./look/stored-jobs.ts')
    checkFind(options)
    const open = await this.#opened()
    const { settings } = await this.#operating.jobs.open()
    const found = await find<J>(open, id, options)
    if (found !== undefined || settings.outbox === undefined) return found
    const { findInOutbox } = await import('./look/outbox-rows.ts')
    const row = await findInOutbox<J>(settings, id, options.queue, await open.store.now())
    // The relay may have moved the job from the outbox into the store since the first lookup.
    return row ?? find<J>(open, id, options)
  }

  /**
   * Lists the jobs that failed for good. The jobs that failed last come first. Default: 100 jobs, of every
   * queue.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   */
  async failed<J extends JobLike = JobLike>(options: FailedOptions = {}): Promise<StoredJob<J>[]> {
    const { checkFailed, failed } = await import('./look/stored-jobs.ts')
    checkFailed(options, this.#operating.names)
    return failed<J>(await this.#opened(), options)
  }

  /**
   * Lists the jobs that meet all conditions of a filter, page by page. Without conditions, all jobs of the
   * store are listed. One call reads at most 1,000 jobs. Therefore a page may have fewer jobs than `limit`,
   * or even none, although more pages follow. A page that is not the last has a `cursor`.
   *
   * `Jobs.list<ImportJob>(…)` gives payloads and results the types of that class, but does not check that the
   * jobs really have that class.
   *
   * Jobs are listed partition by partition, in the order of the partitions' names, and within a partition
   * state by state, in the order of `filter.state`. Ended jobs are sorted by the time at which they ended,
   * waiting and delayed jobs by the order in which they would run, and active jobs by id, which is the order
   * of their dispatch.
   *
   * @param options `cursor`: the cursor of the previous page, with the same filter and order. `limit`: the
   *   maximum number of jobs on the page, 1…1,000, default 100. `order`: the order of ended jobs. With
   *   `'newest'` (default) the list begins with the jobs that ended last, with `'oldest'` it begins with the
   *   jobs that ended first
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { jobs, cursor } = await Jobs.list({ queue: 'imports', state: 'failed', where: {
   *   'shop.id': 7 } })
   */
  async list<J extends JobLike = JobLike>(
    filter: ListFilter = {},
    options: ListOptions = {},
  ): Promise<JobPage<J>> {
    const { checkList, list } = await import('./look/list.ts')
    checkList(filter, options, this.#operating.names)
    return list<J>(await this.#opened(), filter, options, this.#operating.names)
  }

  /**
   * Queues ended jobs again, each with all its tries. If a filter chooses several jobs, the jobs that failed
   * first are queued first.
   *
   * @param which one id, several ids, `'failed'` for all failed jobs, or a filter. A filter without a state
   *   chooses failed jobs
   * @param rest the queue of the jobs, or options, such as `fromStart`, which forgets the records of the
   *   jobs' steps. Default: every queue
   * @returns how many jobs were queued again
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_RETRIABLE, before any job is queued;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.retry({ key: 'send-email', since: '1h', where: { tenant: 7 } })
   */
  async retry(
    which: string | readonly string[] | RetryFilter,
    ...rest: [] | [of: string | RetryOptions]
  ): Promise<number> {
    const { readRetry } = await import('./change/retry.ts')
    const [chosen, options] = readRetry(which, rest, this.#operating.names)
    const { retry } = await jobChanges()
    return this.#change(retry, chosen, options)
  }

  /**
   * Cancels jobs, by id or by a filter. Jobs that are not running end at once. The `signal` of a running job
   * is aborted, in whichever process it runs: usually at once, and at the latest within a third of its
   * worker's lease (5 s).
   *
   * @returns how many jobs were cancelled, and how many running jobs were asked to end
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_CANCELLABLE, before any job is
   *   cancelled; FILTER_INVALID, UNKNOWN_QUEUE
   * @param options `because`: the reason, for people; the reason is kept with the job and passed to its hook
   *   and signal. `ifNotBegun`: jobs that are running or have run before are not cancelled. The store checks
   *   this and cancels in one step, and `left` counts the unchanged jobs
   * @example await Jobs.cancel(job.id!, { because: 'the order was returned' })
   * @example await Jobs.cancel({ key: 'send-email', queue: 'emails', state: 'delayed' })
   * @example await Jobs.cancel({ all: true }, { dryRun: true })   // how many jobs it would cancel
   */
  async cancel(
    which: string | readonly string[] | CancelFilter,
    options: CancelOptions = {},
  ): Promise<Cancelled> {
    const { cancel } = await jobChanges()
    return this.#change(cancel, which, options)
  }

  /**
   * Makes delayed jobs due now, by id or by a filter. A job that is already due does not count as changed.
   *
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_PENDING, before any job is changed;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.runNow({ key: 'send-email' })
   */
  async runNow(
    which: string | readonly string[] | PendingFilter,
    options: RescheduleOptions = {},
  ): Promise<Rescheduled> {
    const { 'run-now': runNow } = await jobChanges()
    return this.#change(runNow, which, options)
  }

  /**
   * Makes waiting and delayed jobs due after a delay from now. Jobs are chosen by id or by a filter.
   *
   * @param delay milliseconds, or `'30s'`, `'5m'`
   * @throws the errors of `runNow`
   * @example await Jobs.reschedule({ queue: 'emails', state: 'waiting' }, '1h')
   */
  async reschedule(
    which: string | readonly string[] | PendingFilter,
    delay: Duration,
    options: RescheduleOptions = {},
  ): Promise<Rescheduled> {
    const { reschedule } = await jobChanges()
    return this.#change(reschedule, which, options, delay)
  }

  /**
   * Gives waiting and delayed jobs another priority. Jobs are chosen by id or by a filter. The order of jobs
   * with the same priority does not change: they are ordered by the time at which they were queued or are
   * due.
   *
   * @param priority a number, as in a job class: jobs with a higher priority come first
   * @throws the errors of `runNow`
   * @example await Jobs.prioritize({ tag: 'vip' }, 10)
   */
  async prioritize(
    which: string | readonly string[] | PendingFilter,
    priority: number,
    options: ChangeOptions = {},
  ): Promise<Prioritized> {
    const { prioritize } = await jobChanges()
    return this.#change(prioritize, which, options, priority)
  }

  /**
   * Moves waiting and delayed jobs to another queue. Jobs are chosen by id or by a filter. Each job keeps its
   * id, payload, tries, due time, priority, tags, group and lock, and its place in the order. Handles,
   * `result()` and the job's flow still find the job. If this process dies meanwhile, each job is in one of
   * the two queues, or a worker brings it to the new queue within seconds.
   *
   * @param queue the new queue: a queue in the configuration, or a queue that has jobs
   * @returns how many jobs were moved, and how many jobs were left where they are, because they began
   *   meanwhile, or because the new queue has a job with the same id or the same unique lock
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_MOVABLE, before any job is moved;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.move({ queue: 'emials' }, 'emails')
   * @example
   * // How many jobs it would move.
   * await Jobs.move({ queue: 'emails', where: { tenant: 7 } }, 'bulk', { dryRun: true })
   */
  async move(
    which: string | readonly string[] | PendingFilter,
    queue: string,
    options: MoveOptions = {},
  ): Promise<Moved> {
    const { move } = await jobChanges()
    return this.#change(move, which, options, queue)
  }

  /**
   * Replaces the payload of jobs that are not running. Jobs are chosen by id or by a filter. If this process
   * has loaded the class of a job, the payload is checked as in a dispatch. If not, the payload only has to
   * be JSON. `options.editedAt` of the job says when the job was edited. The group, the lock, the limiter and
   * the tags do not change, even if the class derives them from the payload.
   *
   * `Jobs.edit<ImportJob>(…)` gives the payload the type of that class, but does not check that the jobs
   * really have that class.
   *
   * @param payload the new payload, or a function that makes the new payload of each job from its stored
   *   payload. If the function throws, the call rejects, but some jobs may have been edited already
   * @param options `force`: also edits jobs whose steps have recorded something
   * @returns how many jobs were edited, and how many matching jobs were left unchanged because they are
   *   running or have run steps
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_EDITABLE, before any job is changed;
   *   PAYLOAD_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, JOB_INVALID, COMMAND_NOT_EDITABLE;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.edit<ImportJob>(id, { file: 'b.csv' }), await Jobs.retry(id)
   * @example await Jobs.edit<ImportJob>({ kind: '3f2a' }, ({ file }) => ({ file: `imports/${file}` }))
   */
  async edit<J extends JobLike = JobLike>(
    which: string | readonly string[] | EditFilter,
    payload: PayloadOf<J>[0] | ((payload: NonNullable<PayloadOf<J>[0]>) => PayloadOf<J>[0]),
    options: EditOptions = {},
  ): Promise<Edited> {
    const { edit } = await jobChanges()
    return this.#change(edit, which, options, payload)
  }

  /**
   * Adds tags to jobs in any state. Jobs are chosen by id or by a filter. A tag that a job already has keeps
   * its position.
   *
   * @param tags one tag, or a list of up to 10 tags, each of at most 64 characters
   * @returns how many jobs have the tags now, and how many were left unchanged because they would have more
   *   than 10 tags
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, before any job is changed; FILTER_INVALID,
   *   UNKNOWN_QUEUE
   * @example await Jobs.tag({ key: 'import', state: 'failed', where: { shop: 7 } }, 'looked at')
   */
  async tag(
    which: string | readonly string[] | TagFilter,
    tags: string | readonly string[],
    options: ChangeOptions = {},
  ): Promise<Tagged> {
    const { tag } = await jobChanges()
    return this.#change(tag, which, options, tags)
  }

  /**
   * Removes tags from jobs in any state. Jobs are chosen by id or by a filter.
   *
   * @returns how many of the chosen jobs do not have the tags now, including jobs that never had them
   * @throws the errors of `tag`
   * @example await Jobs.untag({ tag: 'looked at' }, 'looked at')
   */
  async untag(
    which: string | readonly string[] | TagFilter,
    tags: string | readonly string[],
    options: ChangeOptions = {},
  ): Promise<Untagged> {
    const { untag } = await jobChanges()
    return this.#change(untag, which, options, tags)
  }

  /**
   * Removes jobs that are not running. Jobs are chosen by id or by a filter. A job that had not ended never
   * runs, and no hook of its class is called. If the end of a job still has to be reported elsewhere (to its
   * flow, for example), a hidden record is kept until that has happened. `purge` removes this record, too.
   *
   * @param options `ifNotBegun`: jobs that are running or have run before are not removed. In the answer,
   *   `left` counts these jobs
   * @returns how many jobs were removed, and how many matching jobs were left unchanged because they are
   *   running
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_REMOVABLE, before any job is removed;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.remove(job.id!)
   * @example
   * // How many jobs it would remove.
   * await Jobs.remove({ key: 'send-email', state: 'failed' }, { dryRun: true })
   */
  async remove(
    which: string | readonly string[] | RemoveFilter,
    options: RemoveOptions = {},
  ): Promise<Removed> {
    const { remove } = await jobChanges()
    return this.#change(remove, which, options)
  }

  /**
   * Removes jobs for good from everything that Lark reads: their records, payloads, results, errors and logs,
   * and the hidden record that `remove` may have left. If the end of a purged job still had to be reported
   * elsewhere, it is not reported. Backups, Redis's AOF, and free pages of an SQLite file may still contain
   * the data: see the manual.
   *
   * @returns how many jobs were removed. An id without a job is not counted
   * @throws JOB_ID_INVALID, JOB_ID_AMBIGUOUS, JOB_NOT_REMOVABLE, before any job is removed; FILTER_INVALID,
   *   UNKNOWN_QUEUE
   * @example await Jobs.purge(idsOfAda)
   */
  async purge(
    which: string | readonly string[] | RemoveFilter,
    options: PurgeOptions = {},
  ): Promise<Removed> {
    const { purge } = await jobChanges()
    return this.#change(purge, which, options)
  }

  /**
   * Pauses a queue, or one group of a queue. No worker starts jobs of a paused queue or group. Running jobs
   * go on.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE, PAUSE_INVALID
   * @returns whether the queue or group was already paused; for a group, also whether the group has jobs
   * @example await Jobs.pause({ queue: 'shops', group: 'acme', for: '5m' })
   * @example await Jobs.pause({ all: true })   // every queue
   */
  async pause(options: PauseOptions | EveryQueue): Promise<PauseResult> {
    const { checkPause, pause, placeWords } = await import('./change/pause.ts')
    checkPause(options, this.#operating.names)
    const change = { what: 'pause', on: placeWords(options), count: () => 1 } as const
    return this.#operating.perform(change, async () =>
      pause(await this.#opened(), options, this.#operating.person),
    )
  }

  /**
   * Resumes a queue, or one group of a queue.
   *
   * @returns whether the queue or group was paused; for a group, also whether the group has jobs
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   */
  async resume(target: PauseTarget | EveryQueue): Promise<PauseResult> {
    const { checkResume, placeWords, resume } = await import('./change/pause.ts')
    checkResume(target, this.#operating.names)
    const count = ({ wasPaused }: PauseResult) => (wasPaused ? 1 : 0)
    const change = { what: 'resume', on: placeWords(target), count } as const
    return this.#operating.perform(change, async () => resume(await this.#opened(), target))
  }

  /**
   * Returns the events of jobs in all processes: one event for each change of a job. Within a partition,
   * events come in the order of the changes. The store writes events only while somebody listens. If events
   * may be missing, an event of the kind `gap` says so. The iteration ends when the signal is aborted or the
   * instance is closed.
   *
   * The options are checked, and listening begins, only when the first event is requested or `ready()` is
   * called.
   *
   * @param options `queues`, `kinds`: only events of these queues and kinds. `since`: the cursor of an event
   *   after which to continue. `signal`: aborting it ends the iteration
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE, from `next()` and `ready()`
   * @example
   * for await (const event of Jobs.events({ queues: ['imports'], kinds: ['completed', 'failed'] })) {
   *   if (event.kind === 'gap') await lookAtAllImports()
   *   else console.log(event.kind, event.id)
   * }
   */
  events(options: EventOptions = {}): QueueEvents {
    const { jobs } = this.#operating
    const closed = jobs.closing
    return new QueueEvents(async () => {
      const { EventStream } = await import('./events/event-stream.ts')
      return new EventStream(() => jobs.watcher(), closed, options)
    })
  }

  /**
   * Returns the live workers, the problems of the store itself and its schedules, and for every queue the
   * counts of its jobs and how many jobs ended recently.
   */
  async status(): Promise<Status> {
    const open = await this.#operating.jobs.open()
    const [{ status }, { alarmsIn, lookForAlarms }] = await Promise.all([
      import('./measures/status.ts'),
      import('./findings/alarms.ts'),
    ])
    const { store, settings } = open
    const [found, { findings, outbox }] = await Promise.all([
      status({ store, queues: settings.partitions }, settings.targets),
      lookForAlarms(open),
    ])
    return { ...found, alarms: alarmsIn(findings), ...defined({ outbox }) }
  }

  /**
   * Changes jobs, and reports the progress to the audit. A dry run, which only counts the jobs, is not
   * recorded.
   *
   * @param given the argument of the change besides the jobs, such as a priority
   */
  async #change<Options extends ChangeOptions, Answer, Value>(
    change: JobChange<Options, Answer, Value> & { what: Audited },
    which: unknown,
    options: Options,
    given?: unknown,
  ): Promise<Answer> {
    const { makeChange, readChange } = await import('./change/row.ts')
    const [chosen, value] = readChange(change, which, given, options, this.#operating.names)
    const opened = await this.#opened()
    const { dryRun, queue, signal } = options
    if (dryRun) return makeChange(change, opened, chosen, value, options)
    const { what, count, to } = change
    return this.#operating.perform({ what, on: chosen, to: to?.(value), queue, signal, count }, (noted) => {
      const onProgress = (done: number, found: number, changed = done) => {
        noted(changed)
        options.onProgress?.(done, found)
      }
      return makeChange(change, opened, chosen, value, { ...options, onProgress })
    })
  }

  async #opened(): Promise<OpenChange> {
    const { store, settings } = await this.#operating.jobs.open()
    return { store, settings, queues: settings.partitions }
  }
}

/** Loads the code that changes jobs when it is first needed, because most processes only dispatch. */
async function jobChanges() {
  return (await import('./change/job-changes.ts')).jobChanges
}
