import { arg, Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'
import { commandFor } from '../words/remedy-commands.ts'

/** `lark jobs:pause`: pauses a queue, or one group of a queue, so that none of its jobs start. */
export class JobsPauseCommand extends Command {
  readonly key = 'jobs:pause'
  override description = 'Pause a queue, or one group of it: running jobs go on, no job starts'
  queue = arg.string('The queue')
  group = flag.string('Only this group of the queue')
  for = flag.string("Resume by itself after this time, such as '30s' or '5m'")
  because = flag.string('Why, for lark jobs:status; not with --group')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { queue, group, because } = this
    const target = defined({ queue, group, for: this.for, because })
    await using jobs = Jobs
    const names = { group: '--group', for: '--for', because: '--because' }
    const { wasPaused, hasJobs } = await byCommand(jobs, names).pause(target)
    if (this.json) return { queue, group, paused: true, wasPaused, hasJobs }
    const what = group === undefined ? `Queue ${queue}` : `Group ${group} of queue ${queue}`
    const until =
      this.for === undefined
        ? `until ${commandFor({ do: 'resume', queue, ...defined({ group }) })}`
        : `for ${this.for}`
    this.success(visible(`${what} is paused: none of its jobs starts ${until}`))
    if (hasJobs === false)
      this.info('It has no jobs now: check its name. The pause also holds for jobs that come later')
  }
}
