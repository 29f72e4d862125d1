/**
 * Finds which classes have blocked the event loop of a worker. When a blocked loop turns again, each handler
 * that ran during the whole standstill may be the cause, and all of them are recorded. If the lease thread
 * has found out which handler blocked the loop (`lease/loop-holder.ts`), only that handler is recorded.
 *
 * Runs shorter than `NOTED` cost nothing, because the worker does not note them.
 */
import type { EventLoopUtilization } from 'node:perf_hooks'
import { BLOCKED_KEPT, type BlockedLoop, ISOLATE, oneOf } from '../model/blocked-loop.ts'
import type { WorkerRecord } from '../model/record.ts'
import type { Execution } from '../run/execution.ts'
import { readable } from '../words/duration.ts'

/**
 * Milliseconds. A loop that has not turned for this long counts as blocked. The shortest run that is noted
 * (`NOTED`) is shorter than this by `SLACK`, because an idle worker notes only once a second that its loop
 * turns.
 */
export const BLOCKED = 2_000
const SLACK = 1_250
/** The shortest run that is noted, in milliseconds. */
export const NOTED = BLOCKED - SLACK
/** The largest number of runs, and of sets of classes, that are kept. */
const MOST = 20

export class BlockedLoops {
  readonly #running: ReadonlySet<Execution>
  readonly #warn: (text: string) => void
  /** Long runs that ended recently. */
  readonly #ended: { name: string; from: number; to: number }[] = []
  /** The classes that may block the loop at present, as the lease thread has found out. */
  #seen: readonly string[] | undefined
  /** The recorded standstills, by the names of the classes that may have caused them. */
  readonly #known = new Map<string, BlockedLoop>()
  #utilization = utilization()

  constructor(running: ReadonlySet<Execution>, warn: (text: string) => void) {
    this.#running = running
    this.#warn = warn
  }

  /** Notes a run that has ended and that took at least `NOTED`. */
  ended({ name, startedAt, isIsolated }: Execution, to: number): void {
    if (isIsolated) return
    this.#ended.push({ name, from: startedAt, to })
    if (this.#ended.length > MOST) this.#ended.shift()
  }

  /**
   * Notes what the lease thread has found out about the blocked loop.
   *
   * @param by the classes of this worker that may block the loop; empty if a job of another worker of this
   *   process blocks the loop
   */
  seen(by: readonly string[]): void {
    this.#seen = by
  }

  /** Notes that the loop turns. */
  turns(): void {
    this.#seen = undefined
    this.#utilization = utilization()
  }

  /** Notes that the loop turns again after a standstill of `still` milliseconds. */
  turned(still: number): void {
    const now = performance.now()
    const { active, idle } = utilization(this.#utilization)
    const by = this.#seen ?? this.#ranFor(still - SLACK, now - still, now)
    this.turns()
    // Time in which the loop was idle or the process was suspended does not count as blocked.
    const took = active + idle > 0 ? Math.min(still, active) : still
    if (by.length > 0 && took >= BLOCKED) this.#note(by, took)
  }

  /** The standstills, as the worker writes them to its record in the store. */
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

  /**
   * Records that these classes may have blocked the loop, and warns unless the same classes are recorded
   * already.
   */
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

/** Returns zeros on Bun, which does not measure the utilization of the event loop. */
function utilization(since?: EventLoopUtilization): EventLoopUtilization {
  return performance.eventLoopUtilization?.(since) ?? { active: 0, idle: 0, utilization: 0 }
}
