import { arg, flag } from '@s18i/lark'
import { Jobs } from '../api/default-jobs.ts'
import { type Removed, type RemoveFilter, removable } from '../operate.ts'
import { byCommand } from './by-command.ts'
import { ChangeCommand, changeChosen } from './job-change.ts'
import { flagNames } from './job-filter.ts'

/** `lark jobs:purge`: removes jobs for good, from all that Lark reads. Nothing is kept, so nothing can be undone. */
export class JobsPurgeCommand extends ChangeCommand {
  readonly key = 'jobs:purge'
  override description = 'Remove jobs for good, with all that is kept of them: nothing undoes it'
  ids = arg.strings('Ids of jobs, also of removed ones, or - for the standard input')
  state = flag.enum('Only jobs in this state', removable)
  all = flag.boolean('Every job that does not run')
  override yes = flag.boolean('Do not ask before more than one job is destroyed', { short: 'y' })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  async handle() {
    await using jobs = Jobs
    const operating = byCommand(jobs, flagNames)
    return await changeChosen<Removed>(this, operating, {
      verbs: ['Purge', 'Purged', 'Purging'],
      destroys: true,
      call: (which, options) => operating.purge(which as RemoveFilter, options),
      count: ({ removed }) => removed,
      remark: ({ removed }) =>
        removed > 0 ? 'Nothing was written to a file: this cannot be undone' : undefined,
    })
  }
}
