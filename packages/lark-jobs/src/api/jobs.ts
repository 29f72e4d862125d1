import { type CodeConfig, Configured } from '../config/configured.ts'
import { inside } from '../model/copies.ts'
import { readId } from '../model/id.ts'
import { unrecorded } from '../operate/audit/hand-change.ts'
import type {
  ApprovalPageOptions,
  ApprovalRequest,
  ApprovalResponse,
} from '../operate/change/approval-page.ts'
import type { FindFlowOptions } from '../operate/flows/flow-finding.ts'
import type { FlowFilter, FlowListOptions, FlowPage } from '../operate/flows/flow-list.ts'
import type { Approval } from '../operate/look/approval.ts'
import { Operations } from '../operate/operations.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import {
  classOf,
  type JobConstructor,
  type JobLike,
  type PayloadOf,
  type ResultOf,
} from '../options/job-class.ts'
import { type CommandArguments, CommandJob, commandPayload } from '../run/command-job.ts'
import type { WorkOptions } from '../worker/options.ts'
import type { Worker } from '../worker/worker.ts'
import { saysOf } from './dispatch-by-key.ts'
import { Draft, type HandlesOf, isDraft } from './draft.ts'
import { evaluationsOf } from './evaluations.ts'
import { type FlowDraft, isFlowDraft, type ResultOfPart } from './flows/flow-draft.ts'
import { FlowHandle } from './flows/flow-handle.ts'
import { Inside } from './inside.ts'
import { JobHandle } from './job-handle.ts'
import { JobSchedules } from './schedules/schedules.ts'
import type { CurrentTransaction, TransactionOptions } from './transactions.ts'

/**
 * Dispatches jobs into one store, starts workers on it, and operates on its jobs. The import `Jobs` is the
 * default instance. `createJobs()` makes other instances.
 */
export class Jobs extends Operations implements AsyncDisposable {
  readonly #inside: Inside

  /** @internal */
  constructor(inner: Inside) {
    super({ jobs: inner, perform: unrecorded })
    this.#inside = inner
  }

  /**
   * The part of the instance for the rest of this package, and for other copies of this package. @internal
   */
  get [inside](): Inside {
    return this.#inside
  }

  /**
   * Sets the configuration in code, for programs that have no `lark.config`, such as bundles. Lark then does
   * not look for a file. Environment variables apply as they do with a file. Call this method before the
   * first use of `Jobs`, both in processes that dispatch and in workers.
   *
   * A call with the same configuration changes nothing, because development servers load modules again.
   * Functions are compared by their names, and job classes by their keys. Workers and dispatches that start
   * later use the newest functions and classes. After `close()`, another configuration may be set.
   *
   * @param config the settings of the `jobs` section of `lark.config`, and also `jobs`: the classes that
   *   workers run
   * @throws CONFIG_INVALID, JOB_INVALID; ALREADY_CONFIGURED, CONFIGURED_LATE
   * @example Jobs.configure({ connection: process.env.REDIS_URL, queues: ['default', 'emails'], jobs:
   *   [SendEmailJob] })
   */
  configure(config: CodeConfig): void {
    this.#inside.configure(config)
  }

