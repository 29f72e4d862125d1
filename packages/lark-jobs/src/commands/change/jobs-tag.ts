import { arg, flag } from '@s18i/lark'
import { states } from '../../model/record.ts'
import type { TagFilter, Tagged } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { ChangeCommand } from './job-change.ts'

/** `lark jobs:tag`: gives jobs more tags. */
export class JobsTagCommand extends ChangeCommand {
  readonly key = 'jobs:tag'
  override description = 'Give jobs more tags, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs, or - for the standard input')
  state = flag.enum('Only jobs in this state', states)
  all = flag.boolean('Every job')
  add = flag.strings('A tag that the jobs get; may be repeated', { required: true })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    return await this.change<Tagged>({
      verbs: ['Tag', 'Tagged', 'Tagging'],
      names: { tags: '--add' },
      call: (operating, which, options) => operating.tag(which as TagFilter, this.add, options),
      count: ({ tagged }) => tagged,
      remark: ({ left }) =>
        left > 0 ? `Left ${plural(left, 'job')} as they were: a job has at most 10 tags` : undefined,
    })
  }
}
