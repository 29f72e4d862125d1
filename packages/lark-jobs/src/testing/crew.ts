/**
 * The crew: the workers of a fake. The crew also moves the clock of the fake. A caller that waits for
 * something (a drain, the end of a job, an event) makes a wish. The crew works in rounds until the wish has
 * come true, or until no work is left that could make it come true. Each round has four steps:
 *
 *   hire     take back the jobs of dead workers, and start an ordinary worker on the store
 *   watch    wait until the worker has nothing left to do at this instant
 *   dismiss  stop the worker; if one of its jobs still runs, it only takes no more jobs
 *   pass     move the clock to the next instant at which something is due, if a wish allows it
 *
 * A worker lives for one round, because it counts the time until a job is due by the clock of the process,
 * and not by the clock of the fake. While there is no wish, nothing runs.
 */
import { type OpenStore, schedulesOfWorker, Worker, workerSettings } from '../api/work.ts'
import { Underway } from '../dispatch/underway.ts'
import { JobsError } from '../model/errors.ts'
import { scheduleTick } from '../model/tick.ts'
import type { Operated } from '../operate/operated.ts'
import type { JobConstructor } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import { HookCalls } from '../run/hooks.ts'
import type { Store } from '../store/contract/store.ts'
import { listed } from '../words/listed.ts'
import { tellCrashed } from '../worker/maintenance/tell-crashed.ts'
import { LEASE_MS } from '../worker/options.ts'
import { type EndedRun, PlainReport } from '../worker/report.ts'
import { currentLink, type Faked, within } from './current.ts'
import { DueTimes } from './due-times.ts'
import type { FakeClock } from './fake-clock.ts'
import { type LinkedRun, StoreLink, through } from './link.ts'
import type { MetClasses } from './met-classes.ts'
import type { Outage } from './outage.ts'
import { after, type sleep, soon, type withRealTime } from './real-time.ts'

/**
 * How often the clock may skip while no job runs. This limit guards against a job that is due again and again
 * and never runs.
 */
const IDLE_SKIPS = 1_000

/** Something that a caller waits for. */
export interface Wish {
  /** Whether the wish has come true. Called again and again. */
  isOver: () => boolean
  /**
   * Whether the wish has come true in the store, although `isOver` may notice it only a little later. Called
   * before the clock skips.
   */
  isMet?: () => Promise<boolean>
  /** The clock may skip up to this instant: milliseconds since 1970, or infinite. */
  until: number
  /** How many runs may end while the wish is open. */
  most: number
  /** How many jobs run at a time. Default 1. */
  concurrency?: number
  withSchedules?: boolean
}

/** How many runs of the crew have ended, by outcome. */
export interface Runs {
  completed: number
  /** Attempts that failed and will be retried. */
  retried: number
  /** Attempts that failed for good. */
  failed: number
  /** Runs after which the job was put back without a failure. */
  released: number
  /** Runs after which the job was put back, until its steps can go on. */
  suspended: number
  cancelled: number
  /** Runs whose worker died and whose job was taken back. */
  crashed: number
}

/** @internal */
export interface CrewOptions {
  fake: Faked
  clock: FakeClock
  outage: Outage
  classes: MetClasses
  /** Opens the store of the fake. `owner`: the instance of `Jobs` to which the worker belongs. */
  open: () => Promise<OpenStore & { owner: Operated }>
  /** The store itself. Called only after `open`. */
  store: () => Store
  /** The classes whose schedules are declared. */
  scheduled: () => Promise<readonly JobConstructor[]>
  /** Sleeps by the real timers, not by the timers that a test has replaced. */
  sleep: typeof sleep
  withRealTime: typeof withRealTime
  /** Called with each call of a worker to the store, and its answer. */
  heard: (verb: string, args: readonly unknown[], answer: unknown) => void
}

interface Hand {
  worker: Worker
  link: StoreLink
}

type OpenWish = Wish & {
  since: number
  /** The link of the worker whose job made the wish. Undefined if the test made it. */
  link: StoreLink | undefined
  end: (how: 'over' | 'idle') => void
  fail: (error: unknown) => void
}

