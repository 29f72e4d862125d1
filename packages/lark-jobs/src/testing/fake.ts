/**
 * A fake replaces `Jobs` in a test. While the fake lives, each call of the test to `Jobs` goes to the fake's
 * own store in memory, and the test decides when jobs run and what time it is.
 *
 *   alive → over (`end`, or the end of the block with `using`)
 */

import { Jobs as DefaultJobs, jobsInside } from '../api/default-jobs.ts'
import type { Inside } from '../api/inside.ts'
import type { Jobs } from '../api/jobs.ts'
import type { Settings } from '../config/config.ts'
import { type CodeConfig, Configured } from '../config/configured.ts'
import { Underway } from '../dispatch/underway.ts'
import { inside, insideOf } from '../model/copies.ts'
import { JobsError } from '../model/errors.ts'
import type { JobConstructor, JobLike } from '../options/job-class.ts'
import { connect } from '../store/connect.ts'
import type { Store } from '../store/contract/store.ts'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { shown } from '../words/secret.ts'
import { Assertions, toldAt } from './assertions.ts'
import type { Crew, Runs, Wish } from './crew.ts'
import {
  begin,
  callingRun,
  currentFake,
  currentLink,
  end,
  type Faked,
  ordinary,
  ownFake,
  route,
  within,
} from './current.ts'
import { Dispatches } from './dispatches.ts'
import type { ClassOrKey } from './expectation.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeJobs } from './fake-jobs.ts'
import { nothing, through } from './link.ts'
import { MetClasses } from './met-classes.ts'
import { Outage } from './outage.ts'
import { sleep, withRealTime } from './real-time.ts'
import { Happenings, Spy } from './spy.ts'

const MEMORY = 'sqlite::memory:'
/** How many runs may end in one drain, by default. */
const MOST = 10_000
/**
 * Calls to the store that the application makes for several callers together. Such a call runs in the context
 * of the first caller, which may be a job or the test.
 */
const shared = ['open', 'close', 'enqueue', 'watch', 'wait']

/** The options of `Jobs.fake()`. */
export interface FakeOptions {
  /** A configuration that replaces the configuration of the application. Its `connection` is not used. */
  config?: CodeConfig | undefined
  /**
   * The classes of jobs that are dispatched by key, and the classes that declare schedules. Default: the
   * classes that the configuration names, or else the classes in its folders.
   */
  jobs?: readonly JobConstructor[] | undefined
  /** The time at which the clock of the fake begins. Default: now. */
  now?: Date | number | undefined
  /**
   * Other instances of `Jobs` that the application has made with `createJobs()`. Their calls go to the fake,
   * too.
   */
  instances?: readonly Jobs[] | undefined
}

/** The options of `drain()`. */
export interface DrainOptions {
  /**
   * Whether jobs that are due later run, too. The clock skips to the due time of each job in turn, including
   * retries. With a duration, the clock skips no further than that.
   */
  withDelayed?: boolean | Duration | undefined
  /**
   * Whether the jobs of schedules run, too, up to the instant that `withDelayed` allows. With `withDelayed:
   * true`, future ticks do not count, because there are always more.
   */
  withSchedules?: boolean | undefined
  /** How many jobs run at a time. Default 1, so that jobs run in their order. */
  concurrency?: number | undefined
  /** How many runs may end before `drain()` throws FAKE_ENDLESS. Default 10,000. */
  most?: number | undefined
}

/** The options of `outage()`. */
export interface OutageOptions {
  /**
   * What the outage loses. `calls` (default): no call reaches the store. `answers`: dispatches are carried
   * out, but their answers are lost, so that the application does not know whether the job is queued.
   */
  loses?: 'calls' | 'answers' | undefined
}

export class Fake extends Assertions implements Disposable, AsyncDisposable {
  /** @internal */
  readonly outer: Faked | undefined
  /** @internal */
  protected readonly dispatches: Dispatches
  readonly #clock: FakeClock
  readonly #outage: Outage
  readonly #classes = new MetClasses()
  readonly #happenings = new Happenings()
  readonly #options: FakeOptions
  readonly #jobs: FakeJobs
  #store: Store | undefined
  #crew: Promise<Crew> | undefined
  #isOver = false

