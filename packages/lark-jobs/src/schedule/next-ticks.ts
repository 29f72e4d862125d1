/**
 * The instants at which a timing ticks. croner finds the times of cron expressions. An expression for
 * intervals ticks at each instant whose local time it names. So such an expression does not tick in the time
 * that a clock change skips, and ticks twice in the time that comes twice. An expression for fixed times
 * ticks once for each local time. If the local time comes twice, it ticks at the first occurrence. If the
 * local time is skipped, it ticks at the clock change. croner has this rule, too, but it loses local times
 * that are skipped just before midnight (America/Nuuk).
 */
import { Cron } from 'croner'
import { JobsError } from '../model/errors.ts'
import { isInterval } from '../options/schedules/cron-text.ts'
import type { Timing } from '../options/schedules/timing.ts'
import { shown } from '../words/secret.ts'
import { instantOf, type Offset, offsetIn } from './local-time.ts'

/** Finds the instants of a cron expression after or before a given instant, the nearest first. */
interface Finder {
  after(instant: number, count: number): number[]
  before(instant: number, count: number): number[]
}

/**
 * A cache of parsed expressions, the latest last, each with the instants that were found after `from`, in
 * order. Ten thousand schedules often have one expression in common. (2 cores, shared, Node 20.20, croner 11,
 * 2026-11-26: parsing an expression takes some 200 µs, and finding an instant in a zone some 80 µs.)
 */
const expressions = new Map<string, { finder: Finder; from: number; found: number[] }>()
const MOST = 1_000
const DAY = 86_400_000

/**
 * The first instants after a time, in milliseconds since 1970, without the jitter. There are fewer than
 * `count` instants if the timing ends, or if the expression matches no further date (`0 0 30 2 *` matches no
 * date).
 */
export function instantsAfter(timing: Timing, after: number, count: number): number[] {
  const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = timing
  // A tick exactly at `from` is included.
  const start = Math.max(after, from - 1)
  const found =
    timing.kind === 'every'
      ? Array.from({ length: count }, (_, i) => (Math.floor(start / timing.ms) + 1 + i) * timing.ms)
      : nextOf(timing.expression, timing.timezone, start, count)
  return found.filter((at) => at <= until)
}

/**
 * Whether the expression never matches a date. `from` and `until` are ignored, because a timing that is over
 * is not a mistake.
 */
export function neverTicks(timing: Timing): boolean {
  // This finds as many instants as a new schedule needs, so that they are in the cache when the schedule is
  // made.
  return instantsAfter({ ...timing, from: undefined, until: undefined }, Date.now() - 60_000, 12).length === 0
}

/**
 * The instants after a time, up to and including another time. If there are more than `most` instants, the
 * last `most` instants are returned, and the instant before them, which shows that there were more.
 */
export function instantsUpTo(timing: Timing, after: number, upTo: number, most: number): number[] {
  const first = instantsAfter(timing, after, most + 1).filter((at) => at <= upTo)
  if (first.length <= most) return first
  const end = Math.min(upTo, timing.until ?? upTo)
  if (timing.kind === 'every') {
    const last = Math.floor(end / timing.ms)
    return Array.from({ length: most + 1 }, (_, i) => (last - most + i) * timing.ms)
  }
  return parsed(timing.expression, timing.timezone)
    .finder.before(end + 1, most + 1)
    .reverse()
}

/** The instants of a cron expression from `start` to `end`, without `end`. */
export function instantsBetween(expression: string, timezone: string, start: number, end: number): number[] {
  const { finder } = parsed(expression, timezone)
  const found: number[] = []
  let [next] = finder.after(start - 1, 1)
  while (next !== undefined && next < end) {
    found.push(next)
    ;[next] = finder.after(next, 1)
  }
  return found
}

function nextOf(expression: string, timezone: string | undefined, after: number, count: number): number[] {
  const known = parsed(expression, timezone)
  const at = known.found.findIndex((instant) => instant > after)
  if (after < known.from || at < 0 || known.found.length - at < count) {
    // Twice as many instants are computed as are needed now, because further calls will need them.
    known.found = known.finder.after(after, 2 * count)
    known.from = after
    return known.found.slice(0, count)
  }
  return known.found.slice(at, at + count)
}

function parsed(expression: string, timezone = 'UTC') {
  const name = `${timezone} ${expression}`
  const known = expressions.get(name) ?? {
    finder: finderOf(expression, timezone),
    from: Number.POSITIVE_INFINITY,
    found: [],
  }
  expressions.delete(name)
  expressions.set(name, known)
  if (expressions.size > MOST) expressions.delete(expressions.keys().next().value!)
  return known
}

/**
 * @throws SCHEDULE_INVALID if this process does not know the time zone, although the process that set the
 *   schedule knew it
 */
function finderOf(expression: string, timezone: string): Finder {
  try {
    if (timezone !== 'UTC') new Intl.DateTimeFormat('en-US', { timeZone: timezone })
  } catch {
    throw new JobsError('SCHEDULE_INVALID', `This process does not know the time zone ${shown(timezone)}`, {
      hint: 'Its data of time zones is older than that of the process that set the schedule: update Node.js.',
    })
  }
  const isNamed = timezone !== 'UTC' && !isInterval(expression)
  const cron = new Cron(expression, { timezone: isNamed ? 'UTC' : timezone, mode: '5-or-6-parts' })
  if (isNamed) return namedTimes(cron, offsetIn(timezone))
  return {
    after: (instant, count) => cron.nextRuns(count, new Date(instant)).map((date) => date.getTime()),
    before: (instant, count) => cron.previousRuns(count, new Date(instant)).map((date) => date.getTime()),
  }
}

/** @param cron finds local times */
function namedTimes(cron: Cron, offset: Offset): Finder {
  return {
    after(instant, count) {
      const found: number[] = []
      let local = cron.nextRun(new Date(instant + offset(instant)))
      for (; local !== null && found.length < count; local = cron.nextRun(local)) {
        const at = instantOf(local.getTime(), offset)
        // An instant may be found twice: one clock change may skip several local times, and a local time that
        // comes twice may already have been found.
        if (at > (found.at(-1) ?? instant)) found.push(at)
      }
      return found
    },
    before(instant, count) {
      const found: number[] = []
      const previous = (local: number) => cron.previousRuns(1, new Date(local))[0]?.getTime()
      // If the clock was set back shortly before the instant, larger local times are before the instant, too.
      let local = previous(instant + Math.max(offset(instant), offset(instant - DAY)))
      for (; local !== undefined && found.length < count; local = previous(local)) {
        const at = instantOf(local, offset)
        if (at < (found.at(-1) ?? instant)) found.push(at)
      }
      return found
    },
  }
}
