/**
 * The instance of `Jobs` behind a fake, on an embedded store in memory. It differs from an ordinary instance
 * in three ways: a dispatch meets the outages of the fake, a job whose worker is dead dispatches nothing, and
 * the crew works while somebody awaits a result.
 */
import { KnownJobs, refuseReserved, saysOf } from '../api/dispatch-by-key.ts'
import { Draft, readDraft } from '../api/draft.ts'
import { type FlowDraft, insideOfFlow, isFlowDraft } from '../api/flows/flow-draft.ts'
import { FlowHandle } from '../api/flows/flow-handle.ts'
import { Inside, type Opened } from '../api/inside.ts'
import type { JobHandle } from '../api/job-handle.ts'
import { Jobs } from '../api/jobs.ts'
import type { Settings } from '../config/config.ts'
import { draftedJob, newJobs } from '../dispatch/new-job.ts'
import { insideOf } from '../model/copies.ts'
import { JobsError } from '../model/errors.ts'
import { type WatchedStore, Watcher } from '../operate/events/watcher.ts'
import type { FindFlowOptions } from '../operate/flows/flow-finding.ts'
import type { FlowResultOptions } from '../operate/flows/flow-results.ts'
import { definitions } from '../options/definitions.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import { classOf, type JobConstructor, type JobLike } from '../options/job-class.ts'
import { notedIn } from '../options/job-inside.ts'
import type { ChildDraft, ChildParent, ReadyChild } from '../step/child.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import { shown } from '../words/secret.ts'
import { currentLink } from './current.ts'
import type { FakeClock } from './fake-clock.ts'
import { nothing } from './link.ts'
import type { MetClasses } from './met-classes.ts'
import type { Outage } from './outage.ts'
import { later } from './real-time.ts'
import { Sleepers } from './sleepers.ts'

export interface FakeJobsOptions {
  load: () => Promise<Settings>
  clock: FakeClock
  outage: Outage
  classes: MetClasses
  /**
   * The classes that the test or the configuration has named. Undefined if the classes are those in the
   * folders of the application.
   */
  named: () => readonly JobConstructor[] | undefined
  /** The classes of the application. */
  all: () => Promise<readonly JobConstructor[]>
  /** Moves the clock. */
  pass: (at: number) => Promise<void>
  /**
   * Makes the crew work until a promise has settled.
   *
   * @param isMet returns whether the awaited event has happened
   * @param what the awaited job or flow, for a message
   */
  until: <T>(promise: Promise<T>, isMet: () => Promise<boolean>, what: string) => Promise<T>
}

/** Whether the test runner loads the files of a test itself, as Vitest and Jest do. */
function hasModulesOfItsOwn(): boolean {
  return '__vitest_worker__' in globalThis || process.env.JEST_WORKER_ID !== undefined
}

class FakeInside extends Inside {
  readonly #options: FakeJobsOptions
  #watcher: FakeWatcher | undefined

  constructor(options: FakeJobsOptions) {
    super(options.load)
    this.#options = options
  }

  override enqueue(job: JobLike, payloads: readonly unknown[], options?: unknown): Promise<boolean> {
    const Class = job.constructor as JobConstructor
    return this.#dispatch(
      () => this.#options.classes.meet(Class),
      () => super.enqueue(job, payloads, options),
      (answer) => (answer && notedIn(job)?.ids) || newJobs(job, payloads).records.map(({ id }) => id),
    )
  }

  override dispatchDrafts(drafts: readonly Draft[], options?: unknown): Promise<JobHandle[]> {
    const said = () => drafts.map((draft) => readDraft(draft))
    return this.#dispatch(
      () => said().forEach(({ Class }) => void this.#options.classes.meet(Class)),
      () => super.dispatchDrafts(drafts, options),
      (handles) =>
        handles?.map(({ id }) => id) ??
        said().flatMap((each) => draftedJob(each).records.map(({ id }) => id)),
    )
  }

  override dispatchFlow(flow: FlowDraft, options?: unknown): Promise<FlowHandle> {
    return this.#dispatch(
      () => this.#meetAll(flow),
      async () => {
        const { id, isNew } = await super.dispatchFlow(flow, options)
        return new FakeFlowHandle(this, this.#options, id, {}, isNew)
      },
      (handle) => (handle === undefined ? [] : [handle.id]),
    )
  }

  /** The database of a test has no relay, so a job that is dispatched in a transaction is queued at once. */
  protected override txOf(options: unknown): undefined {
    super.txOf(options)
  }

  override readyChild(draft: ChildDraft, parent: ChildParent): Promise<ReadyChild> {
    return this.#dispatch(
      () => this.#options.classes.meet(draft.Class),
      () => super.readyChild(draft, parent),
      () => [],
    )
  }

  override async watcher(): Promise<WatchedStore> {
    const { store, settings } = await this.open()
    this.#watcher ??= new FakeWatcher(store, this.#options)
    return { store, queues: settings.partitions, watcher: this.#watcher }
  }

  /**
   * The waits of a job that `dispatchNow` runs: a sleep moves the clock, and a wait for a signal ends when
   * the test sends the signal.
   */
  protected override get stepTimes(): WaitTimes {
    const { clock, pass } = this.#options
    return new Sleepers(clock, pass)
  }

  /** Calls a function after some milliseconds by the clock of the fake. */
  after(ms: number, act: () => void): () => void {
    const { clock } = this.#options
    return clock.alarm(clock.now + ms, act)
  }

  /**
   * @param meet makes the classes of the jobs known to the fake
   * @param ids returns the ids of the jobs, for an error
   */
  #dispatch<T>(
    meet: () => void,
    act: () => Promise<T>,
    ids: (answer: T | undefined) => string[],
  ): Promise<T> {
    if (currentLink()?.isCut) return nothing()
    try {
      meet()
    } catch {
      // The dispatch below throws the same error.
    }
    const { outage, pass } = this.#options
    return outage.until === undefined ? act() : outage.dispatch(act, pass, ids)
  }

  #meetAll(flow: FlowDraft): void {
    const { content, callbacks } = insideOfFlow(flow)
    const parts = callbacks.map(([, part]): unknown => part)
    if (content.kind === 'chain') parts.push(...content.steps)
    if (content.kind === 'batch' && Array.isArray(content.members)) parts.push(...content.members)
    for (const part of parts) {
      if (isFlowDraft(part)) this.#meetAll(part)
      else if (typeof part === 'object') this.#options.classes.meet(readDraft(part).Class)
    }
  }
}

