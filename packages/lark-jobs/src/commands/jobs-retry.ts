import { arg, Command, flag } from '@s18i/lark'
import { usageError } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { operate } from '../operate.ts'

/** `lark jobs:retry`: queues ended jobs again. */
export class JobsRetryCommand extends Command {
  readonly key = 'jobs:retry'
  override description = 'Queue failed jobs again, by id or all of them'
  ids = arg.strings('Ids of jobs that have ended')
  all = flag.boolean('Every failed job')
  queue = flag.string('Only jobs of this queue')

  async handle() {
    if (this.all === this.ids.length > 0) {
      throw usageError(
        this.all ? 'Give ids or --all, not both' : 'Which jobs? Give their ids, or --all',
        'See lark jobs:failed',
      )
    }
    const which = this.all ? 'failed' : this.ids
    const named: [] | [string] = this.queue === undefined ? [] : [this.queue]
    await using jobs = Jobs
    const count = await operate(jobs, { names: { queue: '--queue' } }).retry(which, ...named)
    if (this.json) return { retried: count }
    this.success(`Put ${count.toLocaleString('en')} ${count === 1 ? 'job' : 'jobs'} back to work`)
  }
}
