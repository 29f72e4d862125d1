import { arg, flag } from '@s18i/lark'
import { type Moved, movable, type PendingFilter } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { chosenBy } from './job-change.ts'
import { PacedCommand } from './paced-change.ts'

/** `lark jobs:move`: moves waiting and delayed jobs to another queue. */
export class JobsMoveCommand extends PacedCommand {
  readonly key = 'jobs:move'
  override description =
    'Move jobs that wait or are delayed to another queue, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that wait or are delayed, or - for the standard input')
  state = flag.enum('Only jobs in this state', movable)
  all = flag.boolean('Every job that waits or is delayed')
  to = flag.string('The queue to which they go', { required: true })
  dryRun = flag.boolean('Say how many jobs would be moved, and move none')

  async handle() {
    if (this.isPaced) return await this.begin('move', await chosenBy(this), { to: this.to })
    return await this.change<Moved>({
      verbs: ['Move', 'Moved', 'Moving'],
      call: (operating, which, options) => operating.move(which as PendingFilter, this.to, options),
      count: ({ moved }) => moved,
      remark: ({ left }) =>
        left > 0
          ? `Left ${plural(left, 'job')} as they were: they began meanwhile, or the queue has a job with the same id or the same unique lock`
          : undefined,
    })
  }
}
