import { arg, Command, flag, shellWord } from '@s18i/lark'
import { visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { JobsError } from '../../model/errors.ts'
import type { ScheduleInfo } from '../../operate.ts'
import { inWords } from '../../schedule/words.ts'
import { plural } from '../../words/plural.ts'
import { checkCanAsk } from '../change/job-change.ts'
import { byCommand } from '../words/by-command.ts'
import { commandOf, scheduleNamed } from './scheduled.ts'

/** `lark schedule:remove`: removes a schedule and its history. */
export class ScheduleRemoveCommand extends Command {
  readonly key = 'schedule:remove'
  override description = 'Remove a schedule with its history: jobs that it has queued stay'
  name = arg.string('The id of the schedule')
  yes = flag.boolean('Remove it without asking', { short: 'y' })
  dryRun = flag.boolean('Say what would be removed, and remove nothing')

  async handle() {
    const { name } = this
    const without = '--yes removes it without asking; --dry-run says what would be removed'
    checkCanAsk(this, 'Removing a schedule', without)
    await using jobs = Jobs
    const operating = byCommand(jobs)
    const info = await scheduleNamed(operating, name).catch((error: unknown) => {
      if (JobsError.is(error, 'STORE_DAMAGED')) return undefined
      throw error
    })
    const ofClass = info?.ofClass
    const what = visible(info === undefined ? `schedule ${name} (its record is damaged)` : words(info))
    if (this.dryRun) {
      if (this.json) return { schedule: name, removed: false, ofClass, dryRun: true }
      this.success(`Would remove ${what}`)
      this.#comesBack(info)
      return true
    }
    if (!this.yes) {
      this.#comesBack(info)
      if (!(await this.confirm(`Remove ${what}?`))) {
        this.info('Nothing was removed')
        return false
      }
    }
    const removed = await operating.schedules.remove(name)
    if (this.json) return { schedule: name, removed, ofClass }
    if (removed) this.success(`Removed ${what}`)
    else this.info(visible(`${name} was removed meanwhile`))
    if (this.yes) this.#comesBack(info)
    return true
  }

  #comesBack(info: ScheduleInfo | undefined): void {
    if (!info?.ofClass || info.ended?.why === 'dropped') return
    const owner = commandOf(info) === undefined ? 'class' : 'command'
    const how = `lark schedule:pause ${shellWord(info.id)}`
    this.warn(
      visible(
        `Its ${owner} declares it: it comes back, running and without its history, as soon as a worker declares it again. To stop it: ${how}`,
      ),
    )
  }
}

function words({ id, runs, when, timezone }: ScheduleInfo): string {
  const history = runs.length === 0 ? '' : `, and its history of ${plural(runs.length, 'run')}`
  return `schedule ${id} (${inWords(when, timezone)})${history}`
}