  /** @internal */
  constructor(options: FakeOptions) {
    super()
    const outer = ownFake()
    this.outer = outer === 'none' ? undefined : outer
    this.#options = options
    this.#clock = new FakeClock(Number(options.now ?? Date.now()))
    this.#outage = new Outage(this.#clock, MEMORY)
    this.dispatches = new Dispatches((key) => this.#classes.find(key))
    for (const Class of options.jobs ?? []) this.#classes.meet(Class)
    this.#jobs = new FakeJobs({
      load: () => this.#load(),
      clock: this.#clock,
      outage: this.#outage,
      classes: this.#classes,
      named: () => this.#named(),
      all: () => this.#all(),
      pass: async (at) => (await this.#hired()).pass(at),
      until: (promise, isMet, what) => this.#until(promise, isMet, what),
    })
    const applies = () => (currentFake() as Fake | undefined)?.jobs
    for (const instance of [DefaultJobs, ...(options.instances ?? [])]) {
      route<Jobs>(instance, applies, ['configure', 'fake', inside])
      route<Inside>(insideOf(instance), () => {
        const jobs = applies()
        return jobs && insideOf(jobs)
      }, ['configure'])
    }
    begin(this)
  }

  /** The instance of `Jobs` behind the fake, for code that takes an instance as an argument. */
  get jobs(): Jobs {
    return this.#jobs
  }

  /**
   * The time of the fake: milliseconds since 1970. The time only passes in `advance()`, in `drain()`, and
   * while the test awaits a result or an event.
   */
  get now(): number {
    return this.#clock.now
  }

  /** @internal */
  get isOver(): boolean {
    return this.#isOver
  }

  /** @internal */
  protected get underway(): number {
    return Underway.unanswered
  }

  /**
   * Runs all due jobs in this process, and the jobs that these jobs dispatch. Delayed jobs, and jobs that
   * wait for a retry, run only if `withDelayed` allows it.
   *
   * @returns how many runs ended in which way
   * @throws FAKE_ENDLESS if jobs dispatch jobs for ever; FAKE_INVALID; UNKNOWN_JOB; the errors of a worker at
   *   its start
   * @example
   * const { completed, failed } = await fake.drain({ withDelayed: true })
   * @example await fake.drain({ withDelayed: '3d', withSchedules: true })   // as if a worker had lived for three days
   */
  async drain(options: DrainOptions = {}): Promise<Runs> {
    const { withDelayed = false, withSchedules = false, concurrency = 1, most = MOST } = options
    const ms = typeof withDelayed === 'boolean' ? 0 : this.#ms(this.drain, withDelayed)
    for (const [name, value] of Object.entries({ concurrency, most }))
      if (!Number.isInteger(value) || value < 1)
        throw this.#invalid(this.drain, `${name} is ${shown(value)}; it must be a whole number from 1`)
    const crew = await this.#hired()
    const before = { ...crew.runs }
    const end = this.now + ms
    const until = withDelayed === true ? Number.POSITIVE_INFINITY : end
    await this.#waiting(() => crew.work({ isOver: () => false, until, withSchedules, concurrency, most }))
    await crew.pass(end)
    const counts = Object.entries(crew.runs).map(([how, count]) => [how, count - before[how as keyof Runs]])
    return Object.fromEntries(counts)
  }

