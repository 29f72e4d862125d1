import { arg, Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { operate } from '../operate.ts'

/** `lark jobs:resume`: a queue, or one group of it, goes on. */
export class JobsResumeCommand extends Command {
  readonly key = 'jobs:resume'
  override description = 'Let a paused queue, or one group of it, go on'
  queue = arg.string('The queue')
  group = flag.string('Only this group of it')
  groupHash = flag.string('Only the group with this hash, which jobs:status shows for a long name')

  async handle() {
    const { queue, group, groupHash } = this
    const target = {
      queue,
      ...(group !== undefined && { group }),
      ...(groupHash !== undefined && { groupHash }),
    }
    await using jobs = Jobs
    const names = { group: '--group', groupHash: '--group-hash' }
    const { wasPaused, hasJobs } = await operate(jobs, { names }).resume(target)
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
