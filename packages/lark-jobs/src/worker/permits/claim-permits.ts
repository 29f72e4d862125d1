/**
 * The permits that a claim carries for jobs with a limiter. (`permit-pools.ts` gets the permits from the
 * store.) A need is a limiter and a number of permits. Each answer of the store tells a claimer for which
 * needs jobs wait. Before the claimer's next call, the worker takes permits and keeps slots free for these
 * jobs, and the call carries the permits.
 *
 *   known      jobs with a need wait; permits are taken before the next call
 *   put off    no permits were granted; the worker asks again when it gives a permit back, or some time
 *              later
 *   brought    a call carries permits; the permits that the call does not use are refunded
 *   in use     a job has permits until it has ended, was lost, or was put back. If the job has not begun,
 *              its permits are refunded
 *
 * When a job gives permits back, the claimer of this worker that has waited longest may claim again. After
 * the time `TERM`, this worker leaves returned permits to other workers, so that they have the same chance.
 * The other workers ask for permits from time to time.
 */

import type { Limits } from '../../model/limits.ts'
import type { ClaimedJob } from '../../model/record.ts'
import { isOwn, mostOf, ownLimiters, readNeed } from '../../options/limiter.ts'
import type { Granted, Permits, Taken } from '../../run/middleware/permits.ts'
import type { Want } from '../../store/contract/store.ts'
import { within } from '../../waiting/bounded-wait.ts'
import { spread } from '../../words/duration.ts'
import type { WorkerOptions } from '../options.ts'
import { Part } from '../part.ts'

/** If other workers hold the permits, this worker asks again after about this many milliseconds. */
const AGAIN = 200
/**
 * If a rate had no permits, this worker asks again after about this many milliseconds, because another worker
 * may have refunded permits. The time doubles with each refusal, so that many workers can wait for the
 * permits of an hourly rate without many calls.
 */
const REFUND = 1_000
/** For this many milliseconds, this worker may take returned permits again at once. */
const TERM = 1_000
/**
 * Milliseconds that a call waits for permits. The wait is short because the call also carries outcomes, which
 * must be sent even if a limiter does not answer.
 */
const PATIENCE = 200
/** Milliseconds. A longer wait is split, because timers of Node cannot run for a month. */
const LONGEST = 60_000

/** The members of a claimer that this file uses. `ring` makes the claimer claim again. */
interface PermitClaimer {
  ring(): void
}

/** The permits of one job. */
interface Grant extends Pick<Granted, 'giveBack' | 'refund'> {
  need: string
}

/** The needs that a claimer knows of, and the permits that it has for them. */
interface Needs {
  /** At least how many jobs wait for each need. */
  known: ReadonlyMap<string, number>
  /** For each need, the time (`performance.now()`) before which the worker asks for no permits. */
  readonly putOff: Map<string, number>
  /** For each need, how many requests were refused since the last request that was granted. */
  readonly refusals: Map<string, number>
  brought: Grant[]
  timer: NodeJS.Timeout | undefined
  /** The index of the need whose permits the worker takes first in the next call. */
  turn: number
  /** Whether a call is under way that may carry the permits. */
  isCalling: boolean
}

export interface ClaimPermitsOptions {
  permits: Permits
  /**
   * Returns the limits of a limiter that is configured or belongs to a class; `none` if the class no longer
   * has the limiter. Undefined if the limiter is unknown.
   */
  limiters: (name: string) => Limits | 'none' | undefined
  warn: (text: string) => void
  /** Aborted when the worker disconnects from the store. */
  signal: AbortSignal
}

export class ClaimPermits extends Part {
  readonly #options: ClaimPermitsOptions
  readonly #needs = new Map<PermitClaimer, Needs>()
  readonly #inUse = new WeakMap<ClaimedJob, Grant>()
  /** For each limiter, the claimers that got no permits. The claimer that has waited longest comes first. */
  readonly #waiting = new Map<string, Set<PermitClaimer>>()
  /** For each limiter, when this worker began to take returned permits again at once. */
  readonly #since = new Map<string, number>()
  readonly #unknown = new Set<string>()

