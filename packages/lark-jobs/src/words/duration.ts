/**
 * Durations in the form in which users write them: a number means milliseconds, and a string has a number and
 * a unit.
 */

/** Milliseconds, or `'250ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = number | string

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The forms of a duration, for messages that refuse a value. */
export const durationForm = "milliseconds, or a text like '30s', '5m', '2h' or '1d'"

/**
 * A hundred years, in milliseconds. A longer duration is refused, because it must be a mistake, and the
 * stores cannot represent its end.
 */
export const LONGEST = 100 * 365.25 * 86_400_000

/**
 * Converts a duration to milliseconds. Undefined if the value is not valid (negative, over a hundred years,
 * or with an unknown unit).
 */
export function milliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value >= 0 && value <= LONGEST ? value : undefined
  if (typeof value !== 'string') return undefined
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(value.trim()) ?? []
  return amount === undefined || unit === undefined ? undefined : milliseconds(Number(amount) * units[unit]!)
}

/** A duration in the form for people: `740 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d`. */
export function readable(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`
  const [large, small] =
    ms < 3_600_000
      ? (['min', 's'] as const)
      : ms < 86_400_000
        ? (['h', 'min'] as const)
        : (['d', 'h'] as const)
  const size = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
  const whole = Math.floor(ms / size[large])
  const rest = Math.floor((ms - whole * size[large]) / size[small])
  return rest === 0 ? `${whole} ${large}` : `${whole} ${large} ${rest} ${small}`
}

/**
 * Changes a duration at random by up to a quarter, so that jobs that began together do not come back at the
 * same moment.
 */
export function spread(ms: number): number {
  return ms * (0.75 + Math.random() / 2)
}
