/**
 * Jobs that need permits of a limiter before they are claimed. An answer tells a claimer which such jobs wait; before its
 * next call for jobs the worker takes permits for it, while the places for these jobs are kept, and the call brings them.
 *
 *   known      jobs of a need wait; permits are taken with the next call for jobs
 *   put off    there were none; they are asked for again when one is given back here, or some time later
 *   brought    permits go with a call: what that does not use goes back
 *   in use     of a job, until it has ended, was lost, or was put back
 *
 * What is given back here rings the claimer that waits longest. But after a `TERM` of that it is left to other workers,
 * which ask again now and then: they have the same chance.
 */
import { spread } from '../../model/duration.ts'
import type { Limits } from '../../model/limit.ts'
import type { LeasedJob } from '../../model/record.ts'
import { isOwn, mostOf, ownLimiters, readNeed } from '../../options/limiter.ts'
import { within } from '../../run/bounded-wait.ts'
import type { Permits, Taken } from '../../run/middleware/permits.ts'
import type { Want } from '../../store/contract/store.ts'
import type { WorkerOptions } from '../options.ts'

/** Milliseconds after about which permits are asked for again that others hold. */
const AGAIN = 200
/** Milliseconds for which this worker may take again at once what it gives back. */
const TERM = 1_000
/** Milliseconds that a call waits for permits: a limiter that does not answer must not hold up what has ended. */
const PATIENCE = 200
/** Milliseconds: the longest wait; a timer cannot wait for a month. */
const LONGEST = 60_000

/** Who claims, as far as it matters here: it looks again when it is rung. */
interface PermitClaimer {
  ring(): void
}

/** Permits of one job. */
interface Grant {
  need: string
  giveBack(): void
}

/** What a claimer was told, and has. */
interface Needs {
  /** So many jobs of each wait, at least. */
  known: ReadonlyMap<string, number>
  /** Until when (`performance.now()`) there is nothing to be had. */
  readonly putOff: Map<string, number>
  brought: Grant[]
  timer: NodeJS.Timeout | undefined
  /** Which need comes first the next time. */
  turn: number
}

export interface ClaimPermitsOptions {
  permits: Permits
  /** Those that are configured, and those of classes; undefined for one that a class here has given up. */
  limiters: (name: string) => Limits | 'none' | undefined
  warn: (text: string) => void
  /** Aborted when the worker lets go of the store. */
  signal: AbortSignal
}

export class ClaimPermits {
  readonly #options: ClaimPermitsOptions
  readonly #needs = new Map<PermitClaimer, Needs>()
  readonly #inUse = new WeakMap<LeasedJob, Grant>()
  /** By limiter: claimers that were refused, the longest first. */
  readonly #waiting = new Map<string, Set<PermitClaimer>>()
  /** By limiter: since when it was taken again at once. */
  readonly #since = new Map<string, number>()
  readonly #unknown = new Set<string>()
  #isShut = false

  constructor(options: ClaimPermitsOptions) {
    this.#options = options
  }

  /** Whether a call for so many jobs is one of a claimer that was told of jobs that need permits. */
  isNeeded(claimer: PermitClaimer, want: number): boolean {
    return want > 0 && this.#needs.has(claimer)
  }

