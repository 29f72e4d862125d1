import { arg, Command, flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { byCommand } from '../words/by-command.ts'
import { completed } from '../words/completed.ts'

/** `lark jobs:resume`: resumes a paused queue, or one group of a queue, so that its jobs start again. */
export class JobsResumeCommand extends Command {
  readonly key = 'jobs:resume'
  override description = 'Resume a paused queue, or one group of it'
  queue = arg.string('The queue')
  group = flag.string('Only this group of the queue')
  groupHash = flag.string('Only the group with this hash, which jobs:status shows for a long name')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { queue, group, groupHash } = this
    const target = defined({ queue, group, groupHash })
    await using jobs = Jobs
    const names = { group: '--group', groupHash: '--group-hash' }
    const { wasPaused, hasJobs } = await byCommand(jobs, names).resume(target)
    if (this.json) return { queue, group, groupHash, paused: false, wasPaused, hasJobs }
    const name = group ?? groupHash
    const what = name === undefined ? `Queue ${queue}` : `Group ${name} of queue ${queue}`
    if (wasPaused) this.success(visible(`${what} goes on`))
    else {
      const also = hasJobs === false ? ', and it has no jobs' : ''
      this.info(visible(`${what} was not paused${also}: see lark jobs:status`))
    }
  }
}
