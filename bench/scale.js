/**
 * How much of everything there is in a measure. The tests run each measure once, with a thousandth: they show that it
 * runs, not what it measures.
 */
export const scale = Number(process.env.LARK_BENCH_SCALE ?? 1)

/** So many jobs or milliseconds, at this scale. */
export function scaled(count) {
  return Math.ceil(count * scale)
}
