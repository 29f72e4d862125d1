/**
 * The check of cron expressions. The check runs before other code expands the ranges of an expression: each
 * number must be valid for its field, so no range is long.
 *
 *   minute hour day-of-month month day-of-week          or with seconds in front
 *
 * A field is `*`, or a list of numbers, names (`MON`, `JAN`), ranges (`1-5`) and steps (`*\/15`, `8-18/2`).
 * The day of the month also takes `L` (the last), `LW` (the last weekday) and `15W` (the weekday nearest to
 * the 15th); the day of the week takes `5#2` (the second Friday) and `5L` (the last). If both the day of the
 * month and the day of the week are restricted, the expression matches a day that meets one of these
 * conditions, as in Unix.
 */
import { shown } from '../../words/secret.ts'

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const days = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

interface Field {
  name: string
  from: number
  to: number
  names?: readonly string[]
  /** A pattern for entries that only this field accepts. */
  special?: RegExp
}

const fields: readonly Field[] = [
  { name: 'second', from: 0, to: 59 },
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31, special: /^(L|LW|([1-9]|[12]\d|3[01])W)$/ },
  { name: 'month', from: 1, to: 12, names: months },
  { name: 'day of the week', from: 0, to: 7, names: days, special: /^[0-7](#[1-5]|L)$/ },
]

const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/**
 * The maximum length of an expression in characters (LONGEST), and the maximum number of entries in a field.
 */
const LONGEST = 200
const MOST = 60

/**
 * @returns the expression, in capitals and with single spaces. If the expression is invalid, words for a
 *   valid expression, as the end of a message
 */
export function readCron(text: string): { expression: string } | { wrong: string } {
  if (text.length > LONGEST) return { wrong: `at most ${LONGEST} characters long` }
  const trimmed = text.trim().toUpperCase()
  const nickname = nicknames[trimmed.toLowerCase()]
  if (nickname !== undefined) return { expression: nickname }
  if (trimmed.startsWith('@')) return { wrong: `one of ${Object.keys(nicknames).join(', ')}` }
  const parts = trimmed.split(/\s+/)
  if (parts.length !== 5 && parts.length !== 6)
    return { wrong: "five fields (minute, hour, day, month, weekday), such as '0 8 * * 1-5', or six" }
  const named = fields.slice(fields.length - parts.length)
  for (const [i, part] of parts.entries()) {
    const wrong = wrongOf(part, named[i]!)
    if (wrong !== undefined) return { wrong: `right: its ${named[i]!.name}, ${shown(part)}, ${wrong}` }
  }
  return { expression: parts.join(' ') }
}

/** The field of the hours. */
export function hourOf(expression: string): string {
  return expression.split(' ').at(-4)!
}

/**
 * Whether the expression means an interval: it has a `*` or a step in its seconds, minutes or hours. A
 * schedule with an interval leaves out the times that a clock change skips, and ticks twice at times that
 * come twice.
 */
export function isInterval(expression: string): boolean {
  return expression
    .split(' ')
    .slice(0, -3)
    .some((field) => /[*/]/.test(field))
}

/** @returns the mistake in a field, as the end of a sentence */
function wrongOf(part: string, { from, to, names, special }: Field): string | undefined {
  const entries = part.split(',')
  if (entries.length > MOST) return `has more than ${MOST} entries`
  const numberOf = (text: string) => {
    const named = names?.indexOf(text) ?? -1
    if (named >= 0) return named + from
    const number = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
    return number >= from && number <= to ? number : Number.NaN
  }
  for (const entry of entries) {
    if (special?.test(entry)) continue
    const [range, step, ...more] = entry.split('/')
    if (more.length > 0) return 'has two slashes'
    if (step !== undefined && !(/^\d{1,2}$/.test(step) && Number(step) >= 1 && Number(step) <= to))
      return `has a step that is not a number from 1 to ${to}`
    if (range === '*') continue
    const ends = range!.split('-').map(numberOf)
    const isRange = ends.length === 2
    if (ends.length > 2 || ends.some(Number.isNaN))
      return `must be made of numbers from ${from} to ${to}${names ? `, names such as ${names[1]},` : ''} and ranges`
    if (isRange && ends[0]! > ends[1]!) return 'has a range that ends before it begins'
    if (step !== undefined && !isRange) return `has a step without a range: write ${range}-${to}/${step}`
  }
  return undefined
}