  /**
   * Moves the clock of the fake: delays, retries, leases, limits, unique jobs, schedules, timeouts and the
   * deadlines of flows follow it. It runs no jobs. `drain()` then runs the jobs that are due.
   *
   * @param time milliseconds, or `'30s'`, `'3d'`
   * @throws FAKE_INVALID
   */
  async advance(time: Duration): Promise<void> {
    const ms = this.#ms(this.advance, time)
    await (await this.#hired()).pass(this.now + ms)
  }

  /**
   * Waits for an event of the jobs of a class. The fake runs jobs and moves its clock until the event
   * happens. The promise resolves at once if the event has already happened, and rejects if no job is left
   * that could lead to it.
   *
   * @example const { result } = await fake.spy(ImportJob).completed({ file: 'a.csv' })
   */
  spy<J extends JobLike>(of: ClassOrKey<J>): Spy<J> {
    return new Spy(of, this.#happenings, async (find, what) => {
      const crew = await this.#hired()
      const isOver = () => find() !== undefined
      const wish = { isOver, until: Number.POSITIVE_INFINITY, most: MOST }
      if (!isOver()) await this.#waiting(() => crew.work(wish))
      const found = find()
      if (found === undefined) throw this.#idle(what)
      return found
    })
  }

  /**
   * Makes the workers die in the middle of the jobs that they run, as if their process had been killed. After
   * that, the calls of these jobs to `Jobs` have no effect, and their ends are not reported. Their leases end
   * 15 seconds later, and other workers run the jobs again. A handler that awaits this call does not go on.
   *
   * @throws FAKE_INVALID if no job runs
   * @example
   * charge.mockImplementationOnce(() => fake.crash())   // after the money was taken, before it was recorded
   * await fake.drain({ withDelayed: true })
   */
  async crash(): Promise<void> {
    const link = currentLink()
    const crew = await this.#hired()
    if (link?.isCut) return nothing()
    if (crew.running === 0)
      throw new JobsError('FAKE_INVALID', 'crash(): no job runs now', {
        hint: 'Call crash() in code that the job calls, or after `await fake.spy(ChargeJob).started()`.',
      })
    crew.crash()
    if (link !== undefined) await nothing()
  }

  /**
   * Makes the store unreachable for some time, by the clock of the fake. A dispatch waits for the store for
   * at most 5 seconds, which pass at once, and then fails with STORE_UNREACHABLE. Other calls fail at once.
   * Workers wait until the store is back.
   *
   * @throws FAKE_INVALID
   * @example fake.outage('10s')
   * @example fake.outage('10s', { loses: 'answers' })   // DISPATCH_UNCERTAIN, and yet the job is queued
   */
  outage(time: Duration, { loses = 'calls' }: OutageOptions = {}): void {
    this.#check()
    this.#outage.begin(this.#ms(this.outage, time), loses)
  }

  /**
   * Calls a function and makes this fake apply to it. This is for code that the test has not started itself,
   * such as a callback of a server that was started before.
   */
  run<T>(act: () => T): T {
    return within(this, act)
  }

  /**
   * Ends the fake: its store is removed, and `Jobs` works as before the fake. `using fake = Jobs.fake()` ends
   * the fake at the end of the block. Idempotent.
   */
  async end(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    end(this)
    // If no crew could be made, its callers have already got the error.
    const crew = await this.#crew?.catch(() => undefined)
    crew?.end()
    await this.#jobs.end()
  }

  [Symbol.dispose](): void {
    void this.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }

  /**
   * The configuration of the application, or the one that `Jobs.fake()` was given. Its store is in memory and
   * uses the clock of the fake.
   */
  async #load(): Promise<Settings> {
    this.#check()
    const { config } = this.#options
    const found = await (config === undefined
      ? ordinary(() => jobsInside.settings())
      : new Configured({ ...config, connection: MEMORY }, 'Jobs.fake()').settings())
    return {
      ...found,
      connection: MEMORY,
      durability: 'normal',
      schedules: { ...found.schedules, enabled: true },
      hooks: this.#happenings.hooks(found.hooks),
      connect: async (_, prefix, options) => {
        const clock = () => this.#clock.now
        const store = await connect(MEMORY, prefix, { ...options!, clock })
        this.#store = store
        return through(store, (verb, args, go) => this.#call(verb, args, go))
      },
    }
  }

