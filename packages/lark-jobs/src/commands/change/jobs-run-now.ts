import { arg, flag } from '@s18i/lark'
import { type PendingFilter, pending, type Rescheduled } from '../../operate.ts'
import { chosenBy } from './job-change.ts'
import { mostFailed, PacedCommand } from './paced-change.ts'

/** `lark jobs:run-now`: makes delayed jobs due now. */
export class JobsRunNowCommand extends PacedCommand {
  readonly key = 'jobs:run-now'
  override description =
    'Make delayed jobs due now, by id or all that meet some conditions; sleeps and waits of steps end'
  ids = arg.strings('Ids of delayed jobs, or - for the standard input')
  state = flag.enum('Only jobs in this state', pending)
  all = flag.boolean('Every delayed job')
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  override maxFailed = flag.string(mostFailed)

  async handle() {
    if (this.isPaced) return await this.begin('run-now', await chosenBy(this), {})
    return await this.change<Rescheduled>({
      verbs: ['Make due', 'Made due', 'Making due'],
      call: (operating, which, options) => operating.runNow(which as PendingFilter, options),
      count: ({ rescheduled }) => rescheduled,
    })
  }
}
