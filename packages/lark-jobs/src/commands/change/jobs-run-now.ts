import { arg, flag } from '@s18i/lark'
import { Jobs } from '../../api/default-jobs.ts'
import { type PendingFilter, pending, type Rescheduled } from '../../operate.ts'
import { byCommand } from '../words/by-command.ts'
import { flagNames } from '../words/job-filter.ts'
import { ChangeCommand, changeChosen } from './job-change.ts'

/** `lark jobs:run-now`: makes delayed jobs due now. */
export class JobsRunNowCommand extends ChangeCommand {
  readonly key = 'jobs:run-now'
  override description = 'Make delayed jobs due now, by id or all that meet some conditions'
  ids = arg.strings('Ids of delayed jobs, or - for the standard input')
  state = flag.enum('Only jobs in this state', pending)
  all = flag.boolean('Every delayed job')
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    return await changeChosen<Rescheduled>(this, operating, {
      verbs: ['Make due', 'Made due', 'Making due'],
      call: (which, options) => operating.runNow(which as PendingFilter, options),
      count: ({ rescheduled }) => rescheduled,
    })
  }
}