/** @internal */
export class Crew {
  readonly runs: Runs = {
    completed: 0,
    retried: 0,
    failed: 0,
    released: 0,
    suspended: 0,
    cancelled: 0,
    crashed: 0,
  }
  readonly #options: CrewOptions
  readonly #wishes = new Set<OpenWish>()
  /** How many wishes there were so far. */
  #wished = 0
  readonly #dues: DueTimes
  /** The worker that takes jobs, and former workers whose jobs still run. */
  readonly #hands = new Set<Hand>()
  readonly #dead = new Set<StoreLink>()
  /** Until this instant, jobs of dead workers may still be leased. */
  #leasedUntil = 0
  #isWorking = false
  /** How many runs have ended, by the name of the class. */
  readonly #ended = new Map<string, number>()
  /** The keys of jobs for which no class is known. */
  readonly #unknown = new Set<string>()

  constructor(options: CrewOptions) {
    this.#options = options
    this.#dues = new DueTimes(options.clock)
  }

  /**
   * @returns `over` if the wish has come true, `idle` if nothing is left to do
   * @throws FAKE_ENDLESS; the errors of a worker at its start
   */
  work(wish: Wish): Promise<'over' | 'idle'> {
    return new Promise((resolve, reject) => {
      const leave = (act: () => void) => {
        this.#wishes.delete(open)
        act()
      }
      const open: OpenWish = {
        ...wish,
        since: this.#total,
        link: currentLink(),
        end: (how) => leave(() => resolve(how)),
        fail: (error) => leave(() => reject(error)),
      }
      this.#wishes.add(open)
      this.#wished += 1
      if (this.#isWorking) return
      this.#isWorking = true
      void within(this.#options.fake, () => this.#work())
    })
  }

  /**
   * Moves the clock to an instant. Living workers keep their leases, and the timeouts of running jobs go on.
   */
  async pass(at: number): Promise<void> {
    const { clock } = this.#options
    const ms = at - clock.now
    if (ms <= 0) return
    for (const { worker } of this.#hands) await this.#keep(worker, ms + LEASE_MS)
    // Another call may have moved the clock meanwhile.
    const passed = Math.max(0, at - clock.now)
    clock.moveTo(at)
    for (const { worker } of this.#hands)
      for (const run of worker.running) {
        run.deadline -= passed
        if (!run.isLate && run.deadline <= performance.now()) run.late()
      }
    if (this.#hands.size === 0) return
    const store = this.#options.store()
    for (const partition of await store.partitions()) await store.wake(partition, '')
  }

  /** How many jobs of living workers run. */
  get running(): number {
    return [...this.#hands].reduce((sum, { worker }) => sum + worker.running.size, 0)
  }

  /** Makes all workers die, with the jobs that they run. */
  crash(): void {
    for (const { worker, link } of this.#hands) {
      link.cut()
      worker.die()
      void worker.stop(0)
      this.#dead.add(link)
    }
    this.#hands.clear()
    // The wishes of jobs of dead workers no longer count.
    for (const wish of this.#wishes) if (wish.link?.isCut) this.#wishes.delete(wish)
    this.#leasedUntil = this.#options.clock.now + LEASE_MS
  }

  /** Ends all wishes and all workers. The signals of handlers that still run are aborted. */
  end(): void {
    for (const wish of this.#wishes) wish.fail(new JobsError('FAKE_ENDED', 'The fake has ended meanwhile'))
    const reason = new JobsError('WORKER_STOPPED', 'The fake ends; the job does not count any more')
    const told = [...this.#hands].flatMap(({ worker }) => [...worker.running])
    this.crash()
    for (const { run } of told) run.abort(reason)
    for (const link of this.#dead) link.end()
  }

  /**
   * How many runs have ended. Suspended runs do not count, because a job that sleeps again and again ends by
   * itself: the number of its journal entries is limited.
   */
  get #total(): number {
    const { completed, retried, failed, released, cancelled } = this.runs
    return completed + retried + failed + released + cancelled
  }

  async #work(): Promise<void> {
    const { outage } = this.#options
    try {
      let skips = 0
      let before = this.#total + this.runs.suspended
      while (this.#wishes.size > 0) {
        if (outage.until !== undefined) await this.pass(outage.until)
        const wished = this.#wished
        const hand = await this.#hire()
        await this.#watch(hand)
        await this.#dismiss(hand)
        if (this.#unknown.size > 0) throw this.#withoutClass()
        if (this.#wishes.size === 0 || hand.link.isCut || outage.until !== undefined) continue
        if (await this.#isMet()) continue
        const next = await this.#next()
        // A wish that was made meanwhile may have come with a job that is due now.
        if (this.#wished !== wished) continue
        // If a job has made a wish, the test may be waiting for that job. So the wishes of jobs are served
        // before the wishes of the test.
        const ofJobs = [...this.#wishes].filter(({ link }) => link !== undefined)
        const asking = ofJobs.length > 0 ? ofJobs : [...this.#wishes]
        for (const wish of asking) if (next === undefined || next > wish.until) wish.end('idle')
        if (!asking.some((wish) => this.#wishes.has(wish))) continue
        const ended = this.#total + this.runs.suspended
        skips = ended === before ? skips + 1 : 0
        before = ended
        if (skips > IDLE_SKIPS)
          throw this.#endless(`the clock has skipped ${skips} times, and no job has run`)
        await this.pass(next!)
      }
    } catch (error) {
      for (const { worker } of this.#hands) void worker.quiet()
      for (const wish of this.#wishes) wish.fail(error)
    } finally {
      this.#isWorking = false
    }
  }

  async #hire(): Promise<Hand> {
    const { open, store, classes, scheduled, fake, withRealTime } = this.#options
    const opened = await open()
    await this.#recover(opened)
    const link = new StoreLink()
    const own = { ...opened, store: through(store(), (verb, args, go) => this.#call(link, verb, args, go)) }
    const isOn = [...this.#wishes].some(({ withSchedules }) => withSchedules)
    if (isOn) for (const Class of await scheduled()) classes.meet(Class)
    const { schedules } = isOn ? await schedulesOfWorker(classes, opened.settings, false) : {}
    // The link applies to everything that the worker and its jobs do, including timers that the parts of the
    // worker start while they are created.
    const start = async () => {
      const settings = workerSettings(own, opened.owner)
      const options = {
        ...settings,
        middleware: [this.#noting(link), ...settings.middleware],
        place: undefined,
        registry: classes,
        report: new CrewReport(link, (ending) => this.#ran(ending)),
        concurrency: this.#concurrency,
        stepTimes: { short: 0, now: () => this.#options.clock.now, after, soon },
        schedules,
      }
      const worker = withRealTime(() => new Worker(options))
      const hand = { worker, link }
      this.#hands.add(hand)
      await worker.start()
      return hand
    }
    return within(fake, start, link)
  }

  /**
   * Middleware that adds each run to its link. It also makes the run known to the functions that the run
   * calls.
   */
  #noting(link: StoreLink): Middleware {
    return async (_, next) => {
      const run: LinkedRun = { waits: 0 }
      link.runs.add(run)
      try {
        return await within(this.#options.fake, next, link, run)
      } finally {
        link.runs.delete(run)
      }
    }
  }

  /** A call of a worker to the store. */
  async #call(
    link: StoreLink,
    verb: string,
    args: readonly unknown[],
    go: () => Promise<unknown>,
  ): Promise<unknown> {
    const { outage, heard } = this.#options
    if (link.isCut) return link.silence()
    if (outage.until !== undefined) await outage.over()
    const answer = await go()
    if (link.isCut) return link.silence()
    this.#dues.heard(verb, args, answer)
    heard(verb, args, answer)
    return answer
  }

  /** Resolves when nothing is left to do at this instant, or when no wish is open. */
  async #watch(hand: Hand): Promise<void> {
    const { outage, fake, sleep } = this.#options
    let still = 0
    for (let turn = 0; still < 2; turn++) {
      for (const wish of this.#wishes) {
        if (wish.isOver()) wish.end('over')
        else if (this.#total - wish.since > wish.most)
          throw this.#endless(`${this.#total - wish.since} runs have ended`)
      }
      if (this.#wishes.size === 0 || hand.link.isCut) return
      const { worker, link } = hand
      const concurrency = this.#concurrency + link.blocked
      if (worker.concurrency !== concurrency) within(fake, () => Object.assign(worker, { concurrency }), link)
      const isBlocked = [...this.#hands].every(({ worker, link }) => worker.running.size <= link.blocked)
      // During an outage, the workers wait only for the store. So the clock moves to the end of the outage.
      if (outage.until !== undefined && outage.waiting > 0 && isBlocked) await this.pass(outage.until)
      const isStill =
        isBlocked && Underway.unanswered === 0 && [...this.#hands].every(({ worker }) => worker.isAtRest)
      still = isStill ? still + 1 : 0
      await sleep(turn)
    }
  }

  get #concurrency(): number {
    return Math.max(1, ...[...this.#wishes].map(({ concurrency = 1 }) => concurrency))
  }

  async #dismiss(hand: Hand): Promise<void> {
    for (const each of this.#hands) {
      if (each === hand) void each.worker.quiet()
      if (each.worker.running.size > 0) continue
      await each.worker.stop()
      this.#hands.delete(each)
    }
  }

  /** Takes back the jobs of dead workers whose leases have ended. */
  async #recover({ settings }: OpenStore): Promise<void> {
    const { store, classes } = this.#options
    const hooks = settings.hooks && new HookCalls(settings.hooks, () => {})
    for (const partition of await store().partitions()) {
      // `fromWithin`: the crash was caused by the job itself, because the process of a test goes on.
      const recovery = await store().recover(partition, { fromWithin: true })
      this.runs.crashed += recovery.crashed?.length ?? 0
      await tellCrashed(store(), classes, hooks, partition, recovery)
    }
  }

  /** Renews the leases of the jobs and permits of a worker. */
  async #keep(worker: Worker, leaseMs: number): Promise<void> {
    const store = this.#options.store()
    const held = new Map<string, { id: string; token: string }[]>()
    for (const { job, claimer } of worker.running)
      held.set(claimer.partition, [...(held.get(claimer.partition) ?? []), { id: job.id, token: job.token }])
    for (const [partition, notes] of held) await store.extend(partition, worker.id, notes, leaseMs)
    for (const limiter of this.#dues.limiters) await store.limiters.renew(limiter, worker.id, leaseMs)
  }

  /** Whether a wish has come true. If so, this also waits until the wish has ended. */
  async #isMet(): Promise<boolean> {
    for (const wish of this.#wishes) {
      if (wish.isMet === undefined || !(await wish.isMet())) continue
      for (let turn = 0; !wish.isOver() && this.#wishes.has(wish); turn++) await this.#options.sleep(turn)
      wish.end('over')
      return true
    }
    return false
  }

  /** The next instant at which something is due. */
  #next(): Promise<number | undefined> {
    const isOn = (wish: Wish) => wish.withSchedules === true && wish.until < Number.POSITIVE_INFINITY
    return this.#dues.next(this.#options.store(), {
      schedulesUntil: Math.max(0, ...[...this.#wishes].filter(isOn).map(({ until }) => until)),
      leasedUntil: this.#leasedUntil,
    })
  }

  #ran({ job, name, outcome }: EndedRun): void {
    const { runs } = this
    if (outcome.kind === 'unstarted') return
    if (outcome.kind === 'failed') runs[outcome.retryIn === undefined ? 'failed' : 'retried'] += 1
    else runs[outcome.kind] += 1
    const schedule = scheduleTick(job.id)?.id
    const what = schedule === undefined ? name : `${name} by the schedule ${schedule}`
    this.#ended.set(what, (this.#ended.get(what) ?? 0) + 1)
    if (outcome.kind === 'released' && this.#options.classes.find(job.key) === undefined)
      this.#unknown.add(job.key)
  }

  #endless(why: string): JobsError {
    const most = [...this.#ended].sort((one, other) => other[1] - one[1]).slice(0, 3)
    const names =
      most.length > 0 ? `, most of ${listed(most.map(([name, runs]) => `${name} (${runs})`))}` : ''
    return new JobsError('FAKE_ENDLESS', `The jobs of this test go on for ever: ${why}${names}`, {
      hint: 'Perhaps a job dispatches itself, or another job that dispatches it, or a schedule ticks too often in the time that passes. If the test needs this many jobs, raise the limit: drain({ most: 100_000 }).',
    })
  }

  #withoutClass(): JobsError {
    const keys = [...this.#unknown]
    this.#unknown.clear()
    return new JobsError(
      'UNKNOWN_JOB',
      `No class with the key ${listed(keys.map((key) => `'${key}'`))} is known to this test`,
      {
        hint: 'Import the class, and name it: Jobs.fake({ jobs: [SendEmailJob] }).',
      },
    )
  }
}

/** Prints only warnings, and reports the ends of runs to the crew. A dead worker reports nothing. */
class CrewReport extends PlainReport {
  readonly #link: StoreLink
  readonly #ran: (ending: EndedRun) => void

  constructor(link: StoreLink, ran: (ending: EndedRun) => void) {
    super()
    this.#link = link
    this.#ran = ran
  }

  override wrote(): void {}

  override ended(ending: EndedRun): void {
    if (!this.#link.isCut) this.#ran(ending)
  }

  override warn(text: string): void {
    if (!this.#link.isCut) super.warn(text)
  }

  override info(): void {}
}
