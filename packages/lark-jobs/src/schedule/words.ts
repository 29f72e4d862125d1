/**
 * When a schedule ticks, in words: "weekdays at 08:00". Lark has its own words because a library would write
 * "At 08:00 AM, Monday through Friday", is larger than the whole folder `schedule/`, and does not know that
 * an expression which restricts both the day of the month and the weekday ticks on days that meet only one of
 * these conditions.
 *
 * An expression has two parts: the times of a day, and the days. Each part becomes one phrase, the shortest
 * phrase that is true. If no phrase fits, the numbers are listed: "at minutes 0, 7 and 30 of hours 8, 9 and
 * 17".
 */
import { milliseconds } from '../words/duration.ts'

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September'].concat(
  ['October', 'November', 'December'],
)
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const NTH = ['first', 'second', 'third', 'fourth', 'fifth']
/** The maximum number of times of a day that are listed one by one. */
const MOST = 6

/** The numbers of a field of the expression. */
interface Numbers {
  all: number[]
  /** The distance between two neighbouring numbers, if it is always the same. */
  step?: number
  /** Whether the same distance continues from one minute, hour or day to the next. */
  isEndless: boolean
}

/**
 * @param when an expression as `readCron` returns it, or `every 15m`
 * @param timezone the time zone to name. If absent, no time zone is named
 */
export function inWords(when: string, timezone?: string): string {
  const ms = when.startsWith('every ') ? milliseconds(when.slice(6)) : undefined
  if (ms !== undefined) return interval(ms)
  const fields = when.split(' ')
  if (fields.length !== 5 && fields.length !== 6) return when
  const [second, minute, hour, day, month, weekday] = fields.length === 5 ? ['0', ...fields] : fields
  const days = daysOf(day!, month!, weekday!)
  const times = timesOf(numbers(second!, 0, 59), numbers(minute!, 0, 59), numbers(hour!, 0, 23))
  const isClock = /^at \d/.test(times)
  const onDays = days.startsWith('every') ? days : `on ${days}`
  const words = isClock ? `${days} ${times}` : days === 'every day' ? times : `${times}, ${onDays}`
  return timezone === undefined ? words : `${words}, ${place(timezone)}`
}

/** The place that a time zone is named after: `Buenos Aires`. */
function place(timezone: string): string {
  return timezone.slice(timezone.lastIndexOf('/') + 1).replaceAll('_', ' ')
}

function interval(ms: number): string {
  const [unit, size] = (
    [
      ['day', 86_400_000],
      ['hour', 3_600_000],
      ['minute', 60_000],
      ['second', 1_000],
    ] as const
  ).find(([, size]) => ms % size === 0) ?? ['millisecond', 1]
  return each(ms / size, unit)
}

function each(count: number, unit: string): string {
  return count === 1 ? `every ${unit}` : `every ${count} ${unit}s`
}

function timesOf(second: Numbers, minute: Numbers, hour: Numbers): string {
  const isOnTheMinute = second.all.length === 1 && second.all[0] === 0
  const times = hour.all.flatMap((h) => minute.all.flatMap((m) => second.all.map((s) => [h, m, s])))
  const isRow = [hour, minute].some(({ all, step }) => step !== undefined && all.length > 3)
  if (times.length <= MOST && !isRow) {
    return `at ${and(times.map(([h, m, s]) => (isOnTheMinute ? clock(h!, m!) : clock(h!, m!, s!))))}`
  }
  const [from, to] = [hour.all[0]!, hour.all.at(-1)!]
  if (isOnTheMinute && minute.all.length === 1 && hour.step !== undefined) {
    const [at] = minute.all
    if (!hour.isEndless) return `${each(hour.step, 'hour')} from ${clock(from, at!)} to ${clock(to, at!)}`
    return `${each(hour.step, 'hour')}${at === 0 ? '' : ` at minute ${at}`}`
  }
  const isWhole = hour.all.length === 1 || hour.step === 1
  if (isOnTheMinute && minute.isEndless && isWhole) {
    const frequency = each(minute.step!, 'minute')
    if (hour.isEndless) return frequency
    return `${frequency} from ${clock(from, minute.all[0]!)} to ${clock(to, minute.all.at(-1)!)}`
  }
  const isEveryMinute = minute.isEndless && minute.step === 1
  const isEveryHour = hour.isEndless && hour.step === 1
  if (second.isEndless && isEveryMinute && isEveryHour) return each(second.step!, 'second')
  if (second.all.length === 1 && isEveryMinute && isEveryHour)
    return `every minute at ${named('second', second)}`
  const parts = [
    ...(isOnTheMinute ? [] : [second.isEndless ? each(second.step!, 'second') : named('second', second)]),
    ...(isEveryMinute && !isOnTheMinute ? [] : [isEveryMinute ? 'every minute' : named('minute', minute)]),
    isEveryHour ? 'every hour' : named('hour', hour),
  ]
  const words = parts.join(' of ')
  return words.startsWith('every') ? words : `at ${words}`
}

