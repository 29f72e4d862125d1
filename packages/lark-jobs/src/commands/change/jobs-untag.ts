import { arg, flag } from '@s18i/lark'
import { states } from '../../model/record.ts'
import type { TagFilter, Untagged } from '../../operate.ts'
import { ChangeCommand } from './job-change.ts'

/** `lark jobs:untag`: removes tags from jobs. */
export class JobsUntagCommand extends ChangeCommand {
  readonly key = 'jobs:untag'
  override description = 'Take tags off jobs, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs, or - for the standard input')
  state = flag.enum('Only jobs in this state', states)
  all = flag.boolean('Every job')
  remove = flag.strings('A tag that the jobs lose; may be repeated', { required: true })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    return await this.change<Untagged>({
      verbs: ['Untag', 'Untagged', 'Untagging'],
      names: { tags: '--remove' },
      call: (operating, which, options) => operating.untag(which as TagFilter, this.remove, options),
      count: ({ untagged }) => untagged,
    })
  }
}
