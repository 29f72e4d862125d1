/**
 * The operations on jobs that `Jobs` and `operate()` share: look, retry, cancel, pause, resume. Each call
 * checks its arguments before it opens the store, and imports the code that it needs, because most processes
 * only dispatch.
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

  /** Schedules: look, pause, resume, remove, run now. */
  get schedules(): ScheduleOperations {
    const { jobs, perform, person } = this.#operating
    return new ScheduleOperations(() => jobs.open(), perform, person)
  }

  /**
   * The job with this id, with its log; undefined if there is none, or if it was removed.
   * `Jobs.find<ImportJob>(id)` gives the payload and the result the types of that class. Nothing checks that
   * the job has that class.
   *
   * @param options `queue`: looks only there. Several queues may have a job with an id that you chose
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
    // The job may have been relayed in between.
    return row ?? find<J>(open, id, options)
  }

  /**
   * The jobs that failed for good, the last to fail first. Default: 100 jobs, of every queue.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   */
  async failed<J extends JobLike = JobLike>(options: FailedOptions = {}): Promise<StoredJob<J>[]> {
    const { checkFailed, failed } = await import('./look/stored-jobs.ts')
    checkFailed(options, this.#operating.names)
    return failed<J>(await this.#opened(), options)
  }

  /**
   * A page of the jobs that meet all conditions of a filter; without conditions, of all jobs of the store.
   * One call looks at no more than 1,000 jobs. So a page may have fewer jobs than `limit`, or none, and yet a
   * `cursor`: there is more.
   *
   * `Jobs.list<ImportJob>(…)` gives payloads and results the types of that class. Nothing checks that the
   * jobs have it.
   *
   * Order: partition by partition in the order of their names, and within each, state by state in the order
   * of `filter.state`. Ended jobs by the time of their end, waiting and delayed jobs in the order in which
   * they would run, active jobs by id, which is the order of their dispatch.
   *
   * @param options `cursor`: of the page before, of the same filter and order. `limit`: the most jobs of the
   *   page, 1…1,000, default 100. `order`, of ended jobs: `'newest'` (default) for the latest end first, or
   *   `'oldest'`
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { jobs, cursor } = await Jobs.list({ queue: 'imports', state: 'failed', where: { 'shop.id': 7 } })
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
   * Queues ended jobs again, each with all its tries. If there are many, those that failed first are queued
   * first.
   *
   * @param which one id, several ids, `'failed'` for all failed jobs, or a filter, which without a state
   *   means failed jobs
   * @param rest the queue of the ids, or of all failed jobs; or options, such as `fromStart`, which forgets
   *   the records of the jobs' steps. Default: every queue
   * @returns how many jobs
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
   * Cancels jobs, by id or by a filter. Jobs that do not run end at once. The `signal` of a running job is
   * aborted, in whichever process it runs: usually at once, and at the latest within a third of its worker's
   * lease (5 s).
   *
   * @returns how many jobs were cancelled, and how many running jobs were asked to end
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_CANCELLABLE, before any job is
   *   cancelled; FILTER_INVALID, UNKNOWN_QUEUE
   * @param options `because`: why, for people: kept with the job, and told to it. `ifNotBegun`: leaves jobs
   *   as they are that run, or were run before; the store decides that in one step, and `left` counts them
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
   * Makes delayed jobs due now, by id or by a filter. A job that is due already counts as not changed.
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
   * Makes jobs that wait or are delayed due after this time, counted from now, by id or by a filter.
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
   * Gives jobs that wait or are delayed another priority, by id or by a filter. A job keeps its place among
   * the jobs of its new priority: the time at which it was queued, or is due.
   *
   * @param priority higher first, as in a job class
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
   * Moves jobs that wait or are delayed to another queue, by id or by a filter. Each keeps its id, payload,
   * tries, due time, priority, tags, group and lock, and its place in the order. A handle, `result()` and its
   * flow still find it. If this process dies meanwhile, each job is in one of the queues, or a worker brings
   * it to the new one within seconds.
   *
   * @param queue to which they go: one of the configuration, or one that has jobs
   * @returns how many were moved, and how many were left as they are: they began meanwhile, or the queue has
   *   a job with the same id or the same unique lock
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_MOVABLE, before any job is moved;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.move({ queue: 'emials' }, 'emails')
   * @example await Jobs.move({ queue: 'emails', where: { tenant: 7 } }, 'bulk', { dryRun: true })   // how many it would move
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
   * Replaces the payload of jobs that do not run, by id or by a filter. If this process has met the class of
   * a job, the payload is checked as at a dispatch; otherwise it must be JSON. `options.editedAt` of the job
   * says when. Group, lock, limiter and tags stay as they are, even if the class makes them from the payload.
   *
   * `Jobs.edit<ImportJob>(…)` gives the payload the type of that class. Nothing checks that the jobs have it.
   *
   * @param payload the new one; or a function that makes the new payload of each job from the one that is
   *   stored. If it throws, the call rejects, and the jobs before have been edited
   * @param options `force`: also jobs whose steps have recorded something
   * @returns how many jobs were edited, and how many that match the filter run or have run steps, and were
   *   left as they are
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
   * Gives jobs more tags, by id or by a filter, whatever their state. A tag that a job has already stays
   * where it is.
   *
   * @param tags one, or a list of up to 10, each of at most 64 characters
   * @returns how many jobs have the tags now, and how many were left as they are, because they would have
   *   more than 10
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
   * Takes tags from jobs, by id or by a filter, whatever their state.
   *
   * @returns how many jobs do not have the tags now
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
   * Removes jobs that do not run, by id or by a filter: nobody sees them any more. A job that has not ended
   * does not run, and its class is not told of that. What must still happen elsewhere because a job ended
   * happens, and until then a record is kept for it; `purge` removes that too.
   *
   * @param options `ifNotBegun`: leaves jobs as they are that run, or were run before; `left` counts them
   * @returns how many jobs were removed, and how many that match the filter run, and were left as they are
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_REMOVABLE, before any job is removed;
   *   FILTER_INVALID, UNKNOWN_QUEUE
   * @example await Jobs.remove(job.id!)
   * @example await Jobs.remove({ key: 'send-email', state: 'failed' }, { dryRun: true })   // how many it would remove
   */
  async remove(
    which: string | readonly string[] | RemoveFilter,
    options: RemoveOptions = {},
  ): Promise<Removed> {
    const { remove } = await jobChanges()
    return this.#change(remove, which, options)
  }

  /**
   * Removes jobs for good from everything that Lark reads: record, payload, result, errors and log, and what
   * is still kept of a job that was removed before. What should have happened elsewhere because such a job
   * ended does not happen. Backups, Redis's AOF, and free pages of an SQLite file may still contain the data:
   * see the manual.
   *
   * @returns how many jobs were removed; an id that no job has counts as none
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
   * Pauses a queue, or one group of it: none of its jobs starts, on any worker. Running jobs go on.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE, PAUSE_INVALID
   * @returns whether it was already paused; for a group, also whether it has jobs
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
   * Resumes a queue, or one group of it.
   *
   * @returns whether it was paused; for a group, also whether it has jobs
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
   * What happens to jobs, in whichever process: an event for each change, in the order of the changes of a
   * partition. The store writes events only while somebody listens. If some may be missing, there is an event
   * of the kind `gap`. The events end when the signal is aborted, and with `close()`.
   *
   * Nothing is checked, and nothing begins, before the first event is asked for, or `ready()` is called.
   *
   * @param options `queues`, `kinds`: only these events. `since`: the cursor of an event, to go on behind it.
   *   `signal`
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
   * Every queue with its counts and what ended there lately, the live workers, and what is wrong with the
   * store itself or its schedules.
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
   * Makes a change of jobs, and says how far it is. A count of what would be changed is no change.
   *
   * @param given what the change is told beside the jobs, such as a priority
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

/** Loaded with the first change: most processes only dispatch. */
async function jobChanges() {
  return (await import('./change/job-changes.ts')).jobChanges
}
