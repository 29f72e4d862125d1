import { flag, type Progress } from '@s18i/lark'
import { defined, usageError, visible } from '@s18i/lark/internal'
import { Jobs } from '../../api/default-jobs.ts'
import {
  type JobPage,
  type ListFilter,
  type Operate,
  operate,
  type StoredJob,
  type WorkerRecord,
} from '../../operate.ts'
import { timeSince } from '../words/instant.ts'
import { ConditionsCommand, checkKey, filterOf, flagNames } from '../words/job-filter.ts'
import { remarkWords, reportedWords, whenWords } from '../words/job-words.ts'

/** The maximum number of jobs on a page. */
const MOST = 1_000

/** `lark jobs:list`: lists the jobs that meet some conditions, page by page. */
export class JobsListCommand extends ConditionsCommand {
  readonly key = 'jobs:list'
  override description = 'List jobs; with --state=active, what runs now, where, and how far it is'
  state = flag.strings('Only jobs in these states, such as waiting,delayed')
  queue = flag.strings('Only jobs of these queues')
  group = flag.string('Only jobs of this group')
  oldest = flag.boolean('Ended jobs by the earliest end, and not by the latest')
  limit = flag.number('How many', { default: 20, short: 'l', wholeFrom: 1 })
  cursor = flag.string('Of the page before')

  async handle() {
    const { state, queue, job } = this
    const filter = filterOf({
      ...this,
      queue: some(queue),
      // The type is asserted, because `list` refuses a state that does not exist.
      state: some(state) as StoredJob['state'] | undefined,
      all: false,
    })
    await using jobs = Jobs
    const operating = operate(jobs, { names: { ...flagNames, limit: '--limit', cursor: '--cursor' } })
    const page = await this.#page(operating, filter)
    const isRunning = page.jobs.some(({ state }) => state === 'active')
    const workers = isRunning ? await operating.workers.list() : []
    const holders = workers.filter(({ id }) => page.jobs.some(({ holder }) => holder === id))
    if (this.json) return { ...page, workers: holders }
    if (page.jobs.length === 0 && page.cursor === undefined) {
      await checkKey(job, operating)
      this.success(Object.keys(filter).length === 0 ? 'No jobs' : 'No such jobs: see lark jobs:status')
      return
    }
    const isAllRunning = page.jobs.every(({ state }) => state === 'active')
    if (page.jobs.length > 0 && isAllRunning) this.#running(page.jobs, holders)
    else if (page.jobs.length > 0) this.#all(page.jobs)
    if (page.cursor === undefined) return
    const { scanned, cursor } = page
    const looked = page.jobs.length === 0 ? `Looked at ${scanned.toLocaleString('en')} jobs so far. ` : ''
    this.info(`${looked}There may be more: the same command with --cursor=${cursor}`)
  }

  /**
   * Searches until it has found the requested number of jobs, or has looked at all jobs. A search that takes
   * more than one step shows its progress. Ctrl-C ends the search, and the printed cursor continues it.
   */
  async #page(operating: Operate, filter: ListFilter): Promise<JobPage> {
    const { limit, oldest, cursor, signal } = this
    if (limit > MOST) throw usageError(`--limit is ${limit}; it must be a whole number from 1 to ${MOST}`)
    const order = oldest ? 'oldest' : 'newest'
    let page: JobPage = { jobs: [], scanned: 0 }
    let progress: Progress | undefined
    try {
      for await (const step of operating.search(filter, defined({ limit, order, cursor, signal } as const))) {
        const { looked, of, jobs, ...rest } = step
        if (rest.cursor !== undefined && page.jobs.length + jobs.length < limit)
          progress ??= this.progress(of, { label: 'jobs looked at' })
        progress?.advance(looked - page.scanned)
        page = { ...rest, jobs: [...page.jobs, ...jobs], scanned: looked }
      }
    } finally {
      progress?.finish()
    }
    return page
  }

  #all(jobs: readonly StoredJob[]): void {
    this.table(
      ['ID', 'JOB', 'QUEUE', 'STATE', 'SINCE', 'REMARK'],
      jobs.map((job) => [
        visible(job.id),
        visible(job.key),
        visible(job.queue),
        job.state === 'failed' ? this.console.paint('red', job.state) : job.state,
        whenWords(job),
        visible(remarkWords(job)),
      ]),
    )
  }

  #running(jobs: readonly StoredJob[], workers: readonly WorkerRecord[]): void {
    this.table(
      ['ID', 'JOB', 'QUEUE', 'RUNS FOR', 'HOST', 'PID', 'PROGRESS'],
      jobs.map(({ id, key, queue, claimedAt, queuedAt, holder, progress }) => {
        const worker = workers.find((each) => each.id === holder)
        return [
          visible(id),
          visible(key),
          visible(queue),
          timeSince(claimedAt ?? queuedAt),
          worker === undefined ? 'not alive' : visible(worker.host),
          worker?.pid,
          visible(reportedWords(progress)),
        ]
      }),
    )
  }
}

/** The value or the values of a flag. Undefined if the flag was not given. */
function some(values: readonly string[]): string | readonly string[] | undefined {
  return values.length > 1 ? values : values[0]
}
