import { arg, flag } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import { type Moved, movable, type PendingFilter } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { byCommand } from '../words/by-command.ts'
import { flagNames } from '../words/job-filter.ts'
import { ChangeCommand, changeChosen } from './job-change.ts'

/** `lark jobs:move`: moves jobs that wait or are delayed to another queue. */
export class JobsMoveCommand extends ChangeCommand {
  readonly key = 'jobs:move'
  override description =
    'Move jobs that wait or are delayed to another queue, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that wait or are delayed, or - for the standard input')
  state = flag.enum('Only jobs in this state', movable)
  all = flag.boolean('Every job that waits or is delayed')
  to = flag.string('The queue to which they go', { required: true })
  dryRun = flag.boolean('Say how many jobs would be moved, and move none')

  async handle() {
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    return await changeChosen<Moved>(this, operating, {
      verbs: ['Move', 'Moved', 'Moving'],
      call: (which, options) => operating.move(which as PendingFilter, this.to, options),
      count: ({ moved }) => moved,
      remark: ({ left }) =>
        left > 0
          ? `Left ${plural(left, 'job')} as they were: they began meanwhile, or the queue has a job with their id, or one that is unique with them`
          : undefined,
    })
  }
}
