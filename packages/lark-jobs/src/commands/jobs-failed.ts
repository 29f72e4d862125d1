import { Command, flag } from '@s18i/lark'
import { visible } from '@s18i/lark/config'
import { Jobs } from '../api/default-jobs.ts'
import { defined } from '../model/defined.ts'
import { readable } from '../model/duration.ts'
import type { KeptError } from '../model/record.ts'
import { operate } from '../operate.ts'
import { codedLine } from '../run/job-error.ts'
import { completed } from './completed.ts'

/** `lark jobs:failed`: the jobs that failed for good, and why. */
export class JobsFailedCommand extends Command {
  readonly key = 'jobs:failed'
  override description = 'List the jobs that failed for good, the last first'
  queue = flag.string('Only this queue')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })

  override complete(field: string) {
    return completed(field)
  }

  async handle() {
    const { limit, queue } = this
    await using jobs = Jobs
    const failed = await operate(jobs, { names: { queue: '--queue' } }).failed(defined({ limit, queue }))
    if (this.json) return { jobs: failed }
    if (failed.length === 0) {
      this.success('No failed jobs')
      return
    }
    this.table(
      ['ID', 'JOB', 'QUEUE', 'FAILED', 'RUNS', 'ERROR'],
      failed.map((job) => [
        visible(job.id),
        visible(job.key),
        visible(job.queue),
        `${readable(Date.now() - (job.finishedAt ?? 0))} ago`,
        job.runs,
        reason(job),
      ]),
    )
    this.info('Look closer: lark jobs:show ID. Run again: lark jobs:retry ID… or --all')
  }
}

/** The most characters of an error in the list: one line of a wide terminal, or a few lines of a narrow one. */
const MAX_REASON = 300

/** The last error, in one line. */
function reason({ errors }: { errors: KeptError[] }): string {
  const last = errors.at(-1)
  const line = visible(last === undefined ? '' : codedLine(last))
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON - 1)}…` : line
}