function named(unit: string, { all }: Numbers): string {
  if (all.length === 1) return `${unit} ${all[0]}`
  const isRow = all.length > 3 && all.at(-1)! - all[0]! === all.length - 1
  return `${unit}s ${isRow ? `${all[0]} to ${all.at(-1)}` : and(all.map(String))}`
}

function daysOf(day: string, month: string, weekday: string): string {
  const months = numbers(month, 1, 12, MONTHS).all
  const ofMonths = month === '*' ? '' : and(rows(months).map((row) => span(row, (one) => MONTHS[one - 1]!)))
  if (day === '*' && weekday === '*') return ofMonths === '' ? 'every day' : `every day in ${ofMonths}`
  const ofDays = day === '*' ? [] : day.split(',').flatMap(dayWords)
  const weekdays = weekday === '*' ? [] : weekdayWords(weekday)
  // English has "the 1st of January", but "Mondays in January".
  const within = weekdays.length > 0 ? ' in ' : ' of '
  const either = ofDays.length > 0 && weekdays.length > 0
  const of = ofMonths === '' ? (ofDays.length > 0 && !either ? ' of the month' : '') : `${within}${ofMonths}`
  return `${either ? `${and(ofDays)} of the month and ${and(weekdays)}` : and([...ofDays, ...weekdays])}${of}`
}

function dayWords(entry: string): string[] {
  if (entry === 'L') return ['the last day']
  if (entry === 'LW') return ['the last weekday']
  if (entry.endsWith('W')) return [`the weekday nearest to the ${ordinal(Number(entry.slice(0, -1)))}`]
  const { all, step = 1 } = numbers(entry, 1, 31)
  if (step > 1 && all.length > MOST)
    return [`every ${ordinal(step)} day from the ${ordinal(all[0]!)} to the ${ordinal(all.at(-1)!)}`]
  return rows(all).map((row) => `the ${span(row, ordinal)}`)
}

function weekdayWords(field: string): string[] {
  const entries = field.split(',')
  const special = entries.flatMap((entry) => {
    const [, day, nth] = /^(\d)(?:#(\d)|L)$/.exec(entry) ?? []
    if (day === undefined) return []
    return [`the ${nth === undefined ? 'last' : NTH[Number(nth) - 1]} ${DAYS[Number(day) % 7]}`]
  })
  const plain = entries.filter((entry) => !/[#L]/.test(entry))
  const all = plain.length === 0 ? [] : numbers(plain.join(','), 0, 7, DAYS, 0).all.map((day) => day % 7)
  const days = [...new Set(all)].sort()
  if (days.join() === '1,2,3,4,5') return ['weekdays', ...special]
  if (days.join() === '0,6') return ['weekends', ...special]
  // A week begins on Monday here: so Saturday and Sunday are consecutive.
  const fromMonday = days.map((one) => (one + 6) % 7).sort()
  const names = rows(fromMonday).map((row) => span(row, (one) => `${DAYS[(one + 1) % 7]}s`))
  return [...names, ...special]
}

/**
 * Consecutive numbers as lists: 1, 2, 3, 7 give [1, 2, 3] and [7]. A list of only two numbers does not count
 * as consecutive.
 */
function rows(all: readonly number[]): number[][] {
  const found: number[][] = []
  for (const one of all) {
    if (found.at(-1)?.at(-1) === one - 1) found.at(-1)!.push(one)
    else found.push([one])
  }
  return found.flatMap((row) => (row.length === 2 ? row.map((one) => [one]) : [row]))
}

function span(row: readonly number[], name: (one: number) => string): string {
  return row.length === 1 ? name(row[0]!) : `${name(row[0]!)} to ${name(row.at(-1)!)}`
}

/**
 * @param names the names of the numbers, in three or more letters. @param first the number of the first name
 */
function numbers(
  field: string,
  from: number,
  to: number,
  names: readonly string[] = [],
  first = from,
): Numbers {
  const numberOf = (text: string) => {
    const at = names.findIndex((name) => name.slice(0, 3).toUpperCase() === text)
    return at < 0 ? Number(text) : at + first
  }
  const all = new Set<number>()
  for (const entry of field.split(',')) {
    const [range, step = '1'] = entry.split('/')
    const [start, end = start] = range === '*' ? [from, to] : range!.split('-').map(numberOf)
    for (let one = start!; one <= end!; one += Number(step)) all.add(one)
  }
  const sorted = [...all].sort((one, other) => one - other)
  const step = sorted[1]! - sorted[0]!
  const isEven = sorted.length > 1 && sorted.every((one, i) => i === 0 || one - sorted[i - 1]! === step)
  const size = to - from + 1
  const isEndless = isEven && sorted.length * step === size && sorted[0]! - from < step
  return { all: sorted, ...(isEven && { step }), isEndless }
}

function clock(...parts: number[]): string {
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}

function ordinal(number: number): string {
  const last = number % 10
  const isTeen = number > 10 && number < 14
  return `${number}${isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][last] ?? 'th')}`
}

function and(words: readonly string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
