/**
 * Continues the changes at a pace that are due. For each of these changes, it finds out how the jobs of
 * earlier lots have ended, chooses the next lot, writes the lot into the document, changes the jobs, and
 * writes how many jobs were changed. Any worker may do this.
 */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import { JobsError } from '../../model/errors.ts'
import { groupedBy } from '../../model/grouped.ts'
import { partitionsOf, queueOf } from '../../model/partition.ts'
import type { JobRecord } from '../../model/record.ts'
import { getFollowed } from '../../store/contract/moved.ts'
import { isResendable, type Store } from '../../store/contract/store.ts'
import { keptBecause } from '../../words/because.ts'
import { lotRowOf } from '../change/job-changes.ts'
import { lotActor, type OpenChange } from '../change/row.ts'
import { askAll } from '../look/ask-all.ts'
import type { JobConditions } from '../look/filter.ts'
import { list } from '../look/list.ts'
import { Passage } from '../look/passage.ts'
import type { Span } from '../look/since.ts'
import type { Located } from '../look/stored-jobs.ts'
import { ChangeBook } from './change-book.ts'
import {
  ended,
  failedIn,
  isFailing,
  isGoing,
  isUncounted,
  isWatching,
  type JobLot,
  JUDGED,
  type KeptChange,
  lotSize,
  nextOf,
  restAfter,
  WATCHED,
  type WatchedJob,
} from './kept-change.ts'
import { recordEnd } from './recorded-end.ts'

/**
 * Milliseconds after which another worker finishes a lot, because the worker that began the lot has died or
 * hangs.
 */
const HOLD = 10_000
/** A worker changes no more jobs of its lot when only this many milliseconds of `HOLD` are left. */
const MARGIN = 2_000
/**
 * Milliseconds for which a worker searches for the jobs of a lot. After that, the worker changes the jobs
 * that it has found.
 */
const SEARCH = 300
/** Milliseconds between two looks at a change whose jobs cannot be changed now, or are only watched. */
const WAIT = 5_000
/** The codes of errors that would come again with each try. They end the change. */
const FINAL: ReadonlySet<string> = new Set(['UNKNOWN_QUEUE', 'CURSOR_INVALID', 'FILTER_INVALID'])
/** Milliseconds after the last lot for which workers still watch how the changed jobs end. */
const WATCH = 600_000

/** @returns milliseconds until a change is due again. Undefined if no change will be due */
export async function continueChanges(store: Store, settings: Settings): Promise<number | undefined> {
  const book = new ChangeBook(store)
  const open: OpenChange = { store, settings, queues: settings.partitions }
  const read = await book.read()
  const due = read?.changes.filter((each) => isDue(each, read.at)) ?? []
  let fault: unknown
  for (const { id } of due)
    await new Round(open, book, id).go().catch((error: unknown) => {
      if (isResendable(error)) throw error
      fault ??= error
    })
  if (fault !== undefined) throw fault
  const after = await book.read()
  const next = after && nextOf(after.changes)
  return next === undefined ? undefined : Math.max(0, next - after!.at)
}

function isDue(change: KeptChange, at: number): boolean {
  return (isGoing(change) || isUncounted(change)) && change.dueAt <= at
}

/** One lot of one change, or another look at how the jobs of earlier lots end. */
class Round {
  readonly #open: OpenChange
  readonly #book: ChangeBook
  readonly #id: string
  /** Until when this worker may change jobs, by `performance.now()`. */
  readonly #until = performance.now() + HOLD - MARGIN

  constructor(open: OpenChange, book: ChangeBook, id: string) {
    this.#open = open
    this.#book = book
    this.#id = id
  }