  /** Takes permits for a call for so many jobs. @returns for how many jobs of each need; undefined when for none */
  async prepare(claimer: PermitClaimer, want: number): Promise<Want['permits']> {
    const needs = this.#needs.get(claimer)!
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

  /** A call for jobs was answered. @param limited as the store says it */
  answered(
    claimer: PermitClaimer,
    jobs: readonly LeasedJob[],
    limited: Readonly<Record<string, number>> = {},
  ): void {
    const needs = this.#needs.get(claimer) ?? this.#begin(claimer)
    for (const job of jobs) {
      const at = job.limiter === undefined ? -1 : needs.brought.findIndex(({ need }) => need === job.limiter)
      if (at >= 0) this.#inUse.set(job, needs.brought.splice(at, 1)[0]!)
    }
    for (const grant of needs.brought) grant.giveBack()
    needs.brought = []
    if (this.#isShut) return void this.#needs.delete(claimer)
    needs.known = new Map(Object.entries(limited).filter(([need]) => this.#isPossible(need)))
    clearTimeout(needs.timer)
    if (needs.known.size === 0) return void this.#needs.delete(claimer)
    const now = performance.now()
    const wait = Math.min(...[...needs.known.keys()].map((need) => (needs.putOff.get(need) ?? 0) - now))
    if (wait <= 0) claimer.ring()
    else needs.timer = setTimeout(() => claimer.ring(), Math.min(wait, LONGEST))
  }

  /** A job that was claimed has ended here, however. */
  ended(job: LeasedJob): void {
    const grant = this.#inUse.get(job)
    if (grant === undefined) return
    this.#inUse.delete(job)
    grant.giveBack()
    const { name } = readNeed(grant.need)
    const now = performance.now()
    const since = this.#since.get(name) ?? now
    if (now - since > TERM) this.#since.delete(name)
    else {
      this.#since.set(name, since)
      this.#ringNext(name)
    }
  }

  /** No claimer is rung any more, and none brings anything. */
  shut(): void {
    for (const { timer, brought } of this.#needs.values()) {
      clearTimeout(timer)
      for (const grant of brought) grant.giveBack()
    }
    this.#needs.clear()
    this.#waiting.clear()
    this.#isShut = true
  }

  async #take(claimer: PermitClaimer, needs: Needs, need: string, count: number): Promise<void> {
    const { permits, limiters, signal } = this.#options
    const { name, weight } = readNeed(need)
    const limits = limiters(name)
    if (limits === 'none' || limits === undefined) {
      for (let i = 0; i < count; i++) needs.brought.push({ need, giveBack: () => {} })
      return
    }
    const most = Math.min(count, Math.floor(mostOf(limits) / weight))
    const asked = Array.from({ length: most }, () => permits.take(name, weight, signal, limits))
    const answers = await Promise.allSettled(asked)
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    const granted = taken.filter((each) => each.kind === 'granted')
    // Late, and nobody waits for them any more.
    const isOver = this.#needs.get(claimer) !== needs
    for (const { giveBack } of granted) if (isOver) giveBack()
    if (isOver) return
    for (const { giveBack } of granted) needs.brought.push({ need, giveBack })
    if (granted.length > 0) return
    needs.putOff.set(need, performance.now() + waitOf(taken))
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
    const needs: Needs = { known: new Map(), putOff: new Map(), brought: [], timer: undefined, turn: 0 }
    this.#needs.set(claimer, needs)
    return needs
  }

  /** Warns of those that are not, once each. */
  #isPossible(need: string): boolean {
    const { name, weight } = readNeed(need)
    const limits = this.#options.limiters(name)
    if (limits === 'none' || (limits !== undefined && weight <= mostOf(limits))) return true
    if (!this.#unknown.has(name)) {
      this.#unknown.add(name)
      const why = limits === undefined ? 'is not known here' : 'never has as many permits as one needs'
      this.#options.warn(`Jobs wait for the limiter '${name}', which ${why}`)
    }
    return false
  }
}

/**
 * The limits that a worker knows by the name of their limiter: those that are configured, and those of its classes, also
 * under the names that these had before. `none`: of a class that has given its own up.
 */
export function limitersOf({ limiters, registry }: WorkerOptions): ClaimPermitsOptions['limiters'] {
  const own = new Map(registry.classes.flatMap(ownLimiters))
  return (name) =>
    limiters?.get(name) ?? own.get(name) ?? (isOwn(name) && isOfClass(name) ? 'none' : undefined)

  function isOfClass(name: string): boolean {
    return registry.find(name.slice(name.indexOf(':') + 1)) !== undefined
  }
}

/** When it may be worth to ask again. */
function waitOf(taken: readonly Taken[]): number {
  const waits = taken.flatMap((each) =>
    each.kind === 'refused' && each.wait !== undefined ? [each.wait] : [],
  )
  return waits.length > 0 ? Math.min(...waits) : spread(AGAIN)
}