  /**
   * Queues the job of a draft in the store of this instance. `draft.dispatch()` does the same with the
   * default instance.
   */
  dispatch<J extends JobLike>(draft: Draft<J>, options?: TransactionOptions): Promise<JobHandle<J>>
  /**
   * Queues the jobs of drafts, of any classes and queues, in as few calls as possible. All drafts are checked
   * before the first job is sent. If a later call fails, `error.queued` has the ids of the queued jobs.
   *
   * @param options `tx`: the jobs are queued if and only if this transaction of the application commits
   * @returns a handle for each draft, in the same order
   * @example await Jobs.dispatch([ImportJob.with({ file }), ReportJob.with({ month }).delayed('5m')])
   */
  dispatch<const D extends readonly Draft[]>(drafts: D, options?: TransactionOptions): Promise<HandlesOf<D>>
  /**
   * Queues a job in the store of this instance. `job.dispatch(payload)` does the same with the default
   * instance.
   *
   * @example await createJobs({ connection: 'redis://other' }).dispatch(new SendEmailJob(), { to })
   */
  dispatch<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<boolean>
  /**
   * Queues a job in a transaction of the application: the job is queued if and only if the transaction
   * commits.
   */
  dispatch<J extends JobLike>(job: J, payload: PayloadOf<J>[0], options: TransactionOptions): Promise<boolean>
  /**
   * Dispatches a flow in the store of this instance. `flow.dispatch()` does the same with the default
   * instance.
   *
   * @param options `tx`: the flow starts if and only if this transaction of the application commits
   */
  dispatch<F extends FlowDraft>(flow: F, options?: TransactionOptions): Promise<FlowHandle<ResultOfPart<F>>>
  dispatch(
    what: JobLike | Draft | readonly Draft[] | FlowDraft,
    ...[one, two]: readonly unknown[]
  ): Promise<unknown> {
    const inner = this.#inside
    if (isDraft(what)) return inner.dispatchOne(what, one)
    if (isFlowDraft(what)) return inner.dispatchFlow(what, one)
    return Array.isArray(what) ? inner.dispatchDrafts(what, one) : inner.enqueue(what as JobLike, [one], two)
  }

  /**
   * Calls a function, and holds back the jobs that the function dispatches. When the function has ended,
   * these jobs are sent together. If the function throws, no job is sent. Calls may be nested: the jobs of an
   * inner call are sent with the jobs of the outer call. If the inner function throws, only its own jobs are
   * dropped. A dispatch with a `tx` is not held back.
   *
   * The dispatches wait in the memory of this process, so they are lost if the process dies before the
   * function has ended, or just afterwards. `dispatch(payload, { tx })` in a transaction of a database loses
   * no jobs.
   *
   * @returns the value that the function returned
   * @throws the error of the function; the errors of `Job.dispatch`
   * @example
   * await Jobs.transaction(async () => {
   *   await new ChargeJob().dispatch({ order })
   *   await confirm(order)
   * })
   */
  transaction<T>(work: () => T | PromiseLike<T>): Promise<T> {
    return this.#inside.transaction(work)
  }

  /**
   * Lets each dispatch that names no transaction join the transaction in which its caller runs, if there is
   * one. This is for applications with ambient transactions, such as those of `typeorm-transactional` and
   * `@nestjs-cls/transactional`. Call this method once, where the application starts.
   *
   * @param current a function that is called at each dispatch, in the context of its caller. It returns the
   *   handle of the transaction, or nothing if there is no transaction. Without a transaction, the job is
   *   queued at once
   * @throws JOB_INVALID
   * @example Jobs.joinTransactions(() => (host.isTransactionActive() ? host.tx : undefined))
   */
  joinTransactions(current: CurrentTransaction): void {
    this.#inside.join(current)
  }

