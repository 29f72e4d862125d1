/**
 * How runs went, in numbers that add up: over jobs, workers and time. Two histograms, of how long jobs waited
 * from when they were due until they began, and of how long their runs took; and how many runs ended in each
 * way.
 *
 * The bounds of the histograms never change, so the counts of different workers can be added. They contain
 * those that OpenTelemetry recommends for durations (5 ms … 10 s), with finer ones below, because many jobs
 * take less than a millisecond, and coarser ones up to a day above, because a job may wait so long.
 *
 * Everything is a whole number in one array: to add two, add them place by place.
 */

/** The upper bounds of the buckets, in milliseconds. One more bucket has no bound. */
export const BOUNDS: readonly number[] = [
  ...[0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000],
  ...[30_000, 60_000, 300_000, 1_800_000, 3_600_000, 21_600_000, 86_400_000],
]

/**
 * How a run ended, in the order of the counts. A crashed run is counted by the worker that takes its job
 * back.
 */
export const runEnds = [
  'completed',
  'failed',
  'retried',
  'released',
  'cancelled',
  'crashed',
  'suspended',
] as const
export type RunEnd = (typeof runEnds)[number]

/** A histogram's buckets, and behind them the sum of its values in microseconds. */
const SIZE = BOUNDS.length + 2
/** Where each histogram begins. */
const places = { wait: 0, process: SIZE } as const
export type Measured = keyof typeof places
const ENDS = 2 * SIZE
const LENGTH = ENDS + runEnds.length

/** The buckets are not cumulative. The last has no upper bound. */
export interface Histogram {
  buckets: number[]
  /** Milliseconds. */
  sum: number
  count: number
}

export class RunCounts {
  readonly #counts: Float64Array

  // The type is written out: inferred, it would be generic in the declarations, which TypeScript before 5.7
  // refuses.
  constructor(counts: Float64Array = new Float64Array(LENGTH)) {
    this.#counts = counts
  }

  /** @param ms below 0, because two clocks differ a little, counts as 0 */
  observe(measured: Measured, ms: number): void {
    const at = places[measured]
    let bucket = 0
    while (bucket < BOUNDS.length && ms > BOUNDS[bucket]!) bucket++
    this.#counts[at + bucket]!++
    if (ms > 0) this.#counts[at + SIZE - 1]! += Math.round(ms * 1_000)
  }

  ended(end: RunEnd, count = 1): void {
    this.#counts[ENDS + runEnds.indexOf(end)]! += count
  }

  ends(end: RunEnd): number {
    return this.#counts[ENDS + runEnds.indexOf(end)]!
  }

  get isEmpty(): boolean {
    return this.#counts.every((count) => count === 0)
  }

  histogram(measured: Measured): Histogram {
    const at = places[measured]
    const buckets = [...this.#counts.subarray(at, at + SIZE - 1)]
    const count = buckets.reduce((sum, each) => sum + each, 0)
    return { buckets, sum: this.#counts[at + SIZE - 1]! / 1_000, count }
  }

  add(other: RunCounts): this {
    for (let i = 0; i < LENGTH; i++) this.#counts[i]! += other.#counts[i]!
    return this
  }

  /** What has come since `before`, which were counts of the same runs. Nothing is less than 0. */
  since(before: RunCounts): RunCounts {
    return new RunCounts(this.#counts.map((count, i) => Math.max(0, count - before.#counts[i]!)))
  }

  /** The counts as text: `place:count` for each count that is not 0, with spaces between them. */
  pack(): string {
    const parts: string[] = []
    for (let i = 0; i < LENGTH; i++) if (this.#counts[i] !== 0) parts.push(`${i}:${this.#counts[i]}`)
    return parts.join(' ')
  }

  /**
   * Reads a text of a store. What is not such a count is left out: a newer version may count more. The sums
   * are in microseconds: a backlog of 10,000 jobs over a weekend has 16 digits. `pack` writes at most 21.
   */
  static read(text: unknown): RunCounts {
    const counts = new Float64Array(LENGTH)
    for (const [, place, count] of String(text).matchAll(/(?<!\S)(\d{1,4}):(\d{1,21})(?!\S)/g))
      if (Number(place) < LENGTH) counts[Number(place)] = Number(count)
    return new RunCounts(counts)
  }
}

/**
 * The value that a share of all values does not exceed, in milliseconds, as a line within its bucket says;
 * undefined if there are no values. Above the last bound, it is that bound.
 *
 * @param share from 0 to 1
 */
export function quantile({ buckets, count }: Histogram, share: number): number | undefined {
  if (count === 0) return undefined
  const rank = share * count
  let below = 0
  for (const [i, inside] of buckets.entries()) {
    if (inside > 0 && below + inside >= rank) {
      const lower = BOUNDS[i - 1] ?? 0
      const upper = BOUNDS[i] ?? lower
      return lower + (upper - lower) * Math.max(0, (rank - below) / inside)
    }
    below += inside
  }
  return BOUNDS.at(-1)
}