  async go(): Promise<void> {
    const read = await this.#book.read()
    const change = read?.changes.find(({ id }) => id === this.#id)
    if (read === undefined || change === undefined || !isDue(change, read.at)) return
    if (change.end !== undefined) return await this.#countLast(change)
    try {
      await this.#advance(change, read.at)
    } catch (error) {
      if (!JobsError.is(error) || isResendable(error)) throw error
      if (FINAL.has(error.code))
        await this.#end(change, { at: read.at, why: 'error', because: error.message })
      else await this.#waitAfter(error, change, read.at)
    }
  }

  /**
   * Lets the change wait after an error that may pass, such as a partition with data that Lark did not write,
   * or a full disk. The other changes go on.
   */
  async #waitAfter(error: JobsError, was: KeptChange, at: number): Promise<void> {
    const waits = keptBecause(error.message)
    await this.#book.updateOne(this.#id, (now) => {
      if (!isGoing(now)) return undefined
      // If a lot was begun meanwhile, `dueAt` is the time at which another worker finishes the lot, and does
      // not change.
      const dueAt = now.dueAt === was.dueAt ? at + WAIT : now.dueAt
      return { ...now, dueAt, ...defined({ waits }) }
    })
  }

  /**
   * Counts the last lot of a change that was stopped: the worker that changed the lot has died. Its other
   * jobs stay as they are.
   */
  async #countLast(change: KeptChange): Promise<void> {
    const { jobs, at } = change.lot!
    const fresh = await this.#stillFresh(change, change.lot!, at)
    await this.#counted(change.dueAt, { done: jobs.length - fresh.length, refused: 0 })
  }

  /**
   * Writes down how many jobs of the lot were changed, unless another worker has taken the lot over.
   *
   * @param dueAt until when the worker holds the lot, by the store's clock
   */
  async #counted(
    dueAt: number,
    { done, refused }: Pick<KeptChange, 'done' | 'refused'>,
    next?: (counted: KeptChange, lot: JobLot) => KeptChange,
  ): Promise<void> {
    let wasStopped = false
    const now = await this.#book.updateOne(this.#id, (now) => {
      const { lot, ...rest } = now
      if (lot === undefined || now.dueAt !== dueAt) return undefined
      wasStopped = now.end !== undefined
      const counted = { ...rest, done: now.done + done, refused: now.refused + refused }
      return wasStopped ? counted : (next?.(counted, lot) ?? counted)
    })
    if (wasStopped && now !== undefined) await recordEnd(this.#open, now.change)
  }

  async #advance(change: KeptChange, at: number): Promise<void> {
    const held = change.lot
    if (held !== undefined) {
      // The worker that began the lot has died or hangs. Jobs that are no longer in their state from the
      // beginning of the change were already changed.
      if (!(await this.#keep(change, { dueAt: at + HOLD }))) return
      const fresh = await this.#stillFresh(change, held, at)
      return await this.#change(change, held, fresh, at + HOLD)
    }
    const seen = await this.#look(change)
    const looked = { ...change, ...seen }
    if (isFailing(looked)) {
      const share = `${failedIn(looked.results)} of the last ${looked.results.length} jobs failed again`
      return await this.#end(change, { at, why: 'failing', because: share }, seen)
    }
    if (change.isThrough) {
      const isOver = looked.watched.length === 0 || looked.watched.every(([, , since]) => since < at - WATCH)
      if (isOver) return await this.#end(change, { at, why: 'done' }, seen)
      await this.#keep(change, { ...seen, dueAt: at + WAIT })
      return
    }
    const { jobs, cursor } = await this.#choose(change, at)
    const waits = await this.#pausedFor(change, jobs)
    if (waits !== undefined) {
      await this.#keep(change, { ...seen, waits, dueAt: at + WAIT })
      return
    }
    const lot: JobLot = { jobs: jobs.map(({ partition, id }) => [partition, id]), at, ...defined({ cursor }) }
    if (await this.#keep(change, { ...seen, lot, dueAt: at + HOLD }))
      await this.#change(change, lot, jobs, at + HOLD)
  }

  /**
   * Changes the jobs of a lot, and writes down how many were changed.
   *
   * @param jobs the jobs of the lot that were not changed yet
   * @param heldUntil when another worker takes over the lot, by the store's clock
   */
  async #change(
    { kind, value, fromStart }: KeptChange,
    lot: JobLot,
    jobs: readonly Located[],
    heldUntil: number,
  ): Promise<void> {
    const act = await lotActor(lotRowOf(kind), this.#open, value, defined({ fromStart }))
    let refused = 0
    for (const [partition, some] of groupedBy(jobs, ({ partition }) => partition)) {
      const verdicts = await act(partition, some, new HeldPassage(this.#until))
      // This process was so slow that another worker may be changing the other jobs now.
      if (verdicts.length < some.length) return
      refused += verdicts.filter((verdict) => verdict !== 'done').length
    }
    const watched = isWatching(kind)
      ? lot.jobs.map(([partition, id]): WatchedJob => [partition, id, lot.at])
      : []
    const done = lot.jobs.length - refused
    await this.#counted(heldUntil, { done, refused }, ({ cursor: _, ...now }, { cursor }) => {
      const isThrough = cursor === undefined || now.done >= now.total
      return {
        ...now,
        // The time is not computed from `lot.at`, because a worker that has died since may have begun the
        // lot.
        dueAt: heldUntil - HOLD + (isThrough ? WAIT : restAfter(lot.jobs.length, now)),
        watched: [...now.watched, ...watched].slice(0, WATCHED),
        ...(isThrough ? { isThrough } : defined({ cursor })),
      }
    })
  }

  /**
   * Chooses the jobs of the next lot. A job that has run or was queued again since the change began is left
   * out.
   */
  async #choose(change: KeptChange, at: number) {
    const row = lotRowOf(change.kind)
    const filter = filterOf(change)
    const size = Math.min(lotSize(change), change.total - change.done)
    const until = performance.now() + SEARCH
    const jobs: Located[] = []
    let { cursor } = change
    do {
      const page = await list(
        this.#open,
        { ...filter, state: filter.state ?? row.finds ?? row.states },
        {
          ...{ limit: size - jobs.length, order: 'oldest' },
          ...{ isLean: filter.where === undefined, isStored: filter.state === undefined },
          ...defined({ cursor }),
        },
      )
      jobs.push(...page.jobs.filter((job) => isFresh(job, change, at)).map(located))
      cursor = page.cursor
    } while (cursor !== undefined && jobs.length < size && performance.now() < until)
    return { jobs, cursor }
  }

  /**
   * The jobs of a lot that are not changed yet. (The worker that began the lot may have changed the other
   * jobs.)
   */
  async #stillFresh(change: KeptChange, { jobs }: JobLot, at: number): Promise<Located[]> {
    const { finds, states } = lotRowOf(change.kind)
    const read = await askAll(jobs, ([partition, id]) => this.#open.store.get(partition, id, true))
    return read.flatMap((job) => {
      const isLeft = job !== undefined && (finds ?? states).includes(job.state) && isFresh(job, change, at)
      return isLeft ? [located(job)] : []
    })
  }

  /**
   * Why the jobs could not begin now, because their queue is paused. If jobs were changed during a pause, all
   * of them would begin together after it. Undefined if the jobs could begin.
   */
  async #pausedFor({ kind, value }: KeptChange, jobs: readonly Located[]): Promise<string | undefined> {
    const { store, queues } = this.#open
    const target = kind === 'move' ? String(value) : undefined
    const partitions =
      target === undefined
        ? new Set(jobs.map(({ partition }) => partition))
        : partitionsOf(target, queues.get(target) ?? 1)
    for (const partition of jobs.length === 0 ? [] : partitions)
      if ((await store.configure(partition, {})).paused) return `the queue ${queueOf(partition)} is paused`
    return undefined
  }

  /** Finds out which watched jobs have ended, and how. */
  async #look({
    watched,
    results,
    ended,
    failed,
  }: KeptChange): Promise<Pick<KeptChange, 'watched' | 'results' | 'ended' | 'failed'>> {
    const { store } = this.#open
    const jobs = await askAll(watched, ([partition, id]) => getFollowed(store, partition, id, true))
    const still: WatchedJob[] = []
    let met = ''
    for (const [i, each] of watched.entries()) {
      const result = resultOf(jobs[i], each[2])
      if (result === undefined) still.push(each)
      else met += result
    }
    return {
      watched: still,
      results: (results + met).slice(-JUDGED),
      ended: ended + met.length,
      failed: failed + failedIn(met),
    }
  }

  /** Writes fields of the change, unless a process has written the change since it was read. */
  async #keep(was: KeptChange, fields: Partial<KeptChange>): Promise<boolean> {
    let isKept = false
    await this.#book.updateOne(this.#id, (now) => {
      isKept = isGoing(now) && now.dueAt === was.dueAt
      const { waits: _, ...rest } = now
      return isKept ? { ...rest, ...fields } : undefined
    })
    return isKept
  }

  /** Ends the change, and records the result in the audit. */
  async #end(
    was: KeptChange,
    { because, ...end }: NonNullable<KeptChange['end']>,
    fields: Partial<KeptChange> = {},
  ): Promise<void> {
    let isEnded = false
    const now = await this.#book.updateOne(this.#id, (now) => {
      isEnded = isGoing(now) && now.dueAt === was.dueAt
      const reason = defined({ because: keptBecause(because) })
      return isEnded ? ended({ ...now, ...fields }, { ...end, ...reason }) : undefined
    })
    if (isEnded && now !== undefined) await recordEnd(this.#open, now.change)
  }
}

