/**
 * Jobs that need permits of a limiter before they are claimed: a worker takes these for a claimer that was told that
 * such jobs wait, and the claimer brings them with its next call.
 *
 *   wanted     a claimer was told of jobs of a limiter; permits are being asked for, or will be again
 *   on hand    permits of a claimer, for its next call: what that does not use goes back
 *   in use     of a job, until it has ended, was lost, or was put back
 *
 * What a job gives back goes at once to the claimer of this worker that waits longest, as long as it was not held for
 * over a `TERM`: then other workers have their chance. A rate has each job take permits anew.
 */
import { spread } from '../duration.ts'
import type { Limits } from '../limit.ts'
import { mostOf, ownLimiter, readNeed } from '../limiter.ts'
import type { Permits, Taken } from '../middleware/permits.ts'
import type { LeasedJob } from '../record.ts'
import type { Want } from '../store/store.ts'
import type { WorkerOptions } from './options.ts'

/** Milliseconds after about which permits are asked for again that others hold. */
const AGAIN = 200
/** Milliseconds for which permits may go from job to job. */
const TERM = 1_000

/** Who claims, as far as it matters here: it looks again when it is rung. */
interface Claimer {
  ring(): void
}

/** Permits of one job. */
export interface Grant {
  need: string
  /** When it was given out, by `performance.now()`. */
  since: number
  giveBack(): void
}

export interface LimitedOptions {
  permits: Permits
  /** Those that are configured, and those of classes. */
  limiters: ReadonlyMap<string, Limits>
  /** How many more jobs could start now. */
  room: () => number
  warn: (text: string) => void
  /** Aborted when the worker lets go of the store. */
  signal: AbortSignal
}

export class Limited {
  readonly #options: LimitedOptions
  readonly #onHand = new Map<Claimer, Grant[]>()
  readonly #inUse = new WeakMap<LeasedJob, Grant>()
  /** By need: claimers that wait for permits, the longest first. */
  readonly #wanting = new Map<string, Set<Claimer>>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #unknown = new Set<string>()
  #isOpen = true

  constructor(options: LimitedOptions) {
    this.#options = options
  }

  /** For how many jobs a claimer has permits; undefined when for none. */
  brought(claimer: Claimer): Want['permits'] {
    const grants = this.#onHand.get(claimer)
    if (grants === undefined) return undefined
    const counts: Record<string, number> = {}
    for (const { need } of grants) counts[need] = (counts[need] ?? 0) + 1
    return counts
  }

  /** A call for jobs brought some, and word of those that need permits. */
  answered(claimer: Claimer, jobs: readonly LeasedJob[], needs: readonly string[] = []): void {
    const grants = this.#onHand.get(claimer) ?? []
    this.#onHand.delete(claimer)
    for (const job of jobs) {
      const at = job.limiter === undefined ? -1 : grants.findIndex(({ need }) => need === job.limiter)
      if (at >= 0) this.#inUse.set(job, grants.splice(at, 1)[0]!)
    }
    for (const grant of grants) grant.giveBack()
    if (this.#isOpen) for (const need of needs) this.#want(claimer, need)
  }

  /** A job that was claimed has ended here, however. */
  ended(job: LeasedJob): void {
    const grant = this.#inUse.get(job)
    if (grant === undefined) return
    this.#inUse.delete(job)
    const next = performance.now() - grant.since < TERM ? this.#next(grant.need) : undefined
    if (next === undefined || this.#isRated(grant.need)) grant.giveBack()
    else this.#hand(next, grant)
  }

  /** Takes no more, and gives back what is on hand. */
  shut(): void {
    this.#isOpen = false
    for (const timer of this.#timers) clearTimeout(timer)
    for (const grants of this.#onHand.values()) for (const grant of grants) grant.giveBack()
    this.#onHand.clear()
    this.#wanting.clear()
  }

  #want(claimer: Claimer, need: string): void {
    const { name, weight } = readNeed(need)
    const limits = this.#options.limiters.get(name)
    if (limits === undefined || weight > mostOf(limits)) {
      this.#warn(name, limits)
      return
    }
    const wanting = this.#wanting.get(need) ?? new Set()
    this.#wanting.set(need, wanting)
    if (wanting.has(claimer)) return
    wanting.add(claimer)
    void this.#ask(claimer, need, limits)
  }

  /** All for which there is room, in one call. */
  async #ask(claimer: Claimer, need: string, limits: Limits): Promise<void> {
    const { permits, signal, room } = this.#options
    const { name, weight } = readNeed(need)
    const count = Math.min(Math.max(1, room()), Math.floor(mostOf(limits) / weight))
    const asked = Array.from({ length: count }, () => permits.take(name, weight, signal, limits))
    const answers = await Promise.allSettled(asked)
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const since = performance.now()
    const granted = taken.filter((each) => each.kind === 'granted')
    for (const { giveBack } of granted) this.#hand(claimer, { need, since, giveBack })
    if (granted.length === 0 && !signal.aborted && this.#isOpen) this.#later(claimer, need, waitOf(taken))
  }

  /** Has the claimer look whether such jobs still wait, which asks for permits again. */
  #later(claimer: Claimer, need: string, ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      if (this.#wanting.get(need)?.delete(claimer)) claimer.ring()
    }, ms)
    this.#timers.add(timer)
  }

  /** Where all places are taken meanwhile, they are not kept for one that comes free. */
  #hand(claimer: Claimer, grant: Grant): void {
    if (!this.#isOpen || this.#options.room() <= 0) {
      grant.giveBack()
      if (this.#isOpen) this.#later(claimer, grant.need, spread(AGAIN))
      return
    }
    this.#wanting.get(grant.need)?.delete(claimer)
    const grants = this.#onHand.get(claimer)
    if (grants === undefined) this.#onHand.set(claimer, [grant])
    else grants.push(grant)
    claimer.ring()
  }

  #next(need: string): Claimer | undefined {
    return this.#wanting.get(need)?.values().next().value
  }

  #isRated(need: string): boolean {
    return this.#options.limiters.get(readNeed(need).name)?.rate !== undefined
  }

  /** Once each. */
  #warn(name: string, limits: Limits | undefined): void {
    if (this.#unknown.has(name)) return
    this.#unknown.add(name)
    const why =
      limits === undefined ? 'which is not known here' : 'which never has as many permits as one needs'
    this.#options.warn(`Jobs wait for the limiter '${name}', ${why}`)
  }
}

/** The limiters that a worker knows: those that are configured, and those of its classes. */
export function limitersOf({ limiters, registry }: WorkerOptions): ReadonlyMap<string, Limits> {
  const own = registry.classes.flatMap(({ limiter, key }) => {
    const limits = ownLimiter(limiter, key)
    return limits === undefined ? [] : [limits]
  })
  return new Map([...(limiters ?? []), ...own])
}

/** When it may be worth to ask again. */
function waitOf(taken: readonly Taken[]): number {
  const waits = taken.flatMap((each) =>
    each.kind === 'refused' && each.wait !== undefined ? [each.wait] : [],
  )
  return waits.length > 0 ? Math.min(...waits) : spread(AGAIN)
}
