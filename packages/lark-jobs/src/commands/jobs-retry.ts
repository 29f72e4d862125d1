import { arg, Command, flag } from '@s18i/lark'
import { usageError } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { defined } from '../model/defined.ts'
import { operate, type RetryFilter, retriable } from '../operate.ts'
import { checkKey, filterOf, flagNames } from './job-filter.ts'

/** `lark jobs:retry`: queues ended jobs again. */
export class JobsRetryCommand extends Command {
  readonly key = 'jobs:retry'
  override description = 'Queue failed jobs again, by id or all that meet some conditions'
  ids = arg.strings('Ids of jobs that have ended')
  job = flag.string('Only jobs of this key')
  queue = flag.string('Only jobs of this queue')
  state = flag.enum('Jobs in this state instead of failed ones', retriable)
  group = flag.string('Only jobs of this group')
  tag = flag.string('Only jobs with this tag')
  since = flag.string('Only jobs that ended since then, such as 1h')
  where = flag.strings('Only jobs whose payload has this value: tenant=7', { splits: false })
  all = flag.boolean('Every failed job')
  dryRun = flag.boolean('Say how many jobs would be queued again, and queue none')

  async handle() {
    const { ids, queue, dryRun } = this
    const hasIds = ids.length > 0
    const { all, queue: _, ...conditions } = filterOf(this)
    // A queue alone does not choose jobs.
    const isFiltered = all === true || Object.keys(conditions).length > 0
    if (isFiltered === hasIds) {
      throw usageError(
        isFiltered
          ? 'Give ids or a filter, not both'
          : 'Which jobs? Give their ids, or --all, --job, --state, --group, --tag, --since or --where',
        'See lark jobs:failed',
      )
    }
    await using jobs = Jobs
    const operating = operate(jobs, { names: flagNames })
    const of = defined({ queue })
    const isAllOfQueue = all && queue !== undefined && Object.keys(conditions).length === 0
    const which = isAllOfQueue
      ? { state: 'failed', queue }
      : defined({ ...conditions, ...(all ? { all } : of) })
    const count = hasIds
      ? await operating.retry(ids, { ...of, dryRun })
      : await operating.retry(which as RetryFilter, { dryRun })
    if (count === 0) await checkKey(this.job, operating)
    if (this.json) return { retried: count, ...(dryRun && { dryRun }) }
    const counted = `${count.toLocaleString('en')} ${count === 1 ? 'job' : 'jobs'}`
    this.success(dryRun ? `Would put ${counted} back to work` : `Put ${counted} back to work`)
  }
}
