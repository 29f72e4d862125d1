/**
 * Finds which classes have blocked the event loop of a worker. When the loop turns again after a while, the
 * candidates are the handlers that ran all that time. If the lease thread stopped the loop meanwhile and saw
 * which handler held it (`lease/loop-holder.ts`), that handler is named instead.
 *
 * This costs the jobs nothing: a short run is not even noted.
 */
import type { EventLoopUtilization } from 'node:perf_hooks'
import { BLOCKED_KEPT, type BlockedLoop, ISOLATE, oneOf } from '../model/blocked-loop.ts'
import type { WorkerRecord } from '../model/record.ts'
import type { Execution } from '../run/execution.ts'
import { readable } from '../words/duration.ts'

/**
 * Milliseconds. A loop that has not turned for this long was blocked. `SLACK` allows for an idle worker,
 * which notes only once a second that its loop turns.
 */
export const BLOCKED = 2_000
const SLACK = 1_250
/** The shortest run that is noted, in milliseconds. */
export const NOTED = BLOCKED - SLACK
/** The most runs, and the most sets of classes, that are kept. */
const MOST = 20

export class BlockedLoops {
  readonly #running: ReadonlySet<Execution>
  readonly #warn: (text: string) => void
  /** Long runs that ended lately. */
  readonly #ended: { name: string; from: number; to: number }[] = []
  /** The classes that the lease thread has seen blocking the loop since the loop last turned. */
  #seen: readonly string[] | undefined
  /** The recorded blockings, by the classes that may have caused them. */
  readonly #known = new Map<string, BlockedLoop>()
  #utilization = utilization()

  constructor(running: ReadonlySet<Execution>, warn: (text: string) => void) {
    this.#running = running
    this.#warn = warn
  }

  /** A run has ended that took at least `NOTED`. */
  ended({ name, startedAt, isIsolated }: Execution, to: number): void {
    if (isIsolated) return
    this.#ended.push({ name, from: startedAt, to })
    if (this.#ended.length > MOST) this.#ended.shift()
  }

  /**
   * The lease thread has stopped the blocked loop, and has seen which handler holds it.
   *
   * @param by the classes of this worker one of which holds it; empty if another worker of the process holds
   *   it
   */
  seen(by: readonly string[]): void {
    this.#seen = by
  }

  /** The loop turns. */
  turns(): void {
    this.#seen = undefined
    this.#utilization = utilization()
  }

  /** The loop turns again, after `still` milliseconds. */
  turned(still: number): void {
    const now = performance.now()
    const { active, idle } = utilization(this.#utilization)
    const by = this.#seen ?? this.#ranFor(still - SLACK, now - still, now)
    this.turns()
    // The time in which the loop was idle, or the process was stopped, does not count as blocked.
    const took = active + idle > 0 ? Math.min(still, active) : still
    if (by.length > 0 && took >= BLOCKED) this.#note(by, took)
  }

  /** The blockings, as the worker announces them. */
  get record(): Pick<WorkerRecord, 'blocked'> {
    const since = Date.now() - BLOCKED_KEPT
    for (const [name, { at }] of this.#known) if (at < since) this.#known.delete(name)
    return this.#known.size === 0 ? {} : { blocked: [...this.#known.values()] }
  }

  /**
   * The classes with a handler that ran for at least `ms` milliseconds and was still running at the time
   * `at`.
   */
  #ranFor(ms: number, at: number, now: number): string[] {
    const ended = this.#ended.filter(({ from, to }) => to >= at && to - from >= ms)
    const running = [...this.#running].filter(
      ({ startedAt, isIsolated }) => !isIsolated && now - startedAt >= ms,
    )
    return [...new Set([...ended, ...running].map(({ name }) => name))]
  }

  /** Warns when these classes block the loop for the first time, or again after their record is gone. */
  #note(classes: readonly string[], ms: number): void {
    const by = classes.toSorted().slice(0, MOST)
    const name = by.join()
    const known = this.#known.get(name)
    const took = Math.round(Math.max(ms, known?.took ?? 0))
    if (known === undefined)
      this.#warn(
        `${oneOf(by)} blocked the event loop for ${readable(ms)}, and no other job of this process went on: ${ISOLATE}`,
      )
    const [oldest] = this.#known.keys()
    if (known === undefined && this.#known.size === MOST) this.#known.delete(oldest!)
    this.#known.set(name, { by, took, times: (known?.times ?? 0) + 1, at: Date.now() })
  }
}

/** All zeros on Bun, which does not measure the utilization. */
function utilization(since?: EventLoopUtilization): EventLoopUtilization {
  return performance.eventLoopUtilization?.(since) ?? { active: 0, idle: 0, utilization: 0 }
}
