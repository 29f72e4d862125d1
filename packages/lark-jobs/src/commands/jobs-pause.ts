import { arg, Command, flag } from '@s18i/lark'
import { Jobs } from '../jobs.ts'

/** `lark jobs:pause`: a queue, or one group of it, begins nothing. */
export class JobsPauseCommand extends Command {
  readonly key = 'jobs:pause'
  override description = 'Pause a queue, or one group of it: what runs goes on, nothing begins'
  queue = arg.string('The queue')
  group = flag.string('Only this group of it')
  for = flag.string("With --group: go on by itself after so long, such as '30s' or '5m'")

  async handle() {
    const { queue, group } = this
    await using jobs = Jobs
    await jobs.pause({
      queue,
      ...(group !== undefined && { group }),
      ...(this.for !== undefined && { for: this.for }),
    })
    if (this.json) return { queue, group, paused: true }
    const until = this.for === undefined ? `until lark jobs:resume ${queue}` : `for ${this.for}`
    this.success(`Paused ${group === undefined ? queue : `${group} of ${queue}`} ${until}`)
  }
}
