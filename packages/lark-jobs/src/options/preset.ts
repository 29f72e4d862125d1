/**
 * How a worker takes jobs in and hands outcomes back: three sets of figures to choose from by one word.
 *
 *   balanced    what almost everybody wants. Jobs are leased ahead that the worker will start within 20 ms by its own
 *               speed, so that fast jobs do not cost a round trip each.
 *   throughput  for very many jobs that take next to nothing: more is leased ahead, outcomes wait longer for company,
 *               and the event loop turns less often. A job may lie for up to 50 ms with a worker that is busy with
 *               another; a pause, a cancel and a higher priority take as long to reach it.
 *   spread      for jobs that are slow, or very uneven: nothing is leased ahead, so every job goes to whoever is free,
 *               and outcomes are settled at once. Fast jobs cost a round trip each.
 *
 * Measured, CPU of a job that does nothing, Redis on loopback, on two cores, medians of 3 rounds of 200,000 jobs:
 *
 *                 1 at a time                     50 at a time
 *                 Redis     Node      jobs/s      Redis     Node      jobs/s
 *   balanced      2.5 µs    3.1 µs    255,000     2.6 µs    3.6 µs    228,000
 *   throughput    2.5       2.7       273,000     2.5       3.3       239,000
 *   spread       62        71           8,100     5.1       6.1       103,000
 */
export interface Pace {
  /** Milliseconds that a job may be held before it starts; what has not started by then goes back. */
  window: number
  /** Milliseconds of the worker's own work, at its measured speed, that are held. Half of the window: see `prefetch.ts`. */
  horizon: number
  /**
   * The most jobs that are held ahead, of one partition; 0: none. Where half of them is gone the next call goes off, and
   * the larger it is, the less often the server and this process wait for each other to wake (measured, balanced,
   * 50 at a time: 400 and 128 in company 166,000 jobs/s, 700 and 256 182,000, 1,000 and 400 188,000).
   */
  most: number
  /**
   * Outcomes wait for company while jobs are held ahead, since a call costs the server as much as 30 jobs: until
   * there are so many, or for so many milliseconds.
   */
  company: { count: number; age: number }
  /** Jobs that are started before the event loop turns: handlers that wait for nothing must not keep it. */
  slice: number
}

export const paces = {
  balanced: { window: 20, horizon: 10, most: 800, company: { count: 256, age: 2 }, slice: 64 },
  // 1,000 is what one call may bring.
  throughput: { window: 50, horizon: 25, most: 1_000, company: { count: 512, age: 5 }, slice: 256 },
  spread: { window: 20, horizon: 0, most: 0, company: { count: 1, age: 0 }, slice: 64 },
} as const satisfies Record<string, Pace>

export type Preset = keyof typeof paces

export const presets = Object.keys(paces) as Preset[]

export const PRESET: Preset = 'balanced'