/** A passage that is over shortly before another worker may take over the lot. */
class HeldPassage extends Passage {
  readonly #until: number

  constructor(until: number) {
    super()
    this.#until = until
  }

  override get isOver(): boolean {
    return performance.now() >= this.#until
  }
}

function located({ id, key, partition, state, runs, strandedSince }: ReadJob): Located {
  return { id, key, partition, runs, state: strandedSince === undefined ? state : 'delayed' }
}

function filterOf({ filter = {} }: KeptChange): JobConditions {
  const { since, until, ...others } = filter as Omit<JobConditions, keyof Span> & Partial<Span>
  return {
    ...others,
    ...(since !== undefined && { since: new Date(since) }),
    ...(until !== undefined && { until: new Date(until) }),
  }
}

type ReadJob = Pick<JobRecord, 'id' | 'key' | 'partition' | 'state' | 'runs' | 'strandedSince'>
type Fresh = Pick<JobRecord, 'queuedAt' | 'finishedAt' | 'errors' | 'dueAt'>

/**
 * Whether a job has neither run nor been queued again since the change began. So a job that was retried and
 * failed again is not retried a second time.
 */
function isFresh(
  { queuedAt, finishedAt = 0, errors, dueAt = 0 }: Fresh,
  { kind, value, begunAt }: KeptChange,
  now: number,
): boolean {
  const failedAt = errors.at(-1)?.at ?? 0
  if (Math.max(queuedAt, finishedAt, failedAt) >= begunAt) return false
  if (kind !== 'reschedule') return true
  // A job with another due time may have got this time from the change itself. If not, the job is due soon
  // enough, and needs no change.
  const delay = Number(value)
  return dueAt < begunAt + delay || dueAt > now + delay
}

/**
 * How a watched job has ended since it was changed. `f`: a run has failed, even if the job will be retried.
 * `c`: the job has ended in another way. Undefined if the job has not ended.
 */
function resultOf(job: JobRecord | undefined, since: number): 'f' | 'c' | undefined {
  // A job that is no longer kept counts as completed, because completed jobs may be kept only for a short
  // time, or not at all.
  if (job === undefined) return 'c'
  if ((job.errors.at(-1)?.at ?? 0) >= since) return 'f'
  if (job.finishedAt === undefined || job.finishedAt < since) return undefined
  return job.state === 'failed' ? 'f' : 'c'
}
