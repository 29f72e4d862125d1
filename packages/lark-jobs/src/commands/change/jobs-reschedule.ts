import { arg, flag } from '@s18i/lark'
import { type PendingFilter, pending, type Rescheduled } from '../../operate.ts'
import { chosenBy } from './job-change.ts'
import { PacedCommand } from './paced-change.ts'

/** `lark jobs:reschedule`: sets a new due time for waiting and delayed jobs. */
export class JobsRescheduleCommand extends PacedCommand {
  readonly key = 'jobs:reschedule'
  override description =
    'Set when jobs that wait or are delayed are due, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that wait or are delayed, or - for the standard input')
  state = flag.enum('Only jobs in this state', pending)
  all = flag.boolean('Every job that waits or is delayed')
  delay = flag.string("How long from now until they are due, such as '30s' or '5m'", { required: true })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    if (this.isPaced)
      return await this.begin('reschedule', await chosenBy(this), { delay: this.delay as `${number}s` })
    return await this.change<Rescheduled>({
      verbs: ['Reschedule', 'Rescheduled', 'Rescheduling'],
      call: (operating, which, options) =>
        // The type is asserted, because `reschedule` refuses a text that is not a duration.
        operating.reschedule(which as PendingFilter, this.delay as `${number}s`, options),
      count: ({ rescheduled }) => rescheduled,
    })
  }
}
