import { arg, Command, flag } from '@s18i/lark'
import { Jobs } from '../api/default-jobs.ts'
import { operate, type PendingFilter, pending, type Rescheduled } from '../operate.ts'
import { completed } from './completed.ts'
import { changeChosen } from './job-change.ts'
import { flagNames } from './job-filter.ts'

/** `lark jobs:run-now`: makes delayed jobs due now. */
export class JobsRunNowCommand extends Command {
  readonly key = 'jobs:run-now'
  override description = 'Make delayed jobs due now, by id or all that meet some conditions'
  ids = arg.strings('Ids of delayed jobs, or - for the standard input')
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs of this queue')
  state = flag.enum('Only jobs in this state', pending)
  group = flag.string('Only jobs of this group')
  tag = flag.string('Only jobs with this tag')
  kind = flag.string('Only jobs whose last failure is of this kind: see jobs:failed --group')
  since = flag.string('Only jobs that ended since then, or were queued since then, such as 1h')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })
  all = flag.boolean('Every delayed job')
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs, { names: flagNames })
    return await changeChosen<Rescheduled>(this, operating, {
      verbs: ['Make due', 'Made due', 'Making due'],
      call: (which, options) => operating.runNow(which as PendingFilter, options),
      count: ({ rescheduled }) => rescheduled,
    })
  }
}
