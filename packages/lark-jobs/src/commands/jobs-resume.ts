import { arg, Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../jobs.ts'

/** `lark jobs:resume`: a queue, or one group of it, goes on. */
export class JobsResumeCommand extends Command {
  readonly key = 'jobs:resume'
  override description = 'Let a paused queue, or one group of it, go on'
  queue = arg.string('The queue')
  group = flag.string('Only this group of it')

  async handle() {
    const { queue, group } = this
    await using jobs = Jobs
    const { wasPaused, hasJobs } = await jobs.resume({ queue, ...(group !== undefined && { group }) })
    if (this.json) return { queue, group, paused: false, wasPaused, hasJobs }
    const what = group === undefined ? `Queue ${queue}` : `Group ${group} of queue ${queue}`
    if (wasPaused) this.success(visible(`${what} goes on`))
    else {
      const also = hasJobs === false ? ', and it has no jobs' : ''
      this.info(visible(`${what} was not paused${also}: see lark jobs:status`))
    }
  }
}
