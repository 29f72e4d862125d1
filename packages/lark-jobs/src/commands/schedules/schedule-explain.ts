import { arg, Command, flag } from '@s18i/lark'
import { usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { loadSettings } from '../../config/config.ts'
import { operate, type ScheduleInfo } from '../../operate.ts'
import { hourOf, readCron } from '../../options/schedules/cron-text.ts'
import { timezone as zone } from '../../options/schedules/timezone.ts'
import {
  type ClockChange,
  clockChanges,
  type UnusualDay,
  unusualDays,
} from '../../schedule/explained-clock-changes.ts'
import { neverTicks } from '../../schedule/next-ticks.ts'
import { inWords } from '../../schedule/words.ts'
import { listed } from '../../words/listed.ts'
import { shown } from '../../words/secret.ts'
import { flagVoice } from '../words/flag-voice.ts'
import { scheduleNamed } from './scheduled.ts'

const HOUR = 3_600_000
const YEARS = { from: 1970, to: 2099 }
/** The maximum number of local times that are listed one by one. */
const MOST = 4

/**
 * `lark schedule:explain`: shows which runs within a year are moved, left out or repeated because of clock
 * changes.
 */
export class ScheduleExplainCommand extends Command {
  readonly key = 'schedule:explain'
  override description =
    'Explain a schedule, or a cron expression: what the clock changes of a year do to its runs'
  name = arg.string("The id of a schedule, or a cron expression in quotes: '30 2 * * *'")
  timezone = flag.string('The time zone. Default: that of the schedule, or of the configuration')
  year = flag.number('The year. Default: this year')

  async handle() {
    const { name, year = new Date().getUTCFullYear() } = this
    if (!Number.isInteger(year) || year < YEARS.from || year > YEARS.to)
      throw usageError(`--year is ${year}; it must be a whole number from ${YEARS.from} to ${YEARS.to}`)
    const given = this.timezone === undefined ? undefined : zone.read(this.timezone, 'timezone', flagVoice)
    const { when, timezone = given } = await this.#read(given)
    // Intervals have no time zone, because they are counted in UTC.
    const isInterval = when.startsWith('every ')
    const changes = isInterval || timezone === undefined ? [] : clockChanges(timezone, year)
    const unusual = isInterval || timezone === undefined ? [] : unusualDays(when, timezone, year)
    if (this.json)
      return { schedule: name, when, words: inWords(when, timezone), timezone, year, changes, unusual }
    this.line(visible(`${this.console.paint('bold', name)} ${inWords(when, timezone)}`))
    this.line()
    if (isInterval) this.line('Intervals are aligned to the clock in UTC: no clock change moves a run.')
    else this.#print(when, changes, unusual, timezone!, year)
  }

  async #read(given: string | undefined): Promise<Pick<ScheduleInfo, 'when' | 'timezone'>> {
    if (!/\s|^@/.test(this.name.trim())) {
      await using jobs = Jobs
      const { when, timezone } = await scheduleNamed(operate(jobs), this.name.trim())
      return timezone === undefined ? { when } : { when, timezone: given ?? timezone }
    }
    const read = readCron(this.name)
    const refuse = (right: string) => usageError(`The expression is ${shown(this.name)}; it must be ${right}`)
    if ('wrong' in read) throw refuse(read.wrong)
    if (neverTicks({ kind: 'cron', expression: read.expression }))
      throw refuse('one that names some date: this one never ticks')
    return { when: read.expression, timezone: given ?? (await loadSettings()).schedules.timezone }
  }

  #print(when: string, changes: ClockChange[], unusual: UnusualDay[], timezone: string, year: number): void {
    if (changes.length === 0) {
      this.line(`The clocks of ${timezone} are not changed in ${year}: every run is at its usual time.`)
      return
    }
    for (const change of changes) {
      // If a clock changes by whole hours, the intervals of an expression that ticks in every hour stay the
      // same.
      const goesOn = hourOf(when) === '*' && (change.after - change.before) % HOUR === 0
      const usual = goesOn ? 'Runs go on at the same intervals.' : 'Every run is at its usual time.'
      const day = unusual.find(({ change: { at } }) => at === change.at)
      this.line(`${date(change)}: ${happens(change)}.`)
      this.line(`  ${day === undefined ? usual : runs(day)}`)
    }
  }
}

/**
 * The date of a clock change, such as "Sunday, 28 March 2027": the day on which local times are skipped or
 * come twice.
 */
function date({ at, before, after }: ClockChange): string {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', dateStyle: 'full' })
  return format.format(at + Math.min(before, after))
}

function happens({ at, before, after }: ClockChange): string {
  const [from, to] = [at + Math.min(before, after), at + Math.max(before, after)]
  const span = `${clock(from)} to ${clock(to)}`
  return after > before ? `the clock skips ${span}` : `the clock shows ${span} twice`
}

/** Says in words when the expression ticks for its local times that a clock change skips or repeats. */
function runs({ change: { at, before, after }, named, ticks }: UnusualDay): string {
  const times = listed(named.map(clock), MOST)
  if (after > before) {
    if (ticks.length === 0)
      return `Left out: ${times}, because an expression with a * or a step in its times counts only times that exist.`
    return `The ${named.length === 1 ? 'run' : 'runs'} of ${times} ${named.length === 1 ? 'is' : 'become one,'} at ${clock(at + after)} (${utc(ticks[0]!)}).`
  }
  const second = ticks.filter((tick) => tick >= at).length
  const first = ticks.length - second
  if (second === 0) return `Runs at ${times} once, the first time (${listed(ticks.map(utc), MOST)}).`
  if (first === 0) return `Runs at ${times} once, the second time (${listed(ticks.map(utc), MOST)}).`
  return `Runs at ${times} both times: ${ticks.length} runs.`
}

/** The time of day of a local time. @param local a local time, stored as if it were UTC */
function clock(local: number): string {
  const text = new Date(local).toISOString().slice(11, 19)
  return text.endsWith(':00') ? text.slice(0, 5) : text
}

function utc(at: number): string {
  return `${clock(at)} UTC`
}
