import { arg, Command, flag } from '@s18i/lark'
import { Jobs } from '../api/default-jobs.ts'
import { shellWord } from '../model/command-line.ts'
import { operate, type Removed, type RemoveFilter, removable } from '../operate.ts'
import { completed } from './completed.ts'
import { changeChosen, jobsOf } from './job-change.ts'
import { JobFile } from './job-file.ts'
import { flagNames } from './job-filter.ts'

/** `lark jobs:remove`: removes jobs that do not run, and first writes them to a file that `jobs:import` reads. */
export class JobsRemoveCommand extends Command {
  readonly key = 'jobs:remove'
  override description = 'Remove jobs that do not run; lark jobs:import puts them back'
  ids = arg.strings('Ids of jobs that do not run, or - for the standard input')
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs of this queue')
  state = flag.enum('Only jobs in this state', removable)
  group = flag.string('Only jobs of this group')
  tag = flag.string('Only jobs with this tag')
  kind = flag.string('Only jobs whose last failure is of this kind: see jobs:failed --group')
  since = flag.string('Only jobs that ended since then, or were queued since then, such as 1h')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })
  all = flag.boolean('Every job that does not run')
  file = flag.string('Where to write the jobs before. Default: a new file in .lark/removed')
  yes = flag.boolean('Do not ask before more than one job is destroyed', { short: 'y' })
  dryRun = flag.boolean('Say how many jobs there are, and change none')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    await using jobs = Jobs
    await using file = new JobFile(this.file ?? JobFile.named('removed'))
    const operating = operate(jobs, { names: flagNames })
    return await changeChosen<Removed & { file?: string }>(this, operating, {
      verbs: ['Remove', 'Removed', 'Removing'],
      destroys: true,
      call: async (which, options) => {
        const before = options.dryRun === true ? {} : { before: file.write }
        const removed = await operating.remove(which as RemoveFilter, { ...options, ...before })
        return file.count === 0 ? removed : { ...removed, file: file.path }
      },
      count: ({ removed }) => removed,
      remark: ({ file, left = 0, running }) =>
        [
          left + running > 0 && `${jobsOf(left + running)} run or have changed meanwhile: left as they are.`,
          file !== undefined && `To undo it: lark jobs:import ${shellWord(file)}`,
        ]
          .filter(Boolean)
          .join(' ') || undefined,
    })
  }
}
