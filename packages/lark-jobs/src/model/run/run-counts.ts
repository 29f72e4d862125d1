/**
 * The counts of runs, in a form in which they can be added up over jobs, workers and time. They consist of
 * two histograms (how long jobs waited from when they were due until they began, and how long their runs
 * took) and of the numbers of runs that ended in each way.
 *
 * The bounds of the histograms never change, so the counts of different workers can be added. They contain
 * the bounds that OpenTelemetry recommends for durations (5 ms … 10 s). There are finer ones below, because
 * many jobs take less than a millisecond, and coarser ones above, up to a day, because a job may wait that
 * long.
 *
 * All counts are whole numbers in one array: two arrays are added element by element.
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

/** The number of elements of a histogram: its buckets, followed by the sum of its values in microseconds. */
const SIZE = BOUNDS.length + 2
/** The index at which each histogram begins. */
const places = { wait: 0, process: SIZE } as const
export type Measured = keyof typeof places
const ENDS = 2 * SIZE
const LENGTH = ENDS + runEnds.length

/** A histogram. Its buckets are not cumulative, and the last one has no upper bound. */
export interface Histogram {
  buckets: number[]
  /** The sum of all values, in milliseconds. */
  sum: number
  count: number
}

export class RunCounts {
  readonly #counts: Float64Array

  // The type is written explicitly: an inferred type would be generic in the declarations, which TypeScript
  // before 5.7 refuses.
  constructor(counts: Float64Array = new Float64Array(LENGTH)) {
    this.#counts = counts
  }

  /**
   * @param ms the value, in milliseconds. A value below 0, which occurs if two clocks differ a little, counts
   *   as 0
   */
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

  /** The difference to earlier counts of the same worker. No count is less than 0. */
  since(before: RunCounts): RunCounts {
    return new RunCounts(this.#counts.map((count, i) => Math.max(0, count - before.#counts[i]!)))
  }

  /** The counts as text: `index:count` for each count that is not 0, with spaces between them. */
  pack(): string {
    const parts: string[] = []
    for (let i = 0; i < LENGTH; i++) if (this.#counts[i] !== 0) parts.push(`${i}:${this.#counts[i]}`)
    return parts.join(' ')
  }

  /**
   * Reads the text of counts from a store. Parts that are not known counts are left out, because a newer
   * version may have more counts. A sum may have many digits: in microseconds, a backlog of 10,000 jobs over
   * a weekend has 16. `pack` writes at most 21.
   */
  static read(text: unknown): RunCounts {
    const counts = new Float64Array(LENGTH)
    for (const [, place, count] of String(text).matchAll(/(?<!\S)(\d{1,4}):(\d{1,21})(?!\S)/g))
      if (Number(place) < LENGTH) counts[Number(place)] = Number(count)
    return new RunCounts(counts)
  }
}

/**
 * The value that a given share of all values does not exceed, in milliseconds. It is interpolated linearly
 * within its bucket. Above the last bound, it is that bound. Undefined if there are no values.
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