  constructor(options: ClaimPermitsOptions) {
    super()
    this.#options = options
  }

  /** Whether the claimer knows of jobs that need permits, and its call asks for jobs. */
  isNeeded(claimer: PermitClaimer, want: number): boolean {
    return want > 0 && this.#needs.has(claimer)
  }

  /**
   * Takes permits for a call for `want` jobs.
   *
   * @returns for how many jobs of each need permits were taken. Undefined if no permits were taken
   */
  async prepare(claimer: PermitClaimer, want: number): Promise<Want['permits']> {
    const needs = this.#needs.get(claimer)!
    needs.isCalling = true
    const now = performance.now()
    const due = [...needs.known.keys()].filter((need) => (needs.putOff.get(need) ?? 0) <= now)
    const share = Math.max(1, Math.floor(want / Math.max(1, due.length)))
    let left = want - needs.brought.length
    const asked: Promise<void>[] = []
    for (let i = 0; i < due.length && left > 0; i++) {
      const need = due[(i + needs.turn) % due.length]!
      const count = Math.min(left, share, needs.known.get(need)!)
      left -= count
      asked.push(this.#take(claimer, needs, need, count))
    }
    needs.turn++
    await within(PATIENCE, Promise.all(asked))
    if (needs.brought.length === 0) return undefined
    const counts: Record<string, number> = {}
    for (const { need } of needs.brought) counts[need] = (counts[need] ?? 0) + 1
    return counts
  }

  /**
   * Called when the store has answered a claim.
   *
   * @param limited how many jobs of each need wait, according to the store
   */
  answered(
    claimer: PermitClaimer,
    jobs: readonly ClaimedJob[],
    limited: Readonly<Record<string, number>> = {},
  ): void {
    const needs = this.#needs.get(claimer) ?? this.#begin(claimer)
    for (const job of jobs) {
      const at = job.limiter === undefined ? -1 : needs.brought.findIndex(({ need }) => need === job.limiter)
      if (at >= 0) this.#inUse.set(job, needs.brought.splice(at, 1)[0]!)
    }
    for (const grant of needs.brought) grant.refund()
    needs.brought = []
    needs.isCalling = false
    if (!this.isRunning) return void this.#needs.delete(claimer)
    needs.known = new Map(Object.entries(limited).filter(([need]) => this.#isPossible(need)))
    clearTimeout(needs.timer)
    if (needs.known.size === 0) return void this.#needs.delete(claimer)
    const now = performance.now()
    const wait = Math.min(...[...needs.known.keys()].map((need) => (needs.putOff.get(need) ?? 0) - now))
    if (wait <= 0) claimer.ring()
    else needs.timer = setTimeout(() => claimer.ring(), Math.min(wait, LONGEST))
  }

  /**
   * Called when a claimed job no longer needs its permits, however the job ended.
   *
   * @param hasBegun if false, the permits are also refunded to the rate
   */
  ended(job: ClaimedJob, hasBegun: boolean): void {
    const grant = this.#inUse.get(job)
    if (grant === undefined) return
    this.#inUse.delete(job)
    if (hasBegun) grant.giveBack()
    else grant.refund()
    const { name } = readNeed(grant.need)
    const now = performance.now()
    const since = this.#since.get(name) ?? now
    if (now - since > TERM) this.#since.delete(name)
    else {
      this.#since.set(name, since)
      this.#ringNext(name)
    }
  }

  /**
   * Until `resume`, this part tells no claimer to claim again, and no further call carries permits. A call
   * that is under way keeps its permits until its answer comes. Its jobs may begin if `resume` is called
   * before the answer.
   */
  protected override onQuiet(): void {
    for (const [claimer, { timer, brought, isCalling }] of this.#needs) {
      clearTimeout(timer)
      if (isCalling) continue
      for (const grant of brought) grant.refund()
      this.#needs.delete(claimer)
    }
    this.#waiting.clear()
  }

  protected override onStop(): void {
    this.onQuiet()
  }

  async #take(claimer: PermitClaimer, needs: Needs, need: string, count: number): Promise<void> {
    const { permits, limiters, signal } = this.#options
    const { name, weight } = readNeed(need)
    const limits = limiters(name)
    if (limits === 'none' || limits === undefined) {
      for (let i = 0; i < count; i++) needs.brought.push({ need, giveBack: () => {}, refund: () => {} })
      return
    }
    const most = Math.min(count, Math.floor(mostOf(limits) / weight))
    const asked = Array.from({ length: most }, () => permits.take(name, weight, signal, limits))
    const answers = await Promise.allSettled(asked)
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const granted = taken.filter((each) => each.kind === 'granted')
    // True if the permits came so late that the claimer no longer waits for them.
    const isOver = this.#needs.get(claimer) !== needs
    for (const { refund } of granted) if (isOver) refund()
    if (isOver) return
    for (const { giveBack, refund } of granted) needs.brought.push({ need, giveBack, refund })
    if (granted.length > 0) return void needs.refusals.delete(need)
    const refusals = needs.refusals.get(need) ?? 0
    needs.refusals.set(need, refusals + 1)
    needs.putOff.set(need, performance.now() + waitOf(taken, refusals))
    const waiting = this.#waiting.get(name) ?? new Set()
    this.#waiting.set(name, waiting)
    waiting.add(claimer)
  }

  #ringNext(name: string): void {
    const waiting = this.#waiting.get(name)
    const next = waiting?.values().next().value
    if (next === undefined) return
    waiting!.delete(next)
    const putOff = this.#needs.get(next)?.putOff
    for (const need of putOff?.keys() ?? []) if (readNeed(need).name === name) putOff!.delete(need)
    next.ring()
  }

  #begin(claimer: PermitClaimer): Needs {
    const needs: Needs = {
      known: new Map(),
      putOff: new Map(),
      refusals: new Map(),
      brought: [],
      timer: undefined,
      turn: 0,
      isCalling: false,
    }
    this.#needs.set(claimer, needs)
    return needs
  }

