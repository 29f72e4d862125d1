import { arg, Command, flag } from '@s18i/lark'
import { Jobs } from '../api/default-jobs.ts'
import { operate, type Removed, type RemoveFilter, removable } from '../operate.ts'
import { completed } from './completed.ts'
import { changeChosen } from './job-change.ts'
import { flagNames } from './job-filter.ts'

/** `lark jobs:purge`: removes jobs for good, from all that Lark reads. Nothing is kept, so nothing can be undone. */
export class JobsPurgeCommand extends Command {
  readonly key = 'jobs:purge'
  override description = 'Remove jobs for good, with all that is kept of them: nothing undoes it'
  ids = arg.strings('Ids of jobs, also of removed ones, or - for the standard input')
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs of this queue')
  state = flag.enum('Only jobs in this state', removable)
  group = flag.string('Only jobs of this group')
  tag = flag.string('Only jobs with this tag')
  kind = flag.string('Only jobs whose last failure is of this kind: see jobs:failed --group')
  since = flag.string('Only jobs that ended since then, or were queued since then, such as 1h')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })
  all = flag.boolean('Every job that does not run')
  yes = flag.boolean('Do not ask before more than one job is destroyed', { short: 'y' })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    await using jobs = Jobs
    const operating = operate(jobs, { names: flagNames })
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
