import { arg, flag } from '@s18i/lark'
import { type PendingFilter, pending, type Rescheduled } from '../../operate.ts'
import { ChangeCommand } from './job-change.ts'

/** `lark jobs:run-now`: makes delayed jobs due now. */
export class JobsRunNowCommand extends ChangeCommand {
  readonly key = 'jobs:run-now'
  override description = 'Make delayed jobs due now, by id or all that meet some conditions'
  ids = arg.strings('Ids of delayed jobs, or - for the standard input')
  state = flag.enum('Only jobs in this state', pending)
  all = flag.boolean('Every delayed job')
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    return await this.change<Rescheduled>({
      verbs: ['Make due', 'Made due', 'Making due'],
      call: (operating, which, options) => operating.runNow(which as PendingFilter, options),
      count: ({ rescheduled }) => rescheduled,
    })
  }
}
