import { flag } from '@s18i/lark'
import { defined, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import type { KeptError } from '../../model/record.ts'
import { codedLine } from '../../model/run/job-error.ts'
import { type FailureKind, type Operate, operate, type StoredJob } from '../../operate.ts'
import { ago } from '../words/instant.ts'
import { ConditionsCommand, filterOf, flagNames } from '../words/job-filter.ts'

/**
 * `lark jobs:failed`: lists the jobs that failed for good, with their errors. With `--group`, it lists the
 * kinds of failures, with the number of jobs of each kind.
 */
export class JobsFailedCommand extends ConditionsCommand {
  readonly key = 'jobs:failed'
  override description = 'List the jobs that failed for good, the last first, or the kinds of failures'
  group = flag.boolean('The kinds of failures, with how many jobs each has')
  queue = flag.string('Only this queue')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })

  async handle() {
    const { queue, limit } = this
    const filter = filterOf({ ...this, group: undefined, state: undefined, all: false })
    await using jobs = Jobs
    const operating = operate(jobs, { names: flagNames })
    if (this.group) return await this.#kinds(operating, filter)
    const isPlain = Object.keys(filter).every((name) => name === 'queue')
    const failed = isPlain
      ? await operating.failed(defined({ limit, queue }))
      : await this.#filtered(operating, filter)
    if (this.json) return { jobs: failed }
    if (failed.length === 0) {
      this.success(isPlain ? 'No failed jobs' : 'No such failed jobs')
      return
    }
    this.table(
      ['ID', 'JOB', 'QUEUE', 'FAILED', 'RUNS', 'ERROR'],
      failed.map((job) => [
        visible(job.id),
        visible(job.key),
        visible(job.queue),
        ago(job.finishedAt ?? 0),
        job.runs,
        reason(job.errors.at(-1)),
      ]),
    )
    this.info(
      'Look closer: lark jobs:show ID, or lark jobs:failed --group. Run again: lark jobs:retry ID… or --all',
    )
  }

  async #filtered(operating: Operate, filter: object): Promise<StoredJob[]> {
    const found: StoredJob[] = []
    let cursor: string | undefined
    do {
      this.signal.throwIfAborted()
      const page = await operating.list(
        { ...filter, state: 'failed' },
        { limit: Math.min(MOST, this.limit - found.length), ...defined({ cursor }) },
      )
      found.push(...page.jobs)
      cursor = page.cursor
    } while (cursor !== undefined && found.length < this.limit)
    return found
  }

  async #kinds(operating: Operate, filter: object): Promise<object | undefined> {
    const { limit, signal } = this
    const spinner = this.spinner('Reading the failed jobs')
    const onProgress = (read: number, all: number) => {
      spinner.text = `Reading the failed jobs: ${read.toLocaleString('en')} of ${all.toLocaleString('en')}`
    }
    const found = await operating
      .failures(filter, { limit: Math.min(MOST, limit), signal, onProgress })
      .finally(() => spinner.stop())
    if (this.json) return found
    const { kinds, failed, others } = found
    if (failed === 0) {
      this.success('No such failed jobs')
      return undefined
    }
    this.table(
      ['KIND', 'JOBS', 'SHARE', 'JOB', 'FIRST', 'LAST', 'LAST ERROR'],
      kinds.map((each) => [
        each.kind,
        each.count,
        percent(each.share),
        visible(each.key),
        ago(each.first),
        ago(each.last),
        sampleOf(each),
      ]),
    )
    if (others > 0) this.info(`${others.toLocaleString('en')} more failed for other reasons`)
    const { kind, sample } = kinds[0]!
    this.info(
      `Look closer: lark jobs:show ${visible(sample.id)}, or lark jobs:failed --kind=${kind}. Run again: lark jobs:retry --kind=${kind}`,
    )
    return undefined
  }
}

/** The maximum number of kinds of failures that a call returns, and of jobs on a page. */
const MOST = 1_000
/**
 * The maximum number of characters of an error in the list. Such an error fits on one line of a wide
 * terminal, or on a few lines of a narrow terminal.
 */
const MAX_REASON = 300

/** The error of the job that failed last, and where it was thrown. */
function sampleOf({ sample, frame }: FailureKind): string {
  const line = reason(sample.error)
  return frame === undefined ? line : `${line} at ${visible(frame)}`
}

/** An error with its causes, in one line. */
function reason(error: KeptError | undefined): string {
  const line = visible(error === undefined ? '' : codedLine(error))
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON - 1)}…` : line
}

function percent(share: number): string {
  return share < 0.01 ? '<1%' : `${Math.round(100 * share)}%`
}
