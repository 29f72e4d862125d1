/**
 * Fires the schedules and advances the flows of all partitions. Every worker does this for the whole store.
 * The store says when the next schedule or flow is due, and the worker sets a timer. Most schedules are due a
 * little before the instants of their ticks (`leadOf`), and their jobs are delayed until these instants.
 *
 * For each schedule that is due, the worker decides which ticks become jobs (`schedule/plan.ts`). It writes
 * this decision and the jobs in one atomic step. If another worker has already handled the schedule, the
 * write changes nothing.
 */
import type { FlowBook } from '../../flow/flow-book.ts'
import { JobsError } from '../../model/errors.ts'
import { EVERY_KEY, runsKey } from '../../model/every-key.ts'
import { queueOf } from '../../model/partition.ts'
import type { Registry } from '../../options/registry.ts'
import type { ScheduleBook } from '../../schedule/book.ts'
import { LEAD, leadOf, type Plan, planAhead, tickAt } from '../../schedule/plan.ts'
import type { ScheduleState } from '../../schedule/state.ts'
import { type KeptSchedule, writeOf } from '../../schedule/tick-write.ts'
import {
  type Bound,
  CHANGES,
  type DueFlows,
  type DueSchedules,
  isResendable,
  MAX_BYTES,
  MAX_DUE,
  MAX_ITEMS,
  type ScheduleWrite,
  type Store,
  type StoredFlow,
} from '../../store/contract/store.ts'
import { Part } from '../part.ts'
import type { WorkerReport } from '../report.ts'

/**
 * The lease, in milliseconds, of the schedules that this worker handles. The lease is much longer than two
 * calls take.
 */
const LEASE_MS = 2_000
/** A schedule whose class no living worker knows is checked again after this many milliseconds. */
const UNKNOWN = 10_000
/** The list of known keys is read again after this many milliseconds. */
const KNOWN = 10_000
/**
 * Milliseconds between two checks that each schedule is in the partition that its home names
 * (`schedule/book.ts`).
 */
const HOMES = 3_600_000
/** Milliseconds before another try if the store did not answer. */
const RETRY = 1_000
/** Milliseconds: the longest time of a timer. */
const LONGEST = 3_600_000

export interface TicksOptions {
  store: Store
  book: ScheduleBook
  flows: FlowBook
  /**
   * Continues the changes of jobs at a pace (`operate/pace`) that are due. Returns the milliseconds until a
   * change is due again, or undefined if no change goes on.
   */
  changes?: (() => Promise<number | undefined>) | undefined
  /** Whether this worker fires no schedules. It advances flows in any case. */
  isOff?: boolean
  registry: Registry
  /** The bounds of the queues, by queue. */
  bounds: ReadonlyMap<string, Bound>
  report: WorkerReport
  met: (error: unknown) => void
  /**
   * Called with the milliseconds until a job of a partition will be due.
   *
   * @returns whether this worker will claim the job at that time
   */
  foreseen?: (partition: string, ms: number) => boolean
}

export class Ticks extends Part {
  readonly #options: TicksOptions
  /** When the next schedule of a partition is due, by `performance.now()`. */
  readonly #dueAt = new Map<string, number>()
  readonly #firing = new Map<string, Promise<void>>()
  readonly #advancing = new Set<Promise<void>>()
  readonly #warned = new Set<string>()
  /** The schedules that are known to be in the partition that their home names. */
  #homes = { until: 0, known: new Set<string>() }
  #keys: { at: number; known: Promise<ReadonlySet<string>> } | undefined
  #timer: NodeJS.Timeout | undefined
  /** Whether this worker has learned of any schedule or flow that will be due. */
  hasHeard = false

  constructor(options: TicksOptions) {
    super()
    this.#options = options
  }

