/**
 * A measured figure of a store, and what limits it.
 */

/**
 *   this process   the process is busy: more processes would run more jobs
 *   round trip     at least half of the time is spent on the way to the store and back
 *   the store      the process waits for the store itself: its CPU, its disk, or a machine that others use
 *                  too
 */
export type Limit = 'this process' | 'round trip' | 'the store'

export interface Figure {
  name: string
  /**
   * The median and the 99th percentile of single calls in milliseconds; undefined if no single calls were
   * measured.
   */
  p50?: number | undefined
  p99?: number | undefined
  /** Jobs per second. */
  rate?: number | undefined
  limit?: Limit | undefined
}

/** A process counts as busy if it works for more than this share of the time. */
const BUSY = 0.7

/** Measures how much time passes, and how much of it this process works. */
export class ProcessTimer {
  readonly #isEmbedded: boolean
  readonly #began = performance.now()
  readonly #cpu = process.cpuUsage()
  readonly #loop = performance.eventLoopUtilization()

  /** @param isEmbedded whether the store works in this process */
  constructor(isEmbedded: boolean) {
    this.#isEmbedded = isEmbedded
  }

  /** Milliseconds. */
  get elapsed(): number {
    return performance.now() - this.#began
  }

  /**
   * Whether the process was busy and hardly waited for the store. An embedded store blocks the event loop
   * while it waits for the disk. So the event loop would look busy, and with an embedded store the CPU time
   * decides.
   */
  get isBusy(): boolean {
    if (!this.#isEmbedded) return performance.eventLoopUtilization(this.#loop).utilization > BUSY
    const { user, system } = process.cpuUsage(this.#cpu)
    return (user + system) / 1_000 > BUSY * this.elapsed
  }
}

/** @param call milliseconds of one call @param roundTrip milliseconds, to the store and back */
export function limitOf(isBusy: boolean, call = Number.POSITIVE_INFINITY, roundTrip = 0): Limit {
  if (isBusy) return 'this process'
  return roundTrip * 2 >= call ? 'round trip' : 'the store'
}

/** The sample below which `percent` of all samples lie. Undefined if there are no samples. */
export function percentile(samples: readonly number[], percent: number): number | undefined {
  const sorted = [...samples].sort((one, other) => one - other)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? sorted[0]
}
