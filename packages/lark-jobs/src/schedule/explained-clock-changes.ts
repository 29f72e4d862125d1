/**
 * Explains how the clock changes of a year affect a cron expression, for `lark schedule:explain`. The rule
 * for ticks at a clock change is in `next-ticks.ts`.
 */
import { hourOf, isInterval } from '../options/schedules/cron-text.ts'
import { changeAt, offsetIn } from './local-time.ts'
import { instantsBetween } from './next-ticks.ts'

/** A change of the clock in a zone. */
export interface ClockChange {
  /** When the clock changes: milliseconds since 1970. */
  at: number
  /** The difference from UTC before and after the change, in milliseconds. */
  before: number
  after: number
}

/** A day on which an expression does not tick as on other days. */
export interface UnusualDay {
  change: ClockChange
  /**
   * The local times of the expression that are skipped or repeated: milliseconds since 1970, as if the local
   * time were UTC.
   */
  named: number[]
  /**
   * The instants at which the expression ticks for these local times: at the change, or within the time that
   * comes twice.
   */
  ticks: number[]
}

const HOUR = 3_600_000
/**
 * The step in which clock changes are searched for, in milliseconds. No zone changes its clock twice within
 * this time.
 */
const LOOK = 12 * HOUR
/**
 * The maximum number of local times that are listed for one change. An expression with seconds may name 3,600
 * in an hour.
 */
const MOST = 120

/** The changes of the clock in a year of a zone. */
export function clockChanges(timezone: string, year: number): ClockChange[] {
  const [start, end] = [Date.UTC(year, 0, 1) - 14 * HOUR, Date.UTC(year + 1, 0, 1) + 12 * HOUR]
  const offset = offsetIn(timezone)
  const found: ClockChange[] = []
  for (let look = start; look < end; look += LOOK) {
    const [before, after] = [offset(look), offset(look + LOOK)]
    if (before === after) continue
    const at = changeAt(look, look + LOOK, offset)
    if (new Date(at + after).getUTCFullYear() === year) found.push({ at, before, after })
  }
  return found
}

/** The days of a year on which the expression ticks differently because the clock is changed. */
export function unusualDays(expression: string, timezone: string, year: number): UnusualDay[] {
  return clockChanges(timezone, year)
    .map((change) => unusual(expression, timezone, change))
    .filter(({ named }) => named.length > 0)
}

function unusual(expression: string, timezone: string, change: ClockChange): UnusualDay {
  const { at, before, after } = change
  const length = Math.abs(after - before)
  const isSkipped = after > before
  // The local times that begin at the change and that do not exist, or come twice.
  const local = at + Math.min(before, after)
  const named = instantsBetween(expression, 'UTC', local, local + length).slice(0, MOST)
  const ticks = isSkipped
    ? isInterval(expression)
      ? []
      : instantsBetween(expression, timezone, at, at + 1_000)
    : instantsBetween(expression, timezone, at - length, at + length).slice(0, 2 * MOST)
  // An expression for every hour is not affected if the time after the skipped or repeated time has the same
  // ticks, only shifted. After a change of half an hour (Australia/Lord_Howe), `0 * * * *` does not tick at
  // the shifted times, so it is affected.
  const following = instantsBetween(expression, 'UTC', local + length, local + 2 * length).slice(0, MOST)
  const isUsual = hourOf(expression) === '*' && named.join() === following.map((next) => next - length).join()
  return { change, named: isUsual ? [] : named, ticks }
}
