/**
 * The factor by which all numbers of jobs and all times in the measures are multiplied. The tests run each
 * measure once with a factor of a thousandth, which only shows that the measure runs.
 */
export const scale = Number(process.env.LARK_BENCH_SCALE ?? 1)

/** Multiplies a number of jobs or of milliseconds by `scale`. */
export function scaled(count) {
  return Math.ceil(count * scale)
}