export class FakeJobs extends Jobs {
  readonly #options: FakeJobsOptions

  constructor(options: FakeJobsOptions) {
    super(new FakeInside(options))
    this.#options = options
  }

  /**
   * Like `Jobs.dispatchByKey`, but also finds the classes of this test. If the test runner keeps modules of
   * its own, the folders of the application are not searched: their classes would be loaded a second time,
   * and the test would not see what these copies do.
   */
  override async dispatchByKey(
    key: string,
    payload?: unknown,
    options: DispatchOptions = {},
  ): Promise<JobHandle> {
    refuseReserved('Jobs.dispatchByKey()', key)
    const { classes, all, named, load } = this.#options
    const isIt = (Class: JobConstructor) => classOf(Class).key === key
    const met = classes.find(key)?.Class ?? [...definitions.values()].find(isIt)
    if (met === undefined && named() === undefined && hasModulesOfItsOwn())
      throw new JobsError(
        'UNKNOWN_JOB',
        `Jobs.dispatchByKey(): this test knows no job with the key ${shown(key)}`,
        {
          hint: 'Import its class, and name it: Jobs.fake({ jobs: [SendEmailJob] }). The test runner keeps modules of its own, so the files of the application would be loaded a second time.',
        },
      )
    const Class = met ?? (await new KnownJobs(load).find(key, await all()))
    const inner = insideOf(this)
    const draft = new Draft(inner, { Class, payload, ...saysOf('Jobs.dispatchByKey()', options) })
    return inner.dispatchOne(draft)
  }

  override flow<Result = unknown>(id: string, options: FindFlowOptions = {}): FlowHandle<Result> {
    return new FakeFlowHandle<Result>(insideOf(this), this.#options, id, options)
  }

  /** Waits for the dispatches. The store stays open until the fake ends, so that the test can look at it. */
  override close(): Promise<void> {
    return this.flush()
  }

  /** Closes the store. */
  end(): Promise<void> {
    return super.close()
  }
}

/** Awaits the ends of jobs, and makes the crew work meanwhile. */
class FakeWatcher extends Watcher {
  readonly #opened: Opened['store']
  readonly #options: Pick<FakeJobsOptions, 'until'>

  constructor(store: Opened['store'], options: Pick<FakeJobsOptions, 'until'>) {
    super(store, () => false)
    this.#opened = store
    this.#options = options
  }

  protected override later(act: () => void, ms: number): void {
    later(act, ms)
  }

  override ended(...args: Parameters<Watcher['ended']>): ReturnType<Watcher['ended']> {
    const [partition, id] = args
    const isMet = async () => {
      const hasEnded = (await this.#opened.get(partition, id, true))?.finishedAt !== undefined
      // The test may have replaced the timer of the next check, so the check is started here.
      if (hasEnded) this.lookAgain()
      return hasEnded
    }
    return this.#options.until(super.ended(...args), isMet, `job ${id}`)
  }
}

/** A handle whose `result()` makes the crew work meanwhile. */
class FakeFlowHandle<Result = unknown> extends FlowHandle<Result> {
  readonly #options: Pick<FakeJobsOptions, 'until'>

  constructor(
    jobs: Inside,
    options: Pick<FakeJobsOptions, 'until'>,
    flow: string,
    find: FindFlowOptions,
    isNew?: boolean,
  ) {
    super(jobs, { flow, find }, isNew)
    this.#options = options
  }

  override result(options: FlowResultOptions = {}): Promise<Result> {
    const isMet = async () => (await this.status({ nodes: false }))?.endedAt !== undefined
    return this.#options.until(super.result(options), isMet, `flow ${this.id}`)
  }
}
