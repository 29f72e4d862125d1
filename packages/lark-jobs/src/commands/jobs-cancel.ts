import { arg, Command, flag, LarkError } from '@s18i/lark'
import { type CancelFilter, cancellable } from '../cancel.ts'
import { Jobs } from '../jobs.ts'

/** `lark jobs:cancel`: jobs that wait end at once, those that run are told. */
export class JobsCancelCommand extends Command {
  readonly key = 'jobs:cancel'
  override description = 'Cancel jobs, by id, or all that have a key, a queue or a state'
  ids = arg.strings('Ids of jobs that have not ended')
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs in this queue')
  state = flag.enum('Only jobs in this state', cancellable)
  all = flag.boolean('Every job that has not ended')

  async handle() {
    const { ids, job: key, queue, state, all } = this
    const filter = {
      ...(key !== undefined && { key }),
      ...(queue !== undefined && { queue }),
      ...(state !== undefined && { state }),
      ...(all && { all }),
    } as CancelFilter
    const isFiltered = Object.keys(filter).length > 0
    if (isFiltered === ids.length > 0) {
      throw new LarkError(
        'USAGE',
        isFiltered
          ? 'Give ids or a filter, not both'
          : 'Which jobs? Give their ids, or --job, --queue, --state or --all',
        { exit: 2, hint: 'See lark jobs:status' },
      )
    }
    await using jobs = Jobs
    const { cancelled, asked } = await jobs.cancel(isFiltered ? filter : ids)
    if (this.json) return { cancelled, asked }
    if (cancelled > 0 || asked === 0) this.success(`Cancelled ${count(cancelled)}`)
    if (asked > 0)
      this.info(`Asked ${count(asked)} that ${asked === 1 ? 'runs' : 'run'} to end: within seconds`)
  }
}

function count(jobs: number): string {
  return `${jobs.toLocaleString('en')} ${jobs === 1 ? 'job' : 'jobs'}`
}
