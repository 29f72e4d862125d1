import { flag, shellWord } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import { states } from '../../model/record.ts'
import { type ListFilter, operate } from '../../operate.ts'
import { listed } from '../../words/listed.ts'
import { plural } from '../../words/plural.ts'
import { checkKey, FilterCommand, filterOf, flagNames } from '../words/job-filter.ts'
import { INTERRUPTED } from './job-change.ts'
import { JobFile, LEFT_BEHIND } from './job-file.ts'

/**
 * `lark jobs:export`: writes the records of jobs, and of all schedules, to a file from which `jobs:import`
 * restores them.
 */
export class JobsExportCommand extends FilterCommand {
  readonly key = 'jobs:export'
  override description = 'Write the jobs that meet some conditions to a file, one a line, as JSON'
  state = flag.enum('Only jobs in this state', states)
  all = flag.boolean('Every job of the store, and its schedules')
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
    const schedules = all && !aborted ? await operating.schedules.records() : []
    if (schedules.length > 0) await file.write(schedules)
    const left = all && !aborted ? await leftOut(operating) : undefined
    if (count === 0 && !aborted) await checkKey(this.job, operating)
    if (this.json)
      this.console.json({
        exported: count,
        ...(schedules.length > 0 && { schedules: schedules.length }),
        ...(file.count > 0 && { file: path }),
        ...(aborted && { interrupted: true }),
        ...(left && { left }),
      })
    else if (file.count === 0) this.success('No such job')
    else if (aborted) this.warn(`Interrupted: ${plural(count, 'job')} are in ${shellWord(path)}, and no more`)
    else {
      const and = schedules.length > 0 ? ` and ${plural(schedules.length, 'schedule')}` : ''
      this.success(`Exported ${plural(count, 'job')}${and} to ${shellWord(path)}`)
      if (file.hasCommands)
        this.info(
          `Some run commands of lark. To import them too: lark jobs:import ${shellWord(path)} --commands`,
        )
      this.info(LEFT_BEHIND)
    }
    if (!this.json && left && left.flows > 0)
      this.warn(
        `The store also has ${plural(left.flows, 'flow')} that ${left.flows === 1 ? 'has' : 'have'} not ended: let workers finish what is in no file`,
      )
    if (!this.json && left && left.schedules.length > 0)
      this.warn(
        visible(
          `The store also has ${plural(left.schedules.length, 'schedule')} with a damaged record, not in the file: ${listed(left.schedules, 3)}`,
        ),
      )
    return aborted ? INTERRUPTED : true
  }
}

/**
 * The parts of the store that are not exported: the number of open flows, and the ids of damaged schedules.
 */
async function leftOut({
  flows,
  schedules,
}: ReturnType<typeof operate>): Promise<{ flows: number; schedules: string[] }> {
  let count = 0
  for (const state of ['filling', 'open', 'ending'] as const) {
    let cursor: string | undefined
    do {
      const page = await flows.list({ state }, { limit: 1_000, ...defined({ cursor }) })
      count += page.flows.length
      cursor = page.cursor
    } while (cursor !== undefined)
  }
  return { flows: count, schedules: await schedules.damaged() }
}
