/**
 * The scale of all numbers of jobs and times in the measures. The tests run each measure once at a thousandth
 * of the normal scale, which only shows that the measure runs.
 */
export const scale = Number(process.env.LARK_BENCH_SCALE ?? 1)

/** A number of jobs or of milliseconds at this scale. */
export function scaled(count) {
  return Math.ceil(count * scale)
}
