/**
 * A recurrence: when a schedule ticks, and what happens to ticks that were missed or come too early.
 * `cron()`, `every()` and `daily()` make recurrences, and check their arguments at once.
 */
import { types } from 'node:util'
import { defined } from '@s18i/lark/internal'
import { MAX_RUNS } from '../../model/tick.ts'
import { type Duration, durationForm, milliseconds } from '../../words/duration.ts'
import {
  duration,
  isObject,
  isText,
  Option,
  type OptionsOf,
  oneOf,
  type Read,
  refuse,
  Schema,
  voiceOf,
  whole,
} from '../schema.ts'
import { readCron } from './cron-text.ts'
import { timezone } from './timezone.ts'
import { type Missed, missedPolicies, type Overlap, overlapPolicies, type Timing } from './timing.ts'

/** Marks the recurrences that `cron()`, `every()` and `daily()` return, in every copy of this package. */
const recurrenceBrand = Symbol.for('s18i.lark.recurrence')

/**
 * The return value of `cron()`, `every()` and `daily()`: when a schedule ticks, and what happens to its
 * ticks.
 */
export interface Recurrence {
  readonly timing: Timing
  /** What happens to ticks that are late by more than the grace. */
  readonly missed: Missed
  /** How late a tick may be and still become a job, in milliseconds. */
  readonly grace: number
  /** What happens to a tick while the job of the previous tick has not ended. */
  readonly overlap: Overlap
  /**
   * Each tick is delayed by a part of this time, in milliseconds. The id of the schedule determines that
   * part. 0 means no delay.
   */
  readonly jitter: number
  /** The schedule is paused after this many failed jobs in a row. 0 means never. */
  readonly pauseAfterFailures: number
  /** The schedule ends after this many ticks. 0 means never. */
  readonly limit: number
}

const zoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/

/** Whether the day of a date exists. (JavaScript reads 31 February as 3 March.) */
function isDay(date: string): boolean {
  const day = date.slice(0, 10)
  const read = new Date(day)
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(day)
}

/**
 * An instant, read as milliseconds since 1970. A text without a zone is refused, because it would mean
 * different times on different machines.
 */
const instant = new Option<Date | string, number>(
  "a Date, or a text with a zone such as '2027-01-01T00:00:00Z'",
  (value) => {
    const isInstant = types.isDate(value) || (typeof value === 'string' && zoned.test(value) && isDay(value))
    const at = isInstant ? new Date(value).getTime() : Number.NaN
    return Number.isNaN(at) ? undefined : at
  },
)

const policies = {
  /**
   * What happens to ticks that are late by more than the grace, because no worker was running or the store
   * was unreachable. `skip` (default): the late ticks are recorded, and no job runs for them. `once`: one job
   * runs for all late ticks, with the instant of the last tick. `all`: each late tick becomes a job, up to
   * 1,000 jobs.
   */
  missed: oneOf<Missed>(missedPolicies).or('skip'),
  /** How late a tick may be and still become a job: milliseconds, or `'30s'`, `'5m'`. Default `'1m'`. */
  grace: duration(0).or('1m'),
  /**
   * What happens to a tick while the job of the previous tick has not ended. `allow` (default): the job of
   * the tick is queued nevertheless. `skip`: the tick is recorded, and no job runs for the tick. `queue`: the
   * job of the tick begins when the earlier jobs have ended. `cancel`: the earlier job is cancelled, and the
   * job of the tick begins when the earlier job has ended.
   */
  overlap: oneOf<Overlap>(overlapPolicies).or('allow'),
  /**
   * Spreads schedules that would tick at the same instant: each schedule is delayed by a part of this time.
   * The id of the schedule determines that part, so the delay is always the same. Default: no delay.
   */
  jitter: duration(0),
  /** The schedule is paused after this many failed jobs in a row. Default: never. */
  pauseAfterFailures: whole(1, MAX_RUNS),
  /** The time before which the schedule does not tick: a Date, or a text with a zone. Default: no limit. */
  from: instant,
  /** The time after which the schedule does not tick: a Date, or a text with a zone. Default: no limit. */
  until: instant,
  /** The schedule ends after this many ticks that became jobs. Default: no limit. */
  limit: whole(1),
}

const zonedPolicies = {
  /**
   * The time zone of the expression: `'Europe/Paris'`. Default: the time zone in the configuration, which is
   * UTC by default.
   */
  timezone,
  ...policies,
}

type Range = { from: number | undefined; until: number | undefined }

function schemaOf<E extends typeof policies>(entries: E): Schema<E> {
  const check = ({ from, until }: Range, refuse: (path: string, right: string) => never) => {
    if (from !== undefined && until !== undefined && until < from) refuse('until', 'after from')
  }
  return new Schema('an object', entries, (read, refuse) => check(read as unknown as Range, refuse))
}

export const cronOptions = schemaOf(zonedPolicies)
const everyOptions = schemaOf(policies)

export interface CronOptions extends OptionsOf<typeof zonedPolicies> {}

