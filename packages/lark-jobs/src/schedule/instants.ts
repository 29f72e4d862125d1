/**
 * The instants at which a timing ticks. Those of cron expressions are found by croner. With `no-wildcard` it has these
 * rules for clock changes: named times in an hour that is skipped tick once, at its end; named times in an hour that
 * comes twice tick once, the first time; expressions that count off intervals tick in both.
 */
import { Cron } from 'croner'
import type { Timing } from '../model/timing.ts'

/**
 * Expressions that were parsed, the latest last, with instants that were found: all after `from`, in their order. (2 cores,
 * shared, Node 20.20, croner 11, 2026-11-26: to parse an expression takes some 200 µs, and to find an instant in a zone
 * 80. Ten thousand schedules often have one expression in common.)
 */
const expressions = new Map<string, { cron: Cron; from: number; found: number[] }>()
const MOST = 1_000

/**
 * The first instants after a time, in milliseconds since 1970, without the jitter. Fewer than `count` if the timing
 * ends, or if the expression has no more (`0 0 30 2 *` has none).
 */
export function instantsAfter(timing: Timing, after: number, count: number): number[] {
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = timing
  // An instant equal to `from` counts.
  const start = Math.max(after, from - 1)
  const found =
    timing.kind === 'every'
      ? Array.from({ length: count }, (_, i) => (Math.floor(start / timing.ms) + 1 + i) * timing.ms)
      : nextOf(timing.expression, timing.timezone, start, count)
  return found.filter((at) => at <= until)
}

/**
 * The instants after a time, up to and with another: if there are more than `most`, the last of them, and one more of
 * those before.
 */
export function instantsUpTo(timing: Timing, after: number, upTo: number, most: number): number[] {
  const first = instantsAfter(timing, after, most + 1).filter((at) => at <= upTo)
  if (first.length <= most) return first
  const end = Math.min(upTo, timing.until ?? upTo)
  if (timing.kind === 'every') {
    const last = Math.floor(end / timing.ms)
    return Array.from({ length: most + 1 }, (_, i) => (last - most + i) * timing.ms)
  }
  const before = parsed(timing.expression, timing.timezone).cron.previousRuns(most + 1, new Date(end + 1))
  return before.map((date) => date.getTime()).reverse()
}

/** The instants of a cron expression from `start` up to and without `end`. */
export function instantsBetween(expression: string, timezone: string, start: number, end: number): number[] {
  const { cron } = parsed(expression, timezone)
  const found: number[] = []
  let next = cron.nextRun(new Date(start - 1))
  while (next !== null && next.getTime() < end) {
    found.push(next.getTime())
    next = cron.nextRun(next)
  }
  return found
}

function nextOf(expression: string, timezone: string | undefined, after: number, count: number): number[] {
  const known = parsed(expression, timezone)
  const at = known.found.findIndex((instant) => instant > after)
  if (after < known.from || at < 0 || known.found.length - at < count) {
    // Twice as many, for the calls that follow.
    known.found = known.cron.nextRuns(2 * count, new Date(after)).map((date) => date.getTime())
    known.from = after
    return known.found.slice(0, count)
  }
  return known.found.slice(at, at + count)
}

function parsed(expression: string, timezone = 'UTC') {
  const name = `${timezone} ${expression}`
  const known = expressions.get(name) ?? {
    cron: new Cron(expression, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' }),
    from: Number.POSITIVE_INFINITY,
    found: [],
  }
  expressions.delete(name)
  expressions.set(name, known)
  if (expressions.size > MOST) expressions.delete(expressions.keys().next().value!)
  return known
}
