import { arg, flag } from '@s18i/lark'
import { type PendingFilter, type Prioritized, pending } from '../../operate.ts'
import { plural } from '../../words/plural.ts'
import { ChangeCommand } from './job-change.ts'

/** `lark jobs:prioritize`: gives waiting and delayed jobs another priority. */
export class JobsPrioritizeCommand extends ChangeCommand {
  readonly key = 'jobs:prioritize'
  override description =
    'Give jobs that wait or are delayed another priority, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that wait or are delayed, or - for the standard input')
  state = flag.enum('Only jobs in this state', pending)
  all = flag.boolean('Every job that waits or is delayed')
  priority = flag.number('-1000 to 1000, higher first', { required: true })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    return await this.change<Prioritized>({
      verbs: ['Prioritize', 'Prioritized', 'Prioritizing'],
      call: (operating, which, options) =>
        operating.prioritize(which as PendingFilter, this.priority, options),
      count: ({ prioritized }) => prioritized,
      remark: ({ left }) =>
        left > 0
          ? `Left ${plural(left, 'job')} as they were: they began meanwhile, or their queue has too many priorities`
          : undefined,
    })
  }
}
