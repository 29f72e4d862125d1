import { arg, Command, flag } from '@s18i/lark'
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
    await jobs.resume({ queue, ...(group !== undefined && { group }) })
    if (this.json) return { queue, group, paused: false }
    this.success(`${group === undefined ? queue : `${group} of ${queue}`} goes on`)
  }
}
