/**
 * The presets: how a worker prefetches jobs and settles outcomes. A preset is a named set of figures.
 *
 *   balanced    for almost all applications. The worker prefetches the jobs that it can start within 10 ms at
 *               its own speed, so that fast jobs do not need a round trip each.
 *   throughput  for very many jobs that take almost no time. The worker prefetches more, outcomes wait longer
 *               to share a call, and the event loop turns less often. A job may wait for up to 50 ms at a
 *               worker that is busy with another job. A pause, a cancellation and a higher priority take
 *               effect up to 50 ms later, too.
 *   spread      for jobs that are slow, or that take very different times. No job is prefetched, so every job
 *               goes to a worker
 *               that is free, and outcomes are settled at once. Each fast job needs a round trip of its own.
 *
 * The CPU time of a job that does nothing was measured with Redis on loopback, on two cores (medians of 3
 * rounds of 200,000 jobs):
 *
 *                 1 at a time                     50 at a time
 *                 Redis     Node      jobs/s      Redis     Node      jobs/s
 *   balanced      2.5 µs    3.1 µs    255,000     2.6 µs    3.6 µs    228,000
 *   throughput    2.5       2.7       273,000     2.5       3.3       239,000
 *   spread       62        71           8,100     5.1       6.1       103,000
 */
export interface Pace {
  /**
   * How long a worker may hold a prefetched job, in milliseconds. A job that has not started after this time
   * goes back to its queue.
   */
  window: number
  /**
   * The worker prefetches for this many milliseconds: it holds as many jobs as it starts in this time at its
   * measured speed. The horizon is half of the window (see `prefetch.ts`).
   */
  horizon: number
  /**
   * The maximum number of jobs that are prefetched from one partition. 0 turns prefetching off. When half of
   * the prefetched jobs have started, the worker makes the next call. The larger the number, the less often
   * the server and this process wait for each other. (Measured with `balanced`, 50 jobs at a time: 166,000
   * jobs/s with 400 jobs and 128 outcomes in a call, 182,000 with 700 jobs and 256 outcomes, and 188,000 with
   * 1,000 jobs and 400 outcomes.)
   */
  most: number
  /**
   * While jobs are prefetched, outcomes wait for other outcomes, so that one call carries several. A call
   * costs the server as much as 30 jobs. Outcomes wait until `count` outcomes have come, but at most `age`
   * milliseconds.
   */
  company: { count: number; age: number }
  /**
   * How many jobs start before the event loop gets a turn. There is a limit because handlers that never wait
   * would block the event loop.
   */
  slice: number
}

export const paces = {
  balanced: { window: 20, horizon: 10, most: 800, company: { count: 256, age: 2 }, slice: 64 },
  // A store returns at most 1,000 jobs in one call.
  throughput: { window: 50, horizon: 25, most: 1_000, company: { count: 512, age: 5 }, slice: 256 },
  spread: { window: 20, horizon: 0, most: 0, company: { count: 1, age: 0 }, slice: 64 },
} as const satisfies Record<string, Pace>

export type Preset = keyof typeof paces

export const presets = Object.keys(paces) as Preset[]

export const PRESET: Preset = 'balanced'