  /**
   * Makes a handle of a job that was dispatched earlier, perhaps by another process. This method does not
   * check that the job exists.
   *
   * @param Class the class of the job, which gives the handle its types
   * @param options `queue`: the queue of the job. Default: the queue of the class
   * @throws JOB_ID_INVALID, JOB_INVALID
   * @example const status = await Jobs.handle(ImportJob, request.params.id).status()
   */
  handle<J extends JobLike>(
    Class: new (...args: never[]) => J,
    id: string,
    options: { queue?: string } = {},
  ): JobHandle<J> {
    const { queue = classOf(Class as unknown as JobConstructor).queueName } = options
    return new JobHandle<J>(this.#inside, { id: readId(id), queue })
  }

  /**
   * Queues a job by the key of its class, for code that knows only the keys of jobs. The class is looked for
   * in the option `jobs` of the configuration, among the imported jobs made by `defineJob`, and in the
   * folders of the application. These folders are loaded once, and only if they are needed.
   *
   * @param options settings of this job that differ from those of its class; `id`: see `Draft.withId`
   * @throws UNKNOWN_JOB; the errors of `Job.dispatch`. The types do not check the payload
   * @example await Jobs.dispatchByKey('send-email', { to }, { delay: '5m', id: `welcome-${userId}` })
   */
  async dispatchByKey(key: string, payload?: unknown, options: DispatchOptions = {}): Promise<JobHandle> {
    const Class = await this.#inside.classOf(key)
    return this.#inside.dispatchOne(
      new Draft(this.#inside, { Class, payload, ...saysOf('Jobs.dispatchByKey()', options) }),
    )
  }

  /**
   * Queues a job that runs a command of `lark` in a worker, as if a person had typed the command there. The
   * output of the command becomes the log of the job, and an object that the command returns becomes the
   * result of the job. The command's `this.signal` is aborted when the job should end. An attempt fails if
   * the exit code is not
   * 0. If there is no such command, or if its arguments are wrong, the job fails without further attempts.
   *
   * @param command the key of the command
   * @param args an object with the fields of the command, or a list with the words of a command line. No
   *   shell interprets these words
   * @param options the options of any job. Default: the queue `default`, 3 tries, a timeout of 30 min
   * @throws JOB_INVALID; the errors of `Job.dispatch`. Whether the command exists is known only when the job
   *   runs
   * @example await Jobs.dispatchCommand('users:process', { limit: 100 }, { delay: '5m', tries: 1 })
   * @example await Jobs.dispatchCommand('users:process', ['--limit=100'])
   */
  async dispatchCommand(
    command: string,
    args?: CommandArguments,
    options: DispatchOptions = {},
  ): Promise<JobHandle> {
    const call = 'Jobs.dispatchCommand()'
    const payload = commandPayload(call, command, args)
    return this.#inside.dispatchOne(
      new Draft(this.#inside, { Class: CommandJob, payload, ...saysOf(call, options) }),
    )
  }

  /** The operations on schedules: set at run time, read, pause, resume, remove, run now. */
  override get schedules(): JobSchedules {
    return new JobSchedules(this.#inside)
  }

  /**
   * Makes a handle of a flow that was dispatched earlier, perhaps by another process. This method does not
   * check that the flow exists.
   *
   * @param options `queue`: the queue of the first job of the flow. This option is needed only if you have
   *   chosen the same id for flows in several queues
   * @throws FLOW_INVALID for a value that cannot be the id of a flow, UNKNOWN_QUEUE. The first call of the
   *   handle may throw FLOW_ID_AMBIGUOUS
   * @example const progress = await Jobs.flow(request.params.id).progress()
   */
  flow<Result = unknown>(id: string, options: FindFlowOptions = {}): FlowHandle<Result> {
    return new FlowHandle<Result>(this.#inside, { flow: id, find: options })
  }

  /**
   * Lists flows that meet all conditions of a filter, page by page, without their nodes. The flows that were
   * dispatched last come first. By default, flows of every queue are listed, but not flows that are nodes of
   * other flows. A page may have fewer flows than `limit`, or even none, although more pages follow. A page
   * that is not the last has a `cursor`. Flows that cannot be read are in `damaged`.
   *
   * @param options `cursor`: the cursor of the previous page, with the same filter. `limit`: 1…1,000, default
   *   100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { flows, cursor } = await Jobs.flows({ state: 'failed', since: '1h' })
   */
  async flows(filter: FlowFilter = {}, options: FlowListOptions = {}): Promise<FlowPage> {
    const { FlowOperations } = await import('../operate/flow-operations.ts')
    return new FlowOperations(() => this.#inside.open()).list(filter, options)
  }

  /**
   * Answers an approval that a job waits for with `this.approval()`, perhaps in another process. Only the
   * first answer counts.
   *
   * @param token the token that the job has sent
   * @param value the JSON value that the job gets. Default `true`
   * @returns `false` if the approval was already answered, or if the job no longer waits for the answer.
   *   `Jobs.approval()` says why
   * @throws APPROVAL_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, SIGNALS_FULL
   * @example await Jobs.redeem(token, { by: 'ada' })
   */
  async redeem(token: string, value: unknown = true): Promise<boolean> {
    const { redeem } = await import('../operate/change/redeem.ts')
    return redeem(this.#inside, token, value)
  }

  /**
   * Reads the approval that belongs to a token, and whether the approval can still be answered, for a page of
   * your own. This method changes nothing.
   *
   * @throws APPROVAL_INVALID
   */
  async approval(token: string): Promise<Approval> {
    const { findApproval } = await import('../operate/look/approval.ts')
    return (await findApproval(this.#inside, token)).approval
  }

  /**
   * Makes a web page on which a person answers an approval. The result is a function that takes a `Request`,
   * whose URL has the parameter `token`, and returns a `Response`. GET only shows the page. The buttons of
   * the page send the answer by POST.
   *
   * @param options `choices`: the labels of the buttons, and the values that they send. Default `{ Approve:
   *   true, Reject: false }`
   * @example app.all('/approve', (c) => page(c.req.raw)) // const page = Jobs.approvalPage()
   */
  approvalPage(options: ApprovalPageOptions = {}): (request: ApprovalRequest) => Promise<ApprovalResponse> {
    return async (request) => {
      const { approvalPage } = await import('../operate/change/approval-page.ts')
      return approvalPage(this.#inside, request, options)
    }
  }

  /** Queues one job for each payload; see `Job.dispatchMany`. */
  dispatchMany<J extends JobLike>(
    job: J,
    payloads: readonly PayloadOf<J>[0][],
    options?: TransactionOptions,
  ): Promise<boolean> {
    return this.#inside.enqueue(job, payloads, options)
  }

  /** Runs a job in this process, with the middleware of this instance; see `Job.dispatchNow`. */
  dispatchNow<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<ResultOf<J>> {
    return this.#inside.dispatchNow(job, (payload as readonly unknown[])[0]) as Promise<ResultOf<J>>
  }

  /**
   * Resolves when every dispatch so far has succeeded or failed. Call this method before `process.exit()`.
   */
  flush(): Promise<void> {
    return this.#inside.flush()
  }

  /**
   * Starts a worker in this process.
   *
   * If a development server loads the calling module again, the new worker replaces the worker that the
   * previous load started: the old worker takes no more jobs, and ends when its running jobs have ended. With
   * `NODE_ENV=production` no worker is ever replaced.
   *
   * @throws UNKNOWN_QUEUE, JOB_KEY_TAKEN, JOB_INVALID, WORKER_INVALID, and the errors of opening the store
   * @example await using worker = await Jobs.work({ queues: ['emails'], concurrency: 20 })
   */
  work(options: WorkOptions = {}): Promise<Worker> {
    const isProduction = process.env.NODE_ENV === 'production'
    return this.#inside.work(options, {}, isProduction ? undefined : evaluationsOf(this.work))
  }

  /**
   * Stops the workers that this instance has started, waits for its dispatches (`flush`), and closes the
   * store. In a command that a worker of this instance runs as a job, this method only waits for the
   * dispatches.
   */
  close(): Promise<void> {
    return this.#inside.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Makes another instance beside `Jobs`, with a configuration of its own: the settings of the `jobs` section
 * of `lark.config`, and the classes that its workers run.
 *
 * @throws CONFIG_INVALID or STORE_NOT_CONFIGURED, when the instance is first used
 * @example
 * await using reports = createJobs({ connection: 'sqlite:reports.db' })
 * await reports.dispatch(new BuildReportJob(), { month: '2026-11' })
 */
export function createJobs(config: CodeConfig = {}): Jobs {
  const configured = new Configured(config, 'createJobs()')
  const load = async () => configured.settings()
  return new Jobs(new Inside(load, load, configured))
}