  /** The classes that the test or the application has named. */
  #named(): readonly JobConstructor[] | undefined {
    const { jobs, config } = this.#options
    return jobs ?? config?.jobs ?? ordinary(() => jobsInside.byHand.named)
  }

  /** The classes of the application: the named classes, or else the classes in its folders. */
  async #all(): Promise<readonly JobConstructor[]> {
    return this.#named() ?? (await ordinary(() => jobsInside.byHand.classes()))
  }

  /** A call of the application to the store. */
  async #call(verb: string, args: readonly unknown[], go: () => Promise<unknown>): Promise<unknown> {
    if (currentLink()?.isCut && !shared.includes(verb)) return nothing()
    // The answer is empty, so that there is no warning about keys that no worker knows. The workers of a fake
    // learn each key when its job is dispatched.
    if (verb === 'keys') return []
    if (verb !== 'open' && verb !== 'close') this.#outage.check()
    const answer = await go()
    this.dispatches.heard(verb, args, answer)
    return answer
  }

  /**
   * The crew (`crew.ts`) runs the jobs of the fake. It is loaded when it is first needed, because many tests
   * only look at what was dispatched.
   */
  #hired(): Promise<Crew> {
    if (currentLink()?.isCut) return nothing()
    this.#check()
    this.#crew ??= this.#hire()
    return this.#crew
  }

  async #hire(): Promise<Crew> {
    const { Crew } = await import('./crew.ts')
    await insideOf(this.#jobs).open()
    return new Crew({
      fake: this,
      clock: this.#clock,
      outage: this.#outage,
      classes: this.#classes,
      open: async () => ({ ...(await insideOf(this.#jobs).open()), owner: insideOf(this.#jobs) }),
      store: () => this.#store!,
      scheduled: () => this.#all(),
      sleep,
      withRealTime,
      heard: (verb, args, answer) => this.dispatches.heard(verb, args, answer),
    })
  }

  async #until<T>(promise: Promise<T>, isMet: () => Promise<boolean>, what: string): Promise<T> {
    let isOver = false
    const settled = promise.finally(() => {
      isOver = true
    })
    settled.catch(() => {})
    return this.#waiting(async () => {
      const crew = await this.#hired()
      const wish: Wish = { isOver: () => isOver, isMet, until: Number.POSITIVE_INFINITY, most: MOST }
      const working = crew.work(wish).then((how) => {
        if (how === 'over') return settled
        throw this.#idle(`The result of ${what} is awaited, and it has not ended`)
      })
      return Promise.race([settled, working])
    })
  }

  /**
   * Marks the calling run as waiting while it waits for the crew, so that the crew does not wait for this
   * run.
   */
  async #waiting<T>(act: () => Promise<T>): Promise<T> {
    const own = callingRun()
    // `failed()` and `cancelled()` of a class are called after the run, so no run is the caller. They count
    // as a run of their own.
    const run = own ?? { waits: 0 }
    const runs = own === undefined ? currentLink()?.runs : undefined
    runs?.add(run)
    run.waits += 1
    try {
      return await act()
    } finally {
      run.waits -= 1
      runs?.delete(run)
    }
  }

  #idle(what: string): JobsError {
    return new JobsError(
      'FAKE_IDLE',
      `${what}, and nothing is left to run at ${new Date(this.now).toISOString()}`,
      {
        hint: 'Look at Jobs.status(), and Jobs.list(): perhaps its queue is paused, it waits for a signal (`handle.send()`), or it was never dispatched. `fake.dispatched` has all dispatches.',
      },
    )
  }

  #ms(call: (...args: never[]) => unknown, value: Duration): number {
    const ms = milliseconds(value)
    if (ms !== undefined) return Math.ceil(ms)
    throw this.#invalid(call, `the time is ${shown(value)}; it must be ${durationForm}`)
  }

  #invalid(call: (...args: never[]) => unknown, what: string): JobsError {
    return toldAt(call, new JobsError('FAKE_INVALID', `${call.name}(): ${what}`))
  }

  #check(): void {
    if (!this.#isOver) return
    throw new JobsError('FAKE_ENDED', 'The fake was used after its end', {
      hint: 'Await what the test has begun before the block with `using` ends, or before fake.end().',
    })
  }
}
