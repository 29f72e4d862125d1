import { arg, Command, flag } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type ClassRuns,
  type ClassRunsUnit,
  type EndedCounts,
  type FailureKind,
  type Operate,
  operate,
  type RunFigures,
  type StoreClassRuns,
} from '../../operate.ts'
import { readable } from '../../words/duration.ts'
import { completed } from '../words/completed.ts'
import { csvLine } from '../words/csv.ts'
import { ago, instant } from '../words/instant.ts'
import { printSection } from '../words/sheet.ts'

/** How many kinds of failures of a class are shown. */
const MOST_KINDS = 5

/**
 * `lark jobs:classes`: shows how the runs of each job class ended and how long they took, compared with the
 * day and the week before. With a class, it also shows its hours or days, its releases, its slowest runs and
 * the kinds of its failures.
 */
export class JobsClassesCommand extends Command {
  readonly key = 'jobs:classes'
  override description =
    'Show the runs of each job class: by hour or day, by release, the slowest, the failed'
  job = arg.string('Only this class, in full', { optional: true })
  by = flag.enum('The steps of the history', ['hour', 'day'], { default: 'hour' })
  csv = flag.boolean('The steps of the history as CSV')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    if (this.csv && this.json) throw usageError('--csv and --json cannot be combined', 'Use one of them.')
    await using jobs = Jobs
    const operating = operate(jobs, { names: { key: 'job' } })
    const unit: ClassRunsUnit = this.by === 'day' ? 'days' : 'hours'
    const found = await operating.classRuns(defined({ key: this.job, unit }))
    if (this.csv) return await this.#csv(found)
    if (this.job === undefined) return this.json ? found : await this.#all(found)
    const { kinds } = await operating.failures({ key: this.job }, { limit: MOST_KINDS })
    if (this.json) return { ...found, kinds }
    return await this.#one(operating, found, kinds)
  }

  async #all({ classes, unit }: StoreClassRuns): Promise<undefined> {
    if (classes.length === 0) {
      this.success('No run of any class is known')
      return
    }
    if (unit === 'days') {
      this.table(
        ['CLASS', 'RUNS', 'FAILED', 'RETRIED', 'WAIT P50', 'P95', 'RUN P50', 'P95'],
        classes.map(({ key, total }) => [visible(key), ...figures(total)]),
      )
      this.info('Of the last 90 days. Look closer: lark jobs:classes CLASS --by=day')
      return
    }
    this.table(
      ['CLASS', 'RUNS', 'FAILED', 'WAIT P95', 'RUN P50', 'P95', 'DAY BEFORE', 'WEEK BEFORE', 'THIS HOUR'],
      classes.map(({ key, compared }) => {
        const { present, last, dayBefore, weekBefore } = compared!
        const [runs, failed, , , waited, ...took] = figures(last)
        const others = [dayBefore, weekBefore, present].map(inBrief)
        return [visible(key), runs, failed, waited, ...took, ...others]
      }),
    )
    this.info('Of the last 24 hours that are over. Look closer: lark jobs:classes CLASS')
  }

  async #one(operating: Operate, { classes, unit }: StoreClassRuns, kinds: readonly FailureKind[]) {
    const [found] = classes
    if (found === undefined) {
      const known = await operating.keys()
      const key = visible(this.job!)
      if (known.includes(this.job!)) this.success(`No run of ${key} is known in this time`)
      else this.warn(`No worker has ever had a class with the key ${key}`)
      return undefined
    }
    this.line(this.console.paint('bold', visible(found.key)))
    this.#compared(found)
    this.line()
    this.table(
      ['FROM', 'RUNS', 'FAILED', 'RETRIED', 'WAIT P50', 'P95', 'RUN P50', 'P95', 'RELEASES'],
      found.steps.map((step) => [
        unit === 'days' ? instant(step.at).slice(0, 10) : instant(step.at).slice(0, 16),
        ...figures(step),
        visible((step.releases ?? []).map(({ release }) => release ?? 'unknown').join(', ')),
      ]),
    )
    this.#releases(found)
    if (found.slowest.length > 0)
      printSection(
        this,
        'Slowest runs of the last day',
        found.slowest.map(({ id, queue, took, at }) =>
          visible(`${readable(took)}  ${id} in ${queue}, ${ago(at)}`),
        ),
      )
    if (kinds.length > 0)
      printSection(
        this,
        'Failures by kind',
        kinds.map(({ kind, count, name, message, last }) =>
          visible(`${kind}  ${count.toLocaleString('en')}, the last ${ago(last)}: ${name}: ${message}`),
        ),
      )
    return undefined
  }

  #compared({ compared }: ClassRuns): void {
    if (compared === undefined) return
    const { present, last, dayBefore, weekBefore } = compared
    this.line()
    this.table(
      ['', 'RUNS', 'FAILED', 'RETRIED', 'WAIT P50', 'P95', 'RUN P50', 'P95'],
      [
        ['this hour', ...figures(present)],
        ['the 24 hours before', ...figures(last)],
        ['the day before', ...figures(dayBefore)],
        ['a week before', ...figures(weekBefore)],
      ],
    )
  }

  #releases({ releases }: ClassRuns): void {
    if (releases.length === 0) return
    this.line()
    this.table(
      ['RELEASE', 'RUNS', 'FAILED', 'RETRIED', 'WAIT P50', 'P95', 'RUN P50', 'P95'],
      releases.map((each) => [visible(each.release ?? 'unknown'), ...figures(each)]),
    )
  }

  async #csv({ classes }: StoreClassRuns): Promise<undefined> {
    const times = ['p50', 'p95', 'p99'] as const
    const heads = times.flatMap((each) => [`wait_${each}_ms`, `run_${each}_ms`])
    this.line(csvLine(['from', 'class', 'completed', 'failed', 'retried', ...heads]))
    for (const { key, steps } of classes)
      for (const { at, completed, failed, retried, wait, process } of steps) {
        const ms = times.flatMap((each) => [rounded(wait[each]), rounded(process[each])])
        this.line(csvLine([new Date(at).toISOString(), key, completed, failed, retried, ...ms]))
      }
  }
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10
}

/** How many runs ended, how many of them failed, and the times, for the columns of a table. */
function figures({ wait, process, ...ends }: RunFigures): (string | number)[] {
  const times = [wait.p50, wait.p95, process.p50, process.p95]
  return [
    allOf(ends).toLocaleString('en'),
    withShare(ends.failed, ends),
    withShare(ends.retried, ends),
    ...times.map((ms) => (ms === undefined ? '' : readable(ms))),
  ]
}

/** The runs of a class in brief, such as `2,310 runs, 1% failed`; empty if there was no run. */
function inBrief(ends: EndedCounts): string {
  const all = allOf(ends)
  if (all === 0) return ''
  return `${all.toLocaleString('en')}, ${ends.failed === 0 ? 'none' : percent(ends.failed, all)} failed`
}

function withShare(count: number, ends: EndedCounts): string {
  return count === 0 ? '0' : `${count.toLocaleString('en')} (${percent(count, allOf(ends))})`
}

function allOf({ completed, failed, retried }: EndedCounts): number {
  return completed + failed + retried
}

function percent(part: number, all: number): string {
  return part * 100 < all ? '<1%' : `${Math.round((100 * part) / all)}%`
}