  /** Whether a need can ever be met. Warns once about each limiter with a need that can never be met. */
  #isPossible(need: string): boolean {
    const { name, weight } = readNeed(need)
    const limits = this.#options.limiters(name)
    if (limits === 'none' || (limits !== undefined && weight <= mostOf(limits))) return true
    if (!this.#unknown.has(name)) {
      this.#unknown.add(name)
      const why = limits === undefined ? 'is not known here' : 'has fewer permits than one of them needs'
      this.#options.warn(`Jobs wait for the limiter '${name}', which ${why}`)
    }
    return false
  }
}

/**
 * Makes a function that returns the limits of a limiter by its name. The function knows the configured
 * limiters and the limiters of the worker's classes, also under earlier keys of a class. `none` means that
 * the class no longer has a limiter.
 */
export function limitersOf({ limiters, registry }: WorkerOptions): ClaimPermitsOptions['limiters'] {
  const own = new Map(registry.classes.flatMap(ownLimiters))
  return (name) =>
    limiters?.get(name) ?? own.get(name) ?? (isOwn(name) && isOfClass(name) ? 'none' : undefined)

  function isOfClass(name: string): boolean {
    return registry.find(name.slice(name.indexOf(':') + 1)) !== undefined
  }
}

/**
 * Milliseconds until it may be worthwhile to ask for permits again. @param refusals how many earlier requests
 * in a row were refused
 */
function waitOf(taken: readonly Taken[], refusals: number): number {
  const waits = taken.flatMap((each) =>
    each.kind === 'refused' && each.wait !== undefined ? [each.wait] : [],
  )
  return waits.length > 0 ? Math.min(...waits, spread(REFUND * 2 ** refusals)) : spread(AGAIN)
}
