import { arg, Command, shellWord } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { operate, type ScheduleInfo } from '../../operate.ts'
import { inWords } from '../../schedule/words.ts'
import { readable } from '../../words/duration.ts'
import { plural } from '../../words/plural.ts'
import { fromNow, instant } from '../words/instant.ts'
import { jsonExcerpt } from '../words/json-excerpt.ts'
import { printSection, printSheet, type SheetFacts } from '../words/sheet.ts'
import { commandOf, isUnknown, nextWords, runWords, scheduleNamed } from './scheduled.ts'

/** How many of the next ticks are shown. */
const NEXT = 10

/** `lark schedule:show`: shows everything that the store knows about one schedule. */
export class ScheduleShowCommand extends Command {
  readonly key = 'schedule:show'
  override description =
    'Show a schedule: what it is, its next ticks, its last runs, and the ticks that it missed'
  name = arg.string('The id of the schedule')

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs)
    const info = await scheduleNamed(operating, this.name, NEXT - 1)
    const unknownKey = isUnknown(info, await operating.workers.list())
    if (this.json) return { ...info, unknownKey }
    this.#print(info)
    if (unknownKey)
      this.warn(visible(`No live worker knows '${info.key}': ticks wait, and then count as missed`))
  }

  #print(info: ScheduleInfo): void {
    const { next, following = [], runs, skipped, payload } = info
    printSheet(this, info.id, inWords(info.when, info.timezone), facts(info))
    if (next !== undefined)
      printSection(
        this,
        'Next',
        [next, ...following].map((at) => `${instant(at)}${local(at, info.timezone)}`),
      )
    if (runs.length > 0)
      printSection(
        this,
        'Last runs',
        [...runs].reverse().map((run) => `${instant(run.tick)}  ${runWords(run)}`),
      )
    if (skipped.length > 0)
      printSection(
        this,
        'Ticks that became no jobs',
        [...skipped].reverse().map(({ from, to, count, why }) => {
          const until = from === to ? '' : ` to ${instant(to)}`
          return `${instant(from)}${until}  ${plural(count, 'tick')}: ${reasons[why]}`
        }),
      )
    if (payload === undefined) return
    const json = JSON.stringify(payload)
    const { lines, isCut } = jsonExcerpt(json)
    printSection(this, 'Payload', lines.map(visible))
    if (isCut) this.line(`  … lark schedule:show ${visible(shellWord(info.id))} --json prints all of it`)
  }
}

const reasons = {
  missed: 'missed, no worker was there in time',
  paused: 'it was paused',
  overlap: 'the run before had not ended',
} as const

const missedWords = {
  skip: 'are recorded, and nothing runs for them',
  once: 'become one job, at the instant of the last',
  all: 'become a job each',
} as const

const overlapWords = {
  allow: 'runs beside the one before',
  skip: 'is left out while the one before has not ended',
  queue: 'waits for the one before',
  cancel: 'cancels the one before',
} as const

function facts(info: ScheduleInfo): SheetFacts {
  const { paused, ended, when, timezone, key, queue, ofClass, since, ticks, missed, grace } = info
  const { overlap, jitter, pauseAfterFailures, limit, from, until, undeclaredSince } = info
  const why = { limit: 'its limit is reached', over: 'it has no more ticks', dropped: 'no class declares it' }
  const command = commandOf(info)
  const { by, because } = paused ?? {}
  const reason = `${by === undefined ? '' : ` by ${by}`}${because === undefined ? '' : `: ${because}`}`
  return {
    State:
      ended !== undefined
        ? `ended ${time(ended.at)}: ${why[ended.why]}`
        : paused !== undefined
          ? `paused ${time(paused.at)}${reason}`
          : info.unserved === 'unknown-key'
            ? `stands still: no live worker knows '${key}'`
            : info.unserved === 'no-worker'
              ? `no worker lives, next ${nextWords(info)}`
              : `running, next ${nextWords(info)}`,
    Written: timezone === undefined ? when : `${when}, in ${timezone}`,
    Job: `${command === undefined ? key : `command ${command}`}, in queue ${queue}`,
    'Set by': ofClass ? `its ${command === undefined ? 'class' : 'command'}` : 'Jobs.schedules.set()',
    Undeclared: undeclaredSince !== undefined && `${time(undeclaredSince)}: no living worker declares it`,
    Since: `${time(since)}, ${plural(ticks, 'tick')}`,
    Limit: limit !== undefined && `${plural(limit, 'tick')}, ${Math.max(0, limit - ticks)} left`,
    From: from !== undefined && time(from),
    Until: until !== undefined && time(until),
    Missed: `ticks that are late by more than ${readable(grace)} ${missedWords[missed]}`,
    Overlap: `a run ${overlapWords[overlap]}`,
    Jitter: jitter !== undefined && `up to ${readable(jitter)} later`,
    Pauses:
      pauseAfterFailures !== undefined &&
      `after ${pauseAfterFailures} failed ${pauseAfterFailures === 1 ? 'run' : 'runs in a row'}`,
  }
}

function time(at: number): string {
  return `${instant(at)} (${fromNow(at)})`
}

/** The local time of an instant in the time zone: `Fri 08:00:00`. */
function local(at: number, timezone: string | undefined): string {
  if (timezone === undefined || timezone === 'UTC') return ''
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  return `  ${format.format(at)}, ${timezone}`
}