/**
 * The options of `every()`: the options of `cron()` without the time zone, because the ticks of `every()` are
 * aligned to the clock in UTC.
 */
export interface EveryOptions extends OptionsOf<typeof policies> {}

const interval = new Option<Duration, number>(`${durationForm}, from 1 s, in whole milliseconds`, (value) => {
  const ms = milliseconds(value) ?? 0
  return ms >= 1_000 && Number.isInteger(ms) ? ms : undefined
})

/**
 * A schedule that ticks at the times of a cron expression.
 *
 * @param expression `minute hour day-of-month month day-of-week`, or with seconds in front. Names (`MON`,
 *   `JAN`), lists, ranges, steps, `L`, `LW`, `15W`, `5#2`, and `@hourly`, `@daily`, `@weekly`, `@monthly`,
 *   `@yearly`
 * @param options see `CronOptions`
 * @throws SCHEDULE_INVALID. The message names the field of the expression or the option, and the wrong value,
 *   and says which values are valid
 * @example
 * export class ReportJob extends Job {
 *   schedule = cron('0 8 * * 1-5', { timezone: 'Europe/Paris' })
 *   async handle() {}
 * }
 */
export function cron(expression: string, options: CronOptions = {}): Recurrence {
  return ofCron('cron()', expression, options)
}

/**
 * A schedule that ticks at equal intervals, aligned to the clock in UTC: `every('15m')` ticks at :00, :15,
 * :30 and :45.
 *
 * @param time milliseconds, or `'10s'`, `'15m'`, `'1d'`. At least one second
 * @param options see `EveryOptions`
 * @throws SCHEDULE_INVALID
 * @example schedule = every('10s')
 */
export function every(time: Duration, options: EveryOptions = {}): Recurrence {
  const voice = voiceOf('SCHEDULE_INVALID', 'every()', 'the second argument')
  const ms = interval.needed().read(time, 'the interval', voice)
  const { from, until, ...others } = everyOptions.readAll(options, voice)
  return recurrence({ kind: 'every', ms, ...limits({ from, until }) }, others)
}

/**
 * A schedule that ticks every day at a time.
 *
 * @param time `'08:00'`, or with seconds `'08:00:30'`, in 24 hours
 * @param options see `CronOptions`
 * @throws SCHEDULE_INVALID
 * @example schedule = daily('03:00', { timezone: 'Europe/Paris', missed: 'once' })
 */
export function daily(time: string, options: CronOptions = {}): Recurrence {
  const [, hour, minute, , second] =
    (isText(time) && /^(\d|[01]\d|2[0-3]):([0-5]\d)(:([0-5]\d))?$/.exec(time)) || []
  if (hour === undefined)
    refuse(voiceOf('SCHEDULE_INVALID', 'daily()'), 'the time', time, "a time such as '08:00' or '17:30:15'")
  const numbers = [second, minute, hour].filter((part) => part !== undefined).map(Number)
  return ofCron('daily()', [...numbers, '* * *'].join(' '), options)
}

function ofCron(call: string, expression: string, options: CronOptions): Recurrence {
  const voice = voiceOf('SCHEDULE_INVALID', call, 'the second argument')
  const read = isText(expression)
    ? readCron(expression)
    : { wrong: "a cron expression, such as '0 8 * * 1-5'" }
  if ('wrong' in read) refuse(voice, 'the expression', expression, read.wrong)
  const { timezone, from, until, ...others } = cronOptions.readAll(options, voice)
  const zone = timezone === undefined ? {} : { timezone }
  return recurrence(
    { kind: 'cron', expression: read.expression, ...zone, ...limits({ from, until }) },
    others,
  )
}

/** Reads a recurrence that was written as JSON. Returns undefined for other JSON. */
export function recurrenceFrom(json: unknown): Recurrence | undefined {
  const { timing, missed, overlap, ...others } = (isObject(json) ? json : {}) as Partial<Recurrence>
  const isKnown = isObject(timing) && (timing.kind === 'cron' || timing.kind === 'every')
  const numbers = [others.grace, others.jitter, others.pauseAfterFailures, others.limit]
  if (!isKnown || !numbers.every((each) => typeof each === 'number')) return undefined
  if (!missedPolicies.includes(missed!) || !overlapPolicies.includes(overlap!)) return undefined
  return Object.freeze({ ...(json as Recurrence), [recurrenceBrand]: true })
}

function limits({ from, until }: Range): Pick<Timing, 'from' | 'until'> {
  return defined({ from, until })
}

function recurrence(timing: Timing, read: Omit<Read<typeof policies>, 'from' | 'until'>): Recurrence {
  const { missed, grace, overlap, jitter = 0, pauseAfterFailures = 0, limit = 0 } = read
  return Object.freeze({
    timing: Object.freeze(timing),
    missed,
    grace: Math.round(grace),
    overlap,
    jitter: Math.round(jitter),
    pauseAfterFailures,
    limit,
    [recurrenceBrand]: true,
  })
}

export function isRecurrence(value: unknown): value is Recurrence {
  return typeof value === 'object' && value !== null && recurrenceBrand in value
}
