/**
 * Which classes have blocked the event loop of a worker. When the loop turns again after a while, the
 * handlers are looked at that ran all that time. If the lease thread has stopped the loop meanwhile, and seen
 * who held it (`lease/loop-holder.ts`), it is that one.
 *
 * No job pays for it: a short run is not even noted.
 */
import type { EventLoopUtilization } from 'node:perf_hooks'
import { BLOCKED_KEPT, type BlockedLoop, ISOLATE, oneOf } from '../model/blocked-loop.ts'
import type { WorkerRecord } from '../model/record.ts'
import type { Execution } from '../run/execution.ts'
import { readable } from '../words/duration.ts'

/**
 * Milliseconds. A loop that has not turned for so long was blocked: an idle worker notes each second that it
 * turns, hence the slack.
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
  /** Runs that ended lately, and took long. */
  readonly #ended: { name: string; from: number; to: number }[] = []
  /** What the lease thread has seen since the loop turned last. */
  #seen: readonly string[] | undefined
  /** By classes. */
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
   * The lease thread has stopped the loop, which is blocked, and has seen who holds it.
   *
   * @param by the classes of this worker that may be it; none: another worker of the process blocks the loop
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
    // Without the time before in which the loop had nothing to do, or in which the process was stopped.
    const took = active + idle > 0 ? Math.min(still, active) : still
    if (by.length > 0 && took >= BLOCKED) this.#note(by, took)
  }

  /** What the worker makes known of it. */
  get record(): Pick<WorkerRecord, 'blocked'> {
    const since = Date.now() - BLOCKED_KEPT
    for (const [name, { at }] of this.#known) if (at < since) this.#known.delete(name)
    return this.#known.size === 0 ? {} : { blocked: [...this.#known.values()] }
  }

  /** The classes of which a handler ran at least `ms` milliseconds, and still ran at a time. */
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

/** Zeros where it is not measured: Bun does not. */
function utilization(since?: EventLoopUtilization): EventLoopUtilization {
  return performance.eventLoopUtilization?.(since) ?? { active: 0, idle: 0, utilization: 0 }
}
