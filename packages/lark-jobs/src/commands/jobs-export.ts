import { Command, flag } from '@s18i/lark'
import { usageError } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { shellWord } from '../model/command-line.ts'
import { states } from '../model/record.ts'
import { type ListFilter, operate } from '../operate.ts'
import { completed } from './completed.ts'
import { jobsOf } from './job-change.ts'
import { JobFile } from './job-file.ts'
import { checkKey, filterOf, flagNames } from './job-filter.ts'

/** `lark jobs:export`: writes the records of jobs to a file, one a line, from which `jobs:import` puts them back. */
export class JobsExportCommand extends Command {
  readonly key = 'jobs:export'
  override description = 'Write the jobs that meet some conditions to a file, one a line, as JSON'
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs of this queue')
  state = flag.enum('Only jobs in this state', states)
  group = flag.string('Only jobs of this group')
  tag = flag.string('Only jobs with this tag')
  kind = flag.string('Only jobs whose last failure is of this kind: see jobs:failed --group')
  since = flag.string('Only jobs that ended since then, or were queued since then, such as 1h')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })
  all = flag.boolean('Every job of the store')
  file = flag.string('Where to. Default: a new file in .lark/exported')

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { all, ...filter } = filterOf(this)
    if (Object.keys(filter).length === 0 && all === undefined)
      throw usageError(
        'Which jobs? Give a filter such as --queue, --state or --kind, or --all',
        'See lark help jobs:export',
      )
    await using jobs = Jobs
    await using file = new JobFile(this.file ?? JobFile.named('exported'))
    const operating = operate(jobs, { names: flagNames })
    const spinner = this.spinner('Exporting')
    try {
      for await (const lot of operating.records(filter as ListFilter, { signal: this.signal })) {
        await file.write(lot)
        spinner.text = `Exporting: ${file.count.toLocaleString('en')}`
      }
    } finally {
      spinner.stop()
    }
    const { aborted } = this.signal
    const { count, path } = file
    if (count === 0 && !aborted) await checkKey(this.job, operating)
    if (this.json)
      this.console.json({
        exported: count,
        ...(count > 0 && { file: path }),
        ...(aborted && { interrupted: true }),
      })
    else if (count === 0) this.success('No such job')
    else if (aborted) this.warn(`Interrupted: ${jobsOf(count)} are in ${shellWord(path)}, and no more`)
    else this.success(`Exported ${jobsOf(count)} to ${shellWord(path)}`)
    return aborted ? 130 : true
  }
}
