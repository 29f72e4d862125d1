/**
 * Converts between local times of a zone and instants. A local time is written as milliseconds since 1970, as
 * if it were UTC.
 */

/** Returns the difference from UTC at an instant, in milliseconds. */
export type Offset = (at: number) => number

const DAY = 86_400_000
const offsets = new Map<string, Offset>()

export function offsetIn(timezone: string): Offset {
  const offset = offsets.get(timezone) ?? offsetBy(timezone)
  offsets.set(timezone, offset)
  return offset
}

function offsetBy(timezone: string): Offset {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (at) => {
    // The text is parsed because `formatToParts` takes three times as long.
    const [month, day, year, hour, minute, second] = format.format(at).match(/\d+/g)!.map(Number)
    return Date.UTC(year!, month! - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000
  }
}

/**
 * The instant of a local time. If the local time comes twice, this is its first instant. If the local time is
 * skipped, this is the instant of the clock change.
 */
export function instantOf(local: number, offset: Offset): number {
  const [before, after] = [offset(local - DAY), offset(local + DAY)]
  // This relies on the fact that no zone changes its clock twice within two days.
  if (before === after || offset(local - before) === before) return local - before
  if (offset(local - after) === after) return local - after
  return changeAt(local - after, local - before, offset)
}

/** The instant of a clock change between two instants with different offsets, exact to the second. */
export function changeAt(low: number, high: number, offset: Offset): number {
  const before = offset(low)
  let [last, first] = [low, high]
  while (first - last > 1_000) {
    const middle = last + Math.floor((first - last) / 2_000) * 1_000
    if (offset(middle) === before) last = middle
    else first = middle
  }
  return first
}
