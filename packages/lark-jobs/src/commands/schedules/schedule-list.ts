import { Command, flag, shellWord } from '@s18i/lark'
import { defined, nearest, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { loadSettings } from '../../config/config.ts'
import { type Operate, operate, type ScheduleInfo, type WorkerRecord } from '../../operate.ts'
import { inWords } from '../../schedule/words.ts'
import { listed } from '../../words/listed.ts'
import { pausedWords } from '../../words/paused-words.ts'
import { plural } from '../../words/plural.ts'
import { shown } from '../../words/secret.ts'
import { completed } from '../words/completed.ts'
import { ago, timeSince } from '../words/instant.ts'
import { isLate, isUnknown, missedTicks, nextWords, runWords } from './scheduled.ts'

/** `lark schedule:list`: lists the schedules. */
export class ScheduleListCommand extends Command {
  readonly key = 'schedule:list'
  override description = 'Show the schedules: when they tick, what comes next, and how the last run ended'
  job = flag.string('Only schedules whose jobs have this key')
  queue = flag.string('Only schedules of this queue')
  state = flag.enum('Only schedules in this state', ['running', 'paused', 'ended'] as const)

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { job: key, queue, state } = this
    await using jobs = Jobs
    const operating = operate(jobs)
    const schedules = await operating.schedules.list(defined({ key, queue, state }))
    if (schedules.length === 0) await this.#checkKey(operating)
    const workers = await operating.workers.list()
    if (this.json)
      return { schedules: schedules.map((each) => ({ ...each, unknownKey: isUnknown(each, workers) })) }
    if (schedules.length === 0) {
      const isAll = key === undefined && queue === undefined && state === undefined
      this.success(isAll ? 'No schedules' : 'No such schedules: see lark schedule:list')
      if (isAll && !(await loadSettings()).schedules.enabled)
        this.info('Schedules are off here, so workers declare none: see jobs.schedules in lark.config')
      return
    }
    this.table(
      ['SCHEDULE', 'WHEN', 'NEXT', 'LAST RUN'],
      schedules.map((each) => [
        visible(each.id),
        visible(inWords(each.when, each.timezone)),
        nextWords(each),
        each.lastRun === undefined ? '' : `${runWords(each.lastRun)}, ${ago(each.lastRun.at)}`,
      ]),
    )
    this.#remarks(schedules, workers)
  }

  /**
   * @throws USAGE if no schedule has the key and no worker has ever known it, because the key is probably
   * misspelled
   */
  async #checkKey(operating: Operate): Promise<void> {
    const { job } = this
    if (job === undefined) return
    const known = [
      ...new Set([...(await operating.schedules.list()).map(({ key }) => key), ...(await operating.keys())]),
    ]
    if (known.includes(job)) return
    const near = nearest(job, known)
    throw usageError(
      `No schedule has the key ${shown(job)}, and no worker ever had it`,
      near === undefined ? 'See lark schedule:list' : `Did you mean ${near}?`,
    )
  }

  #remarks(schedules: readonly ScheduleInfo[], workers: readonly WorkerRecord[]): void {
    for (const each of schedules) {
      const { id, paused, ended, undeclaredSince } = each
      if (ended !== undefined) {
        const why = {
          limit: `it has had its ${plural(each.ticks, 'tick')}`,
          over: 'it has no more ticks',
          dropped: 'no class declares it any more',
        }
        this.info(visible(`${id} has ended ${ago(ended.at)}: ${why[ended.why]}`))
        continue
      }
      if (paused !== undefined) {
        const { by, because } = paused
        const why = pausedWords({ by, because }, Date.now())
        const how = `lark schedule:resume ${shellWord(id)}`
        this.info(
          visible(`${id} has been paused for ${timeSince(paused.at)}${why}: it does not tick until ${how}`),
        )
      }
      const missed = missedTicks(each)
      if (missed !== undefined) {
        const what = `${plural(missed.count, 'tick')}, the last ${ago(missed.last)}`
        this.warn(visible(`${id} missed ${what}: see lark schedule:show ${shellWord(id)}`))
      }
      if (undeclaredSince !== undefined)
        this.warn(
          visible(
            `No living worker has declared ${id} for ${timeSince(undeclaredSince)}: it is dropped after 10 min`,
          ),
        )
    }
    const unended = schedules.filter(({ ended }) => ended === undefined)
    const unknown = new Set(unended.filter((each) => isUnknown(each, workers)).map(({ key }) => `'${key}'`))
    if (unknown.size > 0)
      this.warn(visible(`No live worker knows ${listed(unknown)}: ticks wait, and then count as missed`))
    if (workers.length === 0 && unended.length > 0)
      this.warn('No worker is running, so nothing ticks: start one with lark jobs:work')
    else if (unended.some((each) => isLate(each) && !isUnknown(each, workers)))
      this.warn(
        'Workers are running, but ticks are late: are schedules enabled? See jobs.schedules in lark.config',
      )
  }
}
