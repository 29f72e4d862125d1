/**
 * A second, independent calculation of the ticks of a year. The calculation uses the local time of every
 * fifth minute, according to Intl.
 */

export const MINUTE = 60_000
/** All plans use multiples of five minutes, and all zones change their clocks by such multiples. */
const STEP = 5 * MINUTE
export const YEAR = 2026
export const start = Date.UTC(YEAR, 0, 1)
export const end = Date.UTC(YEAR + 1, 0, 1)

export const zones = [
  'Europe/Paris',
  'America/New_York',
  'America/Santiago',
  'Africa/Cairo',
  'Asia/Beirut',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  // The clock skips the hour before midnight.
  'America/Nuuk',
  // The clock skips two hours.
  'Antarctica/Troll',
]

/**
 * The minutes, hours, days of the month, months and weekdays of a plan, as numbers. `isFixed`: whether the
 * plan has fixed times.
 */
export interface Plan {
  expression: string
  isFixed: boolean
  matches(minute: number, hour: number, day: number, month: number, weekday: number): boolean
}

export const plans: Plan[] = [
  { expression: '0 0 * * *', isFixed: true, matches: (m, h) => m === 0 && h === 0 },
  { expression: '30 2 * * *', isFixed: true, matches: (m, h) => m === 30 && h === 2 },
  { expression: '45 1 * * *', isFixed: true, matches: (m, h) => m === 45 && h === 1 },
  { expression: '30 23 * * *', isFixed: true, matches: (m, h) => m === 30 && h === 23 },
  {
    expression: '15,45 2,14 * * *',
    isFixed: true,
    matches: (m, h) => (m === 15 || m === 45) && h % 12 === 2,
  },
  {
    expression: '0 8 * * MON-FRI',
    isFixed: true,
    matches: (m, h, _d, _n, w) => m === 0 && h === 8 && w > 0 && w < 6,
  },
  // This plan has only the hours in which clocks change, because croner takes 80 µs for each tick.
  {
    expression: '*/30 0-4,21-23 * * *',
    isFixed: false,
    matches: (m, h) => m % 30 === 0 && (h < 5 || h > 20),
  },
  { expression: '*/15 1-3 * * *', isFixed: false, matches: (m, h) => m % 15 === 0 && h >= 1 && h <= 3 },
  { expression: '5 */2 * * *', isFixed: false, matches: (m, h) => m === 5 && h % 2 === 0 },
  {
    expression: '0 3 1 JAN,JUL *',
    isFixed: true,
    matches: (m, h, d, n) => m === 0 && h === 3 && d === 1 && n % 6 === 1,
  },
  {
    expression: '0 12 13 * 5',
    isFixed: true,
    matches: (m, h, d, _n, w) => m === 0 && h === 12 && (d === 13 || w === 5),
  },
]

/**
 * Maps every fifth minute of a period, and of the day before the period, to the local time. The local time is
 * a number of milliseconds, computed as if the local time were UTC. Default: the year.
 *
 * @param from a multiple of five minutes
 */
export function localTimes(timezone: string, from = start, to = end): Map<number, number> {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  })
  const all = new Map<number, number>()
  // No zone changes its clock within a quarter of an hour.
  for (let at = from - 1_440 * MINUTE; at < to; at += 15 * MINUTE) {
    const [date, time] = format.format(at).split(', ')
    const local = Date.parse(`${date}T${time}Z`)
    for (let more = 0; more < 15 * MINUTE; more += STEP) all.set(at + more, local + more)
  }
  return all
}

export function expected({ isFixed, matches }: Plan, times: ReadonlyMap<number, number>): number[] {
  const isNamed = (local: number) => {
    const date = new Date(local)
    return matches(
      date.getUTCMinutes(),
      date.getUTCHours(),
      date.getUTCDate(),
      date.getUTCMonth() + 1,
      date.getUTCDay(),
    )
  }
  const found = new Set<number>()
  let latest = Number.NEGATIVE_INFINITY
  for (const [at, local] of times) {
    const isRepeated = local <= latest
    if (isNamed(local) && !(isFixed && isRepeated)) found.add(at)
    // If the plan has fixed times that the clock change skips, there is one tick for them at the end of the
    // gap.
    if (isFixed && latest > Number.NEGATIVE_INFINITY)
      for (let gone = latest + STEP; gone < local; gone += STEP) if (isNamed(gone)) found.add(at)
    latest = Math.max(latest, local)
  }
  return [...found].filter((at) => at >= start)
}
