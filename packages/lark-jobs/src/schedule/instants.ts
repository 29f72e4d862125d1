/**
 * The instants at which a timing ticks. Those of cron expressions are found by croner. With `no-wildcard` it has these
 * rules for clock changes: named times in an hour that is skipped tick once, at its end; named times in an hour that
 * comes twice tick once, the first time; expressions that count off intervals tick in both.
 */
import { Cron } from 'croner'
import type { Timing } from '../model/timing.ts'

/**
 * Parsed expressions, the latest last. To parse one and to find its next instant takes some 215 µs, and to find the
 * next alone a few (croner 11).
 */
const parsed = new Map<string, Cron>()
const MOST = 1_000

/**
 * The first instants after a time, in milliseconds since 1970, without the jitter. Fewer than `count` if the timing
 * ends, or if the expression has no more (`0 0 30 2 *` has none).
 *
 * @param timezone that of the configuration, for an expression that names none
 */
export function instantsAfter(timing: Timing, after: number, count: number, timezone = 'UTC'): number[] {
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = timing
  // An instant equal to `from` counts.
  const start = Math.max(after, from - 1)
  const found =
    timing.kind === 'every'
      ? Array.from({ length: count }, (_, i) => (Math.floor(start / timing.ms) + 1 + i) * timing.ms)
      : parse(timing.expression, timing.timezone ?? timezone)
          .nextRuns(count, new Date(start))
          .map((date) => date.getTime())
  return found.filter((at) => at <= until)
}

/** The instants of a cron expression from `start` up to and without `end`. */
export function instantsBetween(expression: string, timezone: string, start: number, end: number): number[] {
  const cron = parse(expression, timezone)
  const found: number[] = []
  let next = cron.nextRun(new Date(start - 1))
  while (next !== null && next.getTime() < end) {
    found.push(next.getTime())
    next = cron.nextRun(next)
  }
  return found
}

function parse(expression: string, timezone: string): Cron {
  const name = `${timezone} ${expression}`
  const known = parsed.get(name)
  const cron = known ?? new Cron(expression, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' })
  parsed.delete(name)
  parsed.set(name, cron)
  if (parsed.size > MOST) parsed.delete(parsed.keys().next().value!)
  return cron
}