  /**
   * Called when the store has told in how many milliseconds the next schedule or flow of a partition is due.
   */
  foresee(partition: string, ms: number): void {
    this.hasHeard = true
    const at = performance.now() + ms
    if (at < (this.#dueAt.get(partition) ?? Number.POSITIVE_INFINITY)) this.#wait(partition, at)
  }

  /** Advances flows that the answer of another call has brought. */
  handed(partition: string, { at, flows }: DueFlows): void {
    // If this worker ends, the flows are due again when their leases have ended.
    if (!this.isStopped) for (const flow of flows) this.#advance(partition, flow, at)
  }

  /** Whether this worker is firing schedules or advancing flows now. */
  get isBusy(): boolean {
    return this.#firing.size > 0 || this.#advancing.size > 0
  }

  /** Fires no more schedules. Resolves when all work that was begun is written. */
  protected override async onStop(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all(this.#firing.values())
    await Promise.all(this.#advancing)
  }

  #wait(partition: string, at: number): void {
    this.#dueAt.set(partition, at)
    this.#setTimer()
  }

  #setTimer(): void {
    clearTimeout(this.#timer)
    if (this.isStopped) return
    let next = Number.POSITIVE_INFINITY
    for (const [partition, at] of this.#dueAt) if (!this.#firing.has(partition)) next = Math.min(next, at)
    if (next === Number.POSITIVE_INFINITY) return
    const ms = Math.min(LONGEST, next - performance.now())
    // A timer would take at least one millisecond.
    if (ms <= 0) this.#fireAll()
    else this.#timer = setTimeout(() => this.#fireAll(), ms)
  }

  #fireAll(): void {
    // A timer may fire a little early.
    const now = performance.now() + 1
    for (const [partition, at] of this.#dueAt) {
      if (at > now || this.#firing.has(partition)) continue
      const firing = this.fire(partition).finally(() => {
        this.#firing.delete(partition)
        this.#setTimer()
      })
      this.#firing.set(partition, firing)
    }
    this.#setTimer()
  }

  /** Fires the schedules and advances the flows that are due in a partition. */
  async fire(partition: string): Promise<void> {
    const { store, met, foreseen = () => false, isOff = false } = this.#options
    this.#dueAt.delete(partition)
    const ask = async () => {
      const askedAt = performance.now()
      const answer = await store.schedules.due(partition, isOff ? 0 : MAX_DUE, LEASE_MS)
      return { ...answer, heardAt: (askedAt + performance.now()) / 2 }
    }
    const handled: Promise<number | undefined>[] = []
    let asked: Promise<DueAnswer> | undefined = ask()
    try {
      // The next question is sent before this worker handles the answer, so that the store and the worker
      // work at the same time.
      while (asked !== undefined) {
        const { at, due, flows, nextTick, heardAt }: DueAnswer = await asked
        const isMore: boolean = nextTick === 0 && due.length + flows.length > 0 && !this.isStopped
        asked = isMore ? ask() : undefined
        for (const flow of flows) this.#advance(partition, flow, at)
        const schedules = due.filter(({ id }) => id !== CHANGES)
        if (schedules.length < due.length) this.#change(partition)
        const found = schedules.flatMap((stored) => this.#read(partition, stored, at) ?? [])
        // Another worker has handled what was due, and may have dispatched more jobs than it can run. So this
        // worker expects a job, too.
        if (due.length + flows.length === 0) foreseen(partition, LEAD)
        handled.push(this.#handle(partition, found, heardAt))
        if (isMore) continue
        const next = (await Promise.all(handled)).at(-1) ?? nextTick
        // While the calls were under way, this worker may have learned of a schedule or flow that is due
        // sooner.
        if (next !== undefined) this.foresee(partition, next)
      }
    } catch (error) {
      met(error)
      await Promise.allSettled([...handled, asked])
      this.#wait(partition, performance.now() + RETRY)
    }
  }

  /**
   * Advances a flow. No caller waits for this, because a slow flow must not delay other flows and schedules.
   * If this fails, the flow becomes due again.
   */
  #advance(partition: string, stored: StoredFlow, at: number): void {
    const { flows, met } = this.#options
    const advance = async () => {
      const next = await flows.advance(partition, stored, at)
      if (next !== undefined) this.foresee(partition, next)
    }
    const advancing = advance()
      .catch((error) => {
        if (isResendable(error)) return met(error)
        this.#warn(stored.id, `The flow '${stored.id}' could not go on: ${whyOf(error)}`)
      })
      .finally(() => this.#advancing.delete(advancing))
    this.#advancing.add(advancing)
  }

  /**
   * Continues the changes of jobs at a pace. No caller waits for this. If this fails, the changes become due
   * again.
   */
  #change(partition: string): void {
    const { changes, met } = this.#options
    const go = async () => {
      const next = await changes?.()
      if (next !== undefined) this.foresee(partition, next)
    }
    const changing = go()
      .catch((error) => {
        if (isResendable(error)) return met(error)
        this.#warn(CHANGES, `A change at a pace could not go on: ${whyOf(error)}`)
      })
      .finally(() => this.#advancing.delete(changing))
    this.#advancing.add(changing)
  }

  #warn(id: string, text: string): void {
    if (!this.#warned.has(id)) this.#options.report.warn(text)
    this.#warned.add(id)
  }

  #read(...[partition, stored, at]: Parameters<ScheduleBook['parse']>): KeptSchedule | undefined {
    try {
      return this.#options.book.parse(partition, stored, at)
    } catch (error) {
      this.#warn(stored.id, (error as Error).message)
      return undefined
    }
  }

  /**
   * @param heardAt when the store read the schedules, by `performance.now()`
   * @returns milliseconds until the next schedule is due. Undefined if nothing was written
   */
  async #handle(
    partition: string,
    found: readonly KeptSchedule[],
    heardAt: number,
  ): Promise<number | undefined> {
    const { foreseen = () => false } = this.#options
    const dueAt = heardAt + untilFirst(found)
    // `foreseen` is called before the write, so that the store need not ring a worker for the jobs. It is
    // called again after the write, because this worker may have made a claim in between.
    const isExpected = dueAt < Number.POSITIVE_INFINITY && foreseen(partition, dueAt - performance.now())
    const decided = await Promise.all(
      found.map((schedule) =>
        this.#decide(schedule, isExpected).catch((error) => this.#unlessAway(schedule, error)),
      ),
    )
    const writes = decided.filter((each) => each !== undefined)
    let next: number | undefined
    const ahead: ScheduleWrite[] = []
    const fired: KeptSchedule[] = []
    for (const some of chunksOf(writes)) {
      const written = await this.#write(partition, some)
      next = written.nextTick
      for (const [i, { schedule, plan }] of some.entries()) {
        const rev = written.revs[i]!
        if (rev === 0) continue
        fired.push({ ...schedule, rev })
        if (plan !== undefined) this.#tell(schedule, plan)
        const state = plan && this.#ahead({ ...schedule, state: plan.state })
        if (state !== undefined) ahead.push(writeOf({ ...schedule, rev }, { state }))
      }
    }
    if (isExpected) foreseen(partition, dueAt - performance.now())
    // The plans for the next ticks are written last, because jobs must not wait for these plans. To find one
    // instant may take about 100 µs.
    if (ahead.length > 0) next = (await this.#options.store.schedules.write(partition, ahead)).nextTick
    await this.#adopt(fired)
    return next
  }

  /** Checks once an hour whether each schedule is in the partition that its home names. */
  async #adopt(fired: readonly KeptSchedule[]): Promise<void> {
    const now = performance.now()
    if (now >= this.#homes.until) this.#homes = { until: now + HOMES, known: new Set() }
    const { known } = this.#homes
    const unknown = fired.filter(({ id }) => !known.has(id))
    await Promise.all(unknown.map((schedule) => this.#options.book.adopt(schedule)))
    for (const { id } of unknown) known.add(id)
  }

  /** Decides what to write for a schedule that is due. Undefined if nothing is to be written. */
  async #decide(schedule: KeptSchedule, isExpected: boolean): Promise<Decided | undefined> {
    const { book } = this.#options
    const { state, definition, at } = schedule
    if (state.ended !== undefined) {
      await book.forget(schedule)
      return undefined
    }
    if (state.movesTo !== undefined) {
      await book.complete(schedule)
      return undefined
    }
    if (!(await this.#isKnown(definition.job.key)))
      return { schedule, write: { ...writeOf(schedule, { state }), next: at + UNKNOWN } }
    const lead = leadOf(definition)
    const plan = await book.plan(schedule, lead)
    return { schedule, plan, write: writeOf(schedule, plan, lead > 0 ? { isExpected } : undefined) }
  }

  /** Whether a living worker knows the class with this key. */
  async #isKnown(key: string): Promise<boolean> {
    if (runsKey(this.#options.registry.keys, key)) return true
    const known = await this.keys()
    return known.has(key) || (known.has(EVERY_KEY) && runsKey([EVERY_KEY], key))
  }

  /** The keys that living workers know, at most `KNOWN` milliseconds old. */
  keys(): Promise<ReadonlySet<string>> {
    const { registry, store } = this.#options
    const now = performance.now()
    if (this.#keys !== undefined && now - this.#keys.at <= KNOWN) return this.#keys.known
    const known = store
      .workers()
      .then((workers) => new Set([...registry.keys, ...workers.flatMap(({ keys }) => keys)]))
    known.catch(() => {
      this.#keys = undefined
    })
    this.#keys = { at: now, known }
    return known
  }

  /**
   * Writes several schedules. If one of them cannot be written, the other schedules are still written.
   *
   * @returns the new number of each schedule; 0 if the schedule was not written
   */
  async #write(
    partition: string,
    some: readonly Decided[],
  ): Promise<{ revs: number[]; nextTick: number | undefined }> {
    const { store, bounds } = this.#options
    const writes = some.map(({ write }) => write)
    try {
      const answer = await store.schedules.write(partition, writes, bounds.get(queueOf(partition)))
      return { revs: answer.written.map(({ rev }) => rev), nextTick: answer.nextTick }
    } catch (error) {
      if (isResendable(error)) throw error
      if (some.length === 1) return { revs: [this.#leave(some[0]!.schedule, error)], nextTick: undefined }
      const revs: number[] = []
      let nextTick: number | undefined
      for (const each of some) {
        const one = await this.#write(partition, [each])
        revs.push(one.revs[0]!)
        nextTick = one.nextTick ?? nextTick
      }
      return { revs, nextTick }
    }
  }

  /**
   * Handles an error of one schedule. A schedule that is damaged, or whose time zone this worker does not
   * know, does not stop the other schedules.
   * @throws the error if the store did not answer
   */
  #unlessAway(schedule: KeptSchedule, error: unknown): undefined {
    if (isResendable(error)) throw error
    this.#leave(schedule, error)
  }

  #ahead(schedule: KeptSchedule): ScheduleState | undefined {
    try {
      return planAhead(schedule)
    } catch (error) {
      return this.#unlessAway(schedule, error)
    }
  }

  /**
   * Reports the error, and leaves the schedule as it is. The schedule becomes due again when its lease has
   * ended. @returns 0, which means "not written"
   */
  #leave({ id }: KeptSchedule, error: unknown): 0 {
    this.#warn(id, `The schedule '${id}' could not tick: ${whyOf(error)}`)
    return 0
  }

  #tell({ id, state: before }: KeptSchedule, { state, skipped }: Plan): void {
    const { report } = this.#options
    if (state.paused !== undefined && before.paused === undefined)
      report.warn(`Paused the schedule '${id}': ${state.paused.because}`, {
        do: 'resume-schedule',
        schedule: id,
      })
    const missed = skipped > 0 && state.skipped.at(-1)
    if (missed && missed.why === 'missed') {
      const ticks = missed.count === 1 ? '1 tick' : `${missed.count} ticks`
      report.warn(`The schedule '${id}' missed ${ticks}, the last at ${new Date(missed.to).toISOString()}`)
    }
  }
}

function whyOf(error: unknown): string {
  return JobsError.is(error) ? error.message : String(error)
}

/**
 * The schedules and flows that are due. `heardAt` is the time (`performance.now()`) at which the store is
 * assumed to have read its clock: the middle between the question and the answer.
 */
type DueAnswer = DueSchedules & { heardAt: number }

interface Decided {
  schedule: KeptSchedule
  plan?: Plan
  write: ScheduleWrite
}

/** Milliseconds until the first job that is written in advance is due; infinite if there is no such job. */
function untilFirst(found: readonly KeptSchedule[]): number {
  let first = Number.POSITIVE_INFINITY
  for (const schedule of found) {
    const left = (tickAt(schedule) ?? Number.POSITIVE_INFINITY) - schedule.at
    if (left > 0 && leadOf(schedule.definition) > 0) first = Math.min(first, left)
  }
  return first
}

/** Splits the writes into lists, each of which fits into one call. */
function* chunksOf(decided: readonly Decided[]): Generator<Decided[]> {
  let chunk: Decided[] = []
  let [items, bytes] = [0, 0]
  for (const each of decided) {
    const { jobs = [] } = each.write
    const payloads = jobs.reduce((sum, { payload }) => sum + Buffer.byteLength(payload), 0)
    if (chunk.length > 0 && (items + jobs.length + 1 > MAX_ITEMS || bytes + payloads > MAX_BYTES)) {
      yield chunk
      chunk = []
      ;[items, bytes] = [0, 0]
    }
    chunk.push(each)
    items += jobs.length + 1
    bytes += payloads
  }
  if (chunk.length > 0) yield chunk
}
