import { flag } from '@s18i/lark'
import { usageError } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { shellWord } from '../model/command-line.ts'
import { plural } from '../model/plural.ts'
import { states } from '../model/record.ts'
import { type ListFilter, operate } from '../operate.ts'
import { INTERRUPTED } from './job-change.ts'
import { JobFile } from './job-file.ts'
import { checkKey, FilterCommand, filterOf, flagNames } from './job-filter.ts'

/** `lark jobs:export`: writes the records of jobs to a file, one a line, from which `jobs:import` puts them back. */
export class JobsExportCommand extends FilterCommand {
  readonly key = 'jobs:export'
  override description = 'Write the jobs that meet some conditions to a file, one a line, as JSON'
  state = flag.enum('Only jobs in this state', states)
  all = flag.boolean('Every job of the store')
  file = flag.string('Where to. Default: a new file in .lark/exported')

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
    else if (aborted) this.warn(`Interrupted: ${plural(count, 'job')} are in ${shellWord(path)}, and no more`)
    else this.success(`Exported ${plural(count, 'job')} to ${shellWord(path)}`)
    return aborted ? INTERRUPTED : true
  }
}
